//! CONNECT.

use std::fmt;

use super::{
    Frame, Reason, Version, Violation,
    cursor::Cursor,
    property::{
        self, AUTHENTICATION_DATA, AUTHENTICATION_METHOD, PACKET_BYTES_MAX, SESSION_EXPIRY, Value,
    },
};

/// The parts of a CONNECT that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    /// Empty if the server is to choose it.
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) will: Option<Will>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Password>,
    /// The client requests a session that outlives the connection.
    pub(crate) wants_session: bool,
    /// The largest packet that the client accepts, in bytes.
    pub(crate) packet_bytes_max: usize,
}

/// A password, which Debug does not print.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) Vec<u8>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The message to publish if the client goes without DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// The reason why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Not a CONNECT, not MQTT, or too malformed to contain a version.
    #[error("not an MQTT CONNECT packet")]
    NotMqtt,
    /// A protocol name that is not MQTT's, in a packet that otherwise is version 5.
    #[error("a protocol name that is neither MQTT nor MQIsdp")]
    Name,
    /// An unsupported version, including the bridge bit.
    #[error("protocol level {0}; 3 (MQTT 3.1), 4 (3.1.1) and 5 are spoken here")]
    Level(u8),
    /// Malformed, or against the rules of its version.
    #[error("{1}")]
    Violation(Version, Violation),
}

impl ConnectError {
    /// Returns the version and the reason of the CONNACK that refuses; `None` if the version is
    /// unknown.
    pub(crate) fn answer(&self) -> Option<(Version, Reason)> {
        match *self {
            Self::NotMqtt => None,
            Self::Name => Some((Version::V5, Reason::UnsupportedVersion)),
            Self::Level(level) if level & !BRIDGE > 5 => {
                Some((Version::V5, Reason::UnsupportedVersion))
            }
            Self::Level(_) => Some((Version::V4, Reason::UnsupportedVersion)),
            Self::Violation(version, Violation { reason, .. }) => Some((version, reason)),
        }
    }
}

/// Bit of the protocol level that Mosquitto's bridges of 3.1 and 3.1.1 set, to announce to another
/// Mosquitto that they are bridges.
const BRIDGE: u8 = 0x80;

/// The flags of CONNECT.
#[derive(Debug, Clone, Copy)]
struct Flags(u8);

impl Flags {
    fn clean(self) -> bool {
        self.0 & 0x02 != 0
    }

    fn will(self) -> bool {
        self.0 & 0x04 != 0
    }

    fn will_qos(self) -> u8 {
        (self.0 >> 3) & 3
    }

    fn will_retain(self) -> bool {
        self.0 & 0x20 != 0
    }

    fn password(self) -> bool {
        self.0 & 0x40 != 0
    }

    fn username(self) -> bool {
        self.0 & 0x80 != 0
    }

    fn check(self, version: Version) -> Result<(), Violation> {
        // MQTT 3.1 ignores all of these except the last.
        if version != Version::V3 {
            if self.0 & 1 != 0 {
                return Err(Violation::malformed("the reserved flag of CONNECT is set"));
            }
            if !self.will() && (self.will_qos() != 0 || self.will_retain()) {
                return Err(Violation::malformed("will flags without a will"));
            }
        }
        if self.will() && self.will_qos() == 3 {
            return Err(Violation::malformed(
                "a will with a quality of service of 3",
            ));
        }
        if self.password() && !self.username() && !version.is_v5() {
            return Err(Violation::protocol("a password without a user name"));
        }
        Ok(())
    }
}

/// Parses a CONNECT.
pub(crate) fn connect(frame: Frame<'_>) -> Result<Connect, ConnectError> {
    let mut cursor = Cursor(frame.body);
    let version = version(&mut cursor)?;
    let fail = |violation| ConnectError::Violation(version, violation);
    frame.check(version).map_err(fail)?;
    fields(&mut cursor, version).map_err(fail)
}

/// Refuses an oversized CONNECT; `frame` has its start.
pub(crate) fn connect_too_large(frame: Frame<'_>) -> ConnectError {
    match version(&mut Cursor(frame.body)) {
        Ok(version) => {
            let violation = Violation {
                reason: Reason::PacketTooLarge,
                what: "a CONNECT larger than is taken before it is admitted",
            };
            ConnectError::Violation(version, violation)
        }
        Err(error) => error,
    }
}

/// Parses the protocol's name and level.
fn version(cursor: &mut Cursor<'_>) -> Result<Version, ConnectError> {
    let name = cursor.binary().map_err(|_| ConnectError::NotMqtt)?;
    let level = cursor.u8().map_err(|_| ConnectError::NotMqtt)?;
    match (name, level, level & !BRIDGE) {
        (b"MQTT", 5, _) => Ok(Version::V5),
        (b"MQTT", _, 4) => Ok(Version::V4),
        (b"MQIsdp", _, 3) => Ok(Version::V3),
        (b"MQTT" | b"MQIsdp", ..) => Err(ConnectError::Level(level)),
        (_, 5, _) => Err(ConnectError::Name),
        _ => Err(ConnectError::NotMqtt),
    }
}

/// Parses the fields after the protocol's level.
fn fields(cursor: &mut Cursor<'_>, version: Version) -> Result<Connect, Violation> {
    let flags = Flags(cursor.u8()?);
    flags.check(version)?;
    let keep_alive_s = cursor.u16()?;
    let requests = match version.is_v5() {
        true => Requests::read(cursor)?,
        false => Requests::default(),
    };
    let client_id = cursor.text()?.to_owned();
    let will = match flags.will() {
        true => Some(will(flags, version, cursor)?),
        false => None,
    };
    // Section 3.1 of MQTT 3.1: if the packet ends early, neither is present, whatever the flags
    // are.
    let left_out = |cursor: &Cursor<'_>| version == Version::V3 && cursor.is_empty();
    let (mut username, mut password) = (None, None);
    if flags.username() && !left_out(cursor) {
        username = Some(cursor.text()?.to_owned());
    }
    if flags.password() && !left_out(cursor) {
        password = Some(Password(cursor.binary()?.to_vec()));
    }
    cursor.end()?;
    if let Some(violation) = requests.refused {
        return Err(violation);
    }
    let may_be_empty = match version {
        Version::V3 => false,
        Version::V4 => flags.clean(),
        Version::V5 => true,
    };
    if client_id.is_empty() && !may_be_empty {
        return Err(Violation {
            reason: Reason::ClientIdInvalid,
            what: "an empty client id needs a clean session of MQTT 3.1.1 or 5",
        });
    }
    Ok(Connect {
        version,
        client_id,
        clean: flags.clean(),
        keep_alive_s,
        will,
        username,
        password,
        wants_session: requests.expiry_s > 0 || (!version.is_v5() && !flags.clean()),
        packet_bytes_max: requests.packet_bytes_max.unwrap_or(usize::MAX),
    })
}

/// The requests in the properties of CONNECT.
#[derive(Debug, Default)]
struct Requests {
    expiry_s: u32,
    packet_bytes_max: Option<usize>,
    /// An AUTH exchange, which is not supported.
    refused: Option<Violation>,
}

impl Requests {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Violation> {
        let mut requests = Self::default();
        let (mut method, mut data) = (false, false);
        property::read(cursor, property::OF_CONNECT, |id, value| {
            match (id, value) {
                (SESSION_EXPIRY, Value::Number(seconds)) => requests.expiry_s = seconds,
                (PACKET_BYTES_MAX, Value::Number(bytes)) => {
                    requests.packet_bytes_max = usize::try_from(bytes).ok();
                }
                (AUTHENTICATION_METHOD, _) => method = true,
                (AUTHENTICATION_DATA, _) => data = true,
                _ => {}
            }
            Ok(())
        })?;
        requests.refused = match (method, data) {
            (true, _) => Some(Violation {
                reason: Reason::BadAuthenticationMethod,
                what: "an authentication method is asked for; none is offered",
            }),
            (false, true) => Some(Violation::protocol("authentication data without a method")),
            (false, false) => None,
        };
        Ok(requests)
    }
}

fn will(flags: Flags, version: Version, cursor: &mut Cursor<'_>) -> Result<Will, Violation> {
    if version.is_v5() {
        property::read(cursor, property::OF_WILL, |_, _| Ok(()))?;
    }
    let topic = cursor.topic()?.to_owned();
    if topic.is_empty() {
        return Err(Violation::malformed("a will without a topic"));
    }
    Ok(Will {
        topic,
        payload: cursor.binary()?.to_vec(),
        qos: flags.will_qos(),
        retain: flags.will_retain(),
    })
}
