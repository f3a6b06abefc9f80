//! Topic aliases of a connection: numbers that stand for topics, section 3.3.2.3.4 of MQTT 5.
//!
//! They end with their connection (`[MQTT-3.3.2-7]`). A topic is kept once it has a number; a client that uses none
//! costs nothing here.

use crate::{
    limits::TOPIC_ALIASES_MAX,
    wire::{Publish, Reason, Violation},
};

/// The topics that a client has given numbers.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    topics: Vec<Option<Box<str>>>,
}

impl Aliases {
    /// Gives an alias its topic, or a publish the topic of its alias.
    ///
    /// # Errors
    /// [`Violation`] for an alias above what CONNACK offered, and for one that stands for no topic yet.
    pub(super) fn resolve<'a>(
        &'a mut self,
        alias: u16,
        publish: Publish<'a>,
    ) -> Result<Publish<'a>, Violation> {
        if alias > TOPIC_ALIASES_MAX {
            return Err(Violation {
                reason: Reason::TopicAliasInvalid,
                what: "a topic alias above the maximum",
            });
        }
        let index = usize::from(alias) - 1;
        if publish.topic.is_empty() {
            let known = self.topics.get(index).and_then(Option::as_deref);
            let topic = known.ok_or(Violation::protocol(
                "a topic alias that stands for no topic",
            ))?;
            return Ok(Publish { topic, ..publish });
        }
        if self.topics.len() <= index {
            self.topics.resize(index + 1, None);
        }
        self.topics[index] = Some(publish.topic.into());
        Ok(publish)
    }
}
