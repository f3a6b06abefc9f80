//! Withdrawals: entries that end an earlier, wrong statement, with a reason.
//!
//! The entry has the subject and the days of the statement that it withdraws; its author, time and evidence are
//! recorded as in any other entry. The withdrawn entry stays: an answer as of an instant between the two still
//! uses it. Afterwards the same statement may be recorded again.
//!
//! The body is JSON of kind [`WITHDRAWAL`]:
//! - `{"of":"statistic","series":"value_added","period":"2024-Q1","price_base":"constant-2020","reason":"…"}`;
//! - `{"of":"meter-change","quantity":"electricity","at":"2026-03-05T10:30:00+08:00","reason":"…"}`;
//! - `{"of":"correction","quantity":"electricity","reason":"…"}`, of the days on which the entry is valid.
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

/// The statement that a withdrawal ends; names, days and amounts as in its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Withdrawn {
    /// A declared figure.
    Statistic {
        /// Its series, such as `value_added`.
        series: String,
        /// Its period: a year, a quarter or a month.
        period: String,
        /// Its price base; empty if it is not money.
        price_base: String,
    },
    /// A change of a meter.
    MeterChange {
        /// The quantity that the meter measures.
        quantity: String,
        /// The instant of the change, in RFC 3339.
        at: String,
    },
    /// A correction by hand.
    Correction {
        /// The quantity that the meter measures.
        quantity: String,
    },
}

impl Withdrawal {
    /// Parses the body of an entry.
    ///
    /// # Errors
    /// The body is not JSON of one of these forms.
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
