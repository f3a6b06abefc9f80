//! Reasons in sentences: the finding and the remedy.

use std::fmt;

use rust_decimal::Decimal;

use super::{LateChanges, Reason, Share, Term};
use crate::indicator::round;

/// The most names that a sentence lists before it only counts the rest.
const LISTED_MAX: usize = 8;
/// Decimal places of a share in a sentence.
const PLACES: u32 = 6;

/// Names after a colon; empty if there are none.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().take(LISTED_MAX).enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            write!(f, "{before}{name}")?;
        }
        match self.0.len().saturating_sub(LISTED_MAX) {
            0 => Ok(()),
            rest => write!(f, " and {rest} more"),
        }
    }
}

fn six(share: Decimal) -> Decimal {
    round(share, PLACES)
}

/// The share and its threshold: `0.12, more than 0.1`.
fn above(share: &Share) -> String {
    let (found, asked) = (six(share.found), share.asked.normalize());
    format!("{found} of the numerator, more than {asked}")
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Numerator => "numerator",
            Self::Denominator => "denominator",
        })
    }
}

impl fmt::Display for LateChanges {
    /// `12 late readings from gw-a, gw-b and 1 correction arrived from … to …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            readings,
            corrections,
            ..
        } = self;
        write!(f, "{readings} late reading(s)")?;
        if !self.gateways.is_empty() {
            let gateways: Vec<&str> = self.gateways.iter().map(String::as_str).collect();
            write!(f, " from {}", gateways.join(", "))?;
        }
        write!(f, " and {corrections} correction(s)")?;
        if let Some((first, last)) = self.arrived {
            write!(f, ", {first} to {last}")?;
        }
        if let Some(since) = self.final_since {
            write!(f, ", came after the period was final ({since})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Listed(self.concerned());
        match self {
            Self::Coverage { share, .. } => {
                let (found, asked) = (six(share.found), share.asked.normalize());
                write!(
                    f,
                    "completeness {found} is below {asked}, the least that is asked of data{names}"
                )
            }
            Self::EstimatedShare { share } => {
                write!(f, "estimated or set by hand is {}", above(share))
            }
            Self::NotPositive { term, value, .. } => {
                let value = value.normalize();
                write!(f, "the {term} is {value}, not above zero{names}")
            }
            Self::SideUndeclared { .. } => write!(
                f,
                "metered as used and as supplied, and no side is declared; the larger counts{names}"
            ),
            Self::KindConflict { .. } => {
                write!(f, "unregistered meters were heard as two kinds{names}")
            }
            Self::UnregisteredShare { share, .. } => {
                let share = above(share);
                write!(f, "meters without a registry entry make {share}{names}")
            }
            Self::Implausible {
                share, readings, ..
            } => {
                let share = above(share);
                write!(
                    f,
                    "{readings} reading(s) or step(s) beyond what their meters can measure would move the \
                     figure by {share}{names}"
                )
            }
            Self::LateChange { share, late, .. } => {
                let share = above(share);
                write!(f, "{late}, and move the figure by {share}{names}")
            }
            Self::Open { days } => write!(f, "{days} day(s) of the period are still open"),
            Self::Prorated { .. } => write!(f, "value added is prorated{names}"),
            Self::Undeclared { .. } => write!(
                f,
                "value added is not declared for everyone and every day that consumption counts for{names}"
            ),
            Self::Silent { .. } => {
                write!(f, "some enterprises that count were not read{names}")
            }
            Self::Unsourced { .. } => write!(
                f,
                "some meters do not say where their water comes from{names}"
            ),
        }
    }
}

impl Reason {
    /// The remedy, in a sentence for an operator.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Coverage { .. } => {
                "replay what the gateways kept, record the missing days by hand with RecordCorrection, or end \
                 the meter's registry entry on the day it was removed"
            }
            Self::EstimatedShare { .. } => {
                "replay readings for the days that were estimated or set by hand"
            }
            Self::NotPositive { .. } => {
                "check the declared statistics and the direction of the meters; a year at a loss has no \
                 intensity"
            }
            Self::SideUndeclared { .. } => {
                "declare for the enterprise and medium which side of the balance counts"
            }
            Self::KindConflict { .. } => "register the meter with its kind",
            Self::UnregisteredShare { .. } => {
                "register these meters with RegisterMeter, or register them as not counted"
            }
            Self::Implausible { .. } => {
                "check the meter and register its rating and multiplier, record a meter change if there was \
                 one, or record the right amount with RecordCorrection"
            }
            Self::LateChange { .. } => {
                "check what came; declare the statistics of the period as final once more to confirm it, or \
                 withdraw the correction"
            }
            Self::Open { .. } => "ask again when the period is over and its days are closed",
            Self::Prorated { .. } => {
                "declare statistics for just this period, or ask a period that is declared"
            }
            Self::Undeclared { .. } => {
                "declare statistics for every enterprise and the whole period"
            }
            Self::Silent { .. } => {
                "connect or replay the meters of these enterprises, or end their registry entry on the day \
                 they left"
            }
            Self::Unsourced { .. } => "register water_source for these meters",
        }
    }
}
