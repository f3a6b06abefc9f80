//! A gateway that keeps unacknowledged publishes and resends them, and its sessions at ingest.

use std::collections::VecDeque;

use greenpark_ingest::{Pipeline, listen::Detached};
use greenpark_log::AppendError;
use greenpark_model::reading::Kind;

use crate::{
    actor::{Actor, Turn},
    oracle::{Oracle, Row, SCALE},
};

/// Park and enterprise of each gateway: two share a park, and two share an enterprise's name.
pub(crate) const GATEWAYS: [(&str, &str); 3] = [("p0", "e0"), ("p0", "e1"), ("p1", "e0")];
/// Whether each gateway speaks MQTT 5 and numbers its messages.
const NUMBERS_MESSAGES: [bool; 3] = [true, false, true];
/// Epoch of the numbered messages.
const EPOCH: u64 = 7;
/// Meters of a gateway that an ordinary publish holds readings of.
pub(crate) const METERS: u8 = 2;

/// A publish that is not yet acknowledged.
#[derive(Debug)]
pub(crate) struct Publish {
    packet_id: u16,
    /// Number of the message, if the gateway numbers its messages.
    sequence: Option<u64>,
    payload: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) poison: Option<u32>,
}

/// The ingest side of one connection.
#[derive(Debug)]
struct Session {
    detached: Detached,
    append: Option<Actor<Result<Vec<u8>, AppendError>>>,
}

/// A simulated gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    number: u8,
    next_packet_id: u16,
    next_sequence: u64,
    next_ticket: u16,
    pub(crate) unacked: VecDeque<Publish>,
    session: Option<Session>,
    /// Closed sessions that still have records to append, oldest first.
    former_sessions: VecDeque<Session>,
}

/// The outcome of one turn of a gateway's sessions.
#[derive(Debug, Default)]
pub(crate) struct SessionTurn {
    pub(crate) acked: Vec<Publish>,
    pub(crate) failed: bool,
    pub(crate) going: bool,
}

impl Session {
    /// Gives its append a turn. Returns the acknowledgements when the append is done.
    fn turn(&mut self, barrier: impl FnOnce()) -> Turn<Result<Vec<u8>, AppendError>> {
        if self.append.is_none() && !self.detached.is_empty() {
            self.append = Some(Actor::new(self.detached.append()));
        }
        let Some(append) = &mut self.append else {
            return Turn::Asleep;
        };
        let turn = append.turn(barrier);
        if matches!(turn, Turn::Done(_)) {
            self.append = None;
        }
        turn
    }

    fn is_idle(&self) -> bool {
        self.append.is_none() && self.detached.is_empty()
    }
}

impl Gateway {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            number,
            next_packet_id: 1,
            next_sequence: 1,
            next_ticket: 1,
            unacked: VecDeque::new(),
            session: None,
            former_sessions: VecDeque::new(),
        }
    }

    /// Publishes new `readings` taken around `instant`, and keeps the publish until it is acknowledged.
    pub(crate) fn publish(
        &mut self,
        oracle: &mut Oracle,
        (readings, instant): (u8, i64),
        poison: Option<u32>,
    ) {
        let rows = (0..readings).filter_map(|reading| {
            let at = instant + i64::from(reading) * 700;
            oracle.new_reading(self.number, reading % METERS, at)
        });
        self.publish_rows(rows.collect(), poison);
    }

    /// Weighs `loads` loads at `instant` and publishes them in one message, either all with tickets or all without.
    pub(crate) fn weigh(
        &mut self,
        oracle: &mut Oracle,
        (loads, instant): (u8, i64),
        tickets: bool,
    ) {
        let first = tickets.then_some(self.next_ticket);
        self.next_ticket += u16::from(loads);
        let rows = oracle.new_events(self.number, instant, (loads, first));
        self.publish_rows(rows, None);
    }

    /// Publishes a reading of one of the last two meters, whose values may fall.
    pub(crate) fn measure(&mut self, oracle: &mut Oracle, meter: u8, instant: i64) {
        let row = oracle.new_reading(self.number, SCALE + 1 + meter % 2, instant);
        self.publish_rows(row.into_iter().collect(), None);
    }

    /// Publishes another value for the reading `back` places before the latest one.
    pub(crate) fn correct(&mut self, oracle: &mut Oracle, back: u8) {
        let row = oracle.correct(self.number, back);
        self.publish_rows(row.into_iter().collect(), None);
    }

    fn publish_rows(&mut self, rows: Vec<Row>, poison: Option<u32>) {
        let mut parts: Vec<String> = rows.iter().map(payload).collect();
        if let Some(mark) = poison {
            parts.push(format!(r#"{{"poison":{mark}}}"#));
        }
        if parts.is_empty() {
            return;
        }
        let publish = Publish {
            packet_id: self.next_packet_id,
            sequence: self.numbers_messages().then_some(self.next_sequence),
            payload: format!("[{}]", parts.join(",")),
            rows,
            poison,
        };
        self.next_packet_id = self.next_packet_id.checked_add(1).unwrap_or(1);
        self.next_sequence += 1;
        let bytes = self.packet(&publish, false);
        self.unacked.push_back(publish);
        self.send(&bytes);
    }

    /// Resends all unacknowledged publishes on the current connection, if there is one.
    pub(crate) fn resend(&mut self, reversed: bool) {
        let mut packets: Vec<Vec<u8>> = self
            .unacked
            .iter()
            .map(|publish| self.packet(publish, true))
            .collect();
        if reversed {
            packets.reverse();
        }
        self.send(&packets.concat());
    }

    /// Opens a new connection and resends.
    pub(crate) fn connect(&mut self, pipeline: &Pipeline, reversed: bool) {
        self.cut();
        self.session = Some(Session {
            detached: match self.numbers_messages() {
                true => Detached::new_v5(pipeline),
                false => Detached::new(pipeline),
            },
            append: None,
        });
        self.resend(reversed);
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// Loses the connection. Ingest still appends what it has received.
    pub(crate) fn cut(&mut self) {
        self.former_sessions.extend(self.session.take());
    }

    /// Drops all sessions, because ingest was killed.
    pub(crate) fn kill(&mut self) {
        self.session = None;
        self.former_sessions.clear();
    }

    fn send(&mut self, bytes: &[u8]) {
        if let Some(session) = &mut self.session
            && !session.detached.read(bytes)
        {
            self.cut();
        }
    }

    fn numbers_messages(&self) -> bool {
        NUMBERS_MESSAGES[usize::from(self.number)]
    }

    /// A PUBLISH packet at QoS 1: of MQTT 5 if the gateway numbers its messages, else of MQTT 3.1.1.
    fn packet(&self, publish: &Publish, again: bool) -> Vec<u8> {
        let (park, enterprise) = GATEWAYS[usize::from(self.number)];
        let topic = format!("park/{park}/{enterprise}/g{}/up/readings", self.number);
        let mut body = text(&topic);
        body.extend(publish.packet_id.to_be_bytes());
        if let Some(sequence) = publish.sequence {
            let properties = [("epoch", EPOCH), ("sequence", sequence)];
            let properties = properties
                .map(|(name, value)| [vec![0x26], text(name), text(&value.to_string())].concat());
            let properties = properties.concat();
            body.extend(length(properties.len()));
            body.extend(properties);
        }
        body.extend(publish.payload.as_bytes());
        let first = 0x32 | if again { 0x08 } else { 0 };
        [vec![first], length(body.len()), body].concat()
    }

    /// Gives a turn to the oldest session that has records to append. As on real connections, a newer session
    /// appends only after the older ones are done.
    pub(crate) fn turn(&mut self, barrier: impl FnOnce()) -> SessionTurn {
        let mut turn = SessionTurn::default();
        if let Some(former) = self.former_sessions.front_mut() {
            match former.turn(barrier) {
                // The connection is gone, so nobody receives the error; the gateway resends.
                Turn::Done(Err(_)) => drop(self.former_sessions.pop_front()),
                Turn::Asleep if !former.is_idle() => return turn,
                Turn::Done(Ok(_)) | Turn::Going if !former.is_idle() => {}
                _ => drop(self.former_sessions.pop_front()),
            }
            turn.going = true;
            return turn;
        }
        let Some(session) = &mut self.session else {
            return turn;
        };
        match session.turn(barrier) {
            Turn::Done(Ok(acknowledgements)) => {
                turn.going = true;
                for puback in acknowledgements.chunks_exact(4) {
                    let packet_id = u16::from_be_bytes([puback[2], puback[3]]);
                    let at = self.unacked.iter().position(|p| p.packet_id == packet_id);
                    turn.acked.extend(at.and_then(|at| self.unacked.remove(at)));
                }
            }
            Turn::Done(Err(_)) => {
                turn.failed = true;
                self.session = None;
            }
            Turn::Going => turn.going = true,
            Turn::Asleep => {}
        }
        turn
    }
}

/// The JSON of a reading.
fn payload((id, value): &Row) -> String {
    let (whole, rest) = (value / 1_000_000, value % 1_000_000);
    let ticket = id.ticket_sent();
    let ticket = ticket.map_or_else(String::new, |ticket| format!(r#","ticket":"{ticket}""#));
    let quantity = match id.kind() {
        Kind::Event => "raw_coal",
        _ => "electricity",
    };
    format!(
        r#"{{"meter":"{}","quantity":"{quantity}","kind":"{}","at":{},"value":{whole}.{rest:06}{ticket}}}"#,
        id.meter_name(),
        id.kind().as_str(),
        id.instant
    )
}

/// A UTF-8 string of MQTT: two bytes of length, then the text.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// A variable byte integer of MQTT: seven bits in each byte.
fn length(mut remaining: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (digit, rest) = ((remaining % 128) as u8, remaining / 128);
        bytes.push(if rest > 0 { digit | 0x80 } else { digit });
        remaining = rest;
        if remaining == 0 {
            return bytes;
        }
    }
}
