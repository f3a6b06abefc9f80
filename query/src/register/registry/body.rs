//! The JSON bodies of reference entries, one form for each kind.
//!
//! Amounts are decimal text. The forms are a contract with every reader of the table:
//! - `enterprise`: `{"title":"…","industry":"C31","above_designated_size":true}`, subject
//!   `parks/P/enterprises/E`;
//! - `meter`: see [`greenpark_archive::meters`];
//! - `statistic`: `{"series":"value_added","period":"2024-Q1","amount":"1234.5","price_base":
//!   "constant-2020","final":true}`, subject `parks/P/enterprises/E`, valid in its period;
//!   `price_base` is empty for what is no money, such as `product:crude_steel` in t;
//! - `calorific-value`: `{"medium":"raw_coal","kj_per_unit":"20934000"}`, net, for one canonical unit of the
//!   medium, subject `parks/P/enterprises/E`;
//! - `side`: `{"medium":"electricity","side":"supply"}`, `consumption` or `supply` of the energy's balance, subject
//!   `parks/P/enterprises/E`;
//! - `withdrawal`: see [`greenpark_archive::withdrawal`];
//! - `correction`: `{"quantity":"electricity","kind":"register","amount":"960","reason":"…","withdrawn":false}`,
//!   subject `parks/P/enterprises/E/meters/M`, valid on the days it corrects;
//! - `deflator`: `{"form":"price-index","year":2021,"base":"constant-2020","value":"1.05","industry":"C31"}`
//!   or form `real-growth` in per cent, subject `parks/P` or `parks/-`, valid in its year;
//! - `indicator`: `{"plan":"chongqing-parks-14fyp","indicator":"output-growth","year":2024,
//!   "value":"113.4"}`, subject `parks/P` or `parks/-`, valid in its year;
//! - `certificate` and `assessment-basis`: see [`crate::register::certificates`].

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::{
    amount::{Amount, AmountError},
    balance::Side,
    day::{DayRange, Instant},
    id::MeterId,
    money::{PriceBase, UnknownPriceBase},
    quantity::{Medium, UnknownQuantity},
    reading::{Kind, Series},
};
use serde::{Deserialize, Serialize};

use crate::register::{
    corrections::Correction,
    deflator::{Deflator, Form},
    statistics::{DeclaredStatistic, Finality, UnknownSeries},
};

/// The kind of an enterprise's entry.
pub(crate) const ENTERPRISE: &str = "enterprise";
/// The kind of a declared figure.
pub(crate) const STATISTIC: &str = "statistic";
/// The kind of a value of a plan's declared indicator.
pub(crate) const INDICATOR: &str = "indicator";

/// The kind of a measured net calorific value.
pub(crate) const CALORIFIC_VALUE: &str = "calorific-value";
/// The kind of the declared side of an energy's balance.
pub(crate) const SIDE: &str = "side";
/// The kind of a correction by hand.
pub(crate) const CORRECTION: &str = "correction";
/// The kind of a price index or a real growth rate.
pub(crate) const DEFLATOR: &str = "deflator";

/// A registered enterprise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enterprise {
    pub(crate) title: String,
    pub(crate) industry: String,
    pub(crate) above_designated_size: bool,
}

#[derive(Serialize, Deserialize)]
struct StatisticBody {
    series: String,
    period: String,
    amount: String,
    price_base: String,
    #[serde(rename = "final")]
    is_final: bool,
}

/// A value of a plan's declared indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndicatorValue {
    pub(crate) plan: String,
    pub(crate) indicator: String,
    pub(crate) year: i16,
    /// The declared value as decimal text.
    pub(crate) value: String,
}

impl IndicatorValue {
    pub(crate) fn write(&self) -> String {
        json(self)
    }
}

/// A measured net calorific value between its form in memory and its JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct CalorificValue {
    pub(crate) medium: String,
    pub(crate) kj_per_unit: String,
}

impl CalorificValue {
    pub(crate) fn read(json: &str) -> Result<(Medium, Amount), String> {
        let body: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let medium = Medium::from_name(&body.medium);
        let medium = medium.ok_or_else(|| format!("unknown medium '{}'", body.medium))?;
        let kj = body.kj_per_unit.parse();
        let kj = kj.map_err(|error: AmountError| error.to_string())?;
        Ok((medium, kj))
    }

    pub(crate) fn write(medium: Medium, kj_per_unit: Amount) -> String {
        json(&Self {
            medium: medium.as_str().to_owned(),
            kj_per_unit: kj_per_unit.to_string(),
        })
    }
}

/// The side of an energy's balance that counts, between its form in memory and its JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct SideBody {
    medium: String,
    side: String,
}

impl SideBody {
    pub(crate) fn read(json: &str) -> Result<(Medium, Side), String> {
        let body: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let medium = Medium::from_name(&body.medium);
        let side = Side::from_name(&body.side);
        Ok((
            medium.ok_or_else(|| format!("unknown medium '{}'", body.medium))?,
            side.ok_or_else(|| format!("unknown side '{}'", body.side))?,
        ))
    }

    pub(crate) fn write(medium: Medium, side: Side) -> String {
        json(&Self {
            medium: medium.as_str().to_owned(),
            side: side.as_str().to_owned(),
        })
    }
}

/// A correction by hand between its form in memory and its JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct CorrectionBody {
    quantity: String,
    kind: String,
    amount: String,
    reason: String,
    #[serde(default)]
    withdrawn: bool,
}

impl CorrectionBody {
    /// Reads the series, the correction, and true if the correction is withdrawn.
    pub(crate) fn read(
        entry: &ReferenceEntry,
        meter: MeterId,
    ) -> Result<(Series, Correction, bool), String> {
        let body: Self = serde_json::from_str(&entry.body).map_err(|error| error.to_string())?;
        let last = entry.valid_to.ok_or("it has no last day")?;
        let days = DayRange::new(entry.valid_from, last).ok_or("its days end before they begin")?;
        let quantity = body.quantity.parse();
        let kind = Kind::from_name(&body.kind);
        let series = Series {
            meter,
            quantity: quantity.map_err(|error: UnknownQuantity| error.to_string())?,
            kind: kind.ok_or_else(|| format!("unknown kind '{}'", body.kind))?,
        };
        let amount = body.amount.parse();
        let correction = Correction {
            kind: series.kind,
            days,
            amount: amount.map_err(|error: AmountError| error.to_string())?,
            reason: body.reason,
            recorded_at: entry.recorded_at,
            recorded_by: entry.recorded_by.clone(),
            evidence: entry.evidence.clone(),
        };
        Ok((series, correction, body.withdrawn))
    }

    pub(crate) fn write(series: &Series, of: &Correction, withdrawn: bool) -> String {
        json(&Self {
            quantity: series.quantity.to_string(),
            kind: series.kind.as_str().to_owned(),
            amount: of.amount.to_string(),
            reason: of.reason.clone(),
            withdrawn,
        })
    }
}

/// A deflator between its form in memory and its JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Deflation {
    form: String,
    year: i16,
    base: String,
    value: String,
    #[serde(default)]
    industry: String,
}

impl Deflation {
    pub(crate) fn read(json: &str, of_park: bool) -> Result<Deflator, String> {
        let body: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let form = Form::from_name(&body.form);
        let base = body.base.parse();
        let base = base.map_err(|error: UnknownPriceBase| error.to_string())?;
        let PriceBase::Constant(base) = base else {
            return Err(format!("'{}' is no constant price base", body.base));
        };
        Ok(Deflator {
            form: form.ok_or_else(|| format!("unknown form '{}'", body.form))?,
            year: body.year,
            base,
            industry: body.industry,
            value: body.value.parse().map_err(|_| "its value is no decimal")?,
            of_park,
        })
    }

    pub(crate) fn write(deflator: &Deflator) -> String {
        json(&Self {
            form: deflator.form.as_str().to_owned(),
            year: deflator.year,
            base: PriceBase::Constant(deflator.base).to_string(),
            value: deflator.value.to_string(),
            industry: deflator.industry.clone(),
        })
    }
}

/// A declared figure between its form in memory and its JSON.
pub(crate) struct Statistic;

impl Enterprise {
    pub(crate) fn write(&self) -> String {
        json(self)
    }
}

impl Statistic {
    pub(crate) fn read(json: &str, recorded_at: Instant) -> Result<DeclaredStatistic, String> {
        let body: StatisticBody = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok(DeclaredStatistic {
            series: body
                .series
                .parse()
                .map_err(|error: UnknownSeries| error.to_string())?,
            period: body
                .period
                .parse()
                .map_err(|error: crate::register::statistics::NotAPeriod| error.to_string())?,
            amount: body
                .amount
                .parse()
                .map_err(|error: AmountError| error.to_string())?,
            price_base: match body.price_base.as_str() {
                "" => None,
                text => {
                    let base = text.parse();
                    Some(base.map_err(|error: UnknownPriceBase| error.to_string())?)
                }
            },
            finality: if body.is_final {
                Finality::Final
            } else {
                Finality::Preliminary
            },
            recorded_at,
        })
    }

    pub(crate) fn write(declared: &DeclaredStatistic) -> String {
        json(&StatisticBody {
            series: declared.series.to_string(),
            period: declared.period.to_string(),
            amount: declared.amount.to_string(),
            price_base: declared
                .price_base
                .map(|base| base.to_string())
                .unwrap_or_default(),
            is_final: declared.finality == Finality::Final,
        })
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("a body of texts, numbers and flags is JSON")
}
