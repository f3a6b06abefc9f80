//! The packets of a publisher of MQTT 3.1.1 at QoS 1, and what comes back to it.

use std::{
    io::{self, Read},
    ops::Range,
};

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// The first byte of a PUBACK, of a PUBLISH at QoS 0, and of such a one that was retained.
const PUBACK: u8 = 0x40;
const PUBLISH: u8 = 0x30;
const RETAINED: u8 = 0x31;

/// PINGREQ.
pub const PING: [u8; 2] = [0xc0, 0];
/// DISCONNECT.
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// CONNECT with a clean session and a keep-alive of a minute.
#[must_use]
pub fn connect(client: &str) -> Vec<u8> {
    // OK because a client id of a test has a dozen letters; so below.
    let mut packet = vec![0x10, (12 + client.len()) as u8];
    packet.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60]);
    packet.extend_from_slice(&[0, client.len() as u8]);
    packet.extend_from_slice(client.as_bytes());
    packet
}

/// Adds PUBLISH at QoS 1 with packet id `id` to `out`; `dup` tells that it was sent before.
pub fn publish(out: &mut Vec<u8>, topic: &str, (id, dup): (u16, bool), payload: &[u8]) {
    publish_head(out, dup, 2 + topic.len() + 2 + payload.len());
    out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(topic.as_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Adds what a PUBLISH at QoS 1 begins with; `length` bytes are to follow.
pub fn publish_head(out: &mut Vec<u8>, dup: bool, length: usize) {
    out.push(if dup { 0x3a } else { 0x32 });
    let mut remaining = length;
    while remaining >= 128 {
        out.push((remaining % 128) as u8 | 0x80);
        remaining /= 128;
    }
    out.push(remaining as u8);
}

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A PUBACK that takes the message with this packet id over.
    Taken(u16),
    /// A PUBLISH at QoS 0: what stands behind its topic, which in MQTT 5 begins with properties.
    Published(&'a [u8]),
    /// Anything else.
    Other,
}

impl<'a> Said<'a> {
    fn of(kind: u8, body: &'a [u8]) -> Self {
        match (kind, body) {
            // In MQTT 5 a reason may follow; from 0x80 on it says that the message was not taken.
            (PUBACK, &[high, low, ref reason @ ..]) if reason.first().is_none_or(|r| *r < 0x80) => {
                Self::Taken(u16::from_be_bytes([high, low]))
            }
            (PUBLISH | RETAINED, &[high, low, ref rest @ ..]) => {
                let topic = usize::from(u16::from_be_bytes([high, low]));
                rest.get(topic..).map_or(Self::Other, Self::Published)
            }
            _ => Self::Other,
        }
    }
}

/// Takes packets out of what a server sends, however it is cut.
#[derive(Debug, Default)]
pub struct Answers {
    rest: Vec<u8>,
}

impl Answers {
    /// Reads once and hands each packet that is whole to `take`; how many there were.
    ///
    /// # Errors
    /// As reading; the end is one.
    pub fn read(
        &mut self,
        stream: &mut impl Read,
        mut take: impl FnMut(Said<'_>),
    ) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let got = match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => got,
        };
        self.rest.extend_from_slice(&buffer[..got]);
        let (mut packets, mut taken) = (0, 0);
        while let Some((kind, body)) = packet(&self.rest[taken..]) {
            let end = taken + body.end;
            take(Said::of(kind, &self.rest[taken + body.start..end]));
            packets += 1;
            taken = end;
        }
        self.rest.drain(..taken);
        Ok(packets)
    }
}

/// The first byte of the packet that `bytes` begin with, and where its body lies; `None` if it is not whole.
fn packet(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    // A PUBACK is short, and there are millions of them.
    if let &[kind, length @ 0..=0x7f, ..] = bytes {
        let end = 2 + usize::from(length);
        return (bytes.len() >= end).then_some((kind, 2..end));
    }
    let (&kind, length) = bytes.split_first()?;
    // The length is of four bytes at most; each but the last has its highest bit set.
    let last = length.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let lengths = length[..=last].iter().rev();
    let body = lengths.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    let start = 1 + last + 1;
    (bytes.len() >= start + body).then_some((kind, start..start + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_found_wherever_a_read_ends() {
        let sent = [0x40, 2, 1, 2, 0xd0, 0, 0x40, 2, 0, 7];
        for cut in 1..sent.len() {
            let (mut answers, mut told) = (Answers::default(), Vec::new());
            for mut part in [&sent[..cut], &sent[cut..]] {
                let read = answers.read(&mut part, |said| told.push(format!("{said:?}")));
                read.expect("bytes are read");
            }
            assert_eq!(told, ["Taken(258)", "Other", "Taken(7)"], "cut at {cut}");
        }
        assert!(Answers::default().read(&mut &[][..], |_| ()).is_err());
    }

    #[test]
    fn a_refusal_is_no_acknowledgement() {
        let sent = [0x40, 3, 0, 1, 0x87, 0x40, 3, 0, 2, 0x10];
        assert_eq!(heard(&sent), ["Other", "Taken(2)"]);
    }

    #[test]
    fn what_is_published_stands_behind_its_topic_and_a_length_of_several_bytes() {
        let mut sent = vec![0x31, 0x85, 1, 0, 2, b't', b'u'];
        sent.resize(3 + 133, b'x');
        sent.extend_from_slice(&[0x30, 1, 0]);
        let payload = Said::Published(&[b'x'; 129]);
        assert_eq!(heard(&sent), [format!("{payload:?}"), "Other".to_owned()]);
    }

    fn heard(mut sent: &[u8]) -> Vec<String> {
        let mut told = Vec::new();
        let read = Answers::default().read(&mut sent, |said| told.push(format!("{said:?}")));
        assert_eq!(read.expect("bytes are read"), told.len());
        told
    }

    #[test]
    fn a_long_publish_has_its_length_in_two_bytes() {
        let mut out = Vec::new();
        publish(&mut out, "a/b", (258, true), &[b'x'; 200]);
        assert_eq!(out[..10], [0x3a, 0xcf, 1, 0, 3, b'a', b'/', b'b', 1, 2]);
        assert_eq!(out.len(), 3 + 2 + 3 + 2 + 200);
    }
}
