//! Which messages of a gateway's own count have come.
//!
//! A gateway may number what it sends: 1, 2, 3 and so on within an *epoch*, a number that it changes when its
//! count starts anew. [`Numbers`] are those of one epoch that have reached some place, the log or the
//! archive, as runs. Whoever holds too many runs may forget some of them: what is forgotten is a gap, and a
//! gap only says *not known to have come*, never *lost*.
//!
//! ```
//! use greenpark_model::numbers::Numbers;
//! let mut come = Numbers::default();
//! come.insert(1, 3);
//! come.insert(6, 6);
//! assert_eq!((come.up_to(), come.gaps().collect::<Vec<_>>()), (6, vec![(4, 5)]));
//! ```

/// The largest epoch and sequence: the largest whole number that every reader of JSON keeps exactly.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A message's place in its gateway's count: both numbers are from 1 to [`NUMBER_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Numbered {
    epoch: u64,
    sequence: u64,
}

impl Numbered {
    /// Number `sequence` of `epoch`, if both are in range.
    #[must_use]
    pub fn new(epoch: u64, sequence: u64) -> Option<Self> {
        let range = 1..=NUMBER_MAX;
        (range.contains(&epoch) && range.contains(&sequence)).then_some(Self { epoch, sequence })
    }

    /// Which count it belongs to.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// Its place in the count.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.sequence
    }
}

/// Numbers of one epoch, as runs: each from its first to its last, in order, with at least one number
/// missing between two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    runs: Vec<(u64, u64)>,
}

impl Numbers {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs, in order.
    #[must_use]
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }

    /// The highest number; 0 where there are none.
    #[must_use]
    pub fn up_to(&self) -> u64 {
        self.runs.last().map_or(0, |&(_, last)| last)
    }

    /// The runs that are missing below [`Numbers::up_to`], from 1 on.
    pub fn gaps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut next = 1;
        let gap = move |&(first, last): &(u64, u64)| {
            let gap = (first > next).then_some((next, first - 1));
            next = last.saturating_add(1);
            gap
        };
        self.runs.iter().filter_map(gap)
    }

    /// Whether `number` is one of them.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let at = self.runs.partition_point(|&(_, last)| last < number);
        self.runs.get(at).is_some_and(|&(first, _)| first <= number)
    }

    /// How many of the numbers from `first` to `last` are among them.
    #[must_use]
    pub fn count_in(&self, first: u64, last: u64) -> u64 {
        let at = self.runs.partition_point(|&(_, end)| end < first);
        let met = self.runs[at..]
            .iter()
            .take_while(|&&(begin, _)| begin <= last);
        met.map(|&(begin, end)| end.min(last) - begin.max(first) + 1)
            .sum()
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        let among = |&(first, last): &(u64, u64)| self.count_in(first, last) == last - first + 1;
        other.runs.iter().all(among)
    }

    /// Adds the numbers from `first` to `last`; 0 is none. Returns whether any of them is new.
    pub fn insert(&mut self, first: u64, last: u64) -> bool {
        let first = first.max(1);
        if first > last {
            return false;
        }
        // Runs that `first..=last` meets or touches.
        let start = match self.runs.last() {
            Some(&(_, end)) if end.saturating_add(1) < first => self.runs.len(),
            _ => self
                .runs
                .partition_point(|&(_, end)| end.saturating_add(1) < first),
        };
        let met = self.runs[start..]
            .iter()
            .take_while(|&&(begin, _)| begin <= last.saturating_add(1))
            .count();
        if met == 0 {
            self.runs.insert(start, (first, last));
            return true;
        }
        let (low, high) = (self.runs[start].0, self.runs[start + met - 1].1);
        if met == 1 && low <= first && last <= high {
            return false;
        }
        self.runs[start] = (low.min(first), high.max(last));
        self.runs.drain(start + 1..start + met);
        true
    }

    /// Adds all of `other`. Returns whether any of them is new.
    pub fn join(&mut self, other: &Self) -> bool {
        if let [(first, last)] = other.runs[..] {
            return self.insert(first, last);
        }
        let mut merged = Self {
            runs: Vec::with_capacity(self.runs.len() + other.runs.len()),
        };
        let (mut mine, mut theirs) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some(a), Some(b)) if a.0 <= b.0 => mine.next(),
                (_, Some(_)) => theirs.next(),
                (Some(_), None) => mine.next(),
                (None, None) => break,
            };
            // In order of their beginnings, so each falls on the last or behind it.
            if let Some(&(first, last)) = next {
                merged.insert(first, last);
            }
        }
        let grew = merged.runs != self.runs;
        self.runs = merged.runs;
        grew
    }

    /// Forgets the lowest runs but the very first, until there are at most `runs_max` (and no fewer than
    /// two): what was told without a gap from 1 on stays told, and so do the newest.
    pub fn forget_beyond(&mut self, runs_max: usize) {
        let beyond = self.runs.len().saturating_sub(runs_max.max(2));
        if beyond > 0 {
            self.runs.drain(1..=beyond);
        }
    }

    /// From the first number on, by turns how many are here and how many are not: the compact form in which
    /// a record of the log lists them.
    #[must_use]
    pub fn turns(&self) -> Vec<u64> {
        let mut turns = Vec::with_capacity(2 * self.runs.len());
        let mut before = None;
        for &(first, last) in &self.runs {
            turns.extend(before.map(|end: u64| first - end - 1));
            turns.push(last - first + 1);
            before = Some(last);
        }
        turns
    }

    /// The numbers that begin with `first` and go on as `turns` say; `None` where they say nothing, or
    /// nonsense.
    #[must_use]
    pub fn from_turns(first: u64, turns: &[u64]) -> Option<Self> {
        if first == 0 || turns.is_empty() {
            return None;
        }
        let (mut numbers, mut next) = (Self::default(), first);
        for turn in turns.chunks(2) {
            let [here, missing] = [turn[0], turn.get(1).copied().unwrap_or(0)];
            let end = next.checked_add(here)?;
            if here == 0 || end - 1 > NUMBER_MAX || (turn.len() == 2 && missing == 0) {
                return None;
            }
            numbers.runs.push((next, end - 1));
            next = end.checked_add(missing)?;
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests;
