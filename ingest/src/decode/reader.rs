//! How the payloads of one topic are read: a dialect, and what its fields mean there.

use std::sync::Arc;

use super::{mapping::Mapping, sparkplug::Edges};
use crate::settings::Format;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The dialect.
    pub(crate) format: Format,
    /// What its fields mean; none where a payload names its readings itself.
    pub(crate) mapping: Option<Mapping>,
    /// The topic, which in Sparkplug says what a message is.
    pub(crate) topic: Box<str>,
    /// The Sparkplug edge nodes that are known.
    pub(crate) edges: Arc<Edges>,
}

impl Reader {
    /// A reader of a format that names its readings itself.
    pub(crate) fn native(format: Format) -> Self {
        Self {
            format,
            mapping: None,
            topic: Box::default(),
            edges: Arc::default(),
        }
    }

    /// The same on one topic, whose levels meters may be named after.
    pub(crate) fn at_topic(&self, topic: &str) -> Result<Self, String> {
        let mapping = self.mapping.as_ref().map(|m| m.at_topic(topic));
        Ok(Self {
            format: self.format,
            mapping: mapping.transpose()?,
            topic: topic.into(),
            edges: Arc::clone(&self.edges),
        })
    }
}
