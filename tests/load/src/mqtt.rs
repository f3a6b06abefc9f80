//! The packets of a publisher of MQTT 3.1.1 at QoS 1, and what comes back to it.

use std::io::{self, Read};

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// The first byte of a PUBACK.
const PUBACK: u8 = 0x40;

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

/// Takes acknowledgements out of what a server sends, however it is cut.
#[derive(Debug, Default)]
pub struct Acks {
    rest: Vec<u8>,
}

impl Acks {
    /// Reads once and hands the packet id of each PUBACK that is whole to `take`; how many packets were,
    /// those of other kinds included.
    ///
    /// # Errors
    /// As reading; the end is one.
    pub fn read(&mut self, stream: &mut impl Read, mut take: impl FnMut(u16)) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let got = match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => got,
        };
        self.rest.extend_from_slice(&buffer[..got]);
        let (mut packets, mut taken) = (0, 0);
        // What a publisher is told is short: its length is one byte.
        while let Some(&[kind, length]) = self.rest.get(taken..taken + 2) {
            let end = taken + 2 + usize::from(length);
            let Some(body) = self.rest.get(taken + 2..end) else {
                break;
            };
            // In MQTT 5 a reason may follow; from 0x80 on it says that the message was not taken.
            let taken_over = body.get(2).is_none_or(|&reason| reason < 0x80);
            if let (PUBACK, &[high, low, ..], true) = (kind, body, taken_over) {
                take(u16::from_be_bytes([high, low]));
            }
            packets += 1;
            taken = end;
        }
        self.rest.drain(..taken);
        Ok(packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_found_wherever_a_read_ends() {
        let sent = [0x40, 2, 1, 2, 0xd0, 0, 0x40, 2, 0, 7];
        for cut in 1..sent.len() {
            let (mut acks, mut ids) = (Acks::default(), Vec::new());
            let mut packets = 0;
            for mut part in [&sent[..cut], &sent[cut..]] {
                let read = acks.read(&mut part, |id| ids.push(id));
                packets += read.expect("bytes are read");
            }
            assert_eq!((packets, ids), (3, vec![0x0102, 7]), "cut at {cut}");
        }
        assert!(Acks::default().read(&mut &[][..], |_| ()).is_err());
    }

    #[test]
    fn a_refusal_is_no_acknowledgement() {
        let mut ids = Vec::new();
        let sent = [0x40, 3, 0, 1, 0x87, 0x40, 3, 0, 2, 0x10];
        let packets = Acks::default().read(&mut &sent[..], |id| ids.push(id));
        assert_eq!((packets.expect("bytes are read"), ids), (2, vec![2]));
    }

    #[test]
    fn a_long_publish_has_its_length_in_two_bytes() {
        let mut out = Vec::new();
        publish(&mut out, "a/b", (258, true), &[b'x'; 200]);
        assert_eq!(out[..10], [0x3a, 0xcf, 1, 0, 3, b'a', b'/', b'b', 1, 2]);
        assert_eq!(out.len(), 3 + 2 + 3 + 2 + 200);
    }
}
