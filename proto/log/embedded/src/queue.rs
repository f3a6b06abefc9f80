//! What waits for the journal thread.
//!
//! Appends gather here while the thread commits the group before them. The thread is woken once a group
//! and not once a call; a small group waits a little for company.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use greenpark_log::{
    error::{AppendError, CommitError},
    inflight::Held,
    record::{Record, Topic},
};
use greenpark_model::log_position::Partition;

/// A group of this size goes at once: its fsync is paid for.
const GROUP_BYTES_FULL: usize = 256 << 10;

/// Most bytes in one group: what is committed at once is also held in memory twice.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Records to append.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) topic: Topic,
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: usize,
    pub(crate) done: oneshot::Sender<Result<(), AppendError>>,
    /// What the caller holds of the window until the append is settled.
    pub(crate) _held: Held,
}

/// A group's offset to store.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) topic: Topic,
    pub(crate) group: String,
    pub(crate) partition: Partition,
    pub(crate) next_offset: u64,
    pub(crate) done: oneshot::Sender<Result<(), CommitError>>,
}

/// What one commit of the store settles.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) appends: Vec<Append>,
    pub(crate) commits: Vec<Commit>,
}

#[derive(Debug, Default)]
struct State {
    group: Group,
    bytes: usize,
    asleep: bool,
    closed: bool,
}

/// The queue in front of the journal thread; the window bounds its bytes.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    woken: Condvar,
    linger: Duration,
}

impl Queue {
    pub(crate) fn new(linger: Duration) -> Self {
        Self {
            state: Mutex::default(),
            woken: Condvar::new(),
            linger,
        }
    }

    /// Adds an append; the caller learns of a closed queue by its `done` being dropped.
    pub(crate) fn append(&self, append: Append) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.bytes += append.bytes;
        state.group.appends.push(append);
        let enough = state.group.appends.len() == 1 || state.bytes >= GROUP_BYTES_FULL;
        self.wake(state, enough);
    }

    /// Adds an offset to store.
    pub(crate) fn commit(&self, commit: Commit) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.group.commits.push(commit);
        self.wake(state, true);
    }

    /// Takes no more; what is there is still settled.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state, true);
    }

    /// Takes no more and lets go of what is there, whose callers learn of it as above.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = 0;
        let group = std::mem::take(&mut state.group);
        drop(state);
        // Not under the lock: it wakes the callers.
        drop(group);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>, enough: bool) {
        if state.asleep && enough {
            state.asleep = false;
            drop(state);
            self.woken.notify_one();
        }
    }

    /// The next group; `None` when the queue is closed and empty. Called by one thread.
    pub(crate) fn next_group(&self) -> Option<Group> {
        let mut state = self.lock();
        while state.group.appends.is_empty() && state.group.commits.is_empty() {
            if state.closed {
                return None;
            }
            state.asleep = true;
            state = self
                .woken
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut state = self.gather(state);
        state.asleep = false;
        let taken = take_prefix(&mut state.group.appends);
        state.bytes -= taken.iter().map(|append| append.bytes).sum::<usize>();
        let commits = std::mem::take(&mut state.group.commits);
        Some(Group {
            appends: taken,
            commits,
        })
    }

    /// Waits until the group is full, the linger is over or an offset is to be stored.
    fn gather<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + self.linger;
        while !state.closed && state.bytes < GROUP_BYTES_FULL && state.group.commits.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.asleep = true;
            let waited = self.woken.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes appends from the front up to [`GROUP_BYTES_MAX`], at least one.
fn take_prefix(appends: &mut Vec<Append>) -> Vec<Append> {
    let mut bytes = 0;
    let fits = |append: &Append| {
        bytes += append.bytes;
        bytes > GROUP_BYTES_MAX
    };
    match appends.iter().position(fits) {
        Some(end) => {
            let rest = appends.split_off(end.max(1));
            std::mem::replace(appends, rest)
        }
        None => std::mem::take(appends),
    }
}
