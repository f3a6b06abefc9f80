//! The edge nodes that are known: what their births named, and where their sequence stands.
//!
//! They are shared by all connections and outlive them. There are at most [`EDGES_MAX`], and their births
//! take about [`EDGES_BYTES_MAX`]; a node beyond drops the others, which are then asked for their births
//! again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::{BirthDeath, payload::Payload};
use crate::limits::{EDGE_BYTES_MAX, EDGE_ENTRY_BYTES, EDGES_BYTES_MAX, EDGES_MAX, REBIRTH_MS};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Edges(Mutex<FxHashMap<Box<str>, Edge>>);

/// One edge node.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// The node itself has the empty name.
    devices: FxHashMap<Box<str>, Device>,
    /// The sequence number that comes next.
    next: Option<u8>,
    /// A message was lost since the birth, which may have been another birth.
    pub(super) broken: bool,
    /// Which session its birth began.
    pub(super) birth_death: BirthDeath,
    asked_ms: Option<i64>,
    /// Memory of what its births named.
    bytes: usize,
}

/// What a birth named.
#[derive(Debug, Default)]
pub(super) struct Device {
    /// The name of each alias; none where the birth gave it to two.
    by_alias: FxHashMap<u64, Option<Box<str>>>,
    types: FxHashMap<Box<str>, u32>,
    bytes: usize,
}

/// The edge nodes, held.
pub(super) type Held<'a> = MutexGuard<'a, FxHashMap<Box<str>, Edge>>;

impl Edges {
    /// Holds the edge nodes for one message.
    pub(super) fn hold(&self) -> Held<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The edge node `name`, known or new.
pub(super) fn edge<'a>(held: &'a mut Held<'_>, name: &str) -> &'a mut Edge {
    if !held.contains_key(name) && held.len() >= EDGES_MAX {
        held.clear();
    }
    held.entry(name.into()).or_default()
}

/// Drops all nodes but `name`, which is born again, if what births named takes too much.
pub(super) fn make_room(held: &mut Held<'_>, name: &str) {
    if held.values().map(Edge::bytes).sum::<usize>() > EDGES_BYTES_MAX {
        held.retain(|known, _| **known == *name);
    }
}

impl Edge {
    /// Begins anew with the birth of the node.
    pub(super) fn born(&mut self, payload: &Payload, birth_death: BirthDeath) {
        let asked_ms = self.asked_ms;
        *self = Self {
            birth_death,
            asked_ms,
            next: payload.seq.map(following),
            ..Self::default()
        };
    }

    /// Whether the node's birth is known.
    pub(super) fn is_born(&self) -> bool {
        self.devices.contains_key("")
    }

    /// Takes note of a sequence number; a break stays until the next birth.
    pub(super) fn follow(&mut self, seq: Option<u64>) {
        let Some(seq) = seq else { return };
        self.broken |= self.next.is_some_and(|next| u64::from(next) != seq);
        self.next = Some(following(seq));
    }

    /// Learns what the birth of `device` names, as far as there is room.
    pub(super) fn learn(&mut self, device: &str, payload: &Payload) {
        self.forget(device);
        let mut learnt = Device {
            bytes: EDGE_ENTRY_BYTES + device.len(),
            ..Device::default()
        };
        if self.bytes + learnt.bytes > EDGE_BYTES_MAX {
            return;
        }
        for metric in &payload.metrics {
            let Some(name) = metric.name.as_deref().filter(|name| !name.is_empty()) else {
                continue;
            };
            // A name is kept once by itself and once for its alias.
            let more = EDGE_ENTRY_BYTES + 2 * name.len();
            if self.bytes + learnt.bytes + more > EDGE_BYTES_MAX {
                break;
            }
            learnt.bytes += more;
            learnt
                .types
                .insert(name.into(), metric.datatype.unwrap_or(0));
            if let Some(alias) = metric.alias {
                let known = learnt.by_alias.entry(alias);
                let known = known.or_insert_with(|| Some(name.into()));
                if known.as_deref() != Some(name) {
                    *known = None;
                }
            }
        }
        self.bytes += learnt.bytes;
        self.devices.insert(device.into(), learnt);
    }

    /// Forgets a device that died.
    pub(super) fn forget(&mut self, device: &str) {
        if let Some(device) = self.devices.remove(device) {
            self.bytes -= device.bytes;
        }
    }

    /// Forgets the node that died, unless the death is of another session than its birth.
    pub(super) fn die(&mut self, of: Option<u64>) {
        let born = self.birth_death.number;
        if born.is_none() || of.is_none() || born == of {
            let asked_ms = self.asked_ms;
            *self = Self {
                asked_ms,
                ..Self::default()
            };
        }
    }

    /// Memory of what its births named, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn device(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }

    /// Whether it is time to ask for a birth; once in [`REBIRTH_MS`].
    pub(super) fn may_ask(&mut self, now_ms: i64) -> bool {
        let due = self
            .asked_ms
            .is_none_or(|asked| now_ms.saturating_sub(asked) >= REBIRTH_MS);
        if due {
            self.asked_ms = Some(now_ms);
        }
        due
    }
}

impl Device {
    /// The name that an alias stands for.
    pub(super) fn name(&self, alias: u64) -> Option<&str> {
        self.by_alias.get(&alias)?.as_deref()
    }

    /// Whether the birth gave an alias to two metrics.
    pub(super) fn is_ambiguous(&self, alias: u64) -> bool {
        self.by_alias.get(&alias).is_some_and(Option::is_none)
    }

    /// The type of a metric, as the birth said.
    pub(super) fn datatype(&self, name: &str) -> u32 {
        self.types.get(name).copied().unwrap_or(0)
    }
}

/// The number after `seq`: 0 to 255, around.
fn following(seq: u64) -> u8 {
    // OK because of the remainder.
    u8::try_from(seq.wrapping_add(1) % 256).unwrap_or(0)
}
