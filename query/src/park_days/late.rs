//! A park as it was when a period was final: without what was recorded or received later. Pure.

use std::{collections::BTreeSet, sync::Arc};

use greenpark_model::{
    day::{DayRange, Instant},
    id::EnterpriseId,
    soundness::Late,
};

use super::ParkDays;

/// What came after a period was final, and the meters that it is of.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) late: Late,
    pub(crate) meters: BTreeSet<String>,
}

impl Came {
    fn arrive(&mut self, at: Instant) {
        let (first, last) = self.late.arrived.unwrap_or((at, at));
        self.late.arrived = Some((first.min(at), last.max(at)));
    }

    /// Whether nothing came.
    pub(crate) fn is_empty(&self) -> bool {
        self.meters.is_empty()
    }
}

impl ParkDays {
    /// The park without what came for `members` in `range` after `since`, which is added to `came`.
    pub(crate) fn before(
        &self,
        since: Instant,
        (members, range): (&BTreeSet<&EnterpriseId>, DayRange),
        came: &mut Came,
    ) -> Self {
        Self {
            park: self.park.clone(),
            registry: self.registry_before(since, (members, range), came),
            books: self.books.clone(),
            scope: self.scope.clone(),
        }
    }

    fn registry_before(
        &self,
        since: Instant,
        (members, range): (&BTreeSet<&EnterpriseId>, DayRange),
        came: &mut Came,
    ) -> Arc<crate::registry::Park> {
        let now = &self.registry;
        if now.by_hand_after(since).next().is_none() {
            return Arc::clone(now);
        }
        let then = now.with_corrections_of(since);
        for of in now.by_hand_after(since) {
            let whose = (&of.enterprise, &of.meter);
            let changed = then.corrections_in(whose, range) != now.corrections_in(whose, range);
            if changed && members.contains(&of.enterprise) {
                came.late.corrections += 1;
                came.arrive(of.recorded_at());
                let (park, enterprise, meter) = (&self.park, &of.enterprise, &of.meter);
                let name = format!("parks/{park}/enterprises/{enterprise}/meters/{meter}");
                came.meters.insert(name);
            }
        }
        Arc::new(then)
    }
}
