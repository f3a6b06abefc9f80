//! The simulated log: the in-memory log with failing calls, lost answers and calls that take turns.

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
use greenpark_model::{clock::Clock, log_position::Partition};

use crate::{actor::next_turn, clock::SimClock, op::LogFault};

/// Number of reads that [`LogFault::ReadsShort`] cuts to one record.
const SHORT_READS: u32 = 12;

/// The processors' consumer group.
pub(crate) const GROUP: &str = "sim";
/// Partitions of the log.
pub(crate) const PARTITIONS: u32 = 2;

/// The simulated log.
#[derive(Debug)]
pub(crate) struct SimLog {
    pub(crate) memory: MemoryLog,
    writer: LogWriter,
    clock: Arc<SimClock>,
    faults: Mutex<BTreeMap<LogFault, u32>>,
}

impl SimLog {
    pub(crate) fn new(clock: &Arc<SimClock>) -> Arc<Self> {
        let wall = Arc::clone(clock);
        let memory = MemoryLog::new(PARTITIONS, Clock::new(move || wall.wall()));
        let writer = memory.writer();
        Arc::new(Self {
            memory,
            writer,
            clock: Arc::clone(clock),
            faults: Mutex::default(),
        })
    }

    /// Makes the next call of the fault's kind fail, or the next reads return one record each.
    pub(crate) fn arm(&self, fault: LogFault) {
        let calls = match fault {
            LogFault::ReadsShort => SHORT_READS,
            _ => 1,
        };
        *self.lock().entry(fault).or_insert(0) += calls;
    }

    /// Disarms all faults and resumes appends.
    pub(crate) fn heal(&self) {
        self.lock().clear();
        self.memory.resume();
    }

    fn is_armed(&self, fault: LogFault) -> bool {
        self.lock()
            .get(&fault)
            .is_some_and(|remaining| *remaining > 0)
    }

    /// Consumes one armed fault of this kind. Returns false if none is armed.
    fn strikes(&self, fault: LogFault) -> bool {
        let mut faults = self.lock();
        match faults.get_mut(&fault) {
            Some(remaining) if *remaining > 0 => {
                *remaining -= 1;
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LogFault, u32>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer of this log.
    pub(crate) fn writer(self: &Arc<Self>) -> LogWriter {
        LogWriter::new(Arc::new(Writer(Arc::clone(self))))
    }

    /// A reader that takes over every partition.
    pub(crate) fn reader(self: &Arc<Self>) -> Box<dyn LogReader> {
        let inner = self.memory.reader(GROUP);
        self.clock.ring();
        Box::new(Reader {
            log: Arc::clone(self),
            inner,
        })
    }
}

#[derive(Debug)]
struct Writer(Arc<SimLog>);

impl DurableLog for Writer {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>> {
        let log = &self.0;
        async move {
            next_turn().await;
            if log.strikes(LogFault::AppendRefused) {
                return Err(AppendError::Write("the append was refused".into()));
            }
            let _receipt = log.writer.append(topic, records).await?;
            log.clock.ring();
            next_turn().await;
            match log.strikes(LogFault::AppendAnswerLost) {
                true => Err(AppendError::Write("the answer was lost".into())),
                false => Ok(()),
            }
        }
        .boxed()
    }
}

/// Wraps the in-memory reader and waits by the simulated clock instead of the real one.
#[derive(Debug)]
struct Reader {
    log: Arc<SimLog>,
    inner: Box<dyn LogReader>,
}

impl LogReader for Reader {
    fn next(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Delivered, ReadError>> {
        async move {
            let clock = Arc::clone(&self.log.clock);
            let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            let deadline = clock.elapsed_ms().saturating_add(wait_ms);
            loop {
                next_turn().await;
                if self.log.strikes(LogFault::ReadFails) {
                    return Err(ReadError::Read("the read failed".into()));
                }
                let is_short = self.log.is_armed(LogFault::ReadsShort);
                let bytes_max = if is_short { 1 } else { bytes_max };
                let delivered = self.inner.next(bytes_max, Duration::ZERO).await?;
                if is_short && !delivered.entries.is_empty() {
                    self.log.strikes(LogFault::ReadsShort);
                }
                let is_empty = delivered.entries.is_empty()
                    && delivered.revoked.is_empty()
                    && delivered.assigned.is_empty();
                if !is_empty || clock.elapsed_ms() >= deadline {
                    return Ok(delivered);
                }
                clock.sleep_until(deadline).await;
            }
        }
        .boxed()
    }

    fn find(
        &mut self,
        partition: Partition,
        offset: u64,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        self.inner.find(partition, offset)
    }

    fn rewind(&mut self, partition: Partition, offset: u64) {
        self.inner.rewind(partition, offset);
    }

    fn commit(
        &mut self,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        async move {
            next_turn().await;
            if self.log.strikes(LogFault::CommitRefused) {
                return Err(CommitError::Store("the offset was refused".into()));
            }
            self.inner.commit(partition, next_offset).await?;
            next_turn().await;
            match self.log.strikes(LogFault::CommitAnswerLost) {
                true => Err(CommitError::Store("the answer was lost".into())),
                false => Ok(()),
            }
        }
        .boxed()
    }
}
