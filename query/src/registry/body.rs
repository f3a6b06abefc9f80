//! The JSON bodies of reference entries, one form a kind.
//!
//! Amounts stand in them as decimal text. The forms are a contract with whoever reads the table:
//! - `enterprise`: `{"title":"…","industry":"C31","above_designated_size":true}`, subject
//!   `parks/P/enterprises/E`;
//! - `meter`: `{"title":"…","quantity":"electricity","kind":"register","interval_s":3600,
//!   "modulus":"1000000","rated_per_hour":"400","counted":true}`, subject
//!   `parks/P/enterprises/E/meters/M`; `modulus` and `rated_per_hour` may be absent;
//! - `statistic`: `{"series":"value_added","period":"2024-Q1","amount":"1234.5","price_base":
//!   "constant-2020","final":true}`, subject `parks/P/enterprises/E`, valid in its period.

use greenpark_model::{
    amount::Amount, day::Instant, fold::Traits, quantity::Quantity, reading::Kind,
};
use serde::{Deserialize, Serialize};

use crate::statistics::{Declared, Finality, Series};

/// The kind of an enterprise's entry.
pub(crate) const ENTERPRISE: &str = "enterprise";
/// The kind of a meter's entry.
pub(crate) const METER: &str = "meter";
/// The kind of a declared figure.
pub(crate) const STATISTIC: &str = "statistic";

/// An enterprise as it is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enterprise {
    pub(crate) title: String,
    pub(crate) industry: String,
    pub(crate) above_designated_size: bool,
}

/// A meter as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meter {
    pub(crate) title: String,
    pub(crate) quantity: Quantity,
    pub(crate) kind: Kind,
    pub(crate) interval_s: u32,
    pub(crate) modulus: Option<Amount>,
    pub(crate) rated_per_hour: Option<Amount>,
    pub(crate) counted: bool,
}

#[derive(Serialize, Deserialize)]
struct MeterBody {
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

#[derive(Serialize, Deserialize)]
struct StatisticBody {
    series: String,
    period: String,
    amount: String,
    price_base: String,
    #[serde(rename = "final")]
    is_final: bool,
}

/// A declared figure between its form in memory and its JSON.
pub(crate) struct Statistic;

impl Meter {
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let body: MeterBody = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let amount = |text: &Option<String>| {
            text.as_deref()
                .map(str::parse::<Amount>)
                .transpose()
                .map_err(|error| error.to_string())
        };
        Ok(Self {
            quantity: body
                .quantity
                .parse()
                .map_err(|error: greenpark_model::quantity::UnknownQuantity| error.to_string())?,
            kind: Kind::from_name(&body.kind)
                .ok_or_else(|| format!("unknown kind '{}'", body.kind))?,
            interval_s: body.interval_s,
            modulus: amount(&body.modulus)?,
            rated_per_hour: amount(&body.rated_per_hour)?,
            counted: body.counted,
            title: body.title,
        })
    }

    pub(crate) fn write(&self) -> String {
        json(&MeterBody {
            title: self.title.clone(),
            quantity: self.quantity.to_string(),
            kind: self.kind.as_str().to_owned(),
            interval_s: self.interval_s,
            modulus: self.modulus.map(|m| m.to_string()),
            rated_per_hour: self.rated_per_hour.map(|r| r.to_string()),
            counted: self.counted,
        })
    }

    pub(crate) fn traits(&self) -> Traits {
        Traits {
            modulus: self.modulus,
            rated_per_hour: self.rated_per_hour,
            replacements: Vec::new(),
        }
    }
}

impl Enterprise {
    pub(crate) fn write(&self) -> String {
        json(self)
    }
}

impl Statistic {
    pub(crate) fn read(json: &str, recorded_at: Instant) -> Result<Declared, String> {
        let body: StatisticBody = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok(Declared {
            series: Series::from_name(&body.series)
                .ok_or_else(|| format!("unknown series '{}'", body.series))?,
            period: body
                .period
                .parse()
                .map_err(|error: crate::statistics::NotAPeriod| error.to_string())?,
            amount: body
                .amount
                .parse()
                .map_err(|error: greenpark_model::amount::AmountError| error.to_string())?,
            price_base: body
                .price_base
                .parse()
                .map_err(|error: greenpark_model::money::UnknownPriceBase| error.to_string())?,
            finality: if body.is_final {
                Finality::Final
            } else {
                Finality::Preliminary
            },
            recorded_at,
        })
    }

    pub(crate) fn write(declared: &Declared) -> String {
        json(&StatisticBody {
            series: declared.series.as_str().to_owned(),
            period: declared.period.to_string(),
            amount: declared.amount.to_string(),
            price_base: declared.price_base.to_string(),
            is_final: declared.finality == Finality::Final,
        })
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("a body of texts, numbers and flags is JSON")
}
