//! Parses the fields of a packet from front to back.

use super::{Violation, text};

/// The unparsed rest of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

/// A field extends beyond its packet.
const ENDS_EARLY: Violation = Violation::malformed("it ends early");

impl<'a> Cursor<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses bytes after the last field.
    pub(super) fn end(&self) -> Result<(), Violation> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(Violation::malformed("bytes behind its last field")),
        }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(ENDS_EARLY)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Violation> {
        let (&byte, rest) = self.0.split_first().ok_or(ENDS_EARLY)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Violation> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(ENDS_EARLY)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Violation> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(ENDS_EARLY)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// Parses an integer of one to four bytes, in the shortest form: `[MQTT-1.5.5-1]`.
    pub(super) fn varint(&mut self) -> Result<u32, Violation> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return match place > 0 && byte == 0 {
                    true => Err(Violation::malformed("an integer longer than it need be")),
                    false => Ok(value),
                };
            }
        }
        Err(Violation::malformed("an integer of five bytes"))
    }

    /// Parses bytes with a length prefix.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Violation> {
        let count = self.u16()?;
        self.bytes(usize::from(count))
    }

    /// Parses text with a length prefix.
    pub(super) fn text(&mut self) -> Result<&'a str, Violation> {
        text::text(self.binary()?)
    }

    /// Parses a topic name with a length prefix; empty only if a topic alias may replace it.
    pub(super) fn topic(&mut self) -> Result<&'a str, Violation> {
        text::topic(self.binary()?)
    }

    /// Parses a packet id, which is never zero.
    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::protocol("a packet id of zero")),
            id => Ok(id),
        }
    }
}
