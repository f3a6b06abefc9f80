//! Topic aliases of a connection: numbers that stand for topics, section 3.3.2.3.4 of MQTT 5.
//!
//! They end with their connection (`[MQTT-3.3.2-7]`). A topic is kept once it has a number; a client that uses none
//! costs nothing here.

use crate::{
    limits::TOPIC_ALIASES_MAX,
    wire::{Reason, Violation},
};

/// The topics that a client has given numbers.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    topics: Vec<Option<Box<str>>>,
}

impl Aliases {
    /// The topic that `alias` stands for: `topic` from now on, or what it was given before where that is empty.
    ///
    /// # Errors
    /// [`Violation`] for an alias above what CONNACK offered, and for one that stands for no topic yet.
    pub(super) fn resolve<'a>(
        &'a mut self,
        alias: u16,
        topic: &'a str,
    ) -> Result<&'a str, Violation> {
        if alias > TOPIC_ALIASES_MAX {
            return Err(Violation {
                reason: Reason::TopicAliasInvalid,
                what: "a topic alias above the maximum",
            });
        }
        let index = usize::from(alias) - 1;
        if topic.is_empty() {
            let known = self.topics.get(index).and_then(Option::as_deref);
            return known.ok_or(Violation::protocol(
                "a topic alias that stands for no topic",
            ));
        }
        if self.topics.len() <= index {
            self.topics.resize(index + 1, None);
        }
        self.topics[index] = Some(topic.into());
        Ok(topic)
    }
}
