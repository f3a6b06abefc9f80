//! The JSON bodies of reference entries, one form a kind.
//!
//! Amounts stand in them as decimal text. The forms are a contract with whoever reads the table:
//! - `enterprise`: `{"title":"…","industry":"C31","above_designated_size":true}`, subject
//!   `parks/P/enterprises/E`;
//! - `meter`: see [`greenpark_archive::meters`];
//! - `statistic`: `{"series":"value_added","period":"2024-Q1","amount":"1234.5","price_base":
//!   "constant-2020","final":true}`, subject `parks/P/enterprises/E`, valid in its period;
//! - `indicator`: `{"plan":"chongqing-parks-14fyp","indicator":"output-growth","year":2024,
//!   "value":"113.4"}`, subject `parks/P` or `parks/-`, valid in its year.

use greenpark_model::day::Instant;
use serde::{Deserialize, Serialize};

use crate::statistics::{Declared, Finality, Series};

/// The kind of an enterprise's entry.
pub(crate) const ENTERPRISE: &str = "enterprise";
/// The kind of a declared figure.
pub(crate) const STATISTIC: &str = "statistic";
/// The kind of a value of a plan's declared indicator.
pub(crate) const INDICATOR: &str = "indicator";

/// An enterprise as it is registered.
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
    /// Decimal text, as it was declared.
    pub(crate) value: String,
}

impl IndicatorValue {
    pub(crate) fn write(&self) -> String {
        json(self)
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
