//! A client's session without its socket: bytes of MQTT in, acknowledgements out.
//!
//! It parses, gathers, appends and acknowledges with the code that connections use, and leaves to its
//! owner what a connection does with time and sockets. The simulation drives it.

use std::future::Future;

use greenpark_log::AppendError;

use super::intake::{Intake, Terms};
use crate::{identity::Bearer, pipeline::Pipeline, wire::Version};

/// A session behind CONNECT.
#[derive(Debug)]
pub struct Detached {
    intake: Intake,
    pipeline: Pipeline,
}

impl Detached {
    /// A session of MQTT 3.1.1 whose publishes go into `pipeline`.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        Self::of(Version::V4, pipeline)
    }

    /// A session of MQTT 5, whose publishes may be numbered.
    #[must_use]
    pub fn new_v5(pipeline: &Pipeline) -> Self {
        Self::of(Version::V5, pipeline)
    }

    fn of(version: Version, pipeline: &Pipeline) -> Self {
        let terms = Terms {
            version,
            packet_bytes_max: usize::MAX,
            expiry: false,
        };
        Self {
            intake: Intake::new(terms, pipeline.clone(), Bearer::default(), Vec::new()),
            pipeline: pipeline.clone(),
        }
    }

    /// Takes bytes as a socket brought them; whether the session goes on.
    pub fn read(&mut self, bytes: &[u8]) -> bool {
        self.intake.feed(bytes).is_none()
    }

    /// Whether nothing waits to be appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intake.gather.is_empty()
    }

    /// Appends what was taken and resolves to the bytes of its acknowledgements. As on a connection, one
    /// append is made after the other; after an error the session is over and the client sends again.
    pub fn append(&mut self) -> impl Future<Output = Result<Vec<u8>, AppendError>> + Send + use<> {
        let append = self.pipeline.append(self.intake.gather.seal());
        async move {
            let mut acknowledgements = Vec::new();
            append.await?.write(&mut acknowledgements);
            Ok(acknowledgements)
        }
    }
}
