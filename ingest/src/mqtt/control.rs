//! The packets of a client other than CONNECT and PUBLISH.

use super::{
    Reason, Version, Violation,
    cursor::Cursor,
    property::{self, SERVER_REFERENCE, SESSION_EXPIRY, SUBSCRIPTION_ID, Value},
    text,
};

/// A PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) packet_id: u16,
    /// Its reason code is an error.
    pub(crate) failed: bool,
}

/// A SUBSCRIBE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subscribe<'a> {
    pub(crate) packet_id: u16,
    /// The subscription identifier that messages of its subscriptions carry; never zero.
    pub(crate) identifier: Option<u32>,
    /// Never empty.
    pub(crate) subscriptions: Vec<Subscription<'a>>,
}

/// One filter of a SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription<'a> {
    pub(crate) filter: &'a str,
    /// Whether the retained message is sent.
    pub(crate) retain_handling: RetainHandling,
    /// Messages keep the retain flag of their publish.
    pub(crate) retain_as_published: bool,
}

/// Whether a new subscription receives the retained message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    Always,
    IfNew,
    Never,
}

/// The reason codes that a client's answers may have, by packet: tables 3-4 to 3-7 of MQTT 5.
const OF_PUBACK: &[Reason] = &[
    Reason::Success,
    Reason::NoMatchingSubscribers,
    Reason::Unspecified,
    Reason::ImplementationSpecific,
    Reason::NotAuthorized,
    Reason::TopicNameInvalid,
    Reason::PacketIdInUse,
    Reason::QuotaExceeded,
    Reason::PayloadFormatInvalid,
];
const OF_PUBREL: &[Reason] = &[Reason::Success, Reason::PacketIdNotFound];

/// The reason codes of a client's DISCONNECT: table 3-10 of MQTT 5.
const OF_DISCONNECT: &[Reason] = &[
    Reason::Success,
    Reason::DisconnectWithWill,
    Reason::Unspecified,
    Reason::MalformedPacket,
    Reason::ProtocolError,
    Reason::ImplementationSpecific,
    Reason::TopicNameInvalid,
    Reason::ReceiveMaximumExceeded,
    Reason::TopicAliasInvalid,
    Reason::PacketTooLarge,
    Reason::MessageRateTooHigh,
    Reason::QuotaExceeded,
    Reason::AdministrativeAction,
    Reason::PayloadFormatInvalid,
];

/// A reason code that is not allowed in its packet.
const CODE: Violation = Violation::protocol("a reason code that the packet may not have");

/// Parses a PUBACK or PUBREC.
pub(crate) fn puback(body: &[u8], version: Version) -> Result<Answer, Violation> {
    answer(body, version, OF_PUBACK)
}

/// Parses a PUBREL or PUBCOMP.
pub(crate) fn pubrel(body: &[u8], version: Version) -> Result<Answer, Violation> {
    answer(body, version, OF_PUBREL)
}

fn answer(body: &[u8], version: Version, allowed: &[Reason]) -> Result<Answer, Violation> {
    let mut cursor = Cursor(body);
    let packet_id = cursor.packet_id()?;
    let mut code = Reason::Success.code();
    if version.is_v5() && !cursor.is_empty() {
        code = cursor.u8()?;
        if !cursor.is_empty() {
            property::read(&mut cursor, property::OF_ANSWER, |_, _| Ok(()))?;
        }
    }
    cursor.end()?;
    if !has_code(allowed, code) {
        return Err(CODE);
    }
    Ok(Answer {
        packet_id,
        failed: code >= Reason::Unspecified.code(),
    })
}

fn has_code(reasons: &[Reason], code: u8) -> bool {
    reasons.iter().any(|reason| reason.code() == code)
}

/// Parses a SUBSCRIBE.
pub(crate) fn subscribe(body: &[u8], version: Version) -> Result<Subscribe<'_>, Violation> {
    let mut cursor = Cursor(body);
    let packet_id = cursor.packet_id()?;
    let mut identifier = None;
    if version.is_v5() {
        property::read(&mut cursor, property::OF_SUBSCRIBE, |id, value| {
            if let (SUBSCRIPTION_ID, Value::Number(number)) = (id, value) {
                identifier = Some(number);
            }
            Ok(())
        })?;
    }
    let mut subscriptions = Vec::new();
    while !cursor.is_empty() {
        let filter = cursor.text()?;
        text::check_filter(filter)?;
        subscriptions.push(subscription(filter, cursor.u8()?, version)?);
    }
    if subscriptions.is_empty() {
        return Err(Violation::protocol("a SUBSCRIBE without a topic filter"));
    }
    Ok(Subscribe {
        packet_id,
        identifier,
        subscriptions,
    })
}

/// Parses the options of a subscription: a quality of service, and in MQTT 5 four more.
fn subscription(
    filter: &str,
    options: u8,
    version: Version,
) -> Result<Subscription<'_>, Violation> {
    let reserved = match version {
        Version::V3 => 0,
        Version::V4 => 0xfc,
        Version::V5 => 0xc0,
    };
    if options & reserved != 0 {
        return Err(Violation::malformed(
            "reserved bits of a subscription are set",
        ));
    }
    if options & 3 == 3 {
        return Err(Violation::protocol(
            "a subscription with a quality of service of 3",
        ));
    }
    if !version.is_v5() {
        return Ok(Subscription {
            filter,
            retain_handling: RetainHandling::Always,
            retain_as_published: false,
        });
    }
    let no_local = options & 0x04 != 0;
    if text::is_shared(filter)? {
        return Err(match no_local {
            true => Violation::protocol("no local on a shared subscription"),
            false => Violation {
                reason: Reason::SharedSubscriptionsNotSupported,
                what: "a shared subscription, though none are offered",
            },
        });
    }
    let retain_handling = match (options >> 4) & 3 {
        0 => RetainHandling::Always,
        1 => RetainHandling::IfNew,
        2 => RetainHandling::Never,
        _ => return Err(Violation::protocol("a retain handling of 3")),
    };
    Ok(Subscription {
        filter,
        retain_handling,
        retain_as_published: options & 0x08 != 0,
    })
}

/// Parses an UNSUBSCRIBE into its packet id and at least one filter.
pub(crate) fn unsubscribe(body: &[u8], version: Version) -> Result<(u16, Vec<&str>), Violation> {
    let mut cursor = Cursor(body);
    let packet_id = cursor.packet_id()?;
    if version.is_v5() {
        property::read(&mut cursor, property::OF_UNSUBSCRIBE, |_, _| Ok(()))?;
    }
    let mut filters = Vec::new();
    while !cursor.is_empty() {
        let filter = cursor.text()?;
        text::check_filter(filter)?;
        if version.is_v5() {
            text::is_shared(filter)?;
        }
        filters.push(filter);
    }
    if filters.is_empty() {
        return Err(Violation::protocol("an UNSUBSCRIBE without a topic filter"));
    }
    Ok((packet_id, filters))
}

/// Refuses a PINGREQ that is not empty.
pub(crate) fn pingreq(body: &[u8]) -> Result<(), Violation> {
    Cursor(body).end()
}

/// Parses a DISCONNECT; returns true if the will is to be published nevertheless. `expiry` is true
/// if CONNECT requested a session that outlives its connection: only then may DISCONNECT request
/// one too (section 3.14.2.2.2).
pub(crate) fn disconnect(body: &[u8], version: Version, expiry: bool) -> Result<bool, Violation> {
    let mut cursor = Cursor(body);
    let mut code = Reason::Success.code();
    if version.is_v5() && !cursor.is_empty() {
        code = cursor.u8()?;
        if !cursor.is_empty() {
            property::read(&mut cursor, property::OF_DISCONNECT, |id, value| {
                of_disconnect(id, value, expiry)
            })?;
        }
    }
    cursor.end()?;
    if !has_code(OF_DISCONNECT, code) {
        return Err(CODE);
    }
    // Section 3.14.4: only a normal disconnection drops the will.
    Ok(code != Reason::Success.code())
}

fn of_disconnect(id: u8, value: Value<'_>, expiry: bool) -> Result<(), Violation> {
    match (id, value) {
        (SESSION_EXPIRY, Value::Number(1..)) if !expiry => Err(Violation::protocol(
            "a session expiry in DISCONNECT, though the session ends with its connection",
        )),
        (SERVER_REFERENCE, _) => Err(Violation::protocol("a server reference of a client")),
        _ => Ok(()),
    }
}

/// Refuses an AUTH, well formed or not: CONNECT agreed on no exchange.
pub(crate) fn auth(body: &[u8]) -> Violation {
    let mut cursor = Cursor(body);
    let form = match cursor.is_empty() {
        true => Ok(()),
        false => cursor
            .u8()
            .and_then(|_| match cursor.is_empty() {
                true => Ok(()),
                false => property::read(&mut cursor, property::OF_AUTH, |_, _| Ok(())),
            })
            .and_then(|()| cursor.end()),
    };
    match form {
        Ok(()) => Violation::protocol("AUTH, though CONNECT named no authentication method"),
        Err(violation) => violation,
    }
}
