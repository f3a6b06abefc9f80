//! The name in a client's certificate, and the certificate's fingerprint.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

/// The encoded object identifier of a common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
/// The explicit tag of the version of a certificate.
const VERSION: u8 = 0xa0;

/// The longest name, in bytes: a common name in X.509 has at most 64 characters, which take up to
/// 256 bytes in UTF-8.
const NAME_BYTES_MAX: usize = 256;

/// Returns true if `text` can be a client's name: not empty, no control characters, and no colon,
/// which ends the name in a password file.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let allowed = !text.contains(|c: char| c == ':' || c.is_control());
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && allowed
}

/// The SHA-256 of a certificate, in hex.
#[must_use]
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = Sha256::digest(certificate);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the serial number of a certificate, without leading zeros.
#[must_use]
pub fn serial(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let mut whole: &[u8] = certificate;
    let mut signed = read_element(&mut whole, SEQUENCE)?;
    let mut fields = read_element(&mut signed, SEQUENCE)?;
    let _version = read_element(&mut fields, VERSION)?;
    let number = read_element(&mut fields, INTEGER)?;
    // A leading zero says that the number is positive.
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    Some(number[zeros..].to_vec())
}

/// Returns the common name of a verified certificate, if it has exactly one and that can be a
/// user's name.
#[must_use]
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = Vec::new();
    let mut subject = certificate.subject();
    while !subject.is_empty() {
        let mut set = read_element(&mut subject, SET)?;
        while !set.is_empty() {
            let mut attribute = read_element(&mut set, SEQUENCE)?;
            if read_element(&mut attribute, OBJECT_IDENTIFIER)? == COMMON_NAME {
                let text = read_element(&mut attribute, UTF8_STRING)
                    .or_else(|| read_element(&mut attribute, PRINTABLE_STRING))?;
                names.push(str::from_utf8(text).ok()?);
            }
        }
    }
    match names[..] {
        [name] if is_name(name) => Some(name.to_owned()),
        _ => None,
    }
}

/// Reads the contents of the DER element at the front of `from`, if it has this tag, and advances
/// `from`.
fn read_element<'a>(from: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&[found, first], rest) = from.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest
            .split_first()
            .map(|(l, rest)| (usize::from(*l), rest))?,
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(contents)
}
