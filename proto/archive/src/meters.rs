//! What the reference table says of meters: the one reading of it for those who seal and those who ask.
//!
//! An entry of kind [`METER`] has the subject `parks/P/enterprises/E/meters/M` and a JSON body, a contract
//! with whoever reads the table: `{"title":"…","quantity":"electricity","kind":"register",
//! "interval_s":3600,"modulus":"1000000","rated_per_hour":"400","counted":true}`. Amounts are decimal text
//! in the canonical unit; `modulus` and `rated_per_hour` may be absent. A meter that measures two
//! quantities has an entry for each.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use greenpark_model::{
    amount::Amount,
    day::DayRange,
    fold::Traits,
    id::{EnterpriseId, IdError, MeterId, ParkId},
    quantity::{Quantity, UnknownQuantity},
    reading::{Kind, Series},
};
use serde::{Deserialize, Serialize};

use crate::{
    dated::Dated,
    reference::{ReferenceEntry, ReferenceSnapshot},
};

/// The kind of a meter's entry.
pub const METER: &str = "meter";

/// A meter as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// What people call it.
    pub title: String,
    /// What it measures.
    pub quantity: Quantity,
    /// How its values are meant.
    pub kind: Kind,
    /// Seconds between two readings; 0 where none are expected.
    pub interval_s: u32,
    /// The register's modulus: one more than its largest value.
    pub modulus: Option<Amount>,
    /// The most it can measure in an hour.
    pub rated_per_hour: Option<Amount>,
    /// Whether it counts in the enterprise's consumption; a sub-meter does not.
    pub counted: bool,
}

/// Which meter, measuring what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeterKey {
    /// Whose.
    pub enterprise: EnterpriseId,
    /// The meter.
    pub meter: MeterId,
    /// What it measures.
    pub quantity: Quantity,
}

/// Why an entry says nothing of a meter.
#[derive(Debug, thiserror::Error)]
pub enum MeterError {
    /// The subject is no meter's resource name.
    #[error("subject '{0}' is not parks/P/enterprises/E/meters/M")]
    Subject(String),
    /// The subject has an id that is none.
    #[error("the subject has a wrong id")]
    Id(#[from] IdError),
    /// The body is no JSON of this form.
    #[error("the body is not what a meter's entry has")]
    Body(#[from] serde_json::Error),
    /// The quantity is unknown.
    #[error("the quantity is unknown")]
    Quantity(#[from] UnknownQuantity),
    /// The kind is unknown.
    #[error("'{0}' is no kind of reading")]
    Kind(String),
    /// An amount is none.
    #[error("an amount is no decimal")]
    Amount(#[from] greenpark_model::amount::AmountError),
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
    counted: bool,
}

/// The meters of one park.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    entries: BTreeMap<MeterKey, Dated<Meter>>,
}

impl Meter {
    /// Reads the body of an entry.
    ///
    /// # Errors
    /// [`MeterError`] says what is wrong with it.
    pub fn read(json: &str) -> Result<Self, MeterError> {
        let body: Body = serde_json::from_str(json)?;
        let amount = |text: Option<String>| text.as_deref().map(str::parse::<Amount>).transpose();
        Ok(Self {
            quantity: body.quantity.parse()?,
            kind: Kind::from_name(&body.kind).ok_or(MeterError::Kind(body.kind))?,
            interval_s: body.interval_s,
            modulus: amount(body.modulus)?,
            rated_per_hour: amount(body.rated_per_hour)?,
            counted: body.counted,
            title: body.title,
        })
    }

    /// The body of its entry.
    #[must_use]
    pub fn write(&self) -> String {
        let body = Body {
            title: self.title.clone(),
            quantity: self.quantity.to_string(),
            kind: self.kind.as_str().to_owned(),
            interval_s: self.interval_s,
            modulus: self.modulus.map(|m| m.to_string()),
            rated_per_hour: self.rated_per_hour.map(|r| r.to_string()),
            counted: self.counted,
        };
        serde_json::to_string(&body).expect("texts, numbers and flags are JSON")
    }

    /// What the fold needs to know of it.
    #[must_use]
    pub fn traits(&self) -> Traits {
        Traits {
            modulus: self.modulus,
            rated_per_hour: self.rated_per_hour,
            replacements: Vec::new(),
        }
    }
}

impl Meters {
    /// The meters of each park. Entries of other kinds are passed over.
    ///
    /// # Errors
    /// The first entry that cannot be read, and why.
    pub fn read(
        snapshot: &ReferenceSnapshot,
    ) -> Result<BTreeMap<ParkId, Self>, (ReferenceEntry, MeterError)> {
        let mut parks: BTreeMap<ParkId, Self> = BTreeMap::new();
        for entry in snapshot.entries.iter().filter(|e| e.kind == METER) {
            let read = subject(&entry.subject).and_then(|s| Ok((s, Meter::read(&entry.body)?)));
            let ((park, enterprise, meter), body) = read.map_err(|error| (entry.clone(), error))?;
            let key = MeterKey {
                enterprise,
                meter,
                quantity: body.quantity,
            };
            let meters = parks.entry(park).or_default();
            meters.entries.entry(key).or_default().record(entry, body);
        }
        Ok(parks)
    }

    /// Every meter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&MeterKey, &Dated<Meter>)> {
        self.entries.iter()
    }

    /// What is registered of the meter of `series`.
    #[must_use]
    pub fn get(&self, enterprise: &EnterpriseId, series: &Series) -> Option<&Dated<Meter>> {
        self.entries.get(&MeterKey {
            enterprise: enterprise.clone(),
            meter: series.meter.clone(),
            quantity: series.quantity,
        })
    }

    /// What the fold needs to know of the meter of `series`, as it was at the end of `year`.
    #[must_use]
    pub fn traits(&self, enterprise: &EnterpriseId, series: &Series, year: i16) -> Traits {
        let last = DayRange::year(year).map(DayRange::last);
        let entry = self.get(enterprise, series).and_then(|meter| {
            let at_end = last.and_then(|day| meter.on(day));
            at_end.or_else(|| meter.latest())
        });
        match entry {
            Some(entry) if entry.body.kind == series.kind => entry.body.traits(),
            _ => Traits::default(),
        }
    }

    /// Changes when the traits of a meter do: folds made before are void then.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (key, meter) in &self.entries {
            key.hash(&mut hasher);
            for entry in meter.entries() {
                (entry.valid_from, entry.valid_to).hash(&mut hasher);
                let body = &entry.body;
                (body.kind, body.modulus, body.rated_per_hour).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

/// Reads `parks/P/enterprises/E/meters/M`.
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
mod tests {
    use super::*;
    use crate::reference::ReferenceEntry;

    const NAME: &str = "parks/p/enterprises/e/meters/m";

    fn entry(subject: &str, from: &str, quantity: &str, modulus: Option<&str>) -> ReferenceEntry {
        let meter = Meter {
            title: "main".to_owned(),
            quantity: quantity.parse().expect("a quantity"),
            kind: Kind::Register,
            interval_s: 3_600,
            modulus: modulus.map(|m| m.parse().expect("a decimal")),
            rated_per_hour: None,
            counted: true,
        };
        ReferenceEntry {
            kind: METER.to_owned(),
            subject: subject.to_owned(),
            valid_from: from.parse().expect("a day"),
            valid_to: None,
            recorded_at: greenpark_model::day::Instant(0),
            recorded_by: "test".to_owned(),
            evidence: "none".to_owned(),
            body: meter.write(),
        }
    }

    fn read(entries: Vec<ReferenceEntry>) -> Meters {
        let snapshot = ReferenceSnapshot {
            version: 1,
            entries,
        };
        let mut parks = Meters::read(&snapshot).expect("readable");
        parks.remove("p").expect("a park")
    }

    fn modulus(meters: &Meters, quantity: &str, year: i16) -> Option<String> {
        let series = Series {
            meter: MeterId::new("m").expect("an id"),
            quantity: quantity.parse().expect("a quantity"),
            kind: Kind::Register,
        };
        let enterprise = EnterpriseId::new("e").expect("an id");
        let traits = meters.traits(&enterprise, &series, year);
        traits.modulus.map(|m| m.to_string())
    }

    #[test]
    fn traits_are_those_of_the_years_end_and_change_the_digest() {
        let with = |later: &str| {
            read(vec![
                entry(NAME, "2020-01-01", "electricity", Some("100000")),
                entry(NAME, "2022-01-01", "electricity", Some(later)),
            ])
        };
        let meters = with("1000000");
        assert_eq!(
            modulus(&meters, "electricity", 2021).as_deref(),
            Some("100000")
        );
        assert_eq!(
            modulus(&meters, "electricity", 2022).as_deref(),
            Some("1000000")
        );
        assert_ne!(meters.digest(), with("9000000").digest());
        assert_eq!(meters.digest(), with("1000000").digest());
    }

    #[test]
    fn each_quantity_of_a_meter_has_its_own_traits() {
        let meters = read(vec![
            entry(NAME, "2020-01-01", "electricity", None),
            entry(NAME, "2020-01-01", "steam", Some("1000000")),
        ]);
        assert_eq!(modulus(&meters, "electricity", 2020), None);
        assert_eq!(modulus(&meters, "steam", 2020).as_deref(), Some("1000000"));
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_named() {
        let read = |entry| {
            let entries = vec![entry];
            Meters::read(&ReferenceSnapshot {
                version: 1,
                entries,
            })
        };
        for subject in [
            "",
            "parks/p",
            "parks/p/enterprises/e",
            "parks/p/enterprises/e/meters/m/x",
        ] {
            assert!(read(entry(subject, "2020-01-01", "steam", None)).is_err());
        }
        let mut broken = entry(NAME, "2020-01-01", "steam", None);
        broken.body = "{}".to_owned();
        assert!(matches!(read(broken), Err((_, MeterError::Body(_)))));
    }
}
