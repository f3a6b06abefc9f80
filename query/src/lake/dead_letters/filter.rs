//! The filter of a question about dead letters.

use std::collections::BTreeSet;

use greenpark_archive::dead_letters::{Letter, LettersFile};
use greenpark_model::{
    day::{CivilDay, DAY_MS, DayRange, Instant},
    id::{EnterpriseId, GatewayId, ParkId},
    letter::LetterCode,
};

use crate::{access::scope::Scope, error::QueryError, register::name::Name};

/// Selects dead letters. Its `Debug` text is part of a page's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// `parks/-`, a park or an enterprise.
    pub(crate) parent: Name,
    pub(crate) gateway: Option<GatewayId>,
    /// Empty selects every reason.
    pub(crate) codes: BTreeSet<LetterCode>,
    pub(crate) from: Instant,
    /// Exclusive.
    pub(crate) to: Instant,
    pub(crate) unreplayed: bool,
}

impl Filter {
    /// Selects everything of `parent` received on the days of `range`, until `until` at the latest.
    pub(crate) fn of_days(parent: Name, range: DayRange, until: Instant) -> Self {
        let until = Instant::from_millis(until.millis().saturating_add(1));
        Self {
            parent,
            gateway: None,
            codes: BTreeSet::new(),
            from: range.first().start(),
            to: range.last().end().min(until),
            unreplayed: false,
        }
    }

    /// True if deleted letters cannot be selected: only their day and reason are known.
    pub(crate) fn is_finer_than_numbers(&self) -> bool {
        self.gateway.is_some() || self.unreplayed
    }

    /// Refuses a parent that `scope` does not permit; of all parks the permitted part is selected.
    pub(crate) fn check(&self, scope: &Scope) -> Result<(), QueryError> {
        scope.check(&self.parent)
    }

    /// True if letters of `park` may be selected.
    pub(crate) fn has_park(&self, park: &ParkId) -> bool {
        self.parent.park().is_none_or(|of| of == park)
    }

    /// True if letters of `enterprise` of `park` are selected and `scope` permits them.
    pub(crate) fn has(&self, scope: &Scope, park: &ParkId, enterprise: &EnterpriseId) -> bool {
        let asked = match &self.parent {
            Name::Enterprise(of, only) => (of, only) == (park, enterprise),
            _ => self.has_park(park),
        };
        asked && scope.permits(park, enterprise)
    }

    /// True if `file` may hold selected letters.
    pub(crate) fn may_hold(&self, file: &LettersFile) -> bool {
        let (first, last) = file.received();
        // Counts of deleted letters are dated at the start of their day.
        first < self.to && Instant::from_millis(last.millis().saturating_add(DAY_MS)) > self.from
    }

    /// True if it selects `letter`, apart from `unreplayed`.
    pub(crate) fn selects(&self, letter: &Letter) -> bool {
        let of_gateway = self.gateway.as_ref().is_none_or(|of| *of == letter.gateway);
        let of_code = self.codes.is_empty() || self.codes.contains(&letter.code);
        of_gateway && of_code && self.from <= letter.received && letter.received < self.to
    }

    /// True if it selects the deleted letters of a day and reason.
    pub(crate) fn selects_deleted(&self, day: CivilDay, code: LetterCode) -> bool {
        let of_code = self.codes.is_empty() || self.codes.contains(&code);
        let within = self.from <= day.start() && day.start() < self.to;
        of_code && within && !self.is_finer_than_numbers()
    }

    /// The filter as text, for a page's token, which is valid for one question only.
    pub(crate) fn question(&self) -> String {
        format!("dead letters {self:?}")
    }
}
