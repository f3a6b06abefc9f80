//! A park as it was when a period was final: without what was recorded or received later. Pure.

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

/// What came after a period was final, and the meters that it is of.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) late: LateChanges,
    pub(crate) meters: BTreeSet<String>,
}

/// What of a park a figure is made of.
#[derive(Clone, Copy)]
pub(crate) struct Concern<'a> {
    pub(crate) members: &'a BTreeSet<&'a EnterpriseId>,
    pub(crate) quantities: &'a dyn Fn(Quantity) -> bool,
    pub(crate) range: DayRange,
}

impl Concern<'_> {
    /// Whether a figure is made of a series.
    fn is_of(&self, key: &SeriesKey) -> bool {
        self.members.contains(&key.enterprise) && (self.quantities)(key.series.quantity)
    }
}

impl Came {
    fn arrive(&mut self, at: Instant, meter: String) {
        let (first, last) = self.late.arrived.unwrap_or((at, at));
        self.late.arrived = Some((first.min(at), last.max(at)));
        self.meters.insert(meter);
    }

    /// Whether nothing came.
    pub(crate) fn is_empty(&self) -> bool {
        self.meters.is_empty()
    }
}

/// What tells which readings came after a period was final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witness {
    /// The books as they were then.
    Books,
    /// The marks of those that came late by their gateway's own clock.
    Marks,
}

impl ParkDays {
    /// Whether a book was another one at `since`.
    pub(crate) fn was_other(&self, since: Instant) -> bool {
        self.then.iter().any(|then| then.since == since)
    }

    /// The park without what came of `concern` after `since`, which is added to `came`.
    pub(crate) fn before(
        &self,
        (since, by): (Instant, Witness),
        concern: Concern<'_>,
        came: &mut Came,
    ) -> Self {
        let mut books = Vec::with_capacity(self.books.len());
        for book in &self.books {
            let year = book.snapshot.year;
            let other = |then: &&Arc<FinalBook>| {
                by == Witness::Books && (then.since, then.book.snapshot.year) == (since, year)
            };
            let marked = self.count_marked(book, since, concern, came);
            books.push(match self.then.iter().find(other) {
                Some(then) => {
                    self.count_others(book, then, concern, came);
                    Arc::clone(&then.book)
                }
                None if marked => Arc::new(book.before(since, &self.registry)),
                None => Arc::clone(book),
            });
        }
        Self {
            park: self.park.clone(),
            registry: self.registry_before(since, concern, came),
            books,
            then: Vec::new(),
            scope: self.scope.clone(),
            memo: Memo::default(),
        }
    }

    /// Counts the readings of `book` that are marked as late and came after `since`; whether there is any.
    fn count_marked(
        &self,
        book: &BookDays,
        since: Instant,
        concern: Concern<'_>,
        came: &mut Came,
    ) -> bool {
        let mut marked = false;
        for (key, day, late) in book.late_after(since) {
            marked = true;
            if concern.is_of(key) && concern.range.contains(day) {
                came.late.readings += 1;
                let gateway = late.gateway.to_string();
                if !came.late.gateways.contains(&gateway) {
                    came.late.gateways.push(gateway);
                }
                came.arrive(late.received, self.name_of(&key.enterprise, &key.series));
            }
        }
        marked
    }

    /// Counts the readings of `book` by which its days are others than those of `then`, but for the marked ones.
    fn count_others(
        &self,
        book: &BookDays,
        then: &FinalBook,
        concern: Concern<'_>,
        came: &mut Came,
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
                came.late.readings += u64::from(fold.readings.saturating_sub(read).max(1));
                let (first, last) = then.changed;
                let name = self.name_of(&of.key.enterprise, &of.key.series);
                came.arrive(first, name.clone());
                came.arrive(last, name);
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
        concern: Concern<'_>,
        came: &mut Came,
    ) -> Arc<registry::Park> {
        let now = &self.registry;
        if now.by_hand_after(since).next().is_none() {
            return Arc::clone(now);
        }
        let Concern {
            members,
            quantities,
            range,
        } = concern;
        let then = now.with_corrections_of(since);
        for of in now.by_hand_after(since) {
            let whose = (&of.enterprise, &of.meter);
            let before = then.corrections_in(whose, quantities, range);
            let after = now.corrections_in(whose, quantities, range);
            if members.contains(&of.enterprise) && before != after {
                came.late.corrections += 1;
                let (park, enterprise, meter) = (&self.park, &of.enterprise, &of.meter);
                let name = format!("parks/{park}/enterprises/{enterprise}/meters/{meter}");
                came.arrive(of.recorded_at(), name);
            }
        }
        Arc::new(then)
    }
}
