//! A client's session without its socket: MQTT bytes in, acknowledgements out.
//!
//! It parses, accumulates, appends and acknowledges with the same code as a connection, and leaves
//! timers and sockets to its owner. The simulation uses it.

use std::future::Future;

use greenpark_log::AppendError;

use super::{handshake::Terms, intake::Intake};
use crate::{auth::ClientIdentity, mqtt::Version, pipeline::Pipeline};

/// A session after CONNECT, without a socket.
#[derive(Debug)]
pub struct Detached {
    intake: Intake,
    pipeline: Pipeline,
}

impl Detached {
    /// Creates a session of MQTT 3.1.1 whose publishes go into `pipeline`.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        Self::of(Version::V4, pipeline)
    }

    /// Creates a session of MQTT 5, whose publishes may be numbered.
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
            intake: Intake::new(
                terms,
                pipeline.clone(),
                ClientIdentity::default(),
                Vec::new(),
            ),
            pipeline: pipeline.clone(),
        }
    }

    /// Parses bytes as from a socket; returns true if the session continues.
    pub fn read(&mut self, bytes: &[u8]) -> bool {
        self.intake.feed(bytes).is_none()
    }

    /// Returns true if the open batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intake.accumulator.is_empty()
    }

    /// Appends the open batch and resolves to the bytes of its acknowledgements. As on a
    /// connection, the caller makes one append after the other; after an error the session is over
    /// and the client sends again.
    pub fn append(&mut self) -> impl Future<Output = Result<Vec<u8>, AppendError>> + Send + use<> {
        let append = self.pipeline.append(self.intake.accumulator.seal());
        async move {
            let mut acknowledgements = Vec::new();
            append.await?.write(&mut acknowledgements);
            Ok(acknowledgements)
        }
    }
}
