//! The lineage of a figure: its meters, files and records of the reference table. Pure.
//!
//! It lets an auditor trace a figure. The figure is the sum of its meters' parts. Each part is folded by named traits
//! from the days of named files. A file name has the file's digest, and its offsets lead to the log.

use std::collections::BTreeSet;

use greenpark_archive::{
    file::{FileKind, ReadingsFile},
    lineage::Origin,
    meters::{METER, METER_CHANGE},
    reference::ReferenceEntry,
    snapshot::Snapshot,
    withdrawal::WITHDRAWAL,
};
use greenpark_model::{
    amount::Sum,
    day::{CivilDay, DayRange},
    fold::{DayFold, MeterProfile, Point},
    id::EnterpriseId,
    reading::{Flag, Kind, Series},
};
use greenpark_proto::query::v1 as pb;

use crate::{
    figures::{
        consumption::corrected::consume_corrected,
        convert::{amount, days, timestamp},
        measure::Question,
        park_days::ParkDays,
    },
    grpc::registry::convert,
    lake::books::{NewestReading, SeriesDays},
    register::{name::Name, registry::body},
};

/// The rules by which a figure is evaluated, for reproducing it.
pub(crate) const FIGURE_RULES: &[&str] = &[
    "a reading is told once: its identity is (enterprise, meter, quantity, kind, instant), and of two values \
     the one later in the log counts",
    "a day is a civil day in Asia/Shanghai, by the instant of the reading; one at 00:00 closes the day before \
     and opens the day",
    "a counter's consumption is the difference of its registers times the multiplier, corrected by the named \
     rollovers, changes, resets and jumps only",
    "a step over a midnight without a register is split between the days, and the parts sum to the step",
    "a meter counts with readings of the kind that it is registered as; one that is not registered and was heard as \
     two kinds in a year counts with the one that was heard on more days of it",
    "a correction by hand counts instead of the readings of its days, and where there are none",
    "of an energy's balance the declared side counts; where none is declared, the larger one of the calendar year",
    "an enterprise counts on the days on which it is above designated size, in what is divided and what divides",
    "of a period declared as a whole and by its parts the one recorded later counts",
    "a figure is a sum over a sum, divided once and rounded half to even at six places",
];

/// The part of each meter of `enterprise` in `question`, in order.
pub(crate) fn meters(
    question: &Question<'_>,
    park: &ParkDays,
    enterprise: &EnterpriseId,
) -> Vec<pb::MeterPart> {
    let mut meters = Vec::new();
    for (series, parts) in park.series(enterprise, question.range) {
        if series.kind == Kind::Gauge || !question.concerns(series.quantity) {
            continue;
        }
        let traits = park.registry.meters.traits(enterprise, series);
        for counted in park.counting(enterprise, series, question.range).days {
            let entry = park.registry.meters.get(enterprise, series);
            let entry = entry.and_then(|meter| meter.nearest(counted.first()));
            let source = entry.and_then(|entry| entry.body.particulars.water_source);
            if question.takes_source(series.quantity.medium, source) != Some(true) {
                continue;
            }
            let key = (park, enterprise, series);
            meters.extend(meter(key, &parts, &traits, counted));
        }
    }
    meters
}

fn meter(
    (park, enterprise, series): (&ParkDays, &EnterpriseId, &Series),
    parts: &[&SeriesDays],
    traits: &MeterProfile,
    range: DayRange,
) -> Option<pb::MeterPart> {
    let corrections = park.registry.corrections(enterprise, series);
    let corrected = consume_corrected(parts, traits, range, corrections);
    let consumption = corrected.consumption;
    if consumption.readings == 0 && consumption.amount.0 == 0 && corrected.told.is_empty() {
        return None;
    }
    let name = Name::Meter(park.park.clone(), enterprise.clone(), series.meter.clone()).to_string();
    let all = parts.iter().flat_map(|part| part.days.near(range));
    let within: Vec<DayFold> = all
        .filter(|(day, _)| range.contains(*day))
        .map(|(_, fold)| fold)
        .collect();
    let first = within.iter().find_map(|fold| fold.first);
    let last = within.iter().rev().find_map(|fold| fold.last);
    let unit = series.quantity.medium.unit().symbol();
    let reading = |point: Option<Point>| {
        let newest = point.map(|Point { instant, register }| NewestReading {
            instant,
            value: register,
            flag: Flag::Normal.code(),
        });
        newest.map(|newest| convert::reading(&park.park, enterprise, series, newest))
    };
    Some(pb::MeterPart {
        quantity: series.quantity.to_string(),
        kind: series.kind.as_str().to_owned(),
        days: Some(days(range)),
        amount: Some(amount(consumption.amount, unit)),
        estimated: Some(amount(consumption.estimated, unit)),
        readings: consumption.readings,
        reading_days: consumption.days,
        first: reading(first),
        last: reading(last),
        traits: traits.to_string(),
        export: nonzero_amount(consumption.export, unit),
        set_aside: nonzero_amount(consumption.set_aside, unit),
        meter: name,
    })
}

/// Converts an amount; `None` for zero.
fn nonzero_amount(sum: Sum, unit: &str) -> Option<pb::Amount> {
    (sum != Sum::ZERO).then(|| amount(sum, unit))
}

/// The files of `snapshot` with days of `range` or the midnights at its ends: those of `members` and shared ones.
pub(crate) fn files<'a>(
    snapshot: &'a Snapshot,
    range: DayRange,
    members: &BTreeSet<EnterpriseId>,
) -> Vec<&'a ReadingsFile> {
    let around = range.first().previous()..=range.last().next();
    let of_members = |file: &&ReadingsFile| match &file.kind {
        FileKind::Hot { .. } => true,
        FileKind::Sealed { enterprise, .. } => members.contains(enterprise),
    };
    let near = |file: &&ReadingsFile| around.contains(&file.day);
    snapshot
        .files
        .iter()
        .filter(near)
        .filter(of_members)
        .collect()
}

/// Converts a file.
pub(crate) fn file(file: &ReadingsFile, origin: Origin) -> pb::LineageFile {
    let sealed = file.sealed();
    pb::LineageFile {
        path: origin.path,
        sha256: origin.sha256,
        intact: origin.intact,
        enterprise: sealed.map(|(of, _)| of.to_string()).unwrap_or_default(),
        day: file.day.to_string(),
        revision: sealed.map_or(0, |(_, revision)| revision),
        rows: file.rows,
        offsets: origin.offsets.map(|of| pb::LogOffsets {
            partition: of.partition.get(),
            first: of.first,
            next: of.next,
        }),
    }
}

/// True if `entry` can affect a figure of `range` for `subjects`.
pub(crate) fn concerns(
    entry: &ReferenceEntry,
    range: DayRange,
    subjects: &BTreeSet<String>,
) -> bool {
    // A change of a meter before the range still determines its multiplier.
    let lasting = [METER_CHANGE, METER, body::ENTERPRISE, WITHDRAWAL];
    let lasting = lasting.contains(&entry.kind.as_str());
    let began: CivilDay = entry.valid_from;
    let over = entry.valid_to.is_some_and(|last| last < range.first());
    let within = began <= range.last() && (lasting || !over);
    let whole = entry.subject.split("/meters/").next().unwrap_or_default();
    // Values of a plan's declared indicators are not part of a metered figure.
    within && entry.kind != body::INDICATOR && subjects.contains(whole)
}

/// Converts an entry.
pub(crate) fn record(entry: &ReferenceEntry) -> pb::ReferenceRecord {
    pb::ReferenceRecord {
        kind: entry.kind.clone(),
        subject: entry.subject.clone(),
        valid_from: entry.valid_from.to_string(),
        valid_to: entry
            .valid_to
            .map(|day| day.to_string())
            .unwrap_or_default(),
        recorded_at: Some(timestamp(entry.recorded_at)),
        recorded_by: entry.recorded_by.clone(),
        evidence: entry.evidence.clone(),
        body: entry.body.clone(),
    }
}
