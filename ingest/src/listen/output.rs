//! The bytes that a connection has to write.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::socket::Socket;
use crate::limits::{REPLY_BYTES_MAX, WRITE_STALL_SECONDS};

const WRITE_STALL: Duration = Duration::from_secs(WRITE_STALL_SECONDS);

/// The bytes to write.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    written: usize,
    /// The time since which the client has not read what was written.
    stalled: Option<Instant>,
    /// Nothing more is written, because the last write may have ended within a packet.
    mute: bool,
}

impl Output {
    pub(super) fn is_written(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Returns true if so many bytes wait that the client is not read from either.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= REPLY_BYTES_MAX
    }

    /// Returns true if the client has read nothing for too long.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.stalled.is_some_and(|since| now >= since + WRITE_STALL)
    }

    /// Writes as much as the socket accepts; `active` becomes the time of a successful write.
    pub(super) fn write(&mut self, socket: &mut Socket, active: &mut Instant) -> io::Result<()> {
        if self.mute {
            self.written = self.bytes.len();
        }
        while !self.is_written() {
            match socket.try_write(&self.bytes[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    // Our own acknowledgements count as activity: MQTT.js restarts its ping timer
                    // at each, so that its gap can approach twice the keep-alive.
                    *active = Instant::now();
                    self.stalled = None;
                }
                Err(error) => return self.stall(error),
            }
        }
        self.bytes.clear();
        self.written = 0;
        match socket.try_flush() {
            Ok(()) => {
                self.stalled = None;
                Ok(())
            }
            Err(error) => self.stall(error),
        }
    }

    /// Notes that the socket has no room; any other error is lost for good.
    fn stall(&mut self, error: io::Error) -> io::Result<()> {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error);
        }
        self.stalled.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Drops the bytes that are not written, and all later ones.
    pub(super) fn give_up(&mut self, socket: &mut Socket) {
        self.mute = true;
        self.written = self.bytes.len();
        socket.forget();
    }
}
