//! The Parquet encodings that readings need.
//!
//! Readings are columns already, and the texts of a series repeat in runs: writing pages from runs costs a few
//! nanoseconds a reading, while a general writer hashes every text of every row. Page headers and footers come
//! from the `parquet` crate.

use std::{cell::RefCell, ops::Range};

/// A run of equal dictionary indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) length: u32,
    pub(crate) index: u32,
}

/// Values of a DELTA_BINARY_PACKED block and of a miniblock; every reader accepts 128 and 32.
const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;
/// Below this many rows per run, indices are bit-packed.
const RUN_ROWS_MIN: usize = 4;
/// The lowest level of zstd: a higher one costs time and saves little on packed integers.
const ZSTD_LEVEL: i32 = 1;

/// Joins neighboring (index, length) pairs of equal index to runs.
pub(crate) fn runs_of(indices: impl Iterator<Item = (u32, u32)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, length) in indices {
        match runs.last_mut() {
            Some(run) if run.index == index => run.length += length,
            _ => runs.push(Run { length, index }),
        }
    }
    runs
}

/// The part of `runs` that covers `rows`.
pub(crate) fn cut(runs: &[Run], rows: Range<usize>) -> Vec<Run> {
    let mut start = 0;
    let mut part = Vec::new();
    for run in runs {
        let end = start + run.length as usize;
        let (from, to) = (start.max(rows.start), end.min(rows.end));
        if from < to {
            // OK because the cut is no longer than the run.
            part.push(Run {
                length: (to - from) as u32,
                index: run.index,
            });
        }
        start = end;
    }
    part
}

/// A dictionary page's body in PLAIN.
pub(crate) fn dictionary<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut body = Vec::new();
    for text in texts {
        // OK because an id has at most 48 bytes.
        body.extend_from_slice(&(text.len() as u32).to_le_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    body
}

/// A data page's body in RLE_DICTIONARY: the bit width, then runs or packed groups of eight.
pub(crate) fn indices(runs: &[Run], dictionary: usize) -> Vec<u8> {
    let rows: usize = runs.iter().map(|run| run.length as usize).sum();
    let largest = dictionary.saturating_sub(1) as u32;
    let width = (u32::BITS - largest.leading_zeros()).max(1);
    let mut body = vec![width as u8];
    if rows >= runs.len() * RUN_ROWS_MIN {
        let bytes = width.div_ceil(8) as usize;
        for run in runs {
            varint(&mut body, u64::from(run.length) << 1);
            body.extend_from_slice(&run.index.to_le_bytes()[..bytes]);
        }
        return body;
    }
    varint(&mut body, (rows.div_ceil(8) as u64) << 1 | 1);
    let every = runs
        .iter()
        .flat_map(|run| std::iter::repeat_n(u64::from(run.index), run.length as usize));
    let padded = every.chain(std::iter::repeat_n(0, rows.next_multiple_of(8) - rows));
    pack(padded, width, &mut body);
    body
}

/// The start of a nullable column's data page: the length of its levels in bytes, and the levels in runs, 1
/// where there is a value.
pub(crate) fn levels(runs: &[Run]) -> Vec<u8> {
    let mut body = vec![0; 4];
    for run in runs {
        varint(&mut body, u64::from(run.length) << 1);
        // OK because a level is 0 or 1.
        body.push(run.index as u8);
    }
    // OK because a page has at most 65,536 rows.
    let length = (body.len() - 4) as u32;
    body[..4].copy_from_slice(&length.to_le_bytes());
    body
}

/// A data page's body of booleans in PLAIN: eight to a byte, the first in the lowest bit.
pub(crate) fn booleans(values: &[bool]) -> Vec<u8> {
    let byte = |eight: &[bool]| {
        eight
            .iter()
            .rev()
            .fold(0u8, |byte, bit| byte << 1 | u8::from(*bit))
    };
    values.chunks(8).map(byte).collect()
}

/// A data page's body in DELTA_BINARY_PACKED.
pub(crate) fn deltas(values: &[i64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(16 + values.len() * 2);
    varint(&mut body, BLOCK as u64);
    varint(&mut body, (BLOCK / MINIBLOCK) as u64);
    varint(&mut body, values.len() as u64);
    let Some((&first, rest)) = values.split_first() else {
        varint(&mut body, 0);
        return body;
    };
    varint(&mut body, zigzag(first));
    let mut before = first;
    for block in rest.chunks(BLOCK) {
        delta_block(block, before, &mut body);
        before = block[block.len() - 1];
    }
    body
}

fn delta_block(block: &[i64], mut before: i64, body: &mut Vec<u8>) {
    let mut steps = [0i64; BLOCK];
    for (step, &value) in steps.iter_mut().zip(block) {
        *step = value.wrapping_sub(before);
        before = value;
    }
    let least = steps[..block.len()].iter().copied().min().unwrap_or(0);
    varint(body, zigzag(least));
    let mut over = [0u64; BLOCK];
    for (over, step) in over.iter_mut().zip(&steps[..block.len()]) {
        *over = step.wrapping_sub(least).cast_unsigned();
    }
    let mut widths = [0u8; BLOCK / MINIBLOCK];
    for (width, part) in widths.iter_mut().zip(over.chunks(MINIBLOCK)) {
        let bits = part.iter().fold(0, |bits, over| bits | over);
        // OK because a u64 has at most 64 bits.
        *width = (u64::BITS - bits.leading_zeros()) as u8;
    }
    body.extend_from_slice(&widths);
    for (&width, part) in widths.iter().zip(over.chunks(MINIBLOCK)) {
        if width > 0 {
            pack(part.iter().copied(), u32::from(width), body);
        }
    }
}

/// Packs values of `width` bits (1 to 64), lowest bit first. The rest of the last byte is zero.
fn pack(values: impl Iterator<Item = u64>, width: u32, body: &mut Vec<u8>) {
    let (mut word, mut filled) = (0u64, 0u32);
    for value in values {
        word |= value << filled;
        let used = filled + width;
        if used < u64::BITS {
            filled = used;
            continue;
        }
        body.extend_from_slice(&word.to_le_bytes());
        word = if filled == 0 {
            0
        } else {
            value >> (u64::BITS - filled)
        };
        filled = used - u64::BITS;
        if width == u64::BITS {
            word = 0;
        }
    }
    body.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn varint(body: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        body.push(value as u8 | 0x80);
        value >>= 7;
    }
    body.push(value as u8);
}

/// Compresses a page's body. Each thread keeps one compressor, because making one costs more than compressing a
/// page.
pub(crate) fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    thread_local! {
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Compressor::new(ZSTD_LEVEL)?);
        }
        slot.as_mut()
            .expect("a compressor was just made")
            .compress(body)
    })
}
