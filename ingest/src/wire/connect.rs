//! CONNECT.

use std::fmt;

use super::{
    Version,
    cursor::{Cursor, Malformed},
};

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    /// Empty where the client leaves it to us.
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) will: Option<Will>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Password>,
    /// The client asks for a session that outlives the connection.
    pub(crate) wants_session: bool,
}

/// A password, which shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) Vec<u8>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// What is to be published when the client goes without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// Why a CONNECT cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// It is not CONNECT, or not MQTT.
    #[error("not an MQTT CONNECT packet")]
    NotMqtt,
    /// A version that is not spoken here, with the bit of a bridge if it is one.
    #[error("protocol level {0}; 4 (MQTT 3.1.1) and 5 are spoken here")]
    Level(u8),
    /// Broken.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It asks for an exchange of AUTH packets.
    #[error("an authentication method is asked for; none is offered")]
    Authentication(Version),
    /// Its client id may not be empty.
    #[error("an empty client id needs a clean session")]
    ClientId(Version),
}

/// Set in the protocol level by Mosquitto's bridges of 3.1.1, to tell a broker of their kind what they are.
pub(super) const BRIDGE: u8 = 0x80;

/// Reads the body of a CONNECT.
pub(crate) fn connect(first: u8, body: &[u8]) -> Result<Connect, ConnectError> {
    let mut cursor = Cursor(body);
    let name = cursor.text().map_err(|_| ConnectError::NotMqtt)?;
    if first != 0x10 || !(name == "MQTT" || name == "MQIsdp") {
        return Err(ConnectError::NotMqtt);
    }
    let version = match cursor.u8()? {
        level if level & !BRIDGE == 4 && name == "MQTT" => Version::V4,
        5 if name == "MQTT" => Version::V5,
        level => return Err(ConnectError::Level(level)),
    };
    let flags = cursor.u8()?;
    if flags & 1 != 0 {
        return Err(Malformed("the reserved flag of CONNECT is set").into());
    }
    let clean = flags & 0x02 != 0;
    let keep_alive_s = cursor.u16()?;
    let (mut expiry_s, mut authentication) = (0, false);
    if version == Version::V5 {
        cursor.properties(|id, value| match id {
            0x11 => expiry_s = value,
            0x15 => authentication = true,
            _ => {}
        })?;
    }
    let client_id = cursor.text()?.to_owned();
    let will = will(flags, version, &mut cursor)?;
    let (mut username, mut password) = (None, None);
    if flags & 0x80 != 0 {
        username = Some(cursor.text()?.to_owned());
    }
    if flags & 0x40 != 0 {
        password = Some(Password(cursor.binary()?.to_vec()));
    }
    if authentication {
        return Err(ConnectError::Authentication(version));
    }
    if client_id.is_empty() && version == Version::V4 && !clean {
        return Err(ConnectError::ClientId(version));
    }
    let wants_session = expiry_s > 0 || (version == Version::V4 && !clean);
    Ok(Connect {
        version,
        client_id,
        clean,
        keep_alive_s,
        will,
        username,
        password,
        wants_session,
    })
}

fn will(flags: u8, version: Version, cursor: &mut Cursor<'_>) -> Result<Option<Will>, Malformed> {
    let qos = (flags >> 3) & 3;
    if flags & 0x04 == 0 {
        return match flags & 0x38 {
            0 => Ok(None),
            _ => Err(Malformed("will flags without a will")),
        };
    }
    if qos == 3 {
        return Err(Malformed("a quality of service of 3"));
    }
    if version == Version::V5 {
        cursor.properties(|_, _| {})?;
    }
    let topic = cursor.text()?.to_owned();
    let payload = cursor.binary()?.to_vec();
    Ok(Some(Will {
        topic,
        payload,
        qos,
        retain: flags & 0x20 != 0,
    }))
}
