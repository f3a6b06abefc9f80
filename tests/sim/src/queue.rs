//! The log: the one in memory, with answers that get lost and calls that take turns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use greenpark_log::{
    AppendError, CommitError, Delivered, DurableLog, Entry, LogReader, LogWriter, ReadError,
    Record, Topic, memory::MemoryLog,
};

use crate::{actor::next_turn, clock::Clock, op::LogFault};

/// Reads that bring little once they begin to.
const READS_LITTLE: u32 = 12;

/// The processors' consumer group.
pub(crate) const GROUP: &str = "sim";
/// Partitions of the log.
pub(crate) const PARTITIONS: u32 = 2;

/// The simulated log.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) log: MemoryLog,
    writer: LogWriter,
    clock: Arc<Clock>,
    faults: Mutex<BTreeMap<LogFault, u32>>,
}

impl Queue {
    pub(crate) fn new(clock: &Arc<Clock>) -> Arc<Self> {
        let of_log = Arc::clone(clock);
        let log = MemoryLog::with_clock(PARTITIONS, move || of_log.wall_ms());
        let writer = log.writer();
        Arc::new(Self {
            log,
            writer,
            clock: Arc::clone(clock),
            faults: Mutex::default(),
        })
    }

    /// Makes the next call of the fault's kind fail, or the next calls bring little.
    pub(crate) fn arm(&self, fault: LogFault) {
        let calls = match fault {
            LogFault::ReadsLittle => READS_LITTLE,
            _ => 1,
        };
        *self.lock().entry(fault).or_insert(0) += calls;
    }

    /// Forgets every fault that has not happened.
    pub(crate) fn heal(&self) {
        self.lock().clear();
        self.log.resume();
    }

    fn is_armed(&self, fault: LogFault) -> bool {
        self.lock().get(&fault).is_some_and(|left| *left > 0)
    }

    fn strikes(&self, fault: LogFault) -> bool {
        let mut faults = self.lock();
        match faults.get_mut(&fault) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LogFault, u32>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer that shares this log.
    pub(crate) fn writer(self: &Arc<Self>) -> LogWriter {
        LogWriter::new(Arc::new(Writer(Arc::clone(self))))
    }

    /// A reader that takes every partition over.
    pub(crate) fn reader(self: &Arc<Self>) -> Box<dyn LogReader> {
        let inner = self.log.reader(GROUP);
        self.clock.ring();
        Box::new(Reader {
            queue: Arc::clone(self),
            inner,
        })
    }
}

#[derive(Debug)]
struct Writer(Arc<Queue>);

impl DurableLog for Writer {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>> {
        let queue = &self.0;
        async move {
            next_turn().await;
            if queue.strikes(LogFault::AppendRefused) {
                return Err(AppendError::Write("the append was refused".into()));
            }
            let _receipt = queue.writer.append(topic, records).await?;
            queue.clock.ring();
            next_turn().await;
            match queue.strikes(LogFault::AppendAnswerLost) {
                true => Err(AppendError::Write("the answer was lost".into())),
                false => Ok(()),
            }
        }
        .boxed()
    }
}

/// Waits by the simulated clock where the reader it stands before would wait by the real one.
#[derive(Debug)]
struct Reader {
    queue: Arc<Queue>,
    inner: Box<dyn LogReader>,
}

impl LogReader for Reader {
    fn next(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Delivered, ReadError>> {
        async move {
            let clock = Arc::clone(&self.queue.clock);
            let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            let deadline = clock.passed_ms().saturating_add(wait_ms);
            loop {
                next_turn().await;
                if self.queue.strikes(LogFault::ReadFails) {
                    return Err(ReadError::Read("the read failed".into()));
                }
                let little = self.queue.is_armed(LogFault::ReadsLittle);
                let bytes_max = if little { 1 } else { bytes_max };
                let delivered = self.inner.next(bytes_max, Duration::ZERO).await?;
                if little && !delivered.entries.is_empty() {
                    self.queue.strikes(LogFault::ReadsLittle);
                }
                let nothing = delivered.entries.is_empty()
                    && delivered.revoked.is_empty()
                    && delivered.assigned.is_empty();
                if !nothing || clock.passed_ms() >= deadline {
                    return Ok(delivered);
                }
                clock.sleep_until(deadline).await;
            }
        }
        .boxed()
    }

    fn find(
        &mut self,
        partition: u32,
        offset: u64,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        self.inner.find(partition, offset)
    }

    fn rewind(&mut self, partition: u32, offset: u64) {
        self.inner.rewind(partition, offset);
    }

    fn commit(
        &mut self,
        partition: u32,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        async move {
            next_turn().await;
            if self.queue.strikes(LogFault::CommitRefused) {
                return Err(CommitError::Store("the offset was refused".into()));
            }
            self.inner.commit(partition, next_offset).await?;
            next_turn().await;
            match self.queue.strikes(LogFault::CommitAnswerLost) {
                true => Err(CommitError::Store("the answer was lost".into())),
                false => Ok(()),
            }
        }
        .boxed()
    }
}
