//! Digests of contents, as file names and columns hold them.

use std::fmt::Write as _;

/// Hex digits of the sha256 in a name.
pub(crate) const ID_DIGITS: usize = 16;

/// The part of a digest that names hold.
#[must_use]
pub(crate) fn content_id(sha256: &[u8; 32]) -> String {
    hex(&sha256[..ID_DIGITS / 2])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all text");
            text
        })
}
