//! Files that their table has removed. They stay for a while, for readers that still know them.

use std::{collections::VecDeque, time::Duration};

use object_store::path::Path;
use tokio::time::Instant;

use crate::store::Storage;

/// How long a removed file stays.
const LINGER: Duration = Duration::from_secs(60);
/// Files deleted at once, so that a publish never waits long for the disk.
const DELETES_MAX: usize = 1_024;

/// Removed files, oldest first.
#[derive(Debug)]
pub(crate) struct Expired {
    files: VecDeque<(Instant, Path)>,
    linger: Duration,
}

impl Default for Expired {
    fn default() -> Self {
        Self {
            files: VecDeque::new(),
            linger: LINGER,
        }
    }
}

impl Expired {
    /// Adds a file that was removed just now.
    pub(crate) fn note(&mut self, place: Path) {
        self.files.push_back((Instant::now(), place));
    }

    /// Deletes the files that have stayed long enough. A file that is not deleted does no harm.
    pub(crate) async fn delete_due(&mut self, storage: &Storage) {
        let due = self
            .files
            .iter()
            .take(DELETES_MAX)
            .take_while(|(at, _)| at.elapsed() >= self.linger)
            .count();
        if due == 0 {
            return;
        }
        let paths = self.files.drain(..due).map(|(_, path)| path);
        storage.delete(paths.collect()).await;
    }

    /// Makes removed files due for deletion at once.
    #[cfg(test)]
    pub(crate) fn expire_now(&mut self) {
        self.linger = Duration::ZERO;
    }
}
