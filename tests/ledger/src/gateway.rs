//! A gateway: one MQTT 5 connection at a time, QoS 1, resending unacknowledged messages. It numbers its
//! messages by their index in its record.
//!
//! It records exactly which messages were acknowledged. It delivers badly on purpose: some readings late,
//! neighboring ones in another order, some twice, and resends with DUP.
//!
//! A message is acknowledged by the broker's PUBACK or, with [`AckSource::Receipt`], only by the receipt that
//! names it as stored in the log. In the second case the broker may lose messages.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use greenpark_model::numbers::Numbers;
use greenpark_tests_load::{
    mqtt::{self, PacketReader, ServerPacket},
    random::Random,
};

use crate::{
    args::Args,
    packets,
    plan::{BURST, BURSTS, LoadPlan, PlannedMessage},
    wait,
};

/// Maximum number of unacknowledged messages.
const WINDOW: usize = 400;
/// How long a read waits before the gateway checks what it may send.
const TICK: Duration = Duration::from_millis(20);
/// Time without an acknowledgement after which a gateway reconnects.
const SILENCE: Duration = Duration::from_secs(10);
/// Time after which a message that the broker has acknowledged is resent if no receipt names it. By then a
/// killed ingest is back and has received the messages that the broker still held.
const OVERDUE: Duration = Duration::from_secs(12);
/// Messages within windows of this size are shuffled.
const REORDER: usize = 8;
/// One message in this many is sent late, after all others.
const LATE_EVERY: u64 = 50;
/// One message in this many is sent twice in a row.
const TWICE_EVERY: u64 = 40;

/// The whole load, in the unit of [`LoadControl::permitted`].
pub const WHOLE: u64 = 1_000_000;

/// The packet that counts as the acknowledgement of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckSource {
    /// PUBACK.
    Puback,
    /// The receipt on the gateway's own topic.
    Receipt,
}

impl AckSource {
    /// The source that all gateways use.
    #[must_use]
    pub fn of(args: &Args) -> Self {
        if args.receipts {
            Self::Receipt
        } else {
            Self::Puback
        }
    }
}

/// Shared by all gateways: how much they may send, and their counters.
#[derive(Debug, Default)]
pub struct LoadControl {
    /// The share of the load that may be sent, in millionths.
    pub permitted: AtomicU64,
    /// Tells gateways to stop before everything is acknowledged.
    pub stop: AtomicBool,
    /// Number of acknowledged messages.
    pub acknowledged: AtomicU64,
    /// Number of resent messages.
    pub resent: AtomicU64,
    /// Number of connections.
    pub connections: AtomicU64,
}

/// The messages of a gateway, and which of them are acknowledged.
#[derive(Debug, Clone, Default)]
pub struct DeliveryRecord {
    /// Its messages, in the intended order of sending.
    pub messages: Vec<PlannedMessage>,
    /// Whether each was acknowledged.
    pub acknowledged: Vec<bool>,
}

/// One gateway.
#[derive(Debug)]
pub struct Gateway {
    plan: LoadPlan,
    gateway: u64,
    ack_source: AckSource,
    address: SocketAddr,
    control: Arc<LoadControl>,
    record: Arc<Mutex<DeliveryRecord>>,
    random: Random,
    /// Number of planned messages; corrections follow them in the record.
    planned: usize,
    next: usize,
    /// Corrections and restored values whose predecessor is acknowledged, so that they may be sent.
    corrections: VecDeque<usize>,
    unacknowledged: BTreeMap<u16, (usize, bool)>,
    /// Message numbers that receipts have named.
    receipted: Numbers,
    /// Messages that the broker has acknowledged and no receipt names, and since when.
    unreceipted: BTreeMap<usize, Instant>,
    packet: u16,
}

impl Gateway {
    /// Gateway `gateway` of `plan`, which connects to `address`.
    #[must_use]
    pub fn new(
        plan: LoadPlan,
        (gateway, ack_source): (u64, AckSource),
        seed: u64,
        address: SocketAddr,
        control: Arc<LoadControl>,
    ) -> Self {
        let mut random = Random::with_purpose(seed, 1_000 + gateway);
        let messages = messages(plan, gateway, &mut random);
        let planned = messages.len();
        let record = DeliveryRecord {
            acknowledged: vec![false; planned],
            messages,
        };
        Self {
            plan,
            gateway,
            ack_source,
            address,
            control,
            record: Arc::new(Mutex::new(record)),
            random,
            planned,
            next: 0,
            corrections: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
            receipted: Numbers::default(),
            unreceipted: BTreeMap::new(),
            packet: 0,
        }
    }

    /// The shared record, which can be read while the gateway runs.
    #[must_use]
    pub fn record(&self) -> Arc<Mutex<DeliveryRecord>> {
        Arc::clone(&self.record)
    }

    /// Sends until everything is acknowledged or it is told to stop. Returns the record.
    #[must_use]
    pub fn run(mut self) -> DeliveryRecord {
        while !self.is_done() && !self.control.stop.load(Ordering::Relaxed) {
            // After any error the next connection continues from the record.
            if self.connection().is_err() {
                wait::pause(TICK);
            }
        }
        let record = self.record.lock();
        record.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_done(&self) -> bool {
        self.next == self.planned && self.corrections.is_empty() && self.in_flight() == 0
    }

    /// Number of messages that are sent and not acknowledged.
    fn in_flight(&self) -> usize {
        self.unacknowledged.len() + self.unreceipted.len()
    }

    fn permitted(&self) -> usize {
        let share = self.control.permitted.load(Ordering::Relaxed).min(WHOLE);
        (self.planned as u64 * share).div_ceil(WHOLE) as usize
    }

    fn connection(&mut self) -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.write_all(&packets::connect(self.gateway))?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer)?;
        let mut connack = vec![0; usize::from(answer[1])];
        stream.read_exact(&mut connack)?;
        if answer[0] != 0x20 || connack.get(1) != Some(&0) {
            return Err(io::Error::other("refused"));
        }
        stream.set_read_timeout(Some(TICK))?;
        self.control.connections.fetch_add(1, Ordering::Relaxed);
        let mut out = Vec::new();
        if self.ack_source == AckSource::Receipt {
            let id = self.next_packet();
            out = packets::subscribe(self.gateway, id);
        }
        self.resend(&mut out);
        let mut reader = PacketReader::default();
        let (mut heard, mut pinged) = (Instant::now(), Instant::now());
        while !self.is_done() && !self.control.stop.load(Ordering::Relaxed) {
            self.resend_overdue(&mut out);
            self.send_permitted(&mut out);
            if self.unacknowledged.is_empty() {
                heard = Instant::now();
                if pinged.elapsed() > SILENCE {
                    pinged = Instant::now();
                    out.extend_from_slice(&mqtt::PING);
                }
            }
            stream.write_all(&out)?;
            out.clear();
            if self.receive(&mut stream, &mut reader)? {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE {
                return Err(io::Error::other("nobody acknowledges"));
            }
        }
        stream.write_all(&mqtt::DISCONNECT)
    }

    /// Resends all messages that the previous connection left unacknowledged, in their order. The broker may have
    /// died, so messages that no receipt names are resent, too.
    fn resend(&mut self, out: &mut Vec<u8>) {
        let unacknowledged = std::mem::take(&mut self.unacknowledged).into_values();
        let first = unacknowledged.filter(|(_, first)| *first);
        let mut again: Vec<_> = first.map(|(at, _)| at).collect();
        again.extend(std::mem::take(&mut self.unreceipted).into_keys());
        // Indices are in the order of sending, and a correction has a higher index than the corrected message.
        again.sort_unstable();
        again.dedup();
        self.resend_messages(&again, true, out);
    }

    /// Resends messages that the broker has acknowledged so long ago that it must have lost them.
    fn resend_overdue(&mut self, out: &mut Vec<u8>) {
        let since = self.unreceipted.iter();
        let overdue = since.filter(|(_, since)| since.elapsed() > OVERDUE);
        let overdue: Vec<_> = overdue.map(|(at, _)| *at).collect();
        self.unreceipted
            .retain(|at, _| overdue.binary_search(at).is_err());
        self.resend_messages(&overdue, false, out);
    }

    fn resend_messages(&mut self, again: &[usize], dup: bool, out: &mut Vec<u8>) {
        let resent = &self.control.resent;
        resent.fetch_add(again.len() as u64, Ordering::Relaxed);
        for &at in again {
            self.send(at, true, dup, out);
        }
    }

    /// Sends as many messages as the window and the load control permit.
    fn send_permitted(&mut self, out: &mut Vec<u8>) {
        let permitted = self.permitted();
        while self.in_flight() < WINDOW {
            if let Some(at) = self.corrections.pop_front() {
                self.send(at, true, false, out);
                continue;
            }
            if self.next >= permitted {
                return;
            }
            let at = self.next;
            self.next += 1;
            self.send(at, true, false, out);
            if self.random.one_in(TWICE_EVERY) {
                self.send(at, false, true, out);
            }
        }
    }

    fn send(&mut self, at: usize, first: bool, dup: bool, out: &mut Vec<u8>) {
        let id = self.next_packet();
        let record = self.record.lock();
        let message = record.unwrap_or_else(PoisonError::into_inner).messages[at];
        let mut payload = Vec::new();
        self.plan.write(self.gateway, message, &mut payload);
        let body = packets::publish_body(self.gateway, id, number(at), &payload);
        mqtt::publish_head(out, dup, body.len());
        out.extend_from_slice(&body);
        self.unacknowledged.insert(id, (at, first));
    }

    /// The next free packet id.
    fn next_packet(&mut self) -> u16 {
        loop {
            self.packet = self.packet.checked_add(1).unwrap_or(1);
            if !self.unacknowledged.contains_key(&self.packet) {
                return self.packet;
            }
        }
    }

    /// Reads acknowledgements. Returns true if the server has sent anything.
    fn receive(&mut self, stream: &mut TcpStream, reader: &mut PacketReader) -> io::Result<bool> {
        let read = reader.read(stream, |packet| match packet {
            ServerPacket::Acknowledged(id) => self.on_puback(id),
            ServerPacket::Published(published) => self.on_receipt(published),
            ServerPacket::Other => {}
        });
        match read {
            Ok(packets) => Ok(packets > 0),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Handles the PUBACK of a message.
    fn on_puback(&mut self, id: u16) {
        let Some((at, _)) = self.unacknowledged.remove(&id) else {
            return;
        };
        match self.ack_source {
            AckSource::Receipt if !self.receipted.contains(number(at)) => {
                self.unreceipted.entry(at).or_insert_with(Instant::now);
            }
            AckSource::Puback | AckSource::Receipt => self.acknowledge(at),
        }
    }

    /// Handles a receipt: the messages that it names are in the log.
    fn on_receipt(&mut self, published: &[u8]) {
        let stored = packets::parse_receipt(published).expect("a receipt comes on its topic");
        // Earlier receipts remain valid, even if a restarted ingest no longer knows their numbers.
        self.receipted.join(&stored);
        let receipted = |at: &usize| self.receipted.contains(number(*at));
        let named: Vec<_> = self.unreceipted.keys().copied().filter(receipted).collect();
        for at in named {
            self.unreceipted.remove(&at);
            self.acknowledge(at);
        }
    }

    fn acknowledge(&mut self, at: usize) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut record.acknowledged[at], true) {
            return;
        }
        self.control.acknowledged.fetch_add(1, Ordering::Relaxed);
        let message = record.messages[at];
        let serials = self.plan.serials(self.gateway, message);
        let corrected = serials.filter(|&serial| self.plan.is_corrected(serial));
        let restored = match message {
            PlannedMessage::Correction(serial) if self.plan.is_restored(serial) => Some(serial),
            _ => None,
        };
        let next = corrected.map(PlannedMessage::Correction);
        for message in next.chain(restored.map(PlannedMessage::Restored)) {
            self.corrections.push_back(record.messages.len());
            record.messages.push(message);
            record.acknowledged.push(false);
        }
    }
}

/// The planned messages of a gateway, in their order of sending.
fn messages(plan: LoadPlan, gateway: u64, random: &mut Random) -> Vec<PlannedMessage> {
    let (mut late, mut in_time) = (Vec::new(), Vec::new());
    for batch in 0..plan.batches(gateway) {
        if random.one_in(LATE_EVERY) {
            late.push(PlannedMessage::Batch(batch));
        } else {
            in_time.push(PlannedMessage::Batch(batch));
        }
    }
    for near in in_time.chunks_mut(REORDER) {
        random.shuffle(near);
    }
    let mut messages = Vec::with_capacity(in_time.len() + late.len() + (BURSTS * BURST) as usize);
    let every = in_time.len() / BURSTS as usize + 1;
    for (nth, part) in (0..).zip(in_time.chunks(every)) {
        messages.extend_from_slice(part);
        messages.extend((0..BURST).map(|poison| PlannedMessage::Poison(nth * BURST + poison)));
    }
    messages.extend(late);
    messages
}

/// The number of the message at this index of a gateway's record.
#[must_use]
pub fn number(at: usize) -> u64 {
    at as u64 + 1
}
