//! MQTT 3.1.1 packets of a publisher at QoS 1, and the packets that a server sends to it.

use std::{
    io::{self, Read},
    ops::Range,
};

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// The first byte of a PUBACK.
const PUBACK: u8 = 0x40;
/// The first byte of a PUBLISH at QoS 0, and of a retained one.
const PUBLISH: u8 = 0x30;
const RETAINED: u8 = 0x31;

/// The PINGREQ packet.
pub const PING: [u8; 2] = [0xc0, 0];
/// The DISCONNECT packet.
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The CONNECT packet with a clean session and a keep-alive of one minute.
#[must_use]
pub fn connect(client: &str) -> Vec<u8> {
    // OK because a client id of a test has about a dozen letters; also below.
    let mut packet = vec![0x10, (12 + client.len()) as u8];
    packet.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60]);
    packet.extend_from_slice(&[0, client.len() as u8]);
    packet.extend_from_slice(client.as_bytes());
    packet
}

/// Appends a PUBLISH at QoS 1 with packet id `id` to `out`; `dup` marks a repeated one.
pub fn publish(out: &mut Vec<u8>, topic: &str, (id, dup): (u16, bool), payload: &[u8]) {
    publish_head(out, dup, 2 + topic.len() + 2 + payload.len());
    out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(topic.as_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends the fixed header of a PUBLISH at QoS 1; `length` bytes must follow.
pub fn publish_head(out: &mut Vec<u8>, dup: bool, length: usize) {
    out.push(if dup { 0x3a } else { 0x32 });
    let mut remaining = length;
    while remaining >= 128 {
        out.push((remaining % 128) as u8 | 0x80);
        remaining /= 128;
    }
    out.push(remaining as u8);
}

/// A packet from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPacket<'a> {
    /// A PUBACK that acknowledges the message with this packet id.
    Acknowledged(u16),
    /// A PUBLISH at QoS 0: the part that follows its topic, which in MQTT 5 begins with properties.
    Published(&'a [u8]),
    /// Anything else.
    Other,
}

impl<'a> ServerPacket<'a> {
    fn parse(kind: u8, body: &'a [u8]) -> Self {
        match (kind, body) {
            // In MQTT 5 a reason code may follow; from 0x80 on it refuses the message.
            (PUBACK, &[high, low, ref reason @ ..]) if reason.first().is_none_or(|r| *r < 0x80) => {
                Self::Acknowledged(u16::from_be_bytes([high, low]))
            }
            (PUBLISH | RETAINED, &[high, low, ref rest @ ..]) => {
                let topic = usize::from(u16::from_be_bytes([high, low]));
                rest.get(topic..).map_or(Self::Other, Self::Published)
            }
            _ => Self::Other,
        }
    }
}

/// Splits the bytes of a server into packets, independent of how reads cut them.
#[derive(Debug, Default)]
pub struct PacketReader {
    rest: Vec<u8>,
}

impl PacketReader {
    /// Reads once, passes each complete packet to `on_packet`, and returns their number.
    ///
    /// # Errors
    /// Reading fails, or the stream has ended.
    pub fn read(
        &mut self,
        stream: &mut impl Read,
        mut on_packet: impl FnMut(ServerPacket<'_>),
    ) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let got = match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => got,
        };
        self.rest.extend_from_slice(&buffer[..got]);
        let (mut packets, mut consumed) = (0, 0);
        while let Some((kind, body)) = packet(&self.rest[consumed..]) {
            let end = consumed + body.end;
            on_packet(ServerPacket::parse(
                kind,
                &self.rest[consumed + body.start..end],
            ));
            packets += 1;
            consumed = end;
        }
        self.rest.drain(..consumed);
        Ok(packets)
    }
}

/// The first byte of the packet at the start of `bytes`, and the range of its body. Returns `None` if the packet is
/// incomplete.
fn packet(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    // A fast path for PUBACKs, which are short and come by the million.
    if let &[kind, length @ 0..=0x7f, ..] = bytes {
        let end = 2 + usize::from(length);
        return (bytes.len() >= end).then_some((kind, 2..end));
    }
    let (&kind, length) = bytes.split_first()?;
    // The length has at most four bytes; each but the last has its highest bit set.
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
            let (mut reader, mut packets) = (PacketReader::default(), Vec::new());
            for mut part in [&sent[..cut], &sent[cut..]] {
                let read = reader.read(&mut part, |packet| packets.push(format!("{packet:?}")));
                read.expect("bytes are read");
            }
            let expected = ["Acknowledged(258)", "Other", "Acknowledged(7)"];
            assert_eq!(packets, expected, "cut at {cut}");
        }
        assert!(PacketReader::default().read(&mut &[][..], |_| ()).is_err());
    }

    #[test]
    fn a_refusal_is_no_acknowledgement() {
        let sent = [0x40, 3, 0, 1, 0x87, 0x40, 3, 0, 2, 0x10];
        assert_eq!(parsed(&sent), ["Other", "Acknowledged(2)"]);
    }

    #[test]
    fn the_payload_follows_the_topic_after_a_length_of_several_bytes() {
        let mut sent = vec![0x31, 0x85, 1, 0, 2, b't', b'u'];
        sent.resize(3 + 133, b'x');
        sent.extend_from_slice(&[0x30, 1, 0]);
        let payload = ServerPacket::Published(&[b'x'; 129]);
        assert_eq!(parsed(&sent), [format!("{payload:?}"), "Other".to_owned()]);
    }

    fn parsed(mut sent: &[u8]) -> Vec<String> {
        let mut packets = Vec::new();
        let read =
            PacketReader::default().read(&mut sent, |packet| packets.push(format!("{packet:?}")));
        assert_eq!(read.expect("bytes are read"), packets.len());
        packets
    }

    #[test]
    fn a_long_publish_has_its_length_in_two_bytes() {
        let mut out = Vec::new();
        publish(&mut out, "a/b", (258, true), &[b'x'; 200]);
        assert_eq!(out[..10], [0x3a, 0xcf, 1, 0, 3, b'a', b'/', b'b', 1, 2]);
        assert_eq!(out.len(), 3 + 2 + 3 + 2 + 200);
    }
}
