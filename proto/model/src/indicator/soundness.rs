//! Soundness: the reasons against a verdict on a figure (METHOD (i)).
//!
//! Every figure may be reported together with its inputs. But a verdict, a place in a ranking, a comparison, a
//! split and a forecast need a *sound* figure: one against which no [`Reason`] holds. A reason names
//! the enterprises and meters concerned, and contains the number found and the threshold.
//! [`Display`](std::fmt::Display) is a sentence about the finding, [`Reason::mend`] one about the remedy.
//!
//! ```
//! use greenpark_model::soundness::{Reason, Share};
//! use rust_decimal::Decimal;
//! // Twenty days of a year.
//! let share = Share { found: Decimal::from(20) / Decimal::from(365), asked: Decimal::new(9, 1) };
//! let reason = Reason::Coverage { share, meters: vec!["parks/p/enterprises/e/meters/m".to_owned()] };
//! assert_eq!(reason.name(), "coverage");
//! assert!(reason.to_string().starts_with("completeness 0.054795 is below 0.9"));
//! ```

mod words;

use rust_decimal::Decimal;

use crate::time::day::Instant;

/// A share that was found, and the threshold that it must reach or not exceed; both are fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// The share found.
    pub found: Decimal,
    /// The threshold.
    pub asked: Decimal,
}

/// A term of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// Energy, water, utilized waste or carbon dioxide.
    Numerator,
    /// Value added, another declared series, available waste or standard coal.
    Denominator,
}

/// Readings and corrections that arrived for a period after it was final.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LateChanges {
    /// The count of late readings received after the period was final.
    pub readings: u64,
    /// The count of corrections recorded or withdrawn after it.
    pub corrections: u64,
    /// The gateways that sent the readings.
    pub gateways: Vec<String>,
    /// The instants of the first and of the last arrival.
    pub arrived: Option<(Instant, Instant)>,
    /// The instant at which the period became final.
    pub final_since: Option<Instant>,
}

/// Why a figure is not sound. Names are resource names, such as `parks/p/enterprises/e/meters/m`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Too few of the expected readings were received.
    Coverage {
        /// The share of the readings or days due that was received or is known.
        share: Share,
        /// The meters, or enterprises with a quantity, that are below the threshold by themselves.
        meters: Vec<String>,
    },
    /// Too much of the numerator was allocated over midnights and gaps, or set by hand.
    EstimatedShare {
        /// The share of the numerator that was estimated or set by hand.
        share: Share,
    },
    /// A total is not above zero, so there is no ratio.
    NotPositive {
        /// The term of the ratio.
        term: Term,
        /// The total.
        value: Decimal,
        /// The owners of the total: the group, or its members.
        names: Vec<String>,
    },
    /// An energy is metered on both sides of its balance, and no declaration chooses the side that counts.
    SideUndeclared {
        /// Enterprises, each with its medium.
        media: Vec<String>,
    },
    /// A meter without a registry entry sent readings of two kinds, of which only one can be right.
    KindConflict {
        /// The meters.
        meters: Vec<String>,
    },
    /// Meters without a registry entry contribute too much of the numerator.
    UnregisteredShare {
        /// The share of the numerator that they measured.
        share: Share,
        /// The meters.
        meters: Vec<String>,
    },
    /// Amounts left out or suspected as implausible would move the figure.
    Implausible {
        /// Their share of the numerator.
        share: Share,
        /// The count of readings or steps.
        readings: u64,
        /// The meters.
        meters: Vec<String>,
    },
    /// Changes that arrived after the period was final move the figure.
    LateChange {
        /// Their share of the numerator.
        share: Share,
        /// The changes, their senders and instants.
        late: LateChanges,
        /// The meters.
        meters: Vec<String>,
    },
    /// Days of the period are not closed yet, or lie in the future.
    Open {
        /// The count of such days.
        days: u64,
    },
    /// The denominator is a part of a longer declared period.
    Prorated {
        /// The enterprises.
        enterprises: Vec<String>,
    },
    /// The denominator is not declared for every enterprise and day whose consumption counts.
    Undeclared {
        /// The enterprises.
        enterprises: Vec<String>,
    },
    /// An enterprise that counts has no reading at all.
    Silent {
        /// The enterprises.
        enterprises: Vec<String>,
    },
    /// A meter of water has no registered source, on which the figure depends.
    Unsourced {
        /// The meters.
        meters: Vec<String>,
    },
}

/// The names of reasons in the order in which answers list them.
pub const NAMES: [&str; 13] = [
    "coverage",
    "estimated_share",
    "not_positive",
    "side_undeclared",
    "kind_conflict",
    "unregistered_share",
    "implausible",
    "late_change",
    "open",
    "prorated",
    "undeclared",
    "silent",
    "unsourced",
];

impl Reason {
    /// The place of the reason among [`NAMES`].
    const fn place(&self) -> usize {
        match self {
            Self::Coverage { .. } => 0,
            Self::EstimatedShare { .. } => 1,
            Self::NotPositive { .. } => 2,
            Self::SideUndeclared { .. } => 3,
            Self::KindConflict { .. } => 4,
            Self::UnregisteredShare { .. } => 5,
            Self::Implausible { .. } => 6,
            Self::LateChange { .. } => 7,
            Self::Open { .. } => 8,
            Self::Prorated { .. } => 9,
            Self::Undeclared { .. } => 10,
            Self::Silent { .. } => 11,
            Self::Unsourced { .. } => 12,
        }
    }

    /// The name on every wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        NAMES[self.place()]
    }

    /// The enterprises, media or meters concerned, in order; empty if the reason concerns the whole figure.
    #[must_use]
    pub fn concerned(&self) -> &[String] {
        match self {
            Self::Coverage { meters, .. }
            | Self::KindConflict { meters }
            | Self::UnregisteredShare { meters, .. }
            | Self::Implausible { meters, .. }
            | Self::LateChange { meters, .. }
            | Self::Unsourced { meters } => meters,
            Self::NotPositive { names, .. } => names,
            Self::SideUndeclared { media } => media,
            Self::Prorated { enterprises }
            | Self::Undeclared { enterprises }
            | Self::Silent { enterprises } => enterprises,
            Self::EstimatedShare { .. } | Self::Open { .. } => &[],
        }
    }

    /// The share found and its threshold; `None` for a reason without a threshold.
    #[must_use]
    pub const fn share(&self) -> Option<Share> {
        match self {
            Self::Coverage { share, .. }
            | Self::EstimatedShare { share }
            | Self::UnregisteredShare { share, .. }
            | Self::Implausible { share, .. }
            | Self::LateChange { share, .. } => Some(*share),
            _ => None,
        }
    }

    /// The count of days, readings or corrections; for other reasons, of the names concerned.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Open { days } => *days,
            Self::Implausible { readings, .. } => *readings,
            Self::LateChange { late, .. } => late.readings.saturating_add(late.corrections),
            _ => u64::try_from(self.concerned().len()).unwrap_or(u64::MAX),
        }
    }

    /// Returns true if the reason disappears by itself when the period is over.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

#[cfg(test)]
mod tests;
