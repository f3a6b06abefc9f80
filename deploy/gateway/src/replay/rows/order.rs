//! The order in which rows are sent, and the cuts between messages.
//!
//! Events of one meter and instant without a ticket are *tied*: only their positions in one message distinguish them.
//! Tied rows are adjacent, in the order of the file, and never cut apart. Rows of other kinds are never tied; `batch`
//! alone decides their cuts.

use super::CsvRows;
use crate::splitmix;

impl CsvRows {
    /// Shuffles the rows by `seed` (Fisher–Yates over splitmix64).
    pub fn shuffle(&mut self, seed: u64) {
        for (step, last) in (1..self.order.len()).rev().enumerate() {
            let chance = splitmix::number(seed, step as u64);
            // OK because the remainder is at most `last`.
            let other = (chance % (last as u64 + 1)) as usize;
            self.order.swap(last, other);
        }
        self.join_ties();
    }

    /// Returns the row numbers in the order of sending, `size` at a time: fewer if the cut would separate tied rows, more if
    /// more than `size` rows are tied.
    pub fn batches(&self, size: usize) -> impl Iterator<Item = &[u32]> {
        let mut rest = self.order.as_slice();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let at = self.cut_near(rest, size).unwrap_or(rest.len());
            let (batch, behind) = rest.split_at(at);
            rest = behind;
            Some(batch)
        })
    }

    /// Splits `rows`, which are consecutive in the order of sending, as evenly as ties allow; `None` if all are tied.
    pub(in crate::replay) fn halves<'r>(&self, rows: &'r [u32]) -> Option<(&'r [u32], &'r [u32])> {
        let at = self.cut_near(rows, (rows.len() / 2).max(1))?;
        Some(rows.split_at(at))
    }

    /// Returns the groups of tied rows: all rows of one meter and instant.
    pub(in crate::replay) fn ties(&self) -> impl Iterator<Item = &[u32]> {
        let order = match self.of_events {
            true => self.order.as_slice(),
            false => &[],
        };
        let runs = order.chunk_by(move |&one, &other| self.is_tied(one, other));
        runs.filter(|run| run.len() > 1)
    }

    /// Moves tied rows, in the order of the file, next to the first of them.
    pub(super) fn join_ties(&mut self) {
        if !self.of_events {
            return;
        }
        // OK because ROWS_MAX fits.
        let rows = 0..self.instants.len() as u32;
        let mut places = vec![0u32; self.instants.len()];
        for (place, &row) in rows.clone().zip(&self.order) {
            places[row as usize] = place;
        }
        let mut free: Vec<u32> = rows.filter(|&row| self.ticket(row).is_none()).collect();
        free.sort_unstable_by_key(|&row| (self.meter_of(row), self.instants[row as usize], row));
        let mut any = false;
        for tie in free.chunk_by(|&one, &other| self.is_tied(one, other)) {
            for &row in &tie[1..] {
                places[row as usize] = places[tie[0] as usize];
                any = true;
            }
        }
        if any {
            let place = |row: u32| (places[row as usize], row);
            self.order.sort_unstable_by_key(|&row| place(row));
        }
    }

    /// Returns the number of `rows` before the last possible cut within `size` rows, or else before the first possible cut;
    /// `None` without any.
    fn cut_near(&self, rows: &[u32], size: usize) -> Option<usize> {
        let may_cut = |at: &usize| !self.is_tied(rows[at - 1], rows[*at]);
        if size >= rows.len() {
            return None;
        }
        let before = (1..=size).rev().find(may_cut);
        before.or_else(|| (size + 1..rows.len()).find(may_cut))
    }

    /// Returns true if two rows must be in one message.
    fn is_tied(&self, one: u32, other: u32) -> bool {
        let (a, b) = (one as usize, other as usize);
        self.of_events
            && self.instants[a] == self.instants[b]
            && self.meters[a] == self.meters[b]
            && self.ticket(one).is_none()
            && self.ticket(other).is_none()
    }
}
