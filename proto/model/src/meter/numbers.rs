//! The message numbers of a gateway that have arrived.
//!
//! A gateway may number its messages: 1, 2, 3 and so on within an *epoch*, a number that it changes when its
//! count restarts. [`Numbers`] are the numbers of one epoch that have reached some place, the log or the
//! archive, as runs. A holder of too many runs may forget some of them. A forgotten run becomes a gap, so a gap
//! only means *not known to have arrived*, never *lost*.
//!
//! ```
//! use greenpark_model::numbers::Numbers;
//! let mut come = Numbers::default();
//! come.insert(1, 3);
//! come.insert(6, 6);
//! assert_eq!((come.up_to(), come.gaps().collect::<Vec<_>>()), (6, vec![(4, 5)]));
//! ```

/// The largest epoch and sequence: the largest whole number that every JSON parser keeps exactly.
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

    /// The epoch, which names the count.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// The place in the count.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.sequence
    }
}

/// Numbers of one epoch, as runs from a first to a last number, in order. At least one number is missing between two
/// runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    runs: Vec<(u64, u64)>,
}

impl Numbers {
    /// Returns true if there are no numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs, in order.
    #[must_use]
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }

    /// The highest number; 0 if there are none.
    #[must_use]
    pub fn up_to(&self) -> u64 {
        self.runs.last().map_or(0, |&(_, last)| last)
    }

    /// The runs of missing numbers from 1 to [`Numbers::up_to`].
    pub fn gaps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut next = 1;
        let gap = move |&(first, last): &(u64, u64)| {
            let gap = (first > next).then_some((next, first - 1));
            next = last.saturating_add(1);
            gap
        };
        self.runs.iter().filter_map(gap)
    }

    /// Returns true if `number` has arrived.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let at = self.runs.partition_point(|&(_, last)| last < number);
        self.runs.get(at).is_some_and(|&(first, _)| first <= number)
    }

    /// Counts the numbers from `first` to `last` that have arrived.
    #[must_use]
    pub fn count_in(&self, first: u64, last: u64) -> u64 {
        let at = self.runs.partition_point(|&(_, end)| end < first);
        let met = self.runs[at..]
            .iter()
            .take_while(|&&(begin, _)| begin <= last);
        met.map(|&(begin, end)| end.min(last) - begin.max(first) + 1)
            .sum()
    }

    /// Returns true if all numbers of `other` have arrived.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        let among = |&(first, last): &(u64, u64)| self.count_in(first, last) == last - first + 1;
        other.runs.iter().all(among)
    }

    /// Adds the numbers from `first` to `last`; 0 is ignored. Returns true if any of them is new.
    pub fn insert(&mut self, first: u64, last: u64) -> bool {
        let first = first.max(1);
        if first > last {
            return false;
        }
        // Runs that `first..=last` overlaps or touches.
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

    /// Adds all numbers of `other`. Returns true if any of them is new.
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
            // Runs come in the order of their first numbers, so each overlaps the last run or lies behind it.
            if let Some(&(first, last)) = next {
                merged.insert(first, last);
            }
        }
        let grew = merged.runs != self.runs;
        self.runs = merged.runs;
        grew
    }

    /// Forgets the lowest runs except the first, until at most `runs_max` (but at least two) remain: the numbers
    /// without a gap from 1 on stay known, and so do the newest.
    pub fn forget_beyond(&mut self, runs_max: usize) {
        let beyond = self.runs.len().saturating_sub(runs_max.max(2));
        if beyond > 0 {
            self.runs.drain(1..=beyond);
        }
    }

    /// The counts of present and of missing numbers in alternation, from the first number on: the compact form in
    /// which a record of the log lists them.
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

    /// The numbers that begin with `first` and continue as `turns` list them; `None` if `turns` are empty or
    /// contradictory.
    #[must_use]
    pub fn from_turns(first: u64, turns: &[u64]) -> Option<Self> {
        if first == 0 || turns.is_empty() {
            return None;
        }
        let (mut numbers, mut next) = (Self::default(), first);
        for turn in turns.chunks(2) {
            let [present, missing] = [turn[0], turn.get(1).copied().unwrap_or(0)];
            let end = next.checked_add(present)?;
            if present == 0 || end - 1 > NUMBER_MAX || (turn.len() == 2 && missing == 0) {
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
