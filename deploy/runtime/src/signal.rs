//! SIGINT and SIGTERM.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that a second signal ended at once (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Returns a token that the first SIGINT or SIGTERM cancels. A second signal ends the process at once: everything
/// acknowledged is durable, so nothing is lost.
///
/// # Errors
/// The operating system refuses a signal handler.
#[expect(
    clippy::disallowed_methods,
    reason = "a drain that hangs must yield to a second signal"
)]
pub fn shutdown() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if shutdown.is_cancelled() {
                std::process::exit(INTERRUPTED);
            }
            shutdown.cancel();
        }
    });
    Ok(token)
}
