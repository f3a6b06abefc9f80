//! A chunk: the records that one commit brought to one partition, as bytes.
//!
//! A chunk is one value of the store, under the offset of its first record. All numbers are
//! little-endian, *varint* is LEB128:
//!
//! ```text
//! version       u8    1
//! checksum      u32   CRC-32 of everything after it
//! appended_ms   i64   when it was written, UTC
//! bytes_before  u64   bytes of all chunks of the partition before this one, trimmed ones included
//! records       u32
//! senders_at    u32   where the senders begin
//! records       each: sender, epoch, sequence (varint), content type u8, length varint, payload
//! senders       each: park, enterprise, gateway, as length u8 and text
//! ```
//!
//! A sender is written once a chunk; records name it by number. The payload is handed out as a slice of
//! the chunk, without a copy.

use bytes::Bytes;
use flate2::Crc;
use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};
use rustc_hash::FxHashMap;

use greenpark_log::record::{ContentType, Entry, Headers, Position, Record};

const VERSION: u8 = 1;
const CHECKED_AT: usize = 5;
const BYTES_BEFORE_AT: usize = 13;
const RECORDS_AT: usize = 21;
const SENDERS_AT: usize = 25;
const HEADER_BYTES: usize = 29;

/// Bytes of a record beside its ids and payload, at most.
const RECORD_FRAME_BYTES: usize = 5 + 10 + 10 + 1 + 5;

/// Why a chunk cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error(
        "a chunk of version {0}, which this release does not know; use the release that wrote it"
    )]
    Version(u8),
    #[error("a chunk whose checksum does not match; restore the folder from a copy")]
    Checksum,
    #[error("a chunk that ends too early or names what it does not hold")]
    Torn,
}

type Sender<'a> = (&'a ParkId, &'a EnterpriseId, &'a GatewayId);

/// Gathers records into a chunk.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    bytes: Vec<u8>,
    senders: FxHashMap<Sender<'a>, u32>,
    in_order: Vec<Sender<'a>>,
    senders_bytes: usize,
    records: u32,
}

impl<'a> Builder<'a> {
    /// An empty chunk that writes into `buffer`.
    pub(crate) fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEADER_BYTES, 0);
        Self {
            bytes: buffer,
            senders: FxHashMap::default(),
            in_order: Vec::new(),
            senders_bytes: 0,
            records: 0,
        }
    }

    pub(crate) fn records(&self) -> u32 {
        self.records
    }

    /// The size with one more record of this kind, at most.
    pub(crate) fn size_with(&self, record: &Record) -> usize {
        let sender = 3
            + record.park.as_str().len()
            + record.headers.enterprise.as_str().len()
            + record.headers.gateway.as_str().len();
        self.bytes.len() + self.senders_bytes + RECORD_FRAME_BYTES + sender + record.payload.len()
    }

    pub(crate) fn push(&mut self, record: &'a Record) {
        let headers = &record.headers;
        let sender = (&record.park, &headers.enterprise, &headers.gateway);
        let number = match self.in_order.last() {
            // One gateway's records come in runs.
            Some(last) if *last == sender => self.in_order.len() as u32 - 1,
            _ => self.number(sender),
        };
        put_varint(&mut self.bytes, u64::from(number));
        put_varint(&mut self.bytes, headers.epoch);
        put_varint(&mut self.bytes, headers.sequence);
        self.bytes.push(match headers.content_type {
            ContentType::ReadingBatch => 1,
            ContentType::DeadLetter => 2,
        });
        put_varint(&mut self.bytes, record.payload.len() as u64);
        self.bytes.extend_from_slice(&record.payload);
        self.records += 1;
    }

    fn number(&mut self, sender: Sender<'a>) -> u32 {
        // OK because a chunk holds fewer records than 2^32, and each brings at most one sender.
        let next = self.in_order.len() as u32;
        let number = *self.senders.entry(sender).or_insert(next);
        if number == next {
            self.in_order.push(sender);
            self.senders_bytes +=
                3 + sender.0.as_str().len() + sender.1.as_str().len() + sender.2.as_str().len();
        }
        number
    }

    /// The chunk, complete.
    pub(crate) fn finish(mut self, appended_ms: i64, bytes_before: u64) -> Vec<u8> {
        // OK because a chunk is far smaller than 4 GiB.
        let senders_at = self.bytes.len() as u32;
        for (park, enterprise, gateway) in &self.in_order {
            for text in [park.as_str(), enterprise.as_str(), gateway.as_str()] {
                // OK because an id has at most 48 bytes.
                self.bytes.push(text.len() as u8);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
        let bytes = &mut self.bytes;
        bytes[0] = VERSION;
        bytes[CHECKED_AT..BYTES_BEFORE_AT].copy_from_slice(&appended_ms.to_le_bytes());
        bytes[BYTES_BEFORE_AT..RECORDS_AT].copy_from_slice(&bytes_before.to_le_bytes());
        bytes[RECORDS_AT..SENDERS_AT].copy_from_slice(&self.records.to_le_bytes());
        bytes[SENDERS_AT..HEADER_BYTES].copy_from_slice(&senders_at.to_le_bytes());
        let checksum = checksum(&bytes[CHECKED_AT..]);
        bytes[1..CHECKED_AT].copy_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

/// What a chunk says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) bytes_before: u64,
    pub(crate) records: u32,
}

/// Reads the head of a chunk without checking the rest.
pub(crate) fn outline(chunk: &[u8]) -> Result<Outline, Damage> {
    let head = chunk.get(..HEADER_BYTES).ok_or(Damage::Torn)?;
    if head[0] != VERSION {
        return Err(Damage::Version(head[0]));
    }
    Ok(Outline {
        bytes_before: u64_at(head, BYTES_BEFORE_AT),
        records: u32_at(head, RECORDS_AT),
    })
}

/// Appends to `entries` the records of `chunk` from offset `from` on; its first record is at `base`.
pub(crate) fn decode(
    chunk: &Bytes,
    base: Position,
    from: u64,
    entries: &mut Vec<Entry>,
) -> Result<(), Damage> {
    let outline = outline(chunk)?;
    if checksum(&chunk[CHECKED_AT..]) != u32_at(chunk, 1) {
        return Err(Damage::Checksum);
    }
    let appended_ms = i64::from_le_bytes(u64_at(chunk, CHECKED_AT).to_le_bytes());
    let senders_at = u32_at(chunk, SENDERS_AT) as usize;
    let senders = decode_senders(chunk.get(senders_at..).ok_or(Damage::Torn)?)?;
    let mut cursor = Cursor {
        bytes: &chunk[..senders_at],
        at: HEADER_BYTES,
    };
    for offset in base.offset..base.offset + u64::from(outline.records) {
        let number = cursor.varint()?;
        let epoch = cursor.varint()?;
        let sequence = cursor.varint()?;
        let content_type = match cursor.take(1)?[0] {
            1 => ContentType::ReadingBatch,
            2 => ContentType::DeadLetter,
            _ => return Err(Damage::Torn),
        };
        let length = usize::try_from(cursor.varint()?).map_err(|_large| Damage::Torn)?;
        cursor.take(length)?;
        if offset < from {
            continue;
        }
        let number = usize::try_from(number).map_err(|_large| Damage::Torn)?;
        let (park, enterprise, gateway) = senders.get(number).ok_or(Damage::Torn)?.clone();
        let headers = Headers {
            enterprise,
            gateway,
            epoch,
            sequence,
            content_type,
        };
        let payload = chunk.slice(cursor.at - length..cursor.at);
        entries.push(Entry {
            position: Position {
                partition: base.partition,
                offset,
            },
            appended_ms,
            record: Ok(Record {
                park,
                headers,
                payload,
            }),
        });
    }
    Ok(())
}

fn decode_senders(bytes: &[u8]) -> Result<Vec<(ParkId, EnterpriseId, GatewayId)>, Damage> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut senders = Vec::new();
    while cursor.at < bytes.len() {
        let park = ParkId::new(cursor.text()?).map_err(|_not_an_id| Damage::Torn)?;
        let enterprise = EnterpriseId::new(cursor.text()?).map_err(|_not_an_id| Damage::Torn)?;
        let gateway = GatewayId::new(cursor.text()?).map_err(|_not_an_id| Damage::Torn)?;
        senders.push((park, enterprise, gateway));
    }
    Ok(senders)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let end = self.at.checked_add(count).ok_or(Damage::Torn)?;
        let taken = self.bytes.get(self.at..end).ok_or(Damage::Torn)?;
        self.at = end;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage::Torn)
    }

    fn text(&mut self) -> Result<&'a str, Damage> {
        let length = usize::from(self.take(1)?[0]);
        str::from_utf8(self.take(length)?).map_err(|_not_text| Damage::Torn)
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // OK because only the low seven bits are kept.
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// OK because callers have checked that the header is there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
