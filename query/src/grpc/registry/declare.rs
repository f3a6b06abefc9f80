//! Checks requests that record something. Every mistake is named, and a request with a mistake records nothing.
//! Pure.

mod certificate;
mod correction;
mod indicator;
mod meter;
mod rates;
mod replay;
mod side;
mod withdrawal;

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    id::{EnterpriseId, ParkId},
    money::PriceBase,
};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::{InvalidField, QueryError},
    grpc::options::period::declared_period,
    limits::{DECLARED_MAX, TEXT_CHARS_MAX},
    register::{
        name::Name,
        registry::body::{self, Enterprise, Statistic},
        statistics::{DeclaredStatistic, Finality, StatisticSeries},
    },
};

/// Collects the mistakes of a request.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Checks(Vec<InvalidField>);

impl Checks {
    pub(in crate::grpc) fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        self.0.push(InvalidField {
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    /// The value, or `None` after noting the mistakes.
    pub(in crate::grpc) fn take<T>(&mut self, result: Result<T, QueryError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(QueryError::Invalid(violations)) => {
                self.0.extend(violations);
                None
            }
            Err(other) => {
                self.wrong("request", other.to_string());
                None
            }
        }
    }

    fn text(&mut self, field: &str, text: &str) {
        if text.chars().count() > TEXT_CHARS_MAX {
            self.wrong(field, format!("is longer than {TEXT_CHARS_MAX} characters"));
        }
        if text.chars().any(char::is_control) {
            self.wrong(field, "has control characters");
        }
    }

    pub(in crate::grpc) fn needed(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            self.wrong(field, "is missing");
        }
        self.text(field, text);
    }

    fn day(&mut self, field: &str, text: &str) -> Option<CivilDay> {
        let day = text.parse().ok();
        if day.is_none() {
            let start: String = text.chars().take(40).collect();
            self.wrong(
                field,
                format!("'{start}' is no day; write one like 2026-11-23"),
            );
        }
        day
    }

    pub(in crate::grpc) fn validity(
        &mut self,
        prefix: &str,
        from: &str,
        to: &str,
    ) -> (Option<CivilDay>, Option<CivilDay>) {
        let from = self.day(&format!("{prefix}.valid_from"), from);
        let field = format!("{prefix}.valid_to");
        let to = if to.is_empty() {
            None
        } else {
            self.day(&field, to)
        };
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            self.wrong(&field, "is before valid_from; both days are included");
        }
        (from, to)
    }

    /// Parses a text with `parse`; `None` for an empty text.
    fn parsed<'t, T, E: std::fmt::Display>(
        &mut self,
        field: &str,
        text: &'t str,
        parse: impl Fn(&'t str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        match parse(text) {
            Ok(made) => Some(made),
            Err(error) => {
                self.wrong(field, error.to_string());
                None
            }
        }
    }

    fn amount(&mut self, field: &str, text: &str) -> Option<Amount> {
        let amount = match text.parse::<Amount>() {
            Ok(amount) => amount,
            Err(error) => {
                self.wrong(field, error.to_string());
                return None;
            }
        };
        let places = text.split_once('.').map_or("", |(_, places)| places);
        if places.trim_end_matches('0').len() > 6 || text.contains(['e', 'E']) {
            self.wrong(field, "must be a plain decimal with at most six places");
            return None;
        }
        Some(amount)
    }

    /// Parses a positive amount; `None` for an empty text.
    fn positive(&mut self, field: &str, text: &str) -> Option<Amount> {
        if text.is_empty() {
            return None;
        }
        let amount = self.amount(field, text)?;
        if amount <= Amount::ZERO {
            self.wrong(field, "must be above zero; leave it empty if it is unknown");
        }
        Some(amount)
    }

    /// Checks the number of entries of a list.
    fn fits(&mut self, field: &str, many: usize) -> bool {
        if many == 0 {
            self.wrong(field, "is empty");
        }
        if many > DECLARED_MAX {
            let problem = format!("has {many} entries; declare at most {DECLARED_MAX} at once");
            self.wrong(field, problem);
        }
        many <= DECLARED_MAX
    }

    /// Parses a parent that is a park.
    fn park(&mut self, parent: &str) -> Option<ParkId> {
        let park = Name::parse("parent", parent).and_then(|name| match name {
            Name::Park(park) => Ok(park),
            other => Err(other.unfit("parent", "parks/P")),
        });
        self.take(park)
    }

    /// Parses a parent that is a park or all parks.
    fn park_or_all(&mut self, parent: &str) -> Option<Name> {
        let name = Name::parse("parent", parent).and_then(|name| match name {
            Name::Park(_) | Name::Parks => Ok(name),
            other => Err(other.unfit("parent", "parks/P or parks/-")),
        });
        self.take(name)
    }

    /// Parses the name of an enterprise, which must be in `park`.
    fn member(&mut self, field: &str, name: &str, park: Option<&ParkId>) -> Option<Name> {
        let name = Name::parse(field, name).and_then(|name| match name {
            Name::Enterprise(of, enterprise) if park.is_none_or(|park| *park == of) => {
                Ok(Name::Enterprise(of, enterprise))
            }
            other => Err(other.unfit(field, "parks/P/enterprises/E of the parent's park")),
        });
        self.take(name)
    }

    pub(in crate::grpc) fn done<T>(self, value: Option<T>) -> Result<T, QueryError> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(QueryError::Invalid(self.0)),
        }
    }
}

pub(in crate::grpc) use certificate::{assessment_basis, certificate_entries, certificates};
pub(in crate::grpc) use correction::correction;
pub(in crate::grpc) use indicator::indicators;
pub(in crate::grpc) use meter::{change, meter};
pub(in crate::grpc) use rates::{calorific_values, deflators};
pub(in crate::grpc) use replay::{replayed, replays};
pub(in crate::grpc) use side::sides;
pub(in crate::grpc) use withdrawal::{Statement, withdrawals};

/// The author, instant and evidence of a recorded entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provenance<'a> {
    pub(crate) by: &'a str,
    pub(crate) evidence: &'a str,
    pub(crate) at: Instant,
}

impl Provenance<'_> {
    fn check(&self, checks: &mut Checks) {
        checks.needed("recorded_by", self.by);
        checks.text("evidence", self.evidence);
    }

    fn entry(
        &self,
        kind: &str,
        subject: String,
        valid: (CivilDay, Option<CivilDay>),
        body: String,
    ) -> ReferenceEntry {
        ReferenceEntry {
            kind: kind.to_owned(),
            subject,
            valid_from: valid.0,
            valid_to: valid.1,
            recorded_at: self.at,
            recorded_by: self.by.to_owned(),
            evidence: self.evidence.to_owned(),
            body,
        }
    }
}

/// The entry of an enterprise, with its park.
pub(crate) fn enterprise(
    request: Option<&pb::Enterprise>,
    provenance: Provenance<'_>,
) -> Result<(ParkId, EnterpriseId, ReferenceEntry), QueryError> {
    let request = request.ok_or_else(|| QueryError::invalid("enterprise", "is missing"))?;
    let mut checks = Checks::default();
    let name = Name::parse("enterprise.name", &request.name).and_then(|name| match name {
        Name::Enterprise(park, enterprise) => Ok((park, enterprise)),
        other => Err(other.unfit("enterprise.name", "parks/P/enterprises/E")),
    });
    let name = checks.take(name);
    checks.needed("enterprise.title", &request.title);
    if !is_industry(&request.industry) {
        checks.wrong(
            "enterprise.industry",
            "is no code of GB/T 4754-2017; write one like C31, or nothing",
        );
    }
    let (from, to) = checks.validity("enterprise", &request.valid_from, &request.valid_to);
    provenance.check(&mut checks);
    let body = Enterprise {
        title: request.title.clone(),
        industry: request.industry.clone(),
        above_designated_size: request.above_designated_size,
    };
    let made = name.zip(from).map(|((park, enterprise), from)| {
        let entry = provenance.entry(
            body::ENTERPRISE,
            request.name.clone(),
            (from, to),
            body.write(),
        );
        (park, enterprise, entry)
    });
    checks.done(made)
}

/// True for a section's letter and up to four digits.
fn is_industry(code: &str) -> bool {
    let mut rest = code.chars();
    match rest.next() {
        None => true,
        Some(section) => {
            ('A'..='T').contains(&section) && code.len() <= 5 && rest.all(|c| c.is_ascii_digit())
        }
    }
}

/// The entries of declared statistics, with their park.
pub(crate) fn statistics(
    parent: &str,
    request: &[pb::Statistic],
    provenance: Provenance<'_>,
) -> Result<(ParkId, Vec<ReferenceEntry>), QueryError> {
    let mut checks = Checks::default();
    let park = checks.park(parent);
    provenance.check(&mut checks);
    if !checks.fits("statistics", request.len()) {
        return checks.done(None);
    }
    let mut entries = Vec::with_capacity(request.len());
    for (index, statistic) in request.iter().enumerate() {
        let prefix = format!("statistics[{index}]");
        entries.extend(declared(
            &mut checks,
            &prefix,
            park.as_ref(),
            statistic,
            provenance,
        ));
    }
    checks.done(park.map(|park| (park, entries)))
}

/// Parses the price base, which exactly the series in prices have.
fn prices_of(
    checks: &mut Checks,
    field: &str,
    text: &str,
    prices: bool,
) -> Option<Option<PriceBase>> {
    match text.parse::<PriceBase>() {
        Ok(price_base) if prices => Some(Some(price_base)),
        Err(error) if prices => {
            checks.wrong(field, error.to_string());
            None
        }
        _ if text.is_empty() => Some(None),
        _ => {
            checks.wrong(field, "fits money only; leave it empty");
            None
        }
    }
}

fn declared(
    checks: &mut Checks,
    prefix: &str,
    park: Option<&ParkId>,
    request: &pb::Statistic,
    provenance: Provenance<'_>,
) -> Option<ReferenceEntry> {
    let field = |name: &str| format!("{prefix}.{name}");
    let name = checks.member(&field("enterprise"), &request.enterprise, park);
    let series = match request.series.parse::<StatisticSeries>() {
        Ok(series) => Some(series),
        Err(error) => {
            checks.wrong(&field("series"), error.to_string());
            None
        }
    };
    let period = match request
        .period
        .as_ref()
        .and_then(|period| period.period.as_ref())
    {
        Some(period) => checks.take(declared_period(&field("period"), period)),
        None => {
            checks.wrong(
                &field("period"),
                "is missing; give a year, a quarter or a month",
            );
            None
        }
    };
    let amount = checks.amount(&field("amount"), &request.amount);
    if matches!(series, Some(StatisticSeries::Energy(..)))
        && amount.is_some_and(|a| a < Amount::ZERO)
    {
        checks.wrong(&field("amount"), "must not be below zero");
    }
    if matches!(series, Some(StatisticSeries::RawMaterial(_)))
        && amount.is_some_and(|a| a <= Amount::ZERO)
    {
        let problem = "must be above zero, for it is deducted; withdraw what was not used";
        checks.wrong(&field("amount"), problem);
    }
    let prices = series.as_ref().is_none_or(StatisticSeries::has_prices);
    let price_base = prices_of(checks, &field("price_base"), &request.price_base, prices);
    let declared = DeclaredStatistic {
        series: series?,
        period: period?,
        amount: amount?,
        price_base: price_base?,
        finality: if request.r#final {
            Finality::Final
        } else {
            Finality::Preliminary
        },
        recorded_at: provenance.at,
    };
    let days = declared.period.range();
    let valid = (days.first(), Some(days.last()));
    Some(provenance.entry(
        body::STATISTIC,
        name?.to_string(),
        valid,
        Statistic::write(&declared),
    ))
}
