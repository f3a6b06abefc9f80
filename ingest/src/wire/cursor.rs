//! Reads the fields of a packet from front to back.

use std::str;

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed packet: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// What is left of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        let (&byte, rest) = self.0.split_first().ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        let (bytes, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        let (bytes, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// An integer of one to four bytes.
    pub(super) fn varint(&mut self) -> Result<usize, Malformed> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("an integer of five bytes"))
    }

    /// Bytes after their length.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.u16()?;
        self.take(usize::from(count))
    }

    /// Text after its length.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = str::from_utf8(self.binary()?).map_err(|_| Malformed("a text is not UTF-8"))?;
        if text.as_bytes().contains(&0) {
            return Err(Malformed("a text has a NUL"));
        }
        Ok(text)
    }

    /// A packet id, which is never zero.
    pub(super) fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.u16()? {
            0 => Err(Malformed("a packet id of zero")),
            id => Ok(id),
        }
    }

    /// The properties of version 5; `visit` is called with the identifier of each and its value, where
    /// that is a number.
    pub(super) fn properties(&mut self, visit: impl FnMut(u8, u32)) -> Result<(), Malformed> {
        self.properties_and_pairs(visit, |_, _| {})
    }

    /// The same; `pair` is called with each user property.
    pub(super) fn properties_and_pairs(
        &mut self,
        mut visit: impl FnMut(u8, u32),
        mut pair: impl FnMut(&'a str, &'a str),
    ) -> Result<(), Malformed> {
        let length = self.varint()?;
        if length == 0 {
            return Ok(());
        }
        let mut inner = Self(self.take(length)?);
        while !inner.is_empty() {
            let id = inner.u8()?;
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => u32::from(inner.u8()?),
                0x13 | 0x21..=0x23 => u32::from(inner.u16()?),
                0x02 | 0x11 | 0x18 | 0x27 => inner.u32()?,
                // OK because a varint is below 2^28.
                0x0b => u32::try_from(inner.varint()?).unwrap_or(u32::MAX),
                0x09 | 0x16 => inner.binary().map(|_| 0)?,
                0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => inner.text().map(|_| 0)?,
                0x26 => {
                    let name = inner.text()?;
                    pair(name, inner.text()?);
                    0
                }
                _ => return Err(Malformed("an unknown property")),
            };
            visit(id, value);
        }
        Ok(())
    }
}
