//! An append and its receipt: the debt for records goes into the log with them, and comes out when they
//! are durable.
//!
//! An acknowledgement that is sent too early, twice or for another append's records loses readings. So
//! an [`Append`] holds what is owed for its records, and only [`LogWriter::append_all`] returns it, in the
//! [`Receipt`] of that very append.
//!
//! Too early: the debt cannot be reached before the records are in the log.
//!
//! ```compile_fail,E0616
//! let append = greenpark_log::Append::owing("PUBACK 7");
//! let acknowledged = append.owed;
//! ```
//!
//! Twice: a receipt is consumed.
//!
//! ```compile_fail,E0382
//! fn acknowledge(receipt: greenpark_log::Receipt<&str>) {
//!     let first = receipt.into_owed();
//!     let second = receipt.into_owed();
//! }
//! ```
//!
//! For another append: no receipt can be made outside this crate, and none takes another's debt.
//!
//! ```compile_fail,E0451
//! let forged = greenpark_log::Receipt { records: 1, owed: "PUBACK 7" };
//! ```

use std::{fmt, sync::Arc};

use futures::future::{BoxFuture, FutureExt, try_join};

use crate::{
    error::AppendError,
    record::{Record, Topic},
};

/// Stores records durably: the part of a log that each implementation provides. Callers hold a [`LogWriter`].
pub trait DurableLog: fmt::Debug + Send + Sync + 'static {
    /// Appends all `records` to `topic` and resolves when every one of them is durable. Calls may
    /// overlap; records of one call, and of calls made one after the other, keep their order within a
    /// partition. Waits while the log is slow: the bytes under way are bounded.
    ///
    /// # Errors
    /// [`AppendError`]: some or all of the records may or may not be in the log; the caller sends them
    /// again.
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>>;
}

/// Records on their way into the log, and what is owed once all of them are there.
#[must_use = "records are appended by `LogWriter::append_all`"]
#[derive(Debug)]
pub struct Append<T> {
    readings: Vec<Record>,
    dead_letters: Vec<Record>,
    order: TopicOrder,
    owed: T,
}

/// Which topic of an [`Append`] goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TopicOrder {
    Together,
    DeadLettersFirst,
}

impl<T> Append<T> {
    /// An append of no records yet, for which `owed` is due.
    pub fn owing(owed: T) -> Self {
        Self {
            readings: Vec::new(),
            dead_letters: Vec::new(),
            order: TopicOrder::Together,
            owed,
        }
    }

    /// Appends `records` to [`Topic::Readings`].
    pub fn readings(mut self, records: Vec<Record>) -> Self {
        self.readings = records;
        self
    }

    /// Appends `records` to [`Topic::DeadLetters`].
    pub fn dead_letters(mut self, records: Vec<Record>) -> Self {
        self.dead_letters = records;
        self
    }

    /// Appends the readings only when the dead letters are durable: a reader that finds a number among
    /// the readings may believe that the dead letters of the same message are there, too.
    pub fn dead_letters_first(mut self) -> Self {
        self.order = TopicOrder::DeadLettersFirst;
        self
    }
}

/// Proof that the records of one append are durable, with what was owed for them.
#[must_use = "a receipt is what allows an acknowledgement"]
#[derive(Debug)]
pub struct Receipt<T = ()> {
    records: usize,
    owed: T,
}

impl<T> Receipt<T> {
    /// How many records are durable.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    /// What was owed for the records, now due.
    #[must_use]
    pub fn into_owed(self) -> T {
        self.owed
    }
}

/// Appends records durably and hands out receipts. Clones share the log.
#[derive(Debug, Clone)]
pub struct LogWriter {
    log: Arc<dyn DurableLog>,
}

impl LogWriter {
    /// Appends to `log`.
    #[must_use]
    pub fn new(log: Arc<dyn DurableLog>) -> Self {
        Self { log }
    }

    /// Appends `records` to `topic`, for which nothing is owed. Order and waiting: [`DurableLog::append`].
    ///
    /// # Errors
    /// [`AppendError`]: some or all of the records may or may not be in the log, and no receipt exists;
    /// the caller sends them again.
    pub fn append(
        &self,
        topic: Topic,
        records: Vec<Record>,
    ) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        let count = records.len();
        // Called before the first poll: the order of the calls is the order in the log.
        let appended = self.log.append(topic, records);
        async move {
            appended.await?;
            Ok(Receipt {
                records: count,
                owed: (),
            })
        }
        .boxed()
    }

    /// Appends the records of both topics and hands out what is owed for them.
    ///
    /// # Errors
    /// [`AppendError`], as of [`LogWriter::append`]; what was owed is dropped and never due.
    pub async fn append_all<T>(&self, append: Append<T>) -> Result<Receipt<T>, AppendError> {
        let Append {
            readings,
            dead_letters,
            order,
            owed,
        } = append;
        let records = readings.len() + dead_letters.len();
        let readings = self.append_some(Topic::Readings, readings);
        let dead_letters = self.append_some(Topic::DeadLetters, dead_letters);
        match order {
            TopicOrder::Together => {
                try_join(readings, dead_letters).await?;
            }
            TopicOrder::DeadLettersFirst => {
                dead_letters.await?;
                readings.await?;
            }
        }
        Ok(Receipt { records, owed })
    }

    async fn append_some(&self, topic: Topic, records: Vec<Record>) -> Result<(), AppendError> {
        if records.is_empty() {
            return Ok(());
        }
        self.log.append(topic, records).await
    }
}
