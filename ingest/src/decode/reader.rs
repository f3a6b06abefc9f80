//! The decoder of one topic's payloads: the dialect, and the meaning of its fields.

use std::sync::Arc;

use greenpark_model::stamp::Stamps;

use super::{mapping::Mapping, sparkplug::Edges};
use crate::{
    settings::{DecoderRule, Encoding, PayloadFormat},
    topic::Sender,
};

/// The decoder of one topic's payloads.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The dialect.
    pub(crate) format: PayloadFormat,
    /// The meaning of the fields; `None` if payloads name their readings themselves.
    pub(crate) mapping: Option<Mapping>,
    /// The encoding of texts.
    pub(crate) encoding: Encoding,
    /// The format of time stamps, and which end of an interval they mark.
    pub(crate) stamps: Arc<Stamps>,
    /// The topic, which in Sparkplug determines the type of a message.
    pub(crate) topic: Box<str>,
    /// The known Sparkplug edge nodes.
    pub(crate) edges: Arc<Edges>,
}

impl Reader {
    /// Creates a reader of a format whose payloads name their readings themselves.
    pub(crate) fn native(format: PayloadFormat) -> Self {
        Self::of(&DecoderRule::new("#", format), &Arc::default())
    }

    /// Creates a reader for the topics of a checked rule.
    pub(crate) fn of(rule: &DecoderRule, edges: &Arc<Edges>) -> Self {
        Self {
            format: rule.format,
            mapping: (!rule.format.is_native()).then(|| Mapping::of(rule, |_, _| ())),
            encoding: rule.encoding,
            stamps: Arc::new(rule.stamps(|_, _| ()).unwrap_or_default()),
            topic: Box::default(),
            edges: Arc::clone(edges),
        }
    }

    /// Returns the reader for one topic and one sender, which meters may be named after.
    pub(crate) fn at_topic(&self, topic: &str, sender: &Sender) -> Result<Self, String> {
        let mapping = self.mapping.as_ref().map(|m| m.at_topic(topic, sender));
        Ok(Self {
            mapping: mapping.transpose()?,
            topic: topic.into(),
            ..self.clone()
        })
    }
}
