//! Topic aliases of a connection: numbers that replace topics, section 3.3.2.3.4 of MQTT 5.
//!
//! Aliases end with their connection (`[MQTT-3.3.2-7]`). A topic is stored once it has a number; a
//! client without aliases costs nothing here.

use crate::{
    limits::TOPIC_ALIASES_MAX,
    mqtt::{Reason, Violation},
};

/// The topics that a client has assigned numbers to.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    topics: Vec<Option<Box<str>>>,
}

impl Aliases {
    /// Returns the topic of `alias`: a non-empty `topic` defines the alias, an empty one uses the
    /// earlier definition.
    ///
    /// # Errors
    /// [`Violation`] for an alias above the maximum in CONNACK, and for one that is not defined.
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
