//! `Explain`: streams a figure, then its lineage part by part.

use std::{collections::BTreeSet, sync::Arc};

use greenpark_model::{day::DayRange, id::EnterpriseId, indicator::Indicator};
use greenpark_proto::query::v1::{self as pb, explain_part::Part};

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::{figure::evaluate, park_days::ParkDays, population::Population},
    grpc::{
        indicators::{FigureRequest, assessment::Asker, lineage, population_of},
        server::{
            Shared,
            stream::{Ended, Sender, send},
        },
    },
    lake::books::BookDays,
    register::{name::Name, registry::known_at},
};

/// Parses the name of an indicator.
pub(crate) fn indicator(name: &str) -> Result<Indicator, QueryError> {
    Indicator::from_name(name).ok_or_else(|| {
        let all: Vec<&str> = Indicator::ALL.iter().map(|i| i.as_str()).collect();
        let known = all.join(", ");
        QueryError::invalid("indicator", format!("is none of {known}"))
    })
}

/// Streams the lineage of a figure.
pub(super) async fn explain(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::ExplainRequest,
    to: Sender<pb::ExplainPart>,
) -> Result<(), Ended> {
    let indicator = indicator(&request.indicator)?;
    let question = request
        .question
        .ok_or_else(|| QueryError::invalid("question", "is missing"))?;
    let FigureRequest {
        name,
        registry,
        terms,
    } = shared.parse_figure_request(indicator, &question).await?;
    // The figure and its lineage come from one state of the books, at the same instant.
    let mut days = shared
        .days_of(&scope, &registry, &name, terms.range)
        .await?;
    shared.recall(&registry, &name, &terms, &mut days).await?;
    let population = population_of(&name, &days, terms.range);
    let question = shared.question(&terms, &registry)?;
    let population = population.making(&question);
    let mut evaluated = evaluate(&question, name.to_string(), &population)?;
    let asker = Asker::new(&scope, &registry, &name, &terms);
    shared
        .attach_assessed(asker, &question, &population, &mut evaluated)
        .await?;
    send_part(&to, Part::Figure(evaluated.figure)).await?;
    for (park, enterprise, questions) in population.questions(&question) {
        for question in &questions {
            for meter in lineage::meters(question, park, enterprise) {
                send_part(&to, Part::Meter(meter)).await?;
            }
        }
    }
    let (mut listed, mut changed) = (0, 0);
    let mut rules = BTreeSet::new();
    for park in &days {
        let members = members_of(park, &population);
        for book in near(park, terms.range) {
            let snapshot = &shared.books.lake.whole(&book.snapshot).await?;
            for file in lineage::files(snapshot, terms.range, &members) {
                let origin = shared.books.lake.origin(snapshot, file).await?;
                listed += 1;
                changed += u64::from(!origin.intact);
                rules.extend(origin.rules.split_whitespace().map(str::to_owned));
                send_part(&to, Part::File(lineage::file(file, origin))).await?;
            }
        }
    }
    let subjects = subjects(&population, &days);
    let entries = shared.books.lake.reference().entries().await?;
    for entry in known_at(&entries, question.now) {
        if lineage::concerns(entry, terms.range, &subjects) {
            send_part(&to, Part::Record(lineage::record(entry))).await?;
        }
    }
    let rules = pb::Rules {
        files: rules.into_iter().collect(),
        figure: lineage::FIGURE_RULES
            .iter()
            .map(|&r| r.to_owned())
            .collect(),
        made_by: concat!("greenpark-query ", env!("CARGO_PKG_VERSION")).to_owned(),
        files_listed: listed,
        files_changed: changed,
    };
    send_part(&to, Part::Rules(rules)).await
}

async fn send_part(to: &Sender<pb::ExplainPart>, part: Part) -> Result<(), Ended> {
    send(to, pb::ExplainPart { part: Some(part) }, 0).await
}

/// The books of `park` with files of `range` or of the midnights at its ends.
fn near(park: &ParkDays, range: DayRange) -> impl Iterator<Item = &Arc<BookDays>> {
    let years = range.first().previous().year()..=range.last().next().year();
    let books = park.books().iter();
    books.filter(move |book| years.contains(&book.snapshot.year))
}

/// The members of a population in `park`.
fn members_of(park: &ParkDays, population: &Population<'_>) -> BTreeSet<EnterpriseId> {
    let of_park = population
        .members
        .iter()
        .filter(|(days, _)| days.park == park.park);
    of_park.map(|(_, enterprise)| enterprise.clone()).collect()
}

/// Subjects of records that may matter: the members, their parks and all parks.
fn subjects(population: &Population<'_>, days: &[ParkDays]) -> BTreeSet<String> {
    let members = population.members.iter();
    let members =
        members.map(|(park, enterprise)| Name::Enterprise(park.park.clone(), enterprise.clone()));
    let parks = days.iter().map(|park| Name::Park(park.park.clone()));
    members
        .chain(parks)
        .chain([Name::Parks])
        .map(|name| name.to_string())
        .collect()
}
