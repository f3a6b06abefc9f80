//! Caches the topics that a sender has used: each topic is resolved, and the sender's permission
//! checked, once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{
    decode::{Fault, TopicDecoder},
    limits::{TOPIC_CACHED_BYTES_MAX, TOPICS_CACHED_MAX},
};

/// The resolved target of a topic in this accumulator.
#[derive(Debug, Clone)]
pub(super) struct TopicEntry {
    pub(super) gateway: usize,
    pub(super) decoder: Result<Arc<TopicDecoder>, Arc<Fault>>,
}

/// Resolved topics; the most recent one is found without hashing.
#[derive(Debug, Default)]
pub(super) struct TopicCache {
    pub(super) entries: Vec<(Box<str>, TopicEntry)>,
    by_topic: FxHashMap<Box<str>, usize>,
    last: usize,
}

impl TopicCache {
    pub(super) fn find(&mut self, topic: &str) -> Option<TopicEntry> {
        if let Some((last, entry)) = self.entries.get(self.last)
            && **last == *topic
        {
            return Some(entry.clone());
        }
        self.last = *self.by_topic.get(topic)?;
        Some(self.entries[self.last].1.clone())
    }

    /// Returns true if no more topics can be cached.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= TOPICS_CACHED_MAX
    }

    pub(super) fn insert(&mut self, topic: &str, entry: &TopicEntry) {
        if topic.len() <= TOPIC_CACHED_BYTES_MAX && !self.is_full() {
            self.last = self.entries.len();
            self.by_topic.insert(topic.into(), self.last);
            self.entries.push((topic.into(), entry.clone()));
        }
    }
}
