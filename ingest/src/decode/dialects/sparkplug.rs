//! Sparkplug B, version 3.0: edge nodes define the meaning of their data in birth messages.
//!
//! Data without a known birth, or with only an alias after a gap in the sequence, is refused as
//! `birth unknown`, with its bytes in the dead letter, and the node is asked for its birth: a
//! metric whose name is a guess is never a reading. The node's own metrics have no device; those of
//! a device have its name. A metric that is null is missing; one of bad or stale quality keeps its
//! value, with a flag. A compressed payload is decoded as the message that it contains.

mod edges;
mod packed;
mod payload;

use std::fmt::Write as _;

use greenpark_model::{letter::LetterCode, reading::Flag};
use prost::Message as _;

pub(crate) use self::edges::Edges;
use self::{
    edges::{Device, Edge, edge},
    payload::{Metric, Payload, Value as Wire},
};
use super::sink::{Sample, Sink, Value, When};
use crate::decode::{TopicDecoder, fault::Fault, series::clip};

const SPACE: &str = "spBv1.0";
const REBIRTH: &str = "Node Control/Rebirth";
const BIRTH_DEATH: &str = "bdSeq";

/// The parts of a topic.
#[derive(Debug, PartialEq, Eq)]
struct Topic<'a> {
    /// `{group}/…/{edge}`.
    group: &'a str,
    verb: &'a str,
    edge: &'a str,
    device: &'a str,
}

impl<'a> Topic<'a> {
    fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.strip_prefix(SPACE)?.strip_prefix('/')?.split('/');
        let parsed = Self {
            group: levels.next()?,
            verb: levels.next()?,
            edge: levels.next()?,
            device: levels.next().unwrap_or_default(),
        };
        let of_device = matches!(parsed.verb, "DBIRTH" | "DDATA" | "DDEATH" | "DCMD");
        (levels.next().is_none() && of_device != parsed.device.is_empty()).then_some(parsed)
    }
}

/// Decodes `payload` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(
    payload: &[u8],
    decoder: &TopicDecoder,
    sink: &mut Sink<'_>,
) -> Result<(), Fault> {
    if is_state(&decoder.topic) {
        sink.to.understood = true;
        return Ok(());
    }
    let topic = Topic::parse(&decoder.topic).ok_or_else(|| {
        format!("the topic is not {SPACE}/{{group}}/{{message type}}/{{edge node}}[/{{device}}]")
    })?;
    if matches!(topic.verb, "NCMD" | "DCMD") {
        sink.to.understood = true;
        return Ok(());
    }
    let payload = packed::read(payload)?;
    if payload.seq.is_some_and(|seq| seq > 255) {
        return Err("the sequence number is above 255".into());
    }
    let name = format!("{}/{}", topic.group, topic.edge);
    let mut edges = decoder.edges.lock();
    if matches!(topic.verb, "NBIRTH" | "DBIRTH") {
        edges::make_room(&mut edges, &name);
    }
    let edge = edge(&mut edges, &name);
    match topic.verb {
        "NBIRTH" => edge.born(&payload, birth_death(&payload)),
        "NDEATH" => {
            let of = death(&payload, edge);
            edge.die(of);
        }
        "DBIRTH" | "NDATA" | "DDATA" | "DDEATH" => edge.follow(payload.seq),
        other => {
            let other = clip(other);
            let words = format!("'{other}' is no message type of Sparkplug");
            return Err(Fault::new(LetterCode::BadTopic, words));
        }
    }
    match topic.verb {
        "NBIRTH" | "DBIRTH" => edge.learn(topic.device, &payload),
        "DDEATH" => edge.forget(topic.device),
        _ => {}
    }
    let dead = matches!(topic.verb, "NDEATH" | "DDEATH");
    if !dead
        && (edge.broken || !edge.is_born() || edge.device(topic.device).is_none())
        && edge.may_request_birth(sink.timing.now_ms)
    {
        sink.to
            .rebirth_requests
            .push(format!("{SPACE}/{}/NCMD/{}", topic.group, topic.edge));
    }
    sink.to.understood = true;
    if dead {
        return Ok(());
    }
    let Some(device) = edge.device(topic.device) else {
        let words = format!(
            "birth unknown: there was no birth of {} {}",
            clip(&name),
            clip(topic.device)
        );
        return Err(Fault::new(LetterCode::BirthUnknown, words));
    };
    decode_metrics(&payload, &topic, (device, edge.broken), sink);
    Ok(())
}

/// Encodes a rebirth request, for the topics in
/// [`Decoded::rebirth_requests`](crate::decode::Decoded::rebirth_requests).
pub(crate) fn rebirth(now_ms: i64) -> Vec<u8> {
    let timestamp = u64::try_from(now_ms).ok();
    let metric = Metric {
        name: Some(REBIRTH.to_owned()),
        timestamp,
        datatype: Some(11),
        value: Some(Wire::Boolean(true)),
        ..Metric::default()
    };
    let payload = Payload {
        timestamp,
        metrics: vec![metric],
        ..Payload::default()
    };
    payload.encode_to_vec()
}

/// Returns true if `topic` carries a host's STATE, which belongs to no node.
pub(crate) fn is_state(topic: &str) -> bool {
    let rest = topic
        .strip_prefix(SPACE)
        .map_or(topic, |rest| rest.trim_start_matches('/'));
    rest.starts_with("STATE/") && topic.split('/').count() <= 3
}

/// The session number (bdSeq), and its alias if the birth defines one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BirthDeath {
    pub(super) number: Option<u64>,
    pub(super) alias: Option<u64>,
}

fn birth_death(payload: &Payload) -> BirthDeath {
    let named = |metric: &&Metric| metric.name.as_deref() == Some(BIRTH_DEATH);
    let metric = payload.metrics.iter().find(named);
    BirthDeath {
        number: metric.and_then(session),
        alias: metric.and_then(|metric| metric.alias),
    }
}

/// Returns the session that a death ends: the number by its name, by the alias that the birth
/// defined, or by the only metric, as a death has no other.
fn death(payload: &Payload, edge: &Edge) -> Option<u64> {
    let named = birth_death(payload).number;
    let nameless = |metric: &&Metric| metric.name.as_deref().unwrap_or_default().is_empty();
    let by_alias = |metric: &&Metric| {
        nameless(metric) && metric.alias.is_some() && metric.alias == edge.birth_death.alias
    };
    let only = match payload.metrics.as_slice() {
        [only] => Some(only).filter(nameless),
        _ => None,
    };
    let metrics = &payload.metrics;
    named.or_else(|| metrics.iter().find(by_alias).or(only).and_then(session))
}

fn session(metric: &Metric) -> Option<u64> {
    match metric.value {
        Some(Wire::Long(number)) => Some(number),
        Some(Wire::Int(number)) => Some(u64::from(number)),
        _ => None,
    }
}

fn decode_metrics(payload: &Payload, topic: &Topic<'_>, of: (&Device, bool), sink: &mut Sink<'_>) {
    let (device, broken) = of;
    let birth = topic.verb.ends_with("BIRTH");
    let mut digits = String::new();
    let beside = |name: &str| ticket(payload, name);
    for metric in &payload.metrics {
        let own = metric.name.as_deref().filter(|name| !name.is_empty());
        let known = metric
            .alias
            .filter(|_| !broken || birth)
            .and_then(|a| device.name(a));
        let name = own.or(known);
        if name.is_some_and(|name| name == BIRTH_DEATH || is_control(name)) {
            continue;
        }
        let datatype = metric.datatype.filter(|&datatype| datatype != 0);
        let datatype = datatype.unwrap_or_else(|| name.map_or(0, |name| device.datatype(name)));
        digits.clear();
        let sample = Sample {
            device: topic.device,
            group: "",
            field: name.unwrap_or_default(),
            value: value(metric, datatype, &mut digits),
            when: when(metric, payload),
            flag: flag(metric),
            beside: &beside,
        };
        if name.is_none() {
            let alias = metric.alias.unwrap_or_default();
            let reason = match device.is_ambiguous(alias) && !broken {
                true => format!(
                    "birth unknown: its birth gave the alias {alias} to two metrics, so it names none; give each its own"
                ),
                false => format!("birth unknown: the alias {alias} cannot be trusted to be known"),
            };
            sink.refuse(&sample, Fault::new(LetterCode::BirthUnknown, reason));
        } else {
            sink.add(sample);
        }
    }
}

fn is_control(name: &str) -> bool {
    name.starts_with("Node Control/") || name.starts_with("Device Control/")
}

fn when(metric: &Metric, payload: &Payload) -> When<'static> {
    let historical = metric.is_historical == Some(true);
    match metric
        .timestamp
        .or(payload.timestamp.filter(|_| !historical))
    {
        // A number beyond an i64 is refused as a future instant.
        Some(ms) => When::At(i64::try_from(ms).unwrap_or(i64::MAX)),
        None if historical => When::Wrong(
            LetterCode::BadInstant,
            "it is historical and has no instant",
        ),
        None => When::Received,
    }
}

/// Returns the text of the metric `name`, which may be a ticket.
fn ticket(payload: &Payload, name: &str) -> Option<String> {
    let named = |metric: &&Metric| metric.name.as_deref() == Some(name);
    let metric = payload.metrics.iter().find(named)?;
    match (&metric.value, metric.is_null) {
        (_, Some(true)) | (None, _) => None,
        (Some(Wire::Text(text)), _) => Some(text.clone()),
        (Some(Wire::Int(number)), _) => Some(number.to_string()),
        (Some(Wire::Long(number)), _) => Some(number.to_string()),
        (Some(other), _) => Some(format!("{other:?}")),
    }
}

/// Returns the number of a metric, written to `digits`; a signed number is in two's complement, in
/// either of the two integer fields.
fn value<'d>(metric: &Metric, datatype: u32, digits: &'d mut String) -> Value<'d> {
    if metric.is_null == Some(true) {
        return Value::Missing;
    }
    // Writing to a String cannot fail. A float's shortest text is what the meter meant.
    let written = match &metric.value {
        Some(Wire::Int(bits)) => match signed(u64::from(*bits), datatype, 32) {
            Some(number) => write!(digits, "{number}"),
            None => write!(digits, "{bits}"),
        },
        Some(Wire::Long(bits)) => match signed(*bits, datatype, 64) {
            Some(number) => write!(digits, "{number}"),
            None => write!(digits, "{bits}"),
        },
        Some(Wire::Float(number)) => write!(digits, "{number}"),
        Some(Wire::Double(number)) => write!(digits, "{number}"),
        Some(Wire::Boolean(_)) => return Value::Other("true or false"),
        Some(Wire::Text(_)) => return Value::Other("a string"),
        None => return Value::Other("of a type that is not read"),
    };
    match written {
        Ok(()) => Value::Digits(digits),
        Err(_) => Value::Other("not to be written"),
    }
}

/// Returns the number that `bits` represent in a signed type, Int8 to Int64 (1 to 4), in a field of
/// `width` bits; `None` for other types.
fn signed(bits: u64, datatype: u32, width: u32) -> Option<i64> {
    let own = match datatype {
        1 => 8,
        2 => 16,
        3 => 32,
        4 => 64,
        _ => return None,
    };
    let unused = 64 - width.min(own);
    // The sign is shifted to the top and back.
    Some((bits << unused).cast_signed() >> unused)
}

/// Returns the flag of a metric's `Quality`: 0 is bad, 192 good, 500 stale.
fn flag(metric: &Metric) -> Flag {
    let Some(properties) = &metric.properties else {
        return Flag::Normal;
    };
    let pairs = properties.keys.iter().zip(&properties.values);
    let quality = pairs
        .filter(|(key, _)| key.as_str() == "Quality")
        .map(|(_, value)| value);
    let quality = { quality }
        .next_back()
        .and_then(|v| v.int.map(u64::from).or(v.long));
    match quality {
        None | Some(192) => Flag::Normal,
        Some(500) => Flag::LinkFailure,
        Some(_) => Flag::Fault,
    }
}

#[cfg(test)]
mod tests;
