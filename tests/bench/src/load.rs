//! A lean MQTT 3.1.1 publisher. Its cost is part of the measurement, so it does no more than a good gateway. It
//! generates payloads while sending, and counts acknowledgements as they arrive.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
};

use greenpark_tests_load::mqtt::{self, PacketReader, ServerPacket};

/// Maximum number of unacknowledged publishes on each connection.
const WINDOW: u64 = 20_000;
/// Bytes written at once.
const WRITE_BYTES: usize = 64 << 10;

/// Writes the payload of message `index` of connection `connection`.
pub(crate) type Payload = fn(&mut Vec<u8>, connection: u64, index: u64);

/// The messages to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: u64,
    /// Messages of each connection.
    pub(crate) messages: u64,
    pub(crate) payload: Payload,
}

impl Load {
    /// Publishes everything at QoS 1 and returns the number of acknowledgements.
    pub(crate) fn run(self) -> u64 {
        let workers: Vec<_> = (0..self.connections)
            .map(|c| thread::spawn(move || self.publish(c)))
            .collect();
        workers
            .into_iter()
            .map(|w| w.join().expect("a publisher ends"))
            .sum()
    }

    fn publish(self, connection: u64) -> u64 {
        let mut stream = TcpStream::connect(self.address).expect("the listener accepts");
        stream.set_nodelay(true).expect("a TCP stream");
        let connect = mqtt::connect(&format!("bench-{connection}"));
        stream.write_all(&connect).expect("connected");
        let mut connack = [0u8; 4];
        stream.read_exact(&mut connack).expect("an answer");
        assert_eq!(connack, [0x20, 2, 0, 0], "the connection was refused");
        let topic = format!("park/bench/e{}/g{connection}/up/readings", connection % 12);
        let (mut sent, mut acknowledged) = (0, 0);
        let (mut out, mut payload) = (Vec::with_capacity(2 * WRITE_BYTES), Vec::new());
        let mut reader = PacketReader::default();
        while acknowledged < self.messages {
            while sent < self.messages && sent - acknowledged < WINDOW && out.len() < WRITE_BYTES {
                payload.clear();
                (self.payload)(&mut payload, connection, sent);
                // Packet ids run from 1 to 65,535. The window is smaller, so no id is used twice at a time.
                let id = (sent % 65_535 + 1) as u16;
                mqtt::publish(&mut out, &topic, (id, false), &payload);
                sent += 1;
            }
            stream.write_all(&out).expect("connected");
            out.clear();
            if sent == self.messages || sent - acknowledged >= WINDOW {
                let read = reader.read(&mut stream, |packet| {
                    assert!(
                        matches!(packet, ServerPacket::Acknowledged(_)),
                        "not a PUBACK: {packet:?}"
                    );
                    acknowledged += 1;
                });
                read.expect("the listener stays connected");
            }
        }
        stream.write_all(&mqtt::DISCONNECT).expect("connected");
        acknowledged
    }
}

/// Writes a register of one of eight meters, one second apart, as most gateways send it.
pub(crate) fn single_json(out: &mut Vec<u8>, connection: u64, index: u64) {
    let meter = index % 8;
    let at = HISTORY_MS + (index / 8) * 1_000;
    let value = index / 8 * 17 + connection;
    out.extend_from_slice(b"{\"meter\":\"m");
    out.push(b'0' + meter as u8);
    out.extend_from_slice(b"\",\"quantity\":\"electricity\",\"kind\":\"register\",\"at\":");
    out.extend_from_slice(itoa::Buffer::new().format(at).as_bytes());
    out.extend_from_slice(b",\"value\":");
    out.extend_from_slice(itoa::Buffer::new().format(value / 100).as_bytes());
    out.extend_from_slice(&[
        b'.',
        b'0' + (value / 10 % 10) as u8,
        b'0' + (value % 10) as u8,
    ]);
    out.extend_from_slice(b",\"unit\":\"kWh\"}");
}

/// Writes a hundred registers of one of eight meters, one second apart, in one columnar message.
pub(crate) fn batch_json(out: &mut Vec<u8>, connection: u64, index: u64) {
    let meter = index % 8;
    let first = (index / 8) * 100;
    out.extend_from_slice(b"{\"series\":[{\"meter\":\"m");
    out.push(b'0' + meter as u8);
    out.extend_from_slice(
        b"\",\"quantity\":\"electricity\",\"kind\":\"register\",\"unit\":\"kWh\",\"from\":",
    );
    out.extend_from_slice(
        itoa::Buffer::new()
            .format(HISTORY_MS + first * 1_000)
            .as_bytes(),
    );
    out.extend_from_slice(b",\"step\":1000,\"value\":[");
    for reading in first..first + 100 {
        let value = reading * 17 + connection;
        if reading > first {
            out.push(b',');
        }
        out.extend_from_slice(itoa::Buffer::new().format(value / 100).as_bytes());
        out.extend_from_slice(&[
            b'.',
            b'0' + (value / 10 % 10) as u8,
            b'0' + (value % 10) as u8,
        ]);
    }
    out.extend_from_slice(b"]}]}");
}

/// 2026-01-01T00:00+08:00, the start of the history of the load.
pub(crate) const HISTORY_MS: u64 = 1_767_196_800_000;
