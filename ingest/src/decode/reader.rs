//! How the payloads of one topic are read: a dialect, and what its fields mean there.

use std::sync::Arc;

use greenpark_model::stamp::Stamps;

use super::{mapping::Mapping, sparkplug::Edges};
use crate::{
    settings::{DecoderRule, Encoding, Format},
    topic::Sender,
};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The dialect.
    pub(crate) format: Format,
    /// What its fields mean; none where a payload names its readings itself.
    pub(crate) mapping: Option<Mapping>,
    /// How its texts are encoded.
    pub(crate) encoding: Encoding,
    /// How its stamps are read, and which end of an interval they are.
    pub(crate) stamps: Arc<Stamps>,
    /// The topic, which in Sparkplug says what a message is.
    pub(crate) topic: Box<str>,
    /// The Sparkplug edge nodes that are known.
    pub(crate) edges: Arc<Edges>,
}

impl Reader {
    /// A reader of a format that names its readings itself.
    pub(crate) fn native(format: Format) -> Self {
        Self::of(&DecoderRule::new("#", format), &Arc::default())
    }

    /// A reader for the topics of a rule that was checked.
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

    /// The same on one topic and of one sender, after whom meters may be named.
    pub(crate) fn at_topic(&self, topic: &str, sender: &Sender) -> Result<Self, String> {
        let mapping = self.mapping.as_ref().map(|m| m.at_topic(topic, sender));
        Ok(Self {
            mapping: mapping.transpose()?,
            topic: topic.into(),
            ..self.clone()
        })
    }
}
