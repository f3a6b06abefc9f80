//! The known edge nodes: the contents of their births, and their sequence numbers.
//!
//! They are shared by all connections and outlive them. There are at most [`EDGES_MAX`], and their
//! births use about [`EDGES_BYTES_MAX`]; one node more removes the others, which are then asked for
//! their births again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::{BirthDeath, payload::Payload};
use crate::limits::{EDGE_BYTES_MAX, EDGE_ENTRY_BYTES, EDGES_BYTES_MAX, EDGES_MAX, REBIRTH_MS};

/// The known edge nodes.
#[derive(Debug, Default)]
pub(crate) struct Edges(Mutex<FxHashMap<Box<str>, Edge>>);

/// One edge node.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// The metrics of each device; the node itself has the empty name.
    devices: FxHashMap<Box<str>, Device>,
    /// The expected sequence number.
    next: Option<u8>,
    /// A message was lost since the birth; it may have been another birth.
    pub(super) broken: bool,
    /// The session that the birth began.
    pub(super) birth_death: BirthDeath,
    requested_ms: Option<i64>,
    /// The memory of the births.
    bytes: usize,
}

/// The metrics that a birth defined.
#[derive(Debug, Default)]
pub(super) struct Device {
    /// The name of each alias; `None` if the birth gave the alias to two metrics.
    by_alias: FxHashMap<u64, Option<Box<str>>>,
    types: FxHashMap<Box<str>, u32>,
    bytes: usize,
}

/// The locked edge nodes.
pub(super) type EdgesGuard<'a> = MutexGuard<'a, FxHashMap<Box<str>, Edge>>;

impl Edges {
    /// Locks the edge nodes for one message.
    pub(super) fn lock(&self) -> EdgesGuard<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the edge node `name`, and adds it if it is unknown.
pub(super) fn edge<'a>(edges: &'a mut EdgesGuard<'_>, name: &str) -> &'a mut Edge {
    if !edges.contains_key(name) && edges.len() >= EDGES_MAX {
        edges.clear();
    }
    edges.entry(name.into()).or_default()
}

/// Removes all nodes except `name`, which is born again, if the births use too much memory.
pub(super) fn make_room(edges: &mut EdgesGuard<'_>, name: &str) {
    if edges.values().map(Edge::bytes).sum::<usize>() > EDGES_BYTES_MAX {
        edges.retain(|known, _| **known == *name);
    }
}

impl Edge {
    /// Starts a session with the birth of the node.
    pub(super) fn born(&mut self, payload: &Payload, birth_death: BirthDeath) {
        let requested_ms = self.requested_ms;
        *self = Self {
            birth_death,
            requested_ms,
            next: payload.seq.map(following),
            ..Self::default()
        };
    }

    /// Returns true if the node's birth is known.
    pub(super) fn is_born(&self) -> bool {
        self.devices.contains_key("")
    }

    /// Checks a sequence number; after a gap the node stays broken until the next birth.
    pub(super) fn follow(&mut self, seq: Option<u64>) {
        let Some(seq) = seq else { return };
        self.broken |= self.next.is_some_and(|next| u64::from(next) != seq);
        self.next = Some(following(seq));
    }

    /// Stores the metrics of the birth of `device`, as far as there is room.
    pub(super) fn learn(&mut self, device: &str, payload: &Payload) {
        self.forget(device);
        let mut device_birth = Device {
            bytes: EDGE_ENTRY_BYTES + device.len(),
            ..Device::default()
        };
        if self.bytes + device_birth.bytes > EDGE_BYTES_MAX {
            return;
        }
        for metric in &payload.metrics {
            let Some(name) = metric.name.as_deref().filter(|name| !name.is_empty()) else {
                continue;
            };
            // Each name is stored twice: by itself and for its alias.
            let more = EDGE_ENTRY_BYTES + 2 * name.len();
            if self.bytes + device_birth.bytes + more > EDGE_BYTES_MAX {
                break;
            }
            device_birth.bytes += more;
            device_birth
                .types
                .insert(name.into(), metric.datatype.unwrap_or(0));
            if let Some(alias) = metric.alias {
                let known = device_birth.by_alias.entry(alias);
                let known = known.or_insert_with(|| Some(name.into()));
                if known.as_deref() != Some(name) {
                    *known = None;
                }
            }
        }
        self.bytes += device_birth.bytes;
        self.devices.insert(device.into(), device_birth);
    }

    /// Removes a device that died.
    pub(super) fn forget(&mut self, device: &str) {
        if let Some(device) = self.devices.remove(device) {
            self.bytes -= device.bytes;
        }
    }

    /// Removes the node that died, unless the death belongs to another session than the birth.
    pub(super) fn die(&mut self, of: Option<u64>) {
        let born = self.birth_death.number;
        if born.is_none() || of.is_none() || born == of {
            let requested_ms = self.requested_ms;
            *self = Self {
                requested_ms,
                ..Self::default()
            };
        }
    }

    /// Estimates the memory of the births.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn device(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }

    /// Returns true if a birth may be requested now: once in [`REBIRTH_MS`].
    pub(super) fn may_request_birth(&mut self, now_ms: i64) -> bool {
        let due = self
            .requested_ms
            .is_none_or(|requested| now_ms.saturating_sub(requested) >= REBIRTH_MS);
        if due {
            self.requested_ms = Some(now_ms);
        }
        due
    }
}

impl Device {
    /// Returns the name of an alias.
    pub(super) fn name(&self, alias: u64) -> Option<&str> {
        self.by_alias.get(&alias)?.as_deref()
    }

    /// Returns true if the birth gave an alias to two metrics.
    pub(super) fn is_ambiguous(&self, alias: u64) -> bool {
        self.by_alias.get(&alias).is_some_and(Option::is_none)
    }

    /// Returns the type of a metric, from the birth.
    pub(super) fn datatype(&self, name: &str) -> u32 {
        self.types.get(name).copied().unwrap_or(0)
    }
}

/// Returns the sequence number after `seq`: 0 to 255, wrapping around.
fn following(seq: u64) -> u8 {
    // OK because of the remainder.
    u8::try_from(seq.wrapping_add(1) % 256).unwrap_or(0)
}
