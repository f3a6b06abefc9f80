//! Which dead letters are asked.

use std::collections::BTreeSet;

use greenpark_archive::dead_letters::{Letter, LettersFile};
use greenpark_model::{
    day::{CivilDay, DAY_MS, DayRange, Instant},
    id::{EnterpriseId, GatewayId, ParkId},
    letter::LetterCode,
};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::{QueryError, Violation},
    name::Name,
    scope::Scope,
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// `parks/-`, a park or an enterprise.
    pub(crate) parent: Name,
    gateway: Option<GatewayId>,
    /// Every one, if there is none.
    codes: BTreeSet<LetterCode>,
    from: Instant,
    /// Not included.
    to: Instant,
    pub(crate) unreplayed: bool,
}

impl Filter {
    /// Reads what a request says, every mistake at once.
    pub(crate) fn parse(asked: Option<&pb::DeadLetterFilter>) -> Result<Self, QueryError> {
        let all = pb::DeadLetterFilter {
            parent: Name::Parks.to_string(),
            ..pb::DeadLetterFilter::default()
        };
        let asked = asked.unwrap_or(&all);
        let mut wrong = Vec::new();
        let mut note = |field: &str, problem: String| {
            wrong.push(Violation {
                field: format!("filter.{field}"),
                problem,
            });
        };
        let parent = match asked.parent.as_str() {
            "" => Ok(Name::Parks),
            text => Name::parse("filter.parent", text),
        };
        let parent = parent.and_then(|name| match name {
            Name::Parks | Name::Park(_) | Name::Enterprise(..) => Ok(name),
            other => Err(other.unfit("filter.parent", "parks/-, parks/P or parks/P/enterprises/E")),
        });
        let mut gateway = None;
        if !asked.gateway.is_empty() {
            match GatewayId::new(&asked.gateway) {
                Ok(id) => gateway = Some(id),
                Err(error) => note("gateway", error.to_string()),
            }
        }
        let mut codes = BTreeSet::new();
        for text in &asked.reasons {
            match LetterCode::from_name(text) {
                Some(code) => {
                    codes.insert(code);
                }
                None => note("reasons", unknown_reason(text)),
            }
        }
        let mut instant = |field: &str, at: Option<&prost_types::Timestamp>, open: i64| {
            let Some(at) = at else { return Instant(open) };
            let ms = at.seconds.checked_mul(1_000);
            let ms = ms.and_then(|ms| ms.checked_add(i64::from(at.nanos) / 1_000_000));
            Instant(ms.unwrap_or_else(|| {
                note(field, "is no instant".to_owned());
                open
            }))
        };
        let from = instant("from", asked.from.as_ref(), i64::MIN);
        let to = instant("to", asked.to.as_ref(), i64::MAX);
        if from >= to {
            note("to", format!("is not after 'from', which is {from}"));
        }
        match parent {
            Ok(parent) if wrong.is_empty() => Ok(Self {
                parent,
                gateway,
                codes,
                from,
                to,
                unreplayed: asked.unreplayed,
            }),
            Ok(_) => Err(QueryError::Invalid(wrong)),
            Err(error) => {
                let mut all = error.violations();
                all.extend(wrong);
                Err(QueryError::Invalid(all))
            }
        }
    }

    /// Everything of `parent` that came on the days of `range`, by `until` at the latest.
    pub(crate) fn of_days(parent: Name, range: DayRange, until: Instant) -> Self {
        let until = Instant(until.0.saturating_add(1));
        Self {
            parent,
            gateway: None,
            codes: BTreeSet::new(),
            from: range.first().start(),
            to: range.last().end().min(until),
            unreplayed: false,
        }
    }

    /// Whether the letters that are gone cannot be told by it: of them only day and reason are known.
    pub(crate) fn is_finer_than_numbers(&self) -> bool {
        self.gateway.is_some() || self.unreplayed
    }

    /// Refuses what `scope` does not permit; of all parks it permits a part.
    pub(crate) fn check(&self, scope: &Scope) -> Result<(), QueryError> {
        scope.check(&self.parent)
    }

    /// Whether letters of `park` may be among them.
    pub(crate) fn has_park(&self, park: &ParkId) -> bool {
        self.parent.park().is_none_or(|of| of == park)
    }

    /// Whether letters of `enterprise` of `park` are asked, and `scope` permits them.
    pub(crate) fn has(&self, scope: &Scope, park: &ParkId, enterprise: &EnterpriseId) -> bool {
        let asked = match &self.parent {
            Name::Enterprise(of, only) => (of, only) == (park, enterprise),
            _ => self.has_park(park),
        };
        asked && scope.permits(park, enterprise)
    }

    /// Whether `file` may hold some of them.
    pub(crate) fn may_hold(&self, file: &LettersFile) -> bool {
        let (first, last) = file.received();
        // Numbers of what is gone stand at the start of their day.
        first < self.to && Instant(last.0.saturating_add(DAY_MS)) > self.from
    }

    /// Whether it lets `letter` through, whether it was sent again apart.
    pub(crate) fn takes(&self, letter: &Letter) -> bool {
        let of_gateway = self.gateway.as_ref().is_none_or(|of| *of == letter.gateway);
        let of_code = self.codes.is_empty() || self.codes.contains(&letter.code);
        of_gateway && of_code && self.from <= letter.received && letter.received < self.to
    }

    /// Whether it lets those letters of a day and reason through that are gone.
    pub(crate) fn takes_gone(&self, day: CivilDay, code: LetterCode) -> bool {
        let of_code = self.codes.is_empty() || self.codes.contains(&code);
        let within = self.from <= day.start() && day.start() < self.to;
        of_code && within && !self.is_finer_than_numbers()
    }

    /// The filter as a text: a page's token is of one question.
    pub(crate) fn question(&self) -> String {
        format!("dead letters {self:?}")
    }
}

fn unknown_reason(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    let known: Vec<_> = LetterCode::ALL.iter().map(|code| code.as_str()).collect();
    format!(
        "'{start}' is no reason; the reasons are {}",
        known.join(", ")
    )
}
