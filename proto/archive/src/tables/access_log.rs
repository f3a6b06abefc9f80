//! The access log: who asked what of the query service, and what came of it: `<lake>/access/`, one Delta table.
//!
//! A row is an event of a request. The table has a few files for each civil day: those of a day are joined while it
//! goes on, and once more when it is over. Days are kept [`KEPT_DAYS`] days.
//!
//! ```
//! # use greenpark_archive::{access_log::{AccessEvent, AccessRecord}, lake::Lake};
//! # use greenpark_model::{clock::Clock, day::Instant};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let at = Instant::from_millis(1_795_000_000_000);
//! # let lake = Lake::open(folder.path().to_str().ok_or("text")?, Clock::new(move || at)).await?;
//! let mut log = lake.access_log();
//! let asked = AccessRecord {
//!     caller: "certificate:control-centre".into(),
//!     method: "GetProgress".into(),
//!     ..AccessRecord::new(at, AccessEvent::Attempt)
//! };
//! log.append(std::slice::from_ref(&asked)).await?;
//! assert_eq!(log.of_day(at.day()).await?, [asked]);
//! # Ok(())
//! # }
//! ```

mod columns;
mod table;

use std::{fmt, str::FromStr, sync::Arc};

use greenpark_model::day::Instant;

pub use self::table::{AccessFile, AccessTable};

/// The table's folder in the lake.
pub(crate) const ROOT: &str = "access";

/// How many civil days are kept.
pub const KEPT_DAYS: i32 = 400;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessEvent {
    /// A permitted request was about to be answered.
    Attempt,
    /// An extract was made and was about to leave.
    Extract,
    /// The request ended.
    Outcome,
    /// Requests were refused: a credential or a grant was missing.
    Refused,
    /// Records were lost: they could not be written for too long.
    Lost,
}

impl AccessEvent {
    /// Its name in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Extract => "extract",
            Self::Outcome => "outcome",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for AccessEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no event's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of attempt, extract, outcome, refused and lost")]
pub struct UnknownEvent(String);

impl FromStr for AccessEvent {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let all = [
            Self::Attempt,
            Self::Extract,
            Self::Outcome,
            Self::Refused,
            Self::Lost,
        ];
        let mut all = all.into_iter();
        all.find(|event| event.as_str() == text)
            .ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

/// A row of the access log. A text that is not known, or that the event does not have, is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord {
    /// When it happened. Of several refusals: the first.
    pub at: Instant,
    /// What happened.
    pub event: AccessEvent,
    /// The request: the same in all its rows.
    pub request_id: Arc<str>,
    /// The caller's name, such as `certificate:control-centre`.
    pub caller: Arc<str>,
    /// The network address of the caller.
    pub source: Arc<str>,
    /// The method, such as `GetProgress`.
    pub method: Arc<str>,
    /// What was asked about: resource names and days.
    pub scope_asked: Arc<str>,
    /// `permitted` for an attempt; otherwise the gRPC code of the outcome, such as `ok`.
    pub decision: Arc<str>,
    /// The grants that permitted it, such as `auditor on parks/east`.
    pub determined_by: Arc<str>,
    /// The number of requests: more than 1 only for refusals and lost records.
    pub requests: u64,
    /// Rows in the answer, if it is a list of readings or letters.
    pub rows: Option<u64>,
    /// Bytes of the answer before compression.
    pub bytes: Option<u64>,
    /// SHA-256 in hex of an extract.
    pub extract_sha256: Option<Arc<str>>,
    /// The version of the reference table that holds the grants, such as `reference:17`.
    pub versions: Arc<str>,
}

impl AccessRecord {
    /// A record of one request about which nothing else is known.
    #[must_use]
    pub fn new(at: Instant, event: AccessEvent) -> Self {
        let none: Arc<str> = "".into();
        Self {
            at,
            event,
            request_id: Arc::clone(&none),
            caller: Arc::clone(&none),
            source: Arc::clone(&none),
            method: Arc::clone(&none),
            scope_asked: Arc::clone(&none),
            decision: Arc::clone(&none),
            determined_by: Arc::clone(&none),
            requests: 1,
            rows: None,
            bytes: None,
            extract_sha256: None,
            versions: none,
        }
    }
}

#[cfg(test)]
mod tests;
