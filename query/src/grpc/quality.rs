//! `park.query.v1.Quality`.

use std::collections::BTreeMap;

use greenpark_model::{
    day::{CivilDay, DayRange},
    id::{EnterpriseId, ParkId},
    indicator::round,
};
use greenpark_proto::query::v1::{self as pb, quality_server::Quality};
use rust_decimal::Decimal;
use tonic::{Request, Response, Status};

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::{
        convert::{days, timestamp},
        park_days::ParkDays,
        population::Population,
        quality::{
            Delivery, Finding, Subject, Tally,
            dead_letters::{self, LettersOf},
        },
    },
    grpc::{QualityRpc, indicators::population_of, server::Shared},
    lake::dead_letters::Filter,
    reference::quality_rules::QualityRules,
    register::name::Name,
};

/// Decimal places of indices.
const PLACES: u32 = 6;
/// Maximal number of days reported one by one.
const BY_DAY_MAX: i32 = 31;
/// Findings listed in an answer; the rest is only counted.
const FINDINGS_MAX: usize = 1_000;
/// The note for a question about an earlier instant if gateways number their messages.
const AS_OF_NOTE: &str =
    "which messages had come by then is not known: completeness is that of readings alone";

/// Converts the indices of a tally, with their thresholds.
fn indices(tally: &Tally, rules: &QualityRules) -> Vec<pb::QualityIndex> {
    tally
        .indices()
        .into_iter()
        .map(|index| {
            let threshold = rules.of(index.name);
            let met = index.value.map(|value| match index.falls {
                true => value <= threshold,
                false => value >= threshold,
            });
            let value = index.value.map(|value| round(value, PLACES).to_string());
            pb::QualityIndex {
                name: index.name.to_owned(),
                chinese: index.chinese.to_owned(),
                value: value.unwrap_or_default(),
                threshold: threshold.normalize().to_string(),
                verdict: match met {
                    Some(true) => pb::Verdict::Met,
                    Some(false) => pb::Verdict::Missed,
                    None => pb::Verdict::Unknown,
                }
                .into(),
                source: rules.source(index.name).to_owned(),
            }
        })
        .collect()
}

fn score(tally: &Tally, rules: &QualityRules) -> String {
    let score = tally.score(rules);
    score
        .map(|score: Decimal| round(score, PLACES).to_string())
        .unwrap_or_default()
}

/// Splits `range` into months.
fn months(range: DayRange) -> Vec<DayRange> {
    let first = |day: &CivilDay| day.to_string().ends_with("-01");
    range.cut(range.iter().filter(first))
}

impl Shared {
    /// Message numbers of gateways, by park.
    async fn deliveries(
        &self,
        parks: &[ParkDays],
    ) -> Result<BTreeMap<ParkId, Delivery>, QueryError> {
        let mut deliveries = BTreeMap::new();
        for ParkDays { park, .. } in parks {
            let messages = self.books.lake.messages(park).read().await?;
            deliveries.insert(park.clone(), Delivery::of(&messages));
        }
        Ok(deliveries)
    }

    pub(in crate::grpc) async fn quality(
        &self,
        scope: Scope,
        request: &pb::GetQualityRequest,
    ) -> Result<pb::QualityReport, QueryError> {
        let name = Name::parse("name", &request.name)?;
        let (registry, whole) = self
            .parse_range(request.period.as_ref(), request.as_of.as_ref())
            .await?;
        let today = self.moment(&registry).day();
        let over = whole.last().min(today.previous());
        let range = DayRange::new(whole.first(), over);
        let range = range.ok_or_else(|| {
            let problem = format!("has no day that is over; yesterday is {}", today.previous());
            QueryError::invalid("period", problem)
        })?;
        if request.by_day && range.days() > BY_DAY_MAX {
            let problem = format!("asks at most {BY_DAY_MAX} days; ask a month");
            return Err(QueryError::invalid("by_day", problem));
        }
        let park_days = self.days_of(&scope, &registry, &name, range).await?;
        let population = population_of(&name, &park_days, range);
        let deliveries = self.deliveries(&park_days).await?;
        let members = members(&population, range, &deliveries, registry.as_of.is_none());
        let rules = &self.data.quality;
        let letters = Filter::of_days(name.clone(), range, self.moment(&registry));
        let letters = self.letter_counts(&scope, &letters).await?;
        let (mut found, of_others) = letter_findings(&members, range, letters);
        let mut tally = Tally::default();
        for member in &members {
            tally.add(&member.tally(range));
            for subject in member.subjects(range) {
                let findings = subject.findings(rules);
                found.extend(findings.into_iter().map(|of| member.finding(of)));
            }
        }
        let mut notes = population.notes.clone();
        notes.extend(of_others);
        let more = found.len().saturating_sub(FINDINGS_MAX);
        if more > 0 {
            found.truncate(FINDINGS_MAX);
            notes.push(format!(
                "{more} more findings; ask one enterprise, or a shorter period"
            ));
        }
        if tally.expected == 0 {
            notes.push("no meter is registered with an interval: nothing is expected".to_owned());
        }
        if registry.as_of.is_some() && deliveries.values().any(|of| !of.is_empty()) {
            notes.push(AS_OF_NOTE.to_owned());
        }
        Ok(pb::QualityReport {
            name: name.to_string(),
            period: Some(days(range)),
            indices: indices(&tally, rules),
            score: score(&tally, rules),
            parts: parts(&members, range, request.by_day, rules),
            findings: found,
            rules: rules.id.clone(),
            enterprises: u32::try_from(members.len()).unwrap_or(u32::MAX),
            notes,
            as_of: Some(timestamp(self.moment(&registry))),
        })
    }
}

/// Dead letters of the members, and a note about those of other senders.
fn letter_findings(
    members: &[Member<'_>],
    range: DayRange,
    mut letters_of: LettersOf,
) -> (Vec<pb::Finding>, Option<String>) {
    let mut found = Vec::new();
    for member in members {
        let of = (member.park.park.clone(), member.enterprise.clone());
        let counts = letters_of.remove(&of);
        found.extend(counts.map(|of| member.finding(dead_letters::finding(&of, range))));
    }
    let others = dead_letters::of_others(&letters_of);
    (found, others)
}

/// A counted enterprise, and the message numbers of its gateways.
struct Member<'a> {
    park: &'a ParkDays,
    enterprise: &'a EnterpriseId,
    /// The days on which the enterprise counts.
    days: Vec<DayRange>,
    delivery: Option<&'a Delivery>,
}

/// The members of `population`, with the message numbers of their parks' gateways if `known`.
fn members<'a>(
    population: &'a Population<'_>,
    range: DayRange,
    deliveries: &'a BTreeMap<ParkId, Delivery>,
    known: bool,
) -> Vec<Member<'a>> {
    let members = population.members.iter();
    members
        .map(|(park, enterprise)| Member {
            park,
            enterprise,
            days: population.days_of(park, enterprise, range),
            delivery: deliveries.get(&park.park).filter(|_| known),
        })
        .collect()
}

impl<'a> Member<'a> {
    /// The enterprise in each run of days of `range` on which it counts.
    fn subjects(&self, range: DayRange) -> impl Iterator<Item = Subject<'a>> {
        let days = self
            .days
            .iter()
            .filter_map(move |days| days.intersection(range));
        days.map(|range| Subject {
            park: self.park,
            enterprise: self.enterprise,
            range,
            delivery: self.delivery,
        })
    }

    fn tally(&self, range: DayRange) -> Tally {
        let mut tally = Tally::default();
        for subject in self.subjects(range) {
            tally.add(&subject.tally());
        }
        tally
    }

    fn finding(&self, of: Finding) -> pb::Finding {
        let (park, enterprise) = (self.park.park.clone(), self.enterprise.clone());
        let quantity = of.series.as_ref().map(|series| series.quantity.to_string());
        let name = match of.series {
            Some(series) => Name::Meter(park, enterprise, series.meter),
            None => Name::Enterprise(park, enterprise),
        };
        pb::Finding {
            check: of.check.to_owned(),
            name: name.to_string(),
            quantity: quantity.unwrap_or_default(),
            days: Some(days(of.days)),
            detail: of.detail,
        }
    }
}

/// The rows of a report: the months of a range, or the days of each enterprise.
fn parts(
    members: &[Member<'_>],
    range: DayRange,
    by_day: bool,
    rules: &QualityRules,
) -> Vec<pb::QualityPart> {
    let part = |name: String, range: DayRange, tally: &Tally| pb::QualityPart {
        name,
        days: Some(days(range)),
        indices: indices(tally, rules),
        score: score(tally, rules),
    };
    if by_day {
        let each = members.iter().flat_map(|member| {
            let ones = range.iter().filter_map(|day| DayRange::new(day, day));
            ones.map(move |one| (member, one))
        });
        return each
            .map(|(member, one)| {
                let (park, enterprise) = (member.park.park.clone(), member.enterprise.clone());
                let name = Name::Enterprise(park, enterprise);
                part(name.to_string(), one, &member.tally(one))
            })
            .collect();
    }
    months(range)
        .into_iter()
        .map(|month| {
            let mut tally = Tally::default();
            for member in members {
                tally.add(&member.tally(month));
            }
            part(String::new(), month, &tally)
        })
        .collect()
}

#[tonic::async_trait]
impl Quality for QualityRpc {
    async fn get_quality(
        &self,
        request: Request<pb::GetQualityRequest>,
    ) -> Result<Response<pb::QualityReport>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.quality(scope, message);
        shared.answer("GetQuality", &request, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_the_first_of_each_month() {
        let day = |text: &str| text.parse().expect("a day");
        let range = DayRange::new(day("2025-01-15"), day("2025-03-02")).expect("in order");
        let firsts: Vec<String> = months(range)
            .iter()
            .map(|month| month.first().to_string())
            .collect();
        assert_eq!(firsts, ["2025-01-15", "2025-02-01", "2025-03-01"]);
    }
}
