//! Applies the entries of the reference table to their parks, in the order of recording. Pure.

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

/// The kinds of entries that this module reads.
const KINDS: [&str; 7] = [
    body::ENTERPRISE,
    body::STATISTIC,
    body::CALORIFIC_VALUE,
    body::CORRECTION,
    body::DEFLATOR,
    body::SIDE,
    WITHDRAWAL,
];

/// Applies `entry` to its park. Entries of other kinds are ignored.
pub(super) fn apply(
    parks: &mut BTreeMap<ParkId, Park>,
    entry: &ReferenceEntry,
) -> Result<(), String> {
    let kind = entry.kind.as_str();
    if !KINDS.contains(&kind) {
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
            apply_to_enterprise(parks.entry(park).or_default(), enterprise, entry)
        }
        (_, Name::Meter(park, enterprise, meter)) => {
            apply_to_meter(parks.entry(park).or_default(), (enterprise, meter), entry)
        }
        (_, name) => Err(wrong_subject(&name)),
    }
}

fn wrong_subject(name: &Name) -> String {
    format!("'{name}' is no name of its kind")
}

fn apply_to_enterprise(
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
            replace_declaration(park.statistics.entry(enterprise).or_default(), declared);
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

fn apply_to_meter(
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
            remove_correction(park, &key, correction.days);
            if !withdrawn {
                park.corrections.entry(key).or_default().push(correction);
            }
            Ok(())
        }
        WITHDRAWAL => withdraw_correction(park, (enterprise, meter), entry),
        _ => Err("its subject is a meter".to_owned()),
    }
}

/// Appends `declared` and removes the earlier declaration of the same series, period and price base, so that the
/// order is that of recording.
fn replace_declaration(all: &mut Vec<DeclaredStatistic>, declared: DeclaredStatistic) {
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

/// Withdraws corrections only; the archive's reader of meters handles a withdrawn change of a meter.
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
    remove_correction(park, &key, days);
    Ok(())
}

fn remove_correction(park: &mut Park, key: &MeterKey, days: DayRange) {
    if let Some(all) = park.corrections.get_mut(key) {
        all.retain(|known| known.days != days);
        if all.is_empty() {
            park.corrections.remove(key);
        }
    }
}
