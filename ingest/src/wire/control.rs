//! PUBREL, SUBSCRIBE, UNSUBSCRIBE and DISCONNECT.

use super::{
    Version,
    cursor::{Cursor, Malformed},
};

/// The packet id of a PUBREL; version 5 may add a reason and properties, which do not matter.
pub(crate) fn pubrel(first: u8, body: &[u8]) -> Result<u16, Malformed> {
    expect_flags(first)?;
    Cursor(body).packet_id()
}

/// The packet id of a SUBSCRIBE and its filters.
pub(crate) fn subscribe(
    first: u8,
    body: &[u8],
    version: Version,
) -> Result<(u16, Vec<&str>), Malformed> {
    filters(first, body, version, |cursor| cursor.u8().map(drop))
}

/// The packet id of an UNSUBSCRIBE and its filters.
pub(crate) fn unsubscribe(
    first: u8,
    body: &[u8],
    version: Version,
) -> Result<(u16, Vec<&str>), Malformed> {
    filters(first, body, version, |_| Ok(()))
}

/// The reason of a DISCONNECT, which version 5 may leave out.
pub(crate) fn disconnect_reason(body: &[u8]) -> u8 {
    body.first().copied().unwrap_or(0)
}

fn expect_flags(first: u8) -> Result<(), Malformed> {
    if first & 0x0f == 0x02 {
        Ok(())
    } else {
        Err(Malformed("the reserved flags of a packet are wrong"))
    }
}

fn filters(
    first: u8,
    body: &[u8],
    version: Version,
    options: impl Fn(&mut Cursor<'_>) -> Result<(), Malformed>,
) -> Result<(u16, Vec<&str>), Malformed> {
    expect_flags(first)?;
    let mut cursor = Cursor(body);
    let packet_id = cursor.packet_id()?;
    if version == Version::V5 {
        cursor.properties(|_, _| {})?;
    }
    let mut filters = Vec::new();
    while !cursor.is_empty() {
        filters.push(cursor.text()?);
        options(&mut cursor)?;
    }
    if filters.is_empty() {
        return Err(Malformed("no topic filter"));
    }
    Ok((packet_id, filters))
}
