//! A park as it was when a period became final, without later records and readings. Pure.

use std::{collections::BTreeSet, sync::Arc};

use greenpark_archive::rows::SeriesKey;
use greenpark_model::{
    day::{DayRange, Instant},
    id::EnterpriseId,
    quantity::Quantity,
    reading::Series,
    soundness::LateChanges,
};

use super::ParkDays;
use crate::{
    figures::measure::Memo,
    lake::books::{BookDays, FinalBook},
    register::registry,
};

/// The data that arrived after a period was final, and its meters.
#[derive(Debug, Default)]
pub(crate) struct LateArrivals {
    pub(crate) late: LateChanges,
    pub(crate) meters: BTreeSet<String>,
}

/// The part of a park that a figure concerns.
#[derive(Clone, Copy)]
pub(crate) struct FigureConcern<'a> {
    pub(crate) members: &'a BTreeSet<&'a EnterpriseId>,
    pub(crate) quantities: &'a dyn Fn(Quantity) -> bool,
    pub(crate) range: DayRange,
}

impl FigureConcern<'_> {
    /// Returns true if the figure concerns the series.
    fn is_of(&self, key: &SeriesKey) -> bool {
        self.members.contains(&key.enterprise) && (self.quantities)(key.series.quantity)
    }
}

impl LateArrivals {
    fn add(&mut self, at: Instant, meter: String) {
        let (first, last) = self.late.arrived.unwrap_or((at, at));
        self.late.arrived = Some((first.min(at), last.max(at)));
        self.meters.insert(meter);
    }

    /// Returns true if no data arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.meters.is_empty()
    }
}

/// The evidence for readings that arrived after a period was final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LateEvidence {
    /// The books as of that instant.
    Books,
    /// The marks of readings that were late by their gateway's own clock.
    Marks,
}

impl ParkDays {
    /// Returns true if a book differed at `since`.
    pub(crate) fn had_other_books(&self, since: Instant) -> bool {
        self.final_books.iter().any(|then| then.since == since)
    }

    /// Returns the park without the data of `concern` that arrived after `since`, and adds that data to `arrivals`.
    pub(crate) fn before(
        &self,
        (since, by): (Instant, LateEvidence),
        concern: FigureConcern<'_>,
        arrivals: &mut LateArrivals,
    ) -> Self {
        let mut books = Vec::with_capacity(self.books.len());
        for book in &self.books {
            let year = book.snapshot.year;
            let other = |then: &&Arc<FinalBook>| {
                by == LateEvidence::Books && (then.since, then.book.snapshot.year) == (since, year)
            };
            let marked = self.count_marked(book, since, concern, arrivals);
            books.push(match self.final_books.iter().find(other) {
                Some(then) => {
                    self.count_changed(book, then, concern, arrivals);
                    Arc::clone(&then.book)
                }
                None if marked => Arc::new(book.before(since, &self.registry)),
                None => Arc::clone(book),
            });
        }
        Self {
            park: self.park.clone(),
            registry: self.registry_before(since, concern, arrivals),
            books,
            final_books: Vec::new(),
            scope: self.scope.clone(),
            memo: Memo::default(),
        }
    }

    /// Counts the readings of `concern` in `book` that are marked as late and arrived after `since`. Returns true if
    /// `book` has any such reading, of `concern` or not.
    fn count_marked(
        &self,
        book: &BookDays,
        since: Instant,
        concern: FigureConcern<'_>,
        arrivals: &mut LateArrivals,
    ) -> bool {
        let mut marked = false;
        for (key, day, late) in book.late_after(since) {
            marked = true;
            if concern.is_of(key) && concern.range.contains(day) {
                arrivals.late.readings += 1;
                let gateway = late.gateway.to_string();
                if !arrivals.late.gateways.contains(&gateway) {
                    arrivals.late.gateways.push(gateway);
                }
                arrivals.add(late.received, self.name_of(&key.enterprise, &key.series));
            }
        }
        marked
    }

    /// Counts the readings by which the days of `book` differ from those of `then`, except the marked ones.
    fn count_changed(
        &self,
        book: &BookDays,
        then: &FinalBook,
        concern: FigureConcern<'_>,
        arrivals: &mut LateArrivals,
    ) {
        for of in &book.series {
            if !concern.is_of(&of.key) {
                continue;
            }
            let marked = |day| of.late.iter().any(|late| late.day == day);
            let then_days = then.book.series_of(&of.key);
            let then_days = then_days.map_or_else(Vec::new, |of| of.days.all());
            let days = of.days.all().into_iter();
            let days = days.filter(|(day, _)| concern.range.contains(*day));
            for (day, fold) in days.filter(|(day, _)| !marked(*day)) {
                let at = then_days.binary_search_by_key(&day, |(of, _)| *of);
                let before = at.ok().map(|at| &then_days[at].1);
                if before == Some(&fold) {
                    continue;
                }
                let read = before.map_or(0, |before| before.readings);
                arrivals.late.readings += u64::from(fold.readings.saturating_sub(read).max(1));
                let (first, last) = then.changed;
                let name = self.name_of(&of.key.enterprise, &of.key.series);
                arrivals.add(first, name.clone());
                arrivals.add(last, name);
            }
        }
    }

    fn name_of(&self, enterprise: &EnterpriseId, series: &Series) -> String {
        let (park, meter) = (&self.park, &series.meter);
        format!("parks/{park}/enterprises/{enterprise}/meters/{meter}")
    }

    fn registry_before(
        &self,
        since: Instant,
        concern: FigureConcern<'_>,
        arrivals: &mut LateArrivals,
    ) -> Arc<registry::Park> {
        let now = &self.registry;
        if now.by_hand_after(since).next().is_none() {
            return Arc::clone(now);
        }
        let FigureConcern {
            members,
            quantities,
            range,
        } = concern;
        let then = now.with_corrections_of(since);
        for of in now.by_hand_after(since) {
            let key = (&of.enterprise, &of.meter);
            let before = then.corrections_in(key, quantities, range);
            let after = now.corrections_in(key, quantities, range);
            if members.contains(&of.enterprise) && before != after {
                arrivals.late.corrections += 1;
                let (park, enterprise, meter) = (&self.park, &of.enterprise, &of.meter);
                let name = format!("parks/{park}/enterprises/{enterprise}/meters/{meter}");
                arrivals.add(of.recorded_at(), name);
            }
        }
        Arc::new(then)
    }
}
