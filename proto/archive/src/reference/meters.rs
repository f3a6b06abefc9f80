//! The meters in the reference table, as both the processor and queries read them.
//!
//! Entries have the subject `parks/P/enterprises/E/meters/M` and a JSON body, which is a contract with every
//! reader of the table. Amounts are decimal text in the canonical unit; a meter that measures two quantities
//! has entries for each.
//! - kind [`METER`], `{"title":"…","quantity":"electricity","kind":"register","interval_s":3600,
//!   "modulus":"1000000","rated_per_hour":"400","headroom":"1.2","multiplier":"12000","counted":true,
//!   "parent":"main","verified_until":"2027-05-31","water_source":"municipal","waste_code":
//!   "900-001-S02","bidirectional":true,"restart":"06:00"}`; the fields after `counted`, and `modulus`,
//!   `rated_per_hour`, `headroom` (the k of the bound rated × Δt × k) and `multiplier` may be absent. The
//!   multiplier of the meter's first day counts until a change. `restart` is the local time at which a daily
//!   counter restarts; midnight if it is absent.
//! - kind [`METER_CHANGE`], `{"quantity":"electricity","at":"2026-03-05T10:30:00+08:00","old_final":"5012",
//!   "new_initial":"3","multiplier":"8000"}`; a later one of the same instant replaces it, and a
//!   [withdrawal](crate::reference::withdrawal) of it removes it.

mod profile;

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant, TimeError},
    fold::{MeterChange, Multiplier},
    id::{EnterpriseId, IdError, MeterId, ParkId},
    quantity::{Quantity, UnknownQuantity},
    reading::{Kind, Series},
    waste_code::{WasteCode, WasteCodeError},
    water::{UnknownWaterSource, WaterSource},
};
use serde::{Deserialize, Serialize};

use crate::reference::{
    ReferenceEntry, ReferenceSnapshot,
    dated::{Dated, DatedEntry},
    withdrawal::{WITHDRAWAL, Withdrawal, Withdrawn},
};

/// The kind of a meter's entry.
pub const METER: &str = "meter";
/// The kind of an entry for a replaced meter or a new multiplier.
pub const METER_CHANGE: &str = "meter-change";
/// A meter as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredMeter {
    /// Its display name.
    pub title: String,
    /// The quantity that it measures.
    pub quantity: Quantity,
    /// The kind of its readings.
    pub kind: Kind,
    /// Seconds between two readings; 0 if none are expected.
    pub interval_s: u32,
    /// The register's modulus: one more than its largest value.
    pub modulus: Option<Amount>,
    /// Its rating: the most that it measures in an hour.
    pub rated_per_hour: Option<Amount>,
    /// The multiple of the rating that is still believed; 1.2 if absent.
    pub headroom: Option<Amount>,
    /// CT ratio × PT ratio.
    pub multiplier: Multiplier,
    /// True if it counts in the enterprise's consumption; a sub-meter does not.
    pub counted: bool,
    /// True if it measures import and export.
    pub bidirectional: bool,
    /// The minute of the day at which a daily counter restarts; midnight if absent.
    pub restart: Option<u16>,
    /// Further facts about it.
    pub particulars: Particulars,
}

/// Facts about a meter that do not affect how it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// The meter of the same quantity that measures everything this one does, and more.
    pub parent: Option<MeterId>,
    /// The last day on which its verification (检定) is valid.
    pub verified_until: Option<CivilDay>,
    /// The source of the water that it measures.
    pub water_source: Option<WaterSource>,
    /// The code of the waste that it weighs.
    pub waste_code: Option<WasteCode>,
}

/// A meter and a quantity that it measures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeterKey {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The meter.
    pub meter: MeterId,
    /// The quantity.
    pub quantity: Quantity,
}

/// Why an entry describes no meter.
#[derive(Debug, thiserror::Error)]
pub enum MeterError {
    /// The subject is not a meter's resource name.
    #[error("subject '{0}' is not parks/P/enterprises/E/meters/M")]
    Subject(String),
    /// An id is invalid.
    #[error("an id is none")]
    Id(#[from] IdError),
    /// The body is not JSON of this form.
    #[error("the body is not what a meter's entry has")]
    Body(#[from] serde_json::Error),
    /// The quantity is unknown.
    #[error("the quantity is unknown")]
    Quantity(#[from] UnknownQuantity),
    /// The kind is unknown.
    #[error("'{0}' is no kind of reading")]
    Kind(String),
    /// An amount is invalid.
    #[error("an amount is no decimal, or out of range")]
    Amount(#[from] greenpark_model::amount::AmountError),
    /// A source of water is unknown.
    #[error("the source of water is unknown")]
    WaterSource(#[from] UnknownWaterSource),
    /// A waste's code is invalid.
    #[error("the code of the waste is none")]
    WasteCode(#[from] WasteCodeError),
    /// An instant or a day is invalid.
    #[error("an instant or a day is none")]
    Instant(#[from] TimeError),
    /// A time of the day is invalid.
    #[error("'{0}' is no time of the day; write 06:30")]
    Clock(String),
}

/// An entry that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what is recorded of '{subject}' cannot be read")]
pub struct Unreadable {
    /// The subject of the entry.
    pub subject: String,
    /// The cause.
    #[source]
    pub problem: MeterError,
}

#[derive(Serialize, Deserialize)]
struct Body {
    title: String,
    quantity: String,
    kind: String,
    interval_s: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modulus: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rated_per_hour: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headroom: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multiplier: Option<String>,
    counted: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    bidirectional: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    water_source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waste_code: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

#[derive(Serialize, Deserialize)]
struct ChangeBody {
    quantity: String,
    at: String,
    old_final: String,
    new_initial: String,
    multiplier: String,
}

/// The meters of one park.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    entries: BTreeMap<MeterKey, Dated<RegisteredMeter>>,
    /// The keys of each enterprise, in the order of recording.
    of: BTreeMap<EnterpriseId, Vec<MeterKey>>,
    /// In the order of their instants.
    changes: BTreeMap<MeterKey, Vec<MeterChange>>,
}

impl RegisteredMeter {
    /// Parses the body of an entry.
    ///
    /// # Errors
    /// [`MeterError`] if it is invalid.
    pub fn read(json: &str) -> Result<Self, MeterError> {
        let body: Body = serde_json::from_str(json)?;
        let amount = |text: Option<String>| text.as_deref().map(str::parse::<Amount>).transpose();
        Ok(Self {
            quantity: body.quantity.parse()?,
            kind: Kind::from_name(&body.kind).ok_or(MeterError::Kind(body.kind))?,
            interval_s: body.interval_s,
            modulus: amount(body.modulus)?,
            rated_per_hour: amount(body.rated_per_hour)?,
            headroom: amount(body.headroom)?,
            multiplier: match amount(body.multiplier)? {
                Some(multiplier) => Multiplier::new(multiplier)?,
                None => Multiplier::ONE,
            },
            counted: body.counted,
            bidirectional: body.bidirectional,
            restart: body.restart.as_deref().map(read_clock).transpose()?,
            particulars: Particulars {
                parent: body.parent.as_deref().map(MeterId::new).transpose()?,
                verified_until: body.verified_until.map(|day| day.parse()).transpose()?,
                water_source: body.water_source.map(|text| text.parse()).transpose()?,
                waste_code: body.waste_code.map(|text| text.parse()).transpose()?,
            },
            title: body.title,
        })
    }

    /// The body of its entry.
    #[must_use]
    pub fn write(&self) -> String {
        let of = &self.particulars;
        let body = Body {
            title: self.title.clone(),
            quantity: self.quantity.to_string(),
            kind: self.kind.as_str().to_owned(),
            interval_s: self.interval_s,
            modulus: self.modulus.map(|m| m.to_string()),
            rated_per_hour: self.rated_per_hour.map(|r| r.to_string()),
            headroom: self.headroom.map(|h| h.to_string()),
            multiplier: (self.multiplier != Multiplier::ONE)
                .then(|| self.multiplier.value().to_string()),
            counted: self.counted,
            bidirectional: self.bidirectional,
            restart: self.restart.map(write_clock),
            parent: of.parent.as_ref().map(ToString::to_string),
            verified_until: of.verified_until.map(|day| day.to_string()),
            water_source: of.water_source.map(|source| source.as_str().to_owned()),
            waste_code: of.waste_code.map(|code| code.to_string()),
        };
        serde_json::to_string(&body).expect("texts, numbers and flags are JSON")
    }
}

/// Parses the body of a change: the quantity and the change.
///
/// # Errors
/// [`MeterError`] if it is invalid.
pub fn read_change(json: &str) -> Result<(Quantity, MeterChange), MeterError> {
    let body: ChangeBody = serde_json::from_str(json)?;
    let change = MeterChange {
        instant: body.at.parse()?,
        old_final: body.old_final.parse()?,
        new_initial: body.new_initial.parse()?,
        multiplier: Multiplier::new(body.multiplier.parse()?)?,
    };
    Ok((body.quantity.parse()?, change))
}

/// The body of a change's entry.
#[must_use]
pub fn write_change(quantity: Quantity, change: MeterChange) -> String {
    let body = ChangeBody {
        quantity: quantity.to_string(),
        at: change.instant.to_string(),
        old_final: change.old_final.to_string(),
        new_initial: change.new_initial.to_string(),
        multiplier: change.multiplier.value().to_string(),
    };
    serde_json::to_string(&body).expect("texts are JSON")
}

impl Meters {
    /// The meters of each park. Entries of other kinds are ignored.
    ///
    /// # Errors
    /// [`Unreadable`] names the first entry that cannot be read.
    pub fn read(snapshot: &ReferenceSnapshot) -> Result<BTreeMap<ParkId, Self>, Unreadable> {
        let mut parks: BTreeMap<ParkId, Self> = BTreeMap::new();
        for entry in &snapshot.entries {
            apply(&mut parks, entry).map_err(|problem| Unreadable {
                subject: entry.subject.clone(),
                problem,
            })?;
        }
        Ok(parks)
    }

    /// Every meter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&MeterKey, &Dated<RegisteredMeter>)> {
        self.entries.iter()
    }

    /// The meters of an enterprise.
    pub fn of(
        &self,
        enterprise: &EnterpriseId,
    ) -> impl Iterator<Item = (&MeterKey, &Dated<RegisteredMeter>)> {
        let keys = self.of.get(enterprise).into_iter().flatten();
        keys.filter_map(|key| self.entries.get_key_value(key))
    }

    /// The entries of the meter of `series`.
    #[must_use]
    pub fn get(
        &self,
        enterprise: &EnterpriseId,
        series: &Series,
    ) -> Option<&Dated<RegisteredMeter>> {
        self.entries.get(&MeterKey {
            enterprise: enterprise.clone(),
            meter: series.meter.clone(),
            quantity: series.quantity,
        })
    }

    /// All entries of the meter of `key`, in the order of recording.
    #[must_use]
    pub fn entries(&self, key: &MeterKey) -> &[DatedEntry<RegisteredMeter>] {
        self.entries.get(key).map_or(&[], Dated::entries)
    }

    /// The changes of the meter of `key`, in the order of their instants.
    #[must_use]
    pub fn changes(&self, key: &MeterKey) -> &[MeterChange] {
        self.changes.get(key).map_or(&[], Vec::as_slice)
    }

    /// The first day on which the meter of `key` is registered.
    #[must_use]
    pub fn first_day(&self, key: &MeterKey) -> Option<CivilDay> {
        let entries = self.entries.get(key)?.entries();
        entries.iter().map(|entry| entry.valid_from).min()
    }

    /// The multiplier registered for the meter of `key` on `day`, before any change.
    #[must_use]
    pub fn initial_multiplier(&self, key: &MeterKey, day: CivilDay) -> Option<Multiplier> {
        let entry = self.entries.get(key)?.on(day)?;
        Some(entry.body.multiplier)
    }

    /// The multiplier of the meter of `key` at `instant`; `None` if it is not registered.
    #[must_use]
    pub fn multiplier(&self, key: &MeterKey, instant: Instant) -> Option<Multiplier> {
        let changed = self
            .changes(key)
            .iter()
            .rev()
            .find(|c| c.instant <= instant);
        let first = self.entries.get(key).and_then(first_multiplier);
        changed.map(|c| c.multiplier).or(first)
    }

    /// A digest of all meters' traits: folds made under another digest are void.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (key, meter) in &self.entries {
            key.hash(&mut hasher);
            for entry in meter.entries() {
                (entry.valid_from, entry.valid_to).hash(&mut hasher);
                let body = &entry.body;
                (body.kind, body.profile(), body.multiplier).hash(&mut hasher);
            }
        }
        self.changes.hash(&mut hasher);
        hasher.finish()
    }
}

/// Parses a time of the day as minutes since midnight.
///
/// # Errors
/// [`MeterError::Clock`] if it is invalid.
pub fn read_clock(text: &str) -> Result<u16, MeterError> {
    let minutes = || {
        let (hours, minutes) = text.split_once(':').filter(|_| text.len() == 5)?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    minutes().ok_or_else(|| MeterError::Clock(text.chars().take(40).collect()))
}

/// The text of a time of the day.
#[must_use]
pub fn write_clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The multiplier of a meter's first day.
fn first_multiplier(meter: &Dated<RegisteredMeter>) -> Option<Multiplier> {
    let first = meter.entries().iter().map(|entry| entry.valid_from).min()?;
    meter.on(first).map(|entry| entry.body.multiplier)
}

fn apply(parks: &mut BTreeMap<ParkId, Meters>, entry: &ReferenceEntry) -> Result<(), MeterError> {
    match entry.kind.as_str() {
        METER => {
            let (park, enterprise, meter) = subject(&entry.subject)?;
            let body = RegisteredMeter::read(&entry.body)?;
            let key = MeterKey {
                enterprise,
                meter,
                quantity: body.quantity,
            };
            let meters = parks.entry(park).or_default();
            if !meters.entries.contains_key(&key) {
                let of = meters.of.entry(key.enterprise.clone()).or_default();
                of.push(key.clone());
            }
            meters.entries.entry(key).or_default().record(entry, body);
        }
        METER_CHANGE => {
            let (park, enterprise, meter) = subject(&entry.subject)?;
            let (quantity, change) = read_change(&entry.body)?;
            let key = MeterKey {
                enterprise,
                meter,
                quantity,
            };
            let changes = &mut parks.entry(park).or_default().changes;
            let changes = changes.entry(key).or_default();
            match changes.binary_search_by_key(&change.instant, |c| c.instant) {
                Ok(same) => changes[same] = change,
                Err(place) => changes.insert(place, change),
            }
        }
        WITHDRAWAL => apply_withdrawal(parks, entry)?,
        _ => {}
    }
    Ok(())
}

/// Removes the change that `entry` withdraws, if it withdraws one.
fn apply_withdrawal(
    parks: &mut BTreeMap<ParkId, Meters>,
    entry: &ReferenceEntry,
) -> Result<(), MeterError> {
    let Withdrawn::MeterChange { quantity, at } = Withdrawal::read(&entry.body)?.of else {
        return Ok(());
    };
    let (park, enterprise, meter) = subject(&entry.subject)?;
    let key = MeterKey {
        enterprise,
        meter,
        quantity: quantity.parse()?,
    };
    let instant: Instant = at.parse()?;
    let known = parks.get_mut(&park);
    if let Some(changes) = known.and_then(|meters| meters.changes.get_mut(&key)) {
        changes.retain(|change| change.instant != instant);
    }
    Ok(())
}

/// Parses `parks/P/enterprises/E/meters/M`.
fn subject(name: &str) -> Result<(ParkId, EnterpriseId, MeterId), MeterError> {
    let parts: Vec<&str> = name.split('/').collect();
    let ["parks", park, "enterprises", enterprise, "meters", meter] = parts.as_slice() else {
        return Err(MeterError::Subject(name.to_owned()));
    };
    Ok((
        ParkId::new(park)?,
        EnterpriseId::new(enterprise)?,
        MeterId::new(meter)?,
    ))
}

#[cfg(test)]
mod tests;
