//! One entry of the reference table after the other, in the order of recording. Pure.

use std::collections::BTreeMap;

use greenpark_archive::{
    meters::MeterKey,
    reference::ReferenceEntry,
    withdrawal::{WITHDRAWAL, Withdrawal, Withdrawn},
};
use greenpark_model::{
    day::DayRange,
    id::{EnterpriseId, MeterId, ParkId},
    quantity::UnknownQuantity,
};

use super::{
    Heat, Park,
    body::{self, Enterprise, Statistic},
};
use crate::register::{name::Name, statistics::DeclaredStatistic};

/// The kinds of entries that are ours.
const OURS: [&str; 7] = [
    body::ENTERPRISE,
    body::STATISTIC,
    body::CALORIFIC_VALUE,
    body::CORRECTION,
    body::DEFLATOR,
    body::SIDE,
    WITHDRAWAL,
];

/// Adds what `entry` says to its park. Kinds that are not ours are passed over.
pub(super) fn take(
    parks: &mut BTreeMap<ParkId, Park>,
    entry: &ReferenceEntry,
) -> Result<(), String> {
    let kind = entry.kind.as_str();
    if !OURS.contains(&kind) {
        return Ok(());
    }
    let name = Name::parse("subject", &entry.subject).map_err(|_| "its subject is no name")?;
    match (kind, name) {
        (body::DEFLATOR, Name::Park(park)) => {
            let deflator = body::Deflation::read(&entry.body, true)?;
            parks.entry(park).or_default().deflators.push(deflator);
            Ok(())
        }
        (_, Name::Enterprise(park, enterprise)) => {
            of_enterprise(parks.entry(park).or_default(), enterprise, entry)
        }
        (_, Name::Meter(park, enterprise, meter)) => {
            of_meter(parks.entry(park).or_default(), (enterprise, meter), entry)
        }
        (_, name) => Err(unfit(&name)),
    }
}

fn unfit(name: &Name) -> String {
    format!("'{name}' is no name of its kind")
}

fn of_enterprise(
    park: &mut Park,
    enterprise: EnterpriseId,
    entry: &ReferenceEntry,
) -> Result<(), String> {
    let json = |error: serde_json::Error| error.to_string();
    match entry.kind.as_str() {
        body::ENTERPRISE => {
            let body: Enterprise = serde_json::from_str(&entry.body).map_err(json)?;
            let all = park.enterprises.entry(enterprise).or_default();
            all.record(entry, body);
        }
        body::STATISTIC => {
            let declared = Statistic::read(&entry.body, entry.recorded_at)?;
            put_in_force(park.statistics.entry(enterprise).or_default(), declared);
        }
        body::CALORIFIC_VALUE => {
            let (medium, kj_per_unit) = body::CalorificValue::read(&entry.body)?;
            let source = format!("recorded by {}, {}", entry.recorded_by, entry.evidence);
            let heat = Heat {
                kj_per_unit,
                source: source.into(),
            };
            let heats = park.heats.entry((enterprise, medium)).or_default();
            heats.record(entry, heat);
        }
        body::SIDE => {
            let (medium, side) = body::SideBody::read(&entry.body)?;
            let sides = park.sides.entry((enterprise, medium)).or_default();
            sides.record(entry, side);
        }
        WITHDRAWAL => withdraw_statistic(park, &enterprise, entry)?,
        _ => return Err("its subject is an enterprise".to_owned()),
    }
    Ok(())
}

fn of_meter(
    park: &mut Park,
    (enterprise, meter): (EnterpriseId, MeterId),
    entry: &ReferenceEntry,
) -> Result<(), String> {
    match entry.kind.as_str() {
        body::CORRECTION => {
            let (series, correction, withdrawn) = body::CorrectionBody::read(entry, meter)?;
            let key = MeterKey {
                enterprise,
                meter: series.meter,
                quantity: series.quantity,
            };
            forget_correction(park, &key, correction.days);
            if !withdrawn {
                park.corrections.entry(key).or_default().push(correction);
            }
            Ok(())
        }
        WITHDRAWAL => withdraw_correction(park, (enterprise, meter), entry),
        _ => Err("its subject is a meter".to_owned()),
    }
}

/// A later figure replaces an earlier one of the same series, period and price base. What was recorded last
/// stands last.
fn put_in_force(all: &mut Vec<DeclaredStatistic>, declared: DeclaredStatistic) {
    all.retain(|d| {
        (&d.series, d.period, d.price_base)
            != (&declared.series, declared.period, declared.price_base)
    });
    all.push(declared);
}

fn withdraw_statistic(
    park: &mut Park,
    enterprise: &EnterpriseId,
    entry: &ReferenceEntry,
) -> Result<(), String> {
    let withdrawal = Withdrawal::read(&entry.body).map_err(|error| error.to_string())?;
    let Withdrawn::Statistic {
        series,
        period,
        price_base,
    } = withdrawal.of
    else {
        return Err("it withdraws what no enterprise has".to_owned());
    };
    let base = |d: &DeclaredStatistic| {
        d.price_base
            .map(|base| base.to_string())
            .unwrap_or_default()
    };
    if let Some(all) = park.statistics.get_mut(enterprise) {
        all.retain(|d| {
            (d.series.to_string(), d.period.to_string(), base(d))
                != (series.clone(), period.clone(), price_base.clone())
        });
    }
    Ok(())
}

/// Corrections alone: a withdrawn change of a meter is the concern of those who read meters.
fn withdraw_correction(
    park: &mut Park,
    (enterprise, meter): (EnterpriseId, MeterId),
    entry: &ReferenceEntry,
) -> Result<(), String> {
    let withdrawal = Withdrawal::read(&entry.body).map_err(|error| error.to_string())?;
    let quantity = match withdrawal.of {
        Withdrawn::Correction { quantity } => quantity,
        Withdrawn::MeterChange { .. } => return Ok(()),
        Withdrawn::Statistic { .. } => return Err("it withdraws what no meter has".to_owned()),
    };
    let quantity = quantity.parse();
    let key = MeterKey {
        enterprise,
        meter,
        quantity: quantity.map_err(|error: UnknownQuantity| error.to_string())?,
    };
    let last = entry.valid_to.ok_or("it has no last day")?;
    let days = DayRange::new(entry.valid_from, last).ok_or("its days end before they begin")?;
    forget_correction(park, &key, days);
    Ok(())
}

fn forget_correction(park: &mut Park, key: &MeterKey, days: DayRange) {
    if let Some(all) = park.corrections.get_mut(key) {
        all.retain(|known| known.days != days);
        if all.is_empty() {
            park.corrections.remove(key);
        }
    }
}
