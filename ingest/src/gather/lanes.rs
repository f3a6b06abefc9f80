//! Topics that a sender has used, and where they lead: a topic is resolved, and its sender's right to it asked,
//! once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{
    decode::{Fault, reader::Reader},
    limits::{TOPIC_CACHED_BYTES_MAX, TOPICS_CACHED_MAX},
};

/// Where a topic leads within this gather.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) gateway: usize,
    pub(super) reader: Result<Arc<Reader>, Arc<Fault>>,
}

/// Topics seen before, with their lanes; the one seen last is found without a hash.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    pub(super) known: Vec<(Box<str>, Lane)>,
    by_topic: FxHashMap<Box<str>, usize>,
    last: usize,
}

impl Lanes {
    pub(super) fn find(&mut self, topic: &str) -> Option<Lane> {
        if let Some((last, lane)) = self.known.get(self.last)
            && **last == *topic
        {
            return Some(lane.clone());
        }
        self.last = *self.by_topic.get(topic)?;
        Some(self.known[self.last].1.clone())
    }

    /// Whether no more topics are remembered.
    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= TOPICS_CACHED_MAX
    }

    pub(super) fn remember(&mut self, topic: &str, lane: &Lane) {
        if topic.len() <= TOPIC_CACHED_BYTES_MAX && !self.is_full() {
            self.last = self.known.len();
            self.by_topic.insert(topic.into(), self.last);
            self.known.push((topic.into(), lane.clone()));
        }
    }
}
