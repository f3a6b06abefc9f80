//! Converts entries of the registry and declarations.

use greenpark_archive::{
    dated::DatedEntry,
    meters::{RegisteredMeter, write_clock},
};
use greenpark_model::{
    day::CivilDay,
    fold::{MeterChange, Multiplier},
    id::{EnterpriseId, ParkId},
    quantity::Quantity,
    reading::{Flag, Series},
};
use greenpark_proto::query::v1 as pb;

use crate::{
    figures::convert::timestamp,
    lake::books::NewestReading,
    register::{
        name::Name,
        registry::body::Enterprise,
        statistics::{DeclaredPeriod, DeclaredStatistic, Finality},
    },
};

/// Converts a reading.
pub(in crate::grpc) fn reading(
    park: &ParkId,
    enterprise: &EnterpriseId,
    series: &Series,
    newest: NewestReading,
) -> pb::Reading {
    let name = Name::Meter(park.clone(), enterprise.clone(), series.meter.clone());
    pb::Reading {
        meter: name.to_string(),
        quantity: series.quantity.to_string(),
        kind: series.kind.as_str().to_owned(),
        instant: Some(timestamp(newest.instant)),
        value: newest.value.to_string(),
        unit: series.quantity.medium.unit().symbol().to_owned(),
        flag: Flag::from_code(newest.flag)
            .map(Flag::as_str)
            .unwrap_or_default()
            .to_owned(),
        ..pb::Reading::default()
    }
}

fn day_text(day: Option<CivilDay>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

pub(super) fn enterprise(name: String, entry: &DatedEntry<Enterprise>) -> pb::Enterprise {
    pb::Enterprise {
        name,
        title: entry.body.title.clone(),
        industry: entry.body.industry.clone(),
        above_designated_size: entry.body.above_designated_size,
        valid_from: entry.valid_from.to_string(),
        valid_to: day_text(entry.valid_to),
        recorded_at: Some(timestamp(entry.recorded_at)),
    }
}

pub(super) fn meter(name: String, entry: &DatedEntry<RegisteredMeter>) -> pb::Meter {
    let of = &entry.body.particulars;
    pb::Meter {
        name,
        title: entry.body.title.clone(),
        quantity: entry.body.quantity.to_string(),
        kind: entry.body.kind.as_str().to_owned(),
        interval_s: entry.body.interval_s,
        modulus: text(entry.body.modulus.as_ref()),
        rated_per_hour: text(entry.body.rated_per_hour.as_ref()),
        headroom: text(entry.body.headroom.as_ref()),
        multiplier: multiplier(entry.body.multiplier),
        changes: Vec::new(),
        counted: entry.body.counted,
        valid_from: entry.valid_from.to_string(),
        valid_to: day_text(entry.valid_to),
        latest: None,
        recorded_at: Some(timestamp(entry.recorded_at)),
        parent: text(of.parent.as_ref()),
        verified_until: text(of.verified_until.as_ref()),
        water_source: text(of.water_source.as_ref()),
        waste_code: text(of.waste_code.as_ref()),
        bidirectional: entry.body.bidirectional,
        restart: entry.body.restart.map(write_clock).unwrap_or_default(),
    }
}

/// Text of a known value; empty for an unknown one.
fn text(known: Option<&impl ToString>) -> String {
    known.map(ToString::to_string).unwrap_or_default()
}

fn multiplier(multiplier: Multiplier) -> String {
    match multiplier {
        Multiplier::ONE => String::new(),
        other => other.value().to_string(),
    }
}

pub(super) fn change(meter: &str, quantity: Quantity, change: &MeterChange) -> pb::MeterChange {
    pb::MeterChange {
        meter: meter.to_owned(),
        quantity: quantity.to_string(),
        at: Some(timestamp(change.instant)),
        old_final: change.old_final.to_string(),
        new_initial: change.new_initial.to_string(),
        multiplier: change.multiplier.value().to_string(),
    }
}

pub(super) fn statistic(name: &str, declared: &DeclaredStatistic) -> pb::Statistic {
    let period = match declared.period {
        DeclaredPeriod::Year(year) => pb::period::Period::Year(year.into()),
        DeclaredPeriod::Quarter(..) => pb::period::Period::Quarter(declared.period.to_string()),
        DeclaredPeriod::Month(..) => pb::period::Period::Month(declared.period.to_string()),
    };
    pb::Statistic {
        enterprise: name.to_owned(),
        series: declared.series.to_string(),
        period: Some(pb::Period {
            period: Some(period),
        }),
        amount: declared.amount.to_string(),
        price_base: text(declared.price_base.as_ref()),
        r#final: declared.finality == Finality::Final,
        recorded_at: Some(timestamp(declared.recorded_at)),
    }
}
