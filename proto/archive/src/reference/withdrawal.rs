//! Withdrawals: entries that end an earlier statement which was wrong, with a reason.
//!
//! The entry has the subject of what it withdraws and the days of that; who withdrew it, when and on what evidence
//! stand in the entry as in any other. The withdrawn entry stays: an answer as of an instant between the two is
//! made with it. Afterwards the same may be recorded again.
//!
//! The body is JSON of kind [`WITHDRAWAL`]:
//! - `{"of":"statistic","series":"value_added","period":"2024-Q1","price_base":"constant-2020","reason":"…"}`;
//! - `{"of":"meter-change","quantity":"electricity","at":"2026-03-05T10:30:00+08:00","reason":"…"}`;
//! - `{"of":"correction","quantity":"electricity","reason":"…"}`, of the days that the entry is valid on.
//!
//! ```
//! use greenpark_archive::withdrawal::{Withdrawal, Withdrawn};
//! let of = Withdrawn::Correction { quantity: "electricity".into() };
//! let withdrawal = Withdrawal { of, reason: "wrong meter".into() };
//! assert_eq!(Withdrawal::read(&withdrawal.write()).expect("readable"), withdrawal);
//! ```

use serde::{Deserialize, Serialize};

/// The kind of a withdrawal's entry.
pub const WITHDRAWAL: &str = "withdrawal";

/// A withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The statement that no longer holds.
    #[serde(flatten)]
    pub of: Withdrawn,
    /// Why it was wrong.
    pub reason: String,
}

/// The statement that a withdrawal ends; names, days and amounts as they stand in its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Withdrawn {
    /// A declared figure.
    Statistic {
        /// Its series, such as `value_added`.
        series: String,
        /// Its period: a year, a quarter or a month.
        period: String,
        /// Its price base; empty for what is no money.
        price_base: String,
    },
    /// A change of a meter.
    MeterChange {
        /// What the meter measures.
        quantity: String,
        /// The instant of the change, in RFC 3339.
        at: String,
    },
    /// A correction by hand.
    Correction {
        /// What the meter measures.
        quantity: String,
    },
}

impl Withdrawal {
    /// Reads the body of an entry.
    ///
    /// # Errors
    /// The body is no JSON of one of these forms.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The body of its entry.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_written_as_the_contract_says_and_read_back() {
        let forms = [
            (
                Withdrawn::Statistic {
                    series: "value_added".to_owned(),
                    period: "2024-Q1".to_owned(),
                    price_base: "constant-2020".to_owned(),
                },
                r#"{"of":"statistic","series":"value_added","period":"2024-Q1","price_base":"constant-2020","reason":"typo"}"#,
            ),
            (
                Withdrawn::MeterChange {
                    quantity: "electricity".to_owned(),
                    at: "2026-03-05T10:30:00+08:00".to_owned(),
                },
                r#"{"of":"meter-change","quantity":"electricity","at":"2026-03-05T10:30:00+08:00","reason":"typo"}"#,
            ),
            (
                Withdrawn::Correction {
                    quantity: "electricity".to_owned(),
                },
                r#"{"of":"correction","quantity":"electricity","reason":"typo"}"#,
            ),
        ];
        for (of, json) in forms {
            let withdrawal = Withdrawal {
                of,
                reason: "typo".to_owned(),
            };
            assert_eq!(withdrawal.write(), json);
            assert_eq!(Withdrawal::read(json).expect("readable"), withdrawal);
        }
        assert!(Withdrawal::read(r#"{"of":"meter","reason":"typo"}"#).is_err());
    }
}
