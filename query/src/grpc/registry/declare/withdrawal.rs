//! Parses withdrawals and checks them against the statements in force.

use greenpark_archive::{
    meters::MeterKey,
    reference::ReferenceEntry,
    withdrawal::{WITHDRAWAL, Withdrawal, Withdrawn},
};
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, MeterId, ParkId},
    money::PriceBase,
    quantity::Quantity,
};
use greenpark_proto::query::v1::{self as pb, withdrawal::Of};

use super::{
    Checks, Provenance,
    meter::{instant_of, place},
    prices_of,
};
use crate::{
    error::QueryError,
    figures::population::listed,
    grpc::options::period::declared_period,
    register::{
        name::Name,
        registry::Park,
        statistics::{DeclaredPeriod, StatisticSeries},
    },
};

/// A statement to withdraw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::grpc) enum Statement {
    Statistic {
        enterprise: EnterpriseId,
        series: StatisticSeries,
        period: DeclaredPeriod,
        price_base: Option<PriceBase>,
    },
    MeterChange {
        key: MeterKey,
        at: Instant,
    },
    Correction {
        key: MeterKey,
        days: DayRange,
    },
}

/// A withdrawal to record.
#[derive(Debug)]
pub(in crate::grpc) struct NewWithdrawal {
    pub(in crate::grpc) park: ParkId,
    pub(in crate::grpc) statement: Statement,
    reason: String,
}

/// Parses withdrawals, with their park.
pub(in crate::grpc) fn withdrawals(
    parent: &str,
    request: &[pb::Withdrawal],
    provenance: Provenance<'_>,
) -> Result<(ParkId, Vec<NewWithdrawal>), QueryError> {
    let mut checks = Checks::default();
    let park = checks.park(parent);
    provenance.check(&mut checks);
    if !checks.fits("withdrawals", request.len()) {
        return checks.done(None);
    }
    let mut made = Vec::with_capacity(request.len());
    for (index, withdrawal) in request.iter().enumerate() {
        let prefix = format!("withdrawals[{index}]");
        checks.needed(&format!("{prefix}.reason"), &withdrawal.reason);
        let statement = match &withdrawal.of {
            Some(Of::Statistic(of)) => statistic(&mut checks, &prefix, park.as_ref(), of),
            Some(Of::MeterChange(of)) => change(&mut checks, &prefix, park.as_ref(), of),
            Some(Of::Correction(of)) => correction(&mut checks, &prefix, park.as_ref(), of),
            None => {
                let problem = "names nothing; give a statistic, a meter_change or a correction";
                checks.wrong(&prefix, problem);
                None
            }
        };
        made.extend(
            statement
                .zip(park.clone())
                .map(|(statement, park)| NewWithdrawal {
                    park,
                    statement,
                    reason: withdrawal.reason.clone(),
                }),
        );
    }
    checks.done(park.map(|park| (park, made)))
}

fn statistic(
    checks: &mut Checks,
    prefix: &str,
    park: Option<&ParkId>,
    request: &pb::Statistic,
) -> Option<Statement> {
    let field = |name: &str| format!("{prefix}.statistic.{name}");
    let name = checks.member(&field("enterprise"), &request.enterprise, park);
    let series = request.series.parse::<StatisticSeries>();
    if let Err(error) = &series {
        checks.wrong(&field("series"), error.to_string());
    }
    let period = request.period.as_ref().and_then(|of| of.period.as_ref());
    let period = match period {
        Some(period) => checks.take(declared_period(&field("period"), period)),
        None => {
            let problem = "is missing; give a year, a quarter or a month";
            checks.wrong(&field("period"), problem);
            None
        }
    };
    let prices = series.as_ref().map_or(true, StatisticSeries::has_prices);
    let price_base = prices_of(checks, &field("price_base"), &request.price_base, prices);
    match name? {
        Name::Enterprise(_, enterprise) => Some(Statement::Statistic {
            enterprise,
            series: series.ok()?,
            period: period?,
            price_base: price_base?,
        }),
        _ => None,
    }
}

/// Parses the key of a meter, which must be in `park`.
fn key(
    checks: &mut Checks,
    (meter, quantity): (&str, &str),
    park: Option<&ParkId>,
    request: (&str, &str),
) -> Option<MeterKey> {
    let (of, key) = place(checks, (meter, quantity), request.0, request.1)?;
    if park.is_some_and(|park| *park != of) {
        checks.wrong(meter, "is not of the parent's park");
    }
    Some(key)
}

fn change(
    checks: &mut Checks,
    prefix: &str,
    park: Option<&ParkId>,
    request: &pb::MeterChange,
) -> Option<Statement> {
    let field = |name: &str| format!("{prefix}.meter_change.{name}");
    let fields = (field("meter"), field("quantity"));
    let of = (request.meter.as_str(), request.quantity.as_str());
    let key = key(checks, (&fields.0, &fields.1), park, of);
    let at = request.at.map(instant_of);
    if at.is_none() {
        checks.wrong(&field("at"), "is missing");
    }
    Some(Statement::MeterChange { key: key?, at: at? })
}

fn correction(
    checks: &mut Checks,
    prefix: &str,
    park: Option<&ParkId>,
    request: &pb::Correction,
) -> Option<Statement> {
    let field = |name: &str| format!("{prefix}.correction.{name}");
    let fields = (field("meter"), field("quantity"));
    let of = (request.meter.as_str(), request.quantity.as_str());
    let key = key(checks, (&fields.0, &fields.1), park, of);
    let days = request.days.clone().unwrap_or_default();
    let first = checks.day(&field("days.first"), &days.first);
    let last = checks.day(&field("days.last"), &days.last);
    let days = first.zip(last).map(|(first, last)| {
        let days = DayRange::new(first, last);
        if days.is_none() {
            checks.wrong(&field("days"), "end before they begin");
        }
        days
    });
    Some(Statement::Correction {
        key: key?,
        days: days??,
    })
}

impl Statement {
    /// The subject of the statement.
    fn subject(&self, park: &ParkId) -> Name {
        let meter = |key: &MeterKey| -> (EnterpriseId, MeterId) {
            (key.enterprise.clone(), key.meter.clone())
        };
        match self {
            Self::Statistic { enterprise, .. } => {
                Name::Enterprise(park.clone(), enterprise.clone())
            }
            Self::MeterChange { key, .. } | Self::Correction { key, .. } => {
                let (enterprise, meter) = meter(key);
                Name::Meter(park.clone(), enterprise, meter)
            }
        }
    }

    /// The statement in words, such as `value_added of 2024 (constant-2020)`.
    fn words(&self) -> String {
        match self {
            Self::Statistic {
                series,
                period,
                price_base,
                ..
            } => match price_base {
                Some(base) => format!("{series} of {period} ({base})"),
                None => format!("{series} of {period}"),
            },
            Self::MeterChange { key, at } => format!("a change of {} at {at}", key.quantity),
            Self::Correction { key, days } => format!(
                "a correction of {} from {} to {}",
                key.quantity,
                days.first(),
                days.last()
            ),
        }
    }

    /// Statements of the same subject in force, in words.
    fn there_is(&self, known: &Park) -> Vec<String> {
        match self {
            Self::Statistic { enterprise, .. } => {
                let all = known.statistics.get(enterprise).into_iter().flatten();
                let texts = all.map(|of| {
                    let statement = Self::Statistic {
                        enterprise: enterprise.clone(),
                        series: of.series.clone(),
                        period: of.period,
                        price_base: of.price_base,
                    };
                    statement.words()
                });
                texts.collect()
            }
            Self::MeterChange { key, .. } => {
                let all = known.meters.changes(key).iter();
                let texts = all.map(|of| {
                    let (key, at) = (key.clone(), of.instant);
                    Self::MeterChange { key, at }.words()
                });
                texts.collect()
            }
            Self::Correction { key, .. } => {
                let all = known.corrections_of(key).iter();
                let texts = all.map(|of| {
                    let (key, days) = (key.clone(), of.days);
                    Self::Correction { key, days }.words()
                });
                texts.collect()
            }
        }
    }

    fn withdrawn(&self) -> Withdrawn {
        let quantity = |of: Quantity| of.to_string();
        match self {
            Self::Statistic {
                series,
                period,
                price_base,
                ..
            } => Withdrawn::Statistic {
                series: series.to_string(),
                period: period.to_string(),
                price_base: price_base.map(|base| base.to_string()).unwrap_or_default(),
            },
            Self::MeterChange { key, at } => Withdrawn::MeterChange {
                quantity: quantity(key.quantity),
                at: at.to_string(),
            },
            Self::Correction { key, .. } => Withdrawn::Correction {
                quantity: quantity(key.quantity),
            },
        }
    }

    /// The days on which its entry is valid.
    fn days(&self) -> (CivilDay, CivilDay) {
        match self {
            Self::Statistic { period, .. } => (period.range().first(), period.range().last()),
            Self::MeterChange { at, .. } => (at.day(), at.day()),
            Self::Correction { days, .. } => (days.first(), days.last()),
        }
    }
}

impl NewWithdrawal {
    pub(in crate::grpc) fn name(&self) -> Name {
        self.statement.subject(&self.park)
    }

    /// The entry, if `known` has the statement to withdraw; otherwise the reason, with the statements there are.
    /// `recorded` are the entries of the reference table.
    pub(in crate::grpc) fn entry(
        &self,
        known: &Park,
        recorded: &[ReferenceEntry],
        provenance: Provenance<'_>,
    ) -> Result<ReferenceEntry, String> {
        let (name, words) = (self.name().to_string(), self.statement.words());
        let there = self.statement.there_is(known);
        let (first, last) = self.statement.days();
        let of = self.statement.withdrawn();
        if there.contains(&words) {
            let reason = self.reason.clone();
            let body = Withdrawal { of, reason }.write();
            return Ok(provenance.entry(WITHDRAWAL, name, (first, Some(last)), body));
        }
        let same = |entry: &&ReferenceEntry| {
            (entry.kind.as_str(), &entry.subject, entry.valid_from) == (WITHDRAWAL, &name, first)
                && entry.valid_to == Some(last)
                && Withdrawal::read(&entry.body).is_ok_and(|withdrawal| withdrawal.of == of)
        };
        let before = match recorded.iter().rfind(same) {
            Some(entry) => format!(
                "; it was withdrawn by {} on {}",
                entry.recorded_by, entry.recorded_at
            ),
            None => String::new(),
        };
        let instead = match there.is_empty() {
            true => "nothing of its kind is in force there".to_owned(),
            false => format!("in force are {}", listed(&there)),
        };
        Err(format!("{name} has no {words}{before}: {instead}"))
    }
}
