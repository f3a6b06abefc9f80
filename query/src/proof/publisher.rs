//! Appends everything that was published to the transparency log.
//!
//! It follows the tables of the lake: what they hold and the log does not is appended, so nothing is lost if the
//! service stands still, and sealing does not wait for it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use greenpark_archive::{
    access_log::AccessTable,
    error::LakeReadError,
    lake::Lake,
    transparency::{
        AppendError, Published, TransparencyLog,
        published::{book_name, entry_leaf},
    },
};
use greenpark_model::{clock::Clock, day::CivilDay};
use greenpark_proof::{
    checkpoint::Checkpoint,
    inclusion::InclusionProof,
    leaf::{Leaf, LeafKind},
    note::Note,
    policy::Policy,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    guard::Guard,
    keys::{KeyFileError, LogKeys},
};
use crate::{access::hex::hex, metrics::QueryMetrics};

/// The interval at which the tables are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Leaves of one append.
const LEAVES_MAX: usize = 1_000;
/// Attempts to append while another writer appends.
const ATTEMPTS_MAX: usize = 16;
/// The name of the rules of figures among the data.
pub(crate) const RULES: &str = "rules";

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The log cannot be written or read.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The lake cannot be read.
    #[error("the lake cannot be read")]
    Read(#[from] LakeReadError),
    /// The lake is older than a checkpoint that was given out.
    #[error(
        "the lake's transparency log has {found} leaves and does not hold the checkpoint of {given} that was given out: \
         an older copy of the lake was restored; move the file of query.proof_key away to begin a new log on it"
    )]
    Older {
        /// The leaves of the given checkpoint.
        given: u64,
        /// The leaves of the log.
        found: u64,
    },
    /// The file of the given checkpoint cannot be used.
    #[error("'{}' cannot be used for the last checkpoint", path.display())]
    Guard {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A leaf with its proof.
#[derive(Debug)]
pub(crate) struct Proved {
    pub(crate) proof: InclusionProof,
    /// The path from an older tree, if one was named and the log has it.
    pub(crate) consistency: Option<Vec<String>>,
}

/// The one writer of the transparency log in this process.
#[derive(Debug)]
pub(crate) struct Publisher {
    lake: Lake,
    keys: LogKeys,
    guard: Guard,
    clock: Clock,
    /// What figures are made with, apart from readings and entries: names and texts.
    data: Vec<(String, String)>,
    /// `None` until the log was opened and checked.
    log: Mutex<Option<TransparencyLog>>,
    access_log: Mutex<AccessTable>,
    metrics: QueryMetrics,
}

impl Publisher {
    /// A publisher of `lake` and `data` with the keys of a file, which is made if it is missing.
    pub(crate) fn new(
        lake: Lake,
        keys: &Path,
        data: Vec<(String, String)>,
        (clock, metrics): (Clock, QueryMetrics),
    ) -> Result<Self, KeyFileError> {
        Ok(Self {
            access_log: Mutex::new(lake.access_log()),
            lake,
            keys: LogKeys::open(keys)?,
            guard: Guard::beside(keys),
            clock,
            data,
            log: Mutex::default(),
            metrics,
        })
    }

    /// The policy by which its checkpoints are verified.
    pub(crate) fn policy(&self) -> &Policy {
        &self.keys.policy
    }

    /// Publishes what is new, again and again until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut is_failing = false;
        loop {
            match self.publish().await {
                Ok(()) => is_failing = false,
                Err(error) => {
                    self.metrics.log_failures.inc();
                    if !std::mem::replace(&mut is_failing, true) {
                        let error = &error as &dyn std::error::Error;
                        warn!(
                            error,
                            "the transparency log was not brought up to date; it is tried again"
                        );
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Publishes what is new.
    pub(crate) async fn publish(&self) -> Result<(), PublishError> {
        let mut log = self.log.lock().await;
        let log = self.opened(&mut log).await?;
        self.catch_up(log).await
    }

    /// Publishes what is new and then `leaf`; returns the proof of it, and the path from the tree of `older` leaves.
    pub(crate) async fn prove(&self, leaf: Leaf, older: u64) -> Result<Proved, PublishError> {
        let mut log = self.log.lock().await;
        let log = self.opened(&mut log).await?;
        self.catch_up(log).await?;
        let mut attempt = 1;
        let index = loop {
            let published = log.published().clone();
            match self
                .append(log, std::slice::from_ref(&leaf), published)
                .await
            {
                Ok(places) => break places.start,
                Err(PublishError::Append(AppendError::Moved)) if attempt < ATTEMPTS_MAX => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        };
        let path = log.inclusion(index).await?.unwrap_or_default();
        let checkpoint = self.newest(log)?;
        Ok(Proved {
            proof: InclusionProof {
                index,
                path,
                checkpoint,
            },
            consistency: path_from(log, older).await?,
        })
    }

    /// The newest checkpoint, and the path from the tree of `older` leaves; `None` if the log has not so many.
    pub(crate) async fn checkpoint(
        &self,
        older: u64,
    ) -> Result<(Note, Option<Vec<String>>), PublishError> {
        let mut log = self.log.lock().await;
        let log = self.opened(&mut log).await?;
        self.catch_up(log).await?;
        Ok((self.newest(log)?, path_from(log, older).await?))
    }

    fn newest(&self, log: &TransparencyLog) -> Result<Note, PublishError> {
        let empty = || {
            PublishError::Read(LakeReadError::Log {
                table: "transparency".to_owned(),
                source: "it has no leaf".into(),
            })
        };
        log.checkpoint().cloned().ok_or_else(empty)
    }

    /// The log, which is opened and checked at first use.
    async fn opened<'a>(
        &self,
        log: &'a mut Option<TransparencyLog>,
    ) -> Result<&'a mut TransparencyLog, PublishError> {
        let opened = match log.take() {
            Some(log) => log,
            None => {
                let opened = self.lake.transparency().await?;
                self.guard.check(&opened, self.keys.policy.origin()).await?;
                opened
            }
        };
        self.measure(&opened);
        Ok(log.insert(opened))
    }

    fn measure(&self, log: &TransparencyLog) {
        let leaves = i64::try_from(log.size()).unwrap_or(i64::MAX);
        self.metrics.log_leaves.set(leaves);
    }

    async fn catch_up(&self, log: &mut TransparencyLog) -> Result<(), PublishError> {
        loop {
            let (leaves, published) = self.missing(log).await?;
            // Versions without a sealed file are noted with the next leaf.
            if leaves.is_empty() {
                return Ok(());
            }
            match self.append(log, &leaves, published).await {
                Ok(places) => info!(
                    leaves = places.end - places.start,
                    size = places.end,
                    "published"
                ),
                Err(PublishError::Append(AppendError::Moved)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn append(
        &self,
        log: &mut TransparencyLog,
        leaves: &[Leaf],
        published: Published,
    ) -> Result<std::ops::Range<u64>, PublishError> {
        let origin = self.keys.policy.origin();
        let sign = |checkpoint: &Checkpoint| checkpoint.sign(&self.keys.signers);
        let places = log.append(leaves, published, origin, sign).await?;
        self.measure(log);
        if let Some(checkpoint) = log.checkpoint() {
            self.guard.keep(checkpoint)?;
        }
        Ok(places)
    }

    /// Leaves that are missing, at most about [`LEAVES_MAX`], and what is published with them.
    async fn missing(&self, log: &TransparencyLog) -> Result<(Vec<Leaf>, Published), PublishError> {
        let mut published = log.published().clone();
        let mut leaves = self.new_epoch(log);
        leaves.extend(self.changed_data(&mut published));
        leaves.extend(self.finished_access_days(&mut published).await?);
        let entries = self.lake.reference().entries().await?;
        let new = entries.entries.iter().enumerate().skip(published.entries);
        leaves.extend(
            new.take(LEAVES_MAX)
                .map(|(number, entry)| entry_leaf(number, entry)),
        );
        published.entries += leaves
            .iter()
            .filter(|leaf| leaf.kind == LeafKind::Entry)
            .count();
        for park in self.lake.parks().await? {
            for year in self.lake.years(&park).await? {
                let room = LEAVES_MAX.saturating_sub(leaves.len());
                if room == 0 {
                    return Ok((leaves, published));
                }
                let book = book_name(&park, year);
                let version = published.books.get(&book).copied().unwrap_or(-1);
                let found = self.lake.sealed_after((&park, year), version, room).await?;
                leaves.extend(found.0);
                if found.1 > version {
                    published.books.insert(book, found.1);
                }
            }
        }
        Ok((leaves, published))
    }

    /// Leaves of the days of the access log that are over.
    async fn finished_access_days(
        &self,
        published: &mut Published,
    ) -> Result<Vec<Leaf>, PublishError> {
        let after: Option<CivilDay> = published.access_log.as_ref().and_then(|d| d.parse().ok());
        let today = self.clock.now().day();
        if after.is_some_and(|after| after.next() >= today) {
            return Ok(Vec::new());
        }
        let mut table = self.access_log.lock().await;
        let (leaves, last) = Box::pin(table.finished(after, today)).await?;
        if let Some(last) = last {
            published.access_log = Some(last.to_string());
        }
        Ok(leaves)
    }

    /// A leaf that says where the log of other keys ended, if this one goes on from it.
    fn new_epoch(&self, log: &TransparencyLog) -> Vec<Leaf> {
        let older = log
            .checkpoint()
            .and_then(|note| Checkpoint::read_unverified(note).ok());
        let older = older.filter(|older| older.origin != self.keys.policy.origin());
        let leaf = older.zip(log.checkpoint()).map(|(older, note)| Leaf {
            kind: LeafKind::Epoch,
            name: older.origin,
            sha256: hex(&Sha256::digest(note.to_string())),
            size: older.size,
            recorded_at: self.clock.now().millis(),
            version: 0,
        });
        leaf.into_iter().collect()
    }

    /// Leaves of the data files and the rules, as far as they changed with the program or the settings.
    fn changed_data(&self, published: &mut Published) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for (name, text) in &self.data {
            let sha256 = hex(&Sha256::digest(text));
            if published.data.get(name) == Some(&sha256) {
                continue;
            }
            published.data.insert(name.clone(), sha256.clone());
            leaves.push(Leaf {
                kind: match name.as_str() {
                    RULES => LeafKind::Rules,
                    _ => LeafKind::Data,
                },
                name: name.clone(),
                sha256,
                size: text.len() as u64,
                recorded_at: self.clock.now().millis(),
                version: 0,
            });
        }
        leaves
    }
}

/// The path from the tree of `older` leaves, in base64; `None` if the log has fewer leaves.
async fn path_from(
    log: &TransparencyLog,
    older: u64,
) -> Result<Option<Vec<String>>, LakeReadError> {
    let path = log.consistency(older).await?;
    Ok(path.map(|path| path.iter().map(ToString::to_string).collect()))
}
