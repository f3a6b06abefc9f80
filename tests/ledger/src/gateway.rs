//! A gateway: one MQTT 5 connection at a time, QoS 1, resending what is not acknowledged. It numbers its
//! messages by their place in its record.
//!
//! It keeps the exact record of what was acknowledged. It delivers badly on purpose: a part of its
//! readings late, near ones in another order, some twice, and resends with DUP.
//!
//! What acknowledges is the broker's PUBACK, or, for a gateway that [believes](Belief) receipts, only the
//! receipt that the log has it: then the broker may lose what it took over.

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
use greenpark_tests_load::mqtt::{self, Answers, Said};

use crate::{
    args::Args,
    chance::Chance,
    packets,
    plan::{BURST, BURSTS, Message, Plan},
    wait,
};

/// Messages that may wait for their acknowledgement.
const WINDOW: usize = 400;
/// How long a read waits before there is a look at what may be sent.
const TICK: Duration = Duration::from_millis(20);
/// After how long without an acknowledgement a gateway connects again.
const SILENCE: Duration = Duration::from_secs(10);
/// After how long without a receipt a message that the broker took over is sent again. An ingest that was
/// killed is back by then, and what the broker still held has passed it.
const OVERDUE: Duration = Duration::from_secs(12);
/// How far near messages change places.
const REORDER: usize = 8;
/// One message in this many comes late, after all others.
const LATE_EVERY: u64 = 50;
/// One message in this many is sent twice at once.
const TWICE_EVERY: u64 = 40;

/// How much of the load may be sent by now, in millionths of it.
pub const WHOLE: u64 = 1_000_000;

/// What acknowledges a message to a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// PUBACK.
    Puback,
    /// The receipt on the gateway's own topic.
    Receipt,
}

impl Belief {
    /// That of all gateways.
    #[must_use]
    pub fn of(args: &Args) -> Self {
        if args.receipts {
            Self::Receipt
        } else {
            Self::Puback
        }
    }
}

/// What gateways share.
#[derive(Debug, Default)]
pub struct Valve {
    /// Of [`WHOLE`], how much may be sent.
    pub open: AtomicU64,
    /// Gateways give up.
    pub stop: AtomicBool,
    /// Messages acknowledged, of all gateways.
    pub acknowledged: AtomicU64,
    /// Messages sent again.
    pub resent: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
}

/// What a gateway was told is safe.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Its messages, in the order in which it means to send them.
    pub messages: Vec<Message>,
    /// Whether each was acknowledged.
    pub acknowledged: Vec<bool>,
}

/// One gateway.
#[derive(Debug)]
pub struct Gateway {
    plan: Plan,
    line: u64,
    belief: Belief,
    address: SocketAddr,
    valve: Arc<Valve>,
    record: Arc<Mutex<Record>>,
    chance: Chance,
    /// Messages of the plan; corrections come behind them.
    planned: usize,
    next: usize,
    /// Corrections, and what takes them back, whose forerunner is acknowledged.
    corrections: VecDeque<usize>,
    unacknowledged: BTreeMap<u16, (usize, bool)>,
    /// The numbers that receipts have named.
    receipted: Numbers,
    /// What the broker took over and no receipt names, and since when.
    unreceipted: BTreeMap<usize, Instant>,
    packet: u16,
}

impl Gateway {
    /// Gateway `line` of `plan`, which connects to `address`.
    #[must_use]
    pub fn new(
        plan: Plan,
        (line, belief): (u64, Belief),
        seed: u64,
        address: SocketAddr,
        valve: Arc<Valve>,
    ) -> Self {
        let mut chance = Chance::new(seed, 1_000 + line);
        let messages = messages(plan, line, &mut chance);
        let planned = messages.len();
        let record = Record {
            acknowledged: vec![false; planned],
            messages,
        };
        Self {
            plan,
            line,
            belief,
            address,
            valve,
            record: Arc::new(Mutex::new(record)),
            chance,
            planned,
            next: 0,
            corrections: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
            receipted: Numbers::default(),
            unreceipted: BTreeMap::new(),
            packet: 0,
        }
    }

    /// What it was told so far, for who looks meanwhile.
    #[must_use]
    pub fn record(&self) -> Arc<Mutex<Record>> {
        Arc::clone(&self.record)
    }

    /// Sends until everything is acknowledged or the valve says stop; then what was acknowledged.
    #[must_use]
    pub fn run(mut self) -> Record {
        while !self.is_done() && !self.valve.stop.load(Ordering::Relaxed) {
            // Whatever ended the connection, the next one goes on from the record.
            if self.connection().is_err() {
                wait::pause(TICK);
            }
        }
        let record = self.record.lock();
        record.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_done(&self) -> bool {
        self.next == self.planned && self.corrections.is_empty() && self.on_their_way() == 0
    }

    /// Messages that are sent and not acknowledged.
    fn on_their_way(&self) -> usize {
        self.unacknowledged.len() + self.unreceipted.len()
    }

    fn permitted(&self) -> usize {
        let open = self.valve.open.load(Ordering::Relaxed).min(WHOLE);
        (self.planned as u64 * open).div_ceil(WHOLE) as usize
    }

    fn connection(&mut self) -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.write_all(&packets::connect(self.line))?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer)?;
        let mut said = vec![0; usize::from(answer[1])];
        stream.read_exact(&mut said)?;
        if answer[0] != 0x20 || said.get(1) != Some(&0) {
            return Err(io::Error::other("refused"));
        }
        stream.set_read_timeout(Some(TICK))?;
        self.valve.connections.fetch_add(1, Ordering::Relaxed);
        let mut out = Vec::new();
        if self.belief == Belief::Receipt {
            let id = self.next_packet();
            out = packets::subscribe(self.line, id);
        }
        self.resend(&mut out);
        let mut answers = Answers::default();
        let (mut heard, mut pinged) = (Instant::now(), Instant::now());
        while !self.is_done() && !self.valve.stop.load(Ordering::Relaxed) {
            self.repeat_overdue(&mut out);
            self.fill(&mut out);
            if self.unacknowledged.is_empty() {
                heard = Instant::now();
                if pinged.elapsed() > SILENCE {
                    pinged = Instant::now();
                    out.extend_from_slice(&mqtt::PING);
                }
            }
            stream.write_all(&out)?;
            out.clear();
            if self.receive(&mut stream, &mut answers)? {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE {
                return Err(io::Error::other("nobody acknowledges"));
            }
        }
        stream.write_all(&mqtt::DISCONNECT)
    }

    /// What the connection before left unacknowledged, in the order in which it was sent. It may have ended
    /// because the broker died, with all that no receipt names.
    fn resend(&mut self, out: &mut Vec<u8>) {
        let unacknowledged = std::mem::take(&mut self.unacknowledged).into_values();
        let first = unacknowledged.filter(|(_, first)| *first);
        let mut again: Vec<_> = first.map(|(at, _)| at).collect();
        again.extend(std::mem::take(&mut self.unreceipted).into_keys());
        // Positions are in the order of sending, and a correction stands behind what it corrects.
        again.sort_unstable();
        again.dedup();
        self.repeat(&again, true, out);
    }

    /// What the broker took over so long ago that it has lost it, or handed it to nobody.
    fn repeat_overdue(&mut self, out: &mut Vec<u8>) {
        let since = self.unreceipted.iter();
        let overdue = since.filter(|(_, since)| since.elapsed() > OVERDUE);
        let overdue: Vec<_> = overdue.map(|(at, _)| *at).collect();
        self.unreceipted
            .retain(|at, _| overdue.binary_search(at).is_err());
        self.repeat(&overdue, false, out);
    }

    fn repeat(&mut self, again: &[usize], dup: bool, out: &mut Vec<u8>) {
        let resent = &self.valve.resent;
        resent.fetch_add(again.len() as u64, Ordering::Relaxed);
        for &at in again {
            self.send(at, true, dup, out);
        }
    }

    /// Sends what the window and the valve allow.
    fn fill(&mut self, out: &mut Vec<u8>) {
        let permitted = self.permitted();
        while self.on_their_way() < WINDOW {
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
            if self.chance.one_in(TWICE_EVERY) {
                self.send(at, false, true, out);
            }
        }
    }

    fn send(&mut self, at: usize, first: bool, dup: bool, out: &mut Vec<u8>) {
        let id = self.next_packet();
        let record = self.record.lock();
        let message = record.unwrap_or_else(PoisonError::into_inner).messages[at];
        let mut payload = Vec::new();
        self.plan.write(self.line, message, &mut payload);
        let body = packets::numbered(self.line, id, number(at), &payload);
        mqtt::publish_head(out, dup, body.len());
        out.extend_from_slice(&body);
        self.unacknowledged.insert(id, (at, first));
    }

    /// A packet id that is free.
    fn next_packet(&mut self) -> u16 {
        loop {
            self.packet = self.packet.checked_add(1).unwrap_or(1);
            if !self.unacknowledged.contains_key(&self.packet) {
                return self.packet;
            }
        }
    }

    /// Takes acknowledgements; whether the server said anything.
    fn receive(&mut self, stream: &mut TcpStream, answers: &mut Answers) -> io::Result<bool> {
        let read = answers.read(stream, |said| match said {
            Said::Taken(packet) => self.taken(packet),
            Said::Published(published) => self.receipt(published),
            Said::Other => {}
        });
        match read {
            Ok(packets) => Ok(packets > 0),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The broker took a message over.
    fn taken(&mut self, packet: u16) {
        let Some((at, _)) = self.unacknowledged.remove(&packet) else {
            return;
        };
        match self.belief {
            Belief::Receipt if !self.receipted.contains(number(at)) => {
                self.unreceipted.entry(at).or_insert_with(Instant::now);
            }
            Belief::Puback | Belief::Receipt => self.acknowledge(at),
        }
    }

    /// The log has what a receipt names.
    fn receipt(&mut self, published: &[u8]) {
        let stored = packets::stored(published).expect("a receipt is told on its topic");
        // What was told once holds, also where an ingest that began anew does not know it any more.
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
        self.valve.acknowledged.fetch_add(1, Ordering::Relaxed);
        let message = record.messages[at];
        let serials = self.plan.serials(self.line, message);
        let corrected = serials.filter(|&serial| self.plan.is_corrected(serial));
        let restored = match message {
            Message::Correction(serial) if self.plan.is_restored(serial) => Some(serial),
            _ => None,
        };
        let next = corrected.map(Message::Correction);
        for message in next.chain(restored.map(Message::Restored)) {
            self.corrections.push_back(record.messages.len());
            record.messages.push(message);
            record.acknowledged.push(false);
        }
    }
}

/// What a gateway sends, in its order.
fn messages(plan: Plan, line: u64, chance: &mut Chance) -> Vec<Message> {
    let (mut late, mut in_time) = (Vec::new(), Vec::new());
    for batch in 0..plan.batches(line) {
        if chance.one_in(LATE_EVERY) {
            late.push(Message::Batch(batch));
        } else {
            in_time.push(Message::Batch(batch));
        }
    }
    for near in in_time.chunks_mut(REORDER) {
        chance.shuffle(near);
    }
    let mut messages = Vec::with_capacity(in_time.len() + late.len() + (BURSTS * BURST) as usize);
    let every = in_time.len() / BURSTS as usize + 1;
    for (nth, part) in (0..).zip(in_time.chunks(every)) {
        messages.extend_from_slice(part);
        messages.extend((0..BURST).map(|poison| Message::Poison(nth * BURST + poison)));
    }
    messages.extend(late);
    messages
}

/// The number of the message at this place of a gateway's record.
#[must_use]
pub fn number(at: usize) -> u64 {
    at as u64 + 1
}
