//! Why a figure is not sound, so that no verdict is given on it (METHOD (i)).
//!
//! A figure may always be told with what it was made of. A verdict, a place in a ranking, a comparison, a
//! split and a forecast need a figure that is *sound*: one against which no [`Reason`] holds. A reason names
//! the enterprises and meters concerned and holds the number that was found beside the one that is asked.
//! [`Display`](std::fmt::Display) is a sentence of what was found, [`Reason::mend`] one of what would mend it.
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

use crate::day::Instant;

/// A share that was found, and the least or the most that is asked; both fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// What was found.
    pub found: Decimal,
    /// The threshold.
    pub asked: Decimal,
}

/// What of a ratio is not above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// What is divided: energy, water, waste put to use, carbon dioxide.
    Numerator,
    /// What is divided by: value added, another declared series, waste at hand, standard coal.
    Denominator,
}

/// Readings and corrections that came for a period after it was final.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Late {
    /// Late readings that were received after the period was final.
    pub readings: u64,
    /// Corrections that were recorded, or withdrawn, after it.
    pub corrections: u64,
    /// The gateways that sent the readings.
    pub gateways: Vec<String>,
    /// The first and the last instant at which one of them came.
    pub arrived: Option<(Instant, Instant)>,
    /// The instant at which the period was final.
    pub final_since: Option<Instant>,
}

/// Why a figure is not sound. Names are resource names, such as `parks/p/enterprises/e/meters/m`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Too little of what meters should have sent was received.
    Coverage {
        /// Of the readings or days that were due, those received or known.
        share: Share,
        /// The meters, or enterprises with a quantity, that are below the threshold by themselves.
        meters: Vec<String>,
    },
    /// Too much of the numerator was allocated over midnights and gaps, or set by hand.
    EstimatedShare {
        /// Of the numerator, what was estimated or set by hand.
        share: Share,
    },
    /// There is no ratio of a total that is not above zero.
    NotPositive {
        /// What of the ratio it is.
        term: Term,
        /// Its value.
        value: Decimal,
        /// Whose it is: the group's own name, or the members of it.
        names: Vec<String>,
    },
    /// An energy is metered as used and as supplied, and nothing declares which of the two counts.
    SideUndeclared {
        /// Enterprises, each with its medium.
        media: Vec<String>,
    },
    /// A meter without a registry entry was heard as two kinds, of which only one can be right.
    KindConflict {
        /// The meters.
        meters: Vec<String>,
    },
    /// Meters without a registry entry make too much of the numerator.
    UnregisteredShare {
        /// Of the numerator, what they measured.
        share: Share,
        /// The meters.
        meters: Vec<String>,
    },
    /// What was left out, or is suspicious, as beyond what a meter can measure would move the figure.
    Implausible {
        /// By what share of the numerator.
        share: Share,
        /// How many readings or steps it is.
        readings: u64,
        /// The meters.
        meters: Vec<String>,
    },
    /// What came after the period was final moves the figure.
    LateChange {
        /// By what share of the numerator.
        share: Share,
        /// What came, from where and when.
        late: Late,
        /// The meters.
        meters: Vec<String>,
    },
    /// Days of the period are not closed yet, or still to come.
    Open {
        /// How many.
        days: u64,
    },
    /// What is divided by is a part of a longer declared period.
    Prorated {
        /// The enterprises.
        enterprises: Vec<String>,
    },
    /// What is divided by is not declared for every enterprise and day that consumption counts for.
    Undeclared {
        /// The enterprises.
        enterprises: Vec<String>,
    },
    /// An enterprise that counts has no reading at all.
    Silent {
        /// The enterprises.
        enterprises: Vec<String>,
    },
    /// A meter of water does not say which source it measures, which the question depends on.
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

    /// The enterprises, media or meters concerned, in order; none where it is the whole figure.
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

    /// The share that was found beside its threshold; `None` for a reason that has no threshold.
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

    /// How many days, readings or corrections it is; of other reasons how many are concerned.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Open { days } => *days,
            Self::Implausible { readings, .. } => *readings,
            Self::LateChange { late, .. } => late.readings.saturating_add(late.corrections),
            _ => u64::try_from(self.concerned().len()).unwrap_or(u64::MAX),
        }
    }

    /// Whether the reason passes by itself when the period is over.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

#[cfg(test)]
mod tests;
