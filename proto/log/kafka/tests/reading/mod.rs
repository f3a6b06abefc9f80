//! Reading a log to its end, for the suites over a mock and a real broker.

use std::time::Duration;

use greenpark_log::{Entry, LogReader};
use tokio::time::Instant;

/// Reads until the log has no more records.
pub(crate) async fn read_to_the_end(reader: &mut Box<dyn LogReader>) -> Vec<Entry> {
    let started = Instant::now();
    let mut entries = Vec::new();
    loop {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the reader never caught up"
        );
        let delivered = reader
            .next(1 << 20, Duration::from_millis(300))
            .await
            .expect("the log reads");
        entries.extend(delivered.entries);
        if delivered.caught_up {
            return entries;
        }
    }
}
