//! How the steps and amounts of registered meters are judged, from when on.

use std::collections::BTreeSet;

use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    fold::{MeterProfile, Profile},
    id::EnterpriseId,
    limits::MICRO,
    reading::{Kind, Series},
};

use super::{Meter, MeterKey, Meters, first_multiplier};
use crate::dated::Dated;

/// The k of the bound rated × Δt × k where an entry gives none: a fifth above the rating.
const HEADROOM_MICRO: i64 = 1_200_000;

impl Meter {
    /// How steps and amounts of the meter are judged while the entry holds.
    pub(super) fn profile(&self) -> Profile {
        let every = i64::from(self.interval_s) * 1_000;
        Profile {
            modulus: self.modulus,
            bound_per_hour: self.bound_per_hour(),
            bidirectional: self.bidirectional,
            restart: (self.kind == Kind::DailyCounter).then(|| self.restart.unwrap_or(0)),
            interval_ms: (self.kind == Kind::Interval && every > 0).then_some(every),
        }
    }

    /// Rated × k: the most that is believed of an hour.
    pub(super) fn bound_per_hour(&self) -> Option<Amount> {
        let rated = i128::from(self.rated_per_hour?.micro());
        let headroom = self.headroom.map_or(HEADROOM_MICRO, Amount::micro);
        let bound = rated * i128::from(headroom) / i128::from(MICRO);
        // A bound beyond what is stored binds nothing.
        i64::try_from(bound)
            .ok()
            .and_then(|micro| Amount::from_micro(micro).ok())
    }
}

impl Meters {
    /// What the fold needs to know of the meter of `series`: its modulus, bound and direction as entries date
    /// them, the multiplier of its first day, and every change. What an entry says last holds until another one
    /// does. Before the first entry nothing bounds a step; in which direction and from when on a day's counter
    /// counts is so from the beginning.
    #[must_use]
    pub fn traits(&self, enterprise: &EnterpriseId, series: &Series) -> MeterProfile {
        let key = MeterKey {
            enterprise: enterprise.clone(),
            meter: series.meter.clone(),
            quantity: series.quantity,
        };
        let unknown = Profile {
            restart: (series.kind == Kind::DailyCounter).then_some(0),
            ..Profile::default()
        };
        let of_kind = |meter: &&Dated<Meter>| {
            meter
                .entries()
                .iter()
                .any(|entry| entry.body.kind == series.kind)
        };
        let Some(meter) = self.entries.get(&key).filter(of_kind) else {
            return MeterProfile::of(unknown);
        };
        let starts = meter.entries().iter().flat_map(|entry| {
            let ends = entry.valid_to.map(CivilDay::next);
            [Some(entry.valid_from), ends].into_iter().flatten()
        });
        let starts: BTreeSet<CivilDay> = starts.collect();
        let on = |day: &CivilDay| {
            let body = &meter.holding(*day)?.body;
            let profile = (body.kind == series.kind).then(|| body.profile());
            Some((day.start(), profile.unwrap_or(unknown)))
        };
        let mut dated: Vec<(Instant, Profile)> = starts.iter().filter_map(on).collect();
        let first = dated.first().map_or(unknown, |(_, first)| Profile {
            bidirectional: first.bidirectional,
            restart: first.restart.or(unknown.restart),
            ..unknown
        });
        let mut before = first;
        dated.retain(|(_, profile)| std::mem::replace(&mut before, *profile) != *profile);
        MeterProfile {
            profile: first,
            dated,
            multiplier: first_multiplier(meter).unwrap_or_default(),
            changes: self.changes(&key).to_vec(),
        }
    }
}
