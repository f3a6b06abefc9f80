//! A park as it was when a period was final: without what was recorded or received later. Pure.

use std::{collections::BTreeSet, sync::Arc};

use greenpark_model::{
    day::{DayRange, Instant},
    id::EnterpriseId,
    quantity::Quantity,
    soundness::Late,
};

use super::ParkDays;
use crate::{books::BookDays, registry};

/// What came after a period was final, and the meters that it is of.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) late: Late,
    pub(crate) meters: BTreeSet<String>,
}

/// What of a park a figure is made of.
#[derive(Clone, Copy)]
pub(crate) struct Concern<'a> {
    pub(crate) members: &'a BTreeSet<&'a EnterpriseId>,
    pub(crate) quantities: &'a dyn Fn(Quantity) -> bool,
    pub(crate) range: DayRange,
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

impl ParkDays {
    /// The park without what came of `concern` after `since`, which is added to `came`.
    pub(crate) fn before(&self, since: Instant, concern: Concern<'_>, came: &mut Came) -> Self {
        let books = self.books.iter();
        Self {
            park: self.park.clone(),
            registry: self.registry_before(since, concern, came),
            books: books
                .map(|book| self.book_before(book, since, concern, came))
                .collect(),
            scope: self.scope.clone(),
        }
    }

    fn book_before(
        &self,
        book: &Arc<BookDays>,
        since: Instant,
        concern: Concern<'_>,
        came: &mut Came,
    ) -> Arc<BookDays> {
        if book.late_after(since).next().is_none() {
            return Arc::clone(book);
        }
        let Concern {
            members,
            quantities,
            range,
        } = concern;
        for (key, day, late) in book.late_after(since) {
            let (enterprise, series) = (&key.enterprise, &key.series);
            if members.contains(enterprise) && quantities(series.quantity) && range.contains(day) {
                came.late.readings += 1;
                let gateway = late.gateway.to_string();
                if !came.late.gateways.contains(&gateway) {
                    came.late.gateways.push(gateway);
                }
                let (park, meter) = (&self.park, &series.meter);
                let name = format!("parks/{park}/enterprises/{enterprise}/meters/{meter}");
                came.arrive(late.received, name);
            }
        }
        Arc::new(book.before(since, &self.registry))
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
