//! A set of days of a range, one bit per day. Pure.

use greenpark_model::day::{CivilDay, DayRange};

/// A set of days of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DaySet {
    pub(crate) range: DayRange,
    /// Bit `n` of word `w` is day `64 w + n` after the first.
    words: Vec<u64>,
}

impl DaySet {
    /// The empty set of days of `range`.
    pub(crate) fn within(range: DayRange) -> Self {
        let words = range.days().unsigned_abs().div_ceil(u64::BITS);
        Self {
            range,
            words: vec![0; words as usize],
        }
    }

    /// Adds a day; ignores a day outside the range.
    pub(crate) fn add(&mut self, day: CivilDay) {
        if let Some((word, bit)) = self.place(day) {
            self.words[word] |= bit;
        }
    }

    /// Adds the days of `days` within the range.
    pub(crate) fn add_all(&mut self, days: DayRange) {
        let within = self.range.intersection(days);
        for day in within.into_iter().flat_map(DayRange::iter) {
            self.add(day);
        }
    }

    /// Number of days in the set.
    pub(crate) fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    fn place(&self, day: CivilDay) -> Option<(usize, u64)> {
        let days = self.range.contains(day);
        let nth = days.then(|| day.days_since(self.range.first()).unsigned_abs())?;
        Some(((nth / u64::BITS) as usize, 1 << (nth % u64::BITS)))
    }
}

#[cfg(test)]
mod tests {
    use greenpark_model::day::{CivilDay, DayRange};

    use super::DaySet;

    /// Days since the epoch, both ends included.
    fn days(first: i32, last: i32) -> DayRange {
        let day = CivilDay::from_epoch_days;
        DayRange::new(day(first), day(last)).expect("in order")
    }

    #[test]
    fn each_day_counts_once_and_those_outside_do_not() {
        let mut set = DaySet::within(days(10, 200));
        set.add_all(days(0, 12));
        set.add_all(days(12, 13));
        for day in [9, 10, 73, 74, 200, 201] {
            set.add(CivilDay::from_epoch_days(day));
        }
        assert_eq!(set.count(), 7);
    }
}
