//! The numbered messages of a gateway whose readings are in a batch.
//!
//! Many messages share a batch, and a message may be cut over several batches: it *ends* in the last. The readings
//! of a batch are in order of arrival, so those of a message are a range of its rows. Consecutively numbered
//! messages with equally many readings, the usual case, are one [`MessageRun`].
//!
//! ```
//! use greenpark_model::messages::BatchMessages;
//! let mut messages = BatchMessages::default();
//! messages.end(7, 0..8);
//! messages.end(8, 8..16);
//! assert_eq!((messages.ended().runs(), messages.runs().len()), (&[(7, 8)][..], 1));
//! ```

use std::ops::Range;

use crate::meter::numbers::{NUMBER_MAX, Numbers};

/// The numbered messages of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchMessages {
    ended: Numbers,
    runs: Vec<MessageRun>,
}

/// Messages that arrived one after another, with consecutive numbers and equally many readings each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRun {
    /// The row of the first reading.
    from: u32,
    /// The number of the first message.
    first: u64,
    /// The count of messages that end here; zero for one message that begins or continues here and ends in a later
    /// batch.
    messages: u32,
    /// The count of readings of each message in the batch.
    readings: u32,
}

impl MessageRun {
    /// The numbers of the first and of the last message.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        (self.first, self.first + u64::from(self.len() - 1))
    }

    /// Returns true if the messages end in the batch.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.messages > 0
    }

    /// The rows of all messages.
    #[must_use]
    pub fn rows(&self) -> Range<u32> {
        self.from..self.from + self.len() * self.readings
    }

    /// Each message's number with its rows.
    pub fn each(&self) -> impl Iterator<Item = (u64, Range<u32>)> + '_ {
        (0..self.len()).map(|nth| {
            let from = self.from + nth * self.readings;
            (self.first + u64::from(nth), from..from + self.readings)
        })
    }

    fn len(&self) -> u32 {
        self.messages.max(1)
    }
}

impl BatchMessages {
    /// Returns true if the batch has no numbered message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.ended.is_empty()
    }

    /// The numbers of the messages that end in the batch.
    #[must_use]
    pub fn ended(&self) -> &Numbers {
        &self.ended
    }

    /// The numbers of the messages that end in the batch, without their rows.
    #[must_use]
    pub fn into_ended(self) -> Numbers {
        self.ended
    }

    /// The rows of each run of messages, in the order of the rows. Empty for a record that was written before records
    /// listed them.
    #[must_use]
    pub fn runs(&self) -> &[MessageRun] {
        &self.runs
    }

    /// Adds message `number`, which ends in the batch. `rows`, the last so far, are its readings.
    pub fn end(&mut self, number: u64, rows: Range<u32>) {
        self.ended.insert(number, number);
        let readings = rows.len() as u32;
        if let Some(run) = self.runs.last_mut()
            && run.is_ended()
            && (run.numbers().1 + 1, run.readings, run.rows().end) == (number, readings, rows.start)
        {
            run.messages += 1;
            return;
        }
        self.runs.push(MessageRun {
            from: rows.start,
            first: number,
            messages: 1,
            readings,
        });
    }

    /// Adds message `number`, which ends in a later batch. `rows`, the last of this batch, are its readings so far.
    pub fn leave(&mut self, number: u64, rows: Range<u32>) {
        self.runs.push(MessageRun {
            from: rows.start,
            first: number,
            messages: 0,
            readings: rows.len() as u32,
        });
    }

    /// The runs in the compact form in which a record of the log lists them, four numbers each: rows since the end
    /// of the run before, the first message's number less the one that would be next (at first: the lowest that
    /// ends here), messages, and readings of each.
    #[must_use]
    pub fn run_list(&self) -> Vec<i64> {
        let mut list = Vec::with_capacity(4 * self.runs.len());
        let (mut row, mut next) = (0, self.ended.runs().first().map_or(0, |run| run.0));
        for run in &self.runs {
            list.extend([
                i64::from(run.from) - i64::from(row),
                run.first.wrapping_sub(next).cast_signed(),
                i64::from(run.messages),
                i64::from(run.readings),
            ]);
            (row, next) = (run.rows().end, run.numbers().1 + 1);
        }
        list
    }

    /// The messages that end in a batch of `rows` readings, with the runs of `list`. If `list` is empty or does not
    /// fit, there are no runs.
    #[must_use]
    pub fn from_run_list(ended: Numbers, list: &[i64], rows: usize) -> Self {
        let runs = runs_of(&ended, list, rows).unwrap_or_default();
        Self { ended, runs }
    }
}

/// The messages that end in a batch, without their rows.
impl From<Numbers> for BatchMessages {
    fn from(ended: Numbers) -> Self {
        Self {
            ended,
            runs: Vec::new(),
        }
    }
}

fn runs_of(ended: &Numbers, list: &[i64], rows: usize) -> Option<Vec<MessageRun>> {
    let (four, rest) = list.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let (mut row, mut next) = (0u32, ended.runs().first().map_or(0, |run| run.0));
    let mut named = Numbers::default();
    let mut runs = Vec::with_capacity(four.len());
    for &[skipped, beyond, messages, readings] in four {
        let run = MessageRun {
            from: row.checked_add(u32::try_from(skipped).ok()?)?,
            first: next.checked_add_signed(beyond)?,
            messages: u32::try_from(messages).ok()?,
            readings: u32::try_from(readings).ok()?,
        };
        let last = run.first.checked_add(u64::from(run.len() - 1))?;
        let end = run.from.checked_add(run.len().checked_mul(run.readings)?)?;
        if run.first == 0 || last > NUMBER_MAX || usize::try_from(end).is_ok_and(|end| end > rows) {
            return None;
        }
        if run.is_ended() {
            named.insert(run.first, last);
        }
        runs.push(run);
        (row, next) = (end, last + 1);
    }
    (named == *ended).then_some(runs)
}

#[cfg(test)]
mod tests;
