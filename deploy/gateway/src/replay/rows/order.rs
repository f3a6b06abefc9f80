//! The order in which rows are sent, and where it is cut into messages.
//!
//! Events of one meter and instant that have no ticket are *tied*: only their places in one message tell them
//! apart. Tied rows stand next to each other, in the order of the file, and no cut is between them. Rows of
//! other kinds are never tied, and are cut where the batch says.

use super::CsvRows;
use crate::splitmix;

impl CsvRows {
    /// Puts the rows in an order that `seed` decides (Fisher–Yates over splitmix64).
    pub fn shuffle(&mut self, seed: u64) {
        for (step, last) in (1..self.order.len()).rev().enumerate() {
            let chance = splitmix::number(seed, step as u64);
            // OK because the remainder is at most `last`.
            let other = (chance % (last as u64 + 1)) as usize;
            self.order.swap(last, other);
        }
        self.gather();
    }

    /// The numbers of the rows in the order of sending, `size` at a time: less where a cut would be between
    /// tied rows, more where more than `size` of them are tied.
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

    /// Two parts of `rows`, which follow each other in the order of sending, as equal as ties allow; none if
    /// all are tied.
    pub(in crate::replay) fn halves<'r>(&self, rows: &'r [u32]) -> Option<(&'r [u32], &'r [u32])> {
        let at = self.cut_near(rows, (rows.len() / 2).max(1))?;
        Some(rows.split_at(at))
    }

    /// Tied rows, each time all of one meter and instant.
    pub(in crate::replay) fn ties(&self) -> impl Iterator<Item = &[u32]> {
        let order = match self.of_events {
            true => self.order.as_slice(),
            false => &[],
        };
        let runs = order.chunk_by(move |&one, &other| self.is_tied(one, other));
        runs.filter(|run| run.len() > 1)
    }

    /// Brings tied rows together, in the order of the file, to where the first of them is.
    pub(super) fn gather(&mut self) {
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

    /// How many of `rows` come before the last cut that leaves `size` at most, or else before the first cut;
    /// none if there is no cut.
    fn cut_near(&self, rows: &[u32], size: usize) -> Option<usize> {
        let may_cut = |at: &usize| !self.is_tied(rows[at - 1], rows[*at]);
        if size >= rows.len() {
            return None;
        }
        let before = (1..=size).rev().find(may_cut);
        before.or_else(|| (size + 1..rows.len()).find(may_cut))
    }

    /// Whether two rows have to be in one message.
    fn is_tied(&self, one: u32, other: u32) -> bool {
        let (a, b) = (one as usize, other as usize);
        self.of_events
            && self.instants[a] == self.instants[b]
            && self.meters[a] == self.meters[b]
            && self.ticket(one).is_none()
            && self.ticket(other).is_none()
    }
}
