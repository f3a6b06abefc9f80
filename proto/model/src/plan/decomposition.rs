//! The decomposition of a change of a group's intensity into structure and efficiency.
//!
//! The intensity of a group is Σ consumption ÷ Σ value added = Σ wᵢ with wᵢ = Eᵢ ÷ V, and wᵢ is the
//! product of a *share* sᵢ = Vᵢ ÷ V and the member's own *intensity* Eᵢ ÷ Vᵢ. The additive LMDI splits
//! each member's change Δwᵢ into L(wᵢ)·ln(s′ᵢ ÷ sᵢ), the structure, and L(wᵢ)·ln(I′ᵢ ÷ Iᵢ), the
//! efficiency, where L(x, y) = (x − y) ÷ ln(x ÷ y) is the logarithmic mean (METHOD (b)).
//!
//! # Sums
//!
//! Every term is a multiple of 10⁻¹², so sums are exact and the order of members does not matter. For a
//! member, structure + efficiency + entered + left is Δwᵢ exactly: the efficiency is computed as
//! the remainder. For the group, structure + efficiency + entered + left + rounding is the
//! change exactly: the wᵢ are rounded one by one, and the remainder, at most 10⁻¹² a member, is booked
//! as rounding and belongs to no member.
//!
//! # Members that enter and leave
//!
//! A member that was not in the group before has *entered* with all of its w, and one that is no longer in it has
//! *left* with all of it. A member of the group has a consumption and a value added above zero: other values have
//! no logarithm, and no limit of the formula replaces it. A change with such values is not split.
//!
//! ```
//! use greenpark_model::{decomposition::{Activity, Member, split}, positive::Positive};
//! let above = |value: i64| Positive::new(value.into()).expect("above zero");
//! let at = |consumption: i64, value_added: i64| Some(Activity {
//!     consumption: above(consumption),
//!     value_added: above(value_added),
//! });
//! // Both members are as efficient as before; the heavy one has half of its share left.
//! let heavy = Member { base: at(80, 40), current: at(40, 20) };
//! let light = Member { base: at(30, 60), current: at(40, 80) };
//! let split = split(&[heavy, light]).expect("there is value added");
//! assert_eq!(split.change.to_string(), "-0.300000000000");
//! assert_eq!(split.totals.structure.round_dp(9), split.change.round_dp(9));
//! ```

use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use crate::positive::Positive;

/// Decimal places of every term: a multiple of 10⁻¹² up to 10¹⁶ is exact in 28 digits.
pub const TERM_PLACES: u32 = 12;

/// The consumption and the value added of a member, or of a group, in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// tce for energy, m³ for water; the same for all members and both periods.
    pub consumption: Positive,
    /// 10⁴ yuan, at the same constant prices in both periods.
    pub value_added: Positive,
}

/// A member of the group in both periods; `None` for a period in which it was not in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// In the base period.
    pub base: Option<Activity>,
    /// In the current period.
    pub current: Option<Activity>,
}

/// The way in which a member's change was split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// Into structure and efficiency by the formula.
    Split,
    /// It was absent from the base period.
    Entered,
    /// It is absent from the current period.
    Left,
    /// It was in the group in neither period: no change.
    Absent,
}

/// The terms of a change in consumption per value added, each a multiple of 10⁻¹².
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// From a change of the share in value added.
    pub structure: Decimal,
    /// From a change of the member's own intensity.
    pub efficiency: Decimal,
    /// From members that were absent from the base period.
    pub entered: Decimal,
    /// From members that are absent from the current period; not above zero.
    pub left: Decimal,
}

/// A group's change and its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The group's intensity in the base period, to twelve places.
    pub base: Decimal,
    /// The group's intensity in the current period, to twelve places.
    pub current: Decimal,
    /// `current − base`, exactly the sum of `totals` and `rounding`.
    pub change: Decimal,
    /// The sums of the members' terms.
    pub totals: Terms,
    /// The remainder of rounding the members one by one: at most 10⁻¹² a member, a half in each period.
    pub rounding: Decimal,
    /// The case and the terms of each member, in the given order.
    pub members: Vec<(Case, Terms)>,
}

/// Why a change cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// No member was in the group in the base period.
    #[error("the group has no member in the base period")]
    NoBase,
    /// No member was in the group in the current period.
    #[error("the group has no member in the current period")]
    NoCurrent,
    /// Beyond 28 digits.
    #[error("a term beyond 28 digits")]
    OutOfRange,
}

impl Activity {
    /// Consumption per value added of `whole`.
    fn weight(&self, whole: Positive) -> Result<Decimal, SplitError> {
        self.consumption
            .get()
            .checked_div(whole.get())
            .ok_or(SplitError::OutOfRange)
    }

    fn and(self, other: Self) -> Result<Self, SplitError> {
        let sum = |one: Positive, other| one.plus(other).ok_or(SplitError::OutOfRange);
        Ok(Self {
            consumption: sum(self.consumption, other.consumption)?,
            value_added: sum(self.value_added, other.value_added)?,
        })
    }
}

impl Terms {
    /// The sum of the terms, which is the change.
    ///
    /// # Errors
    /// [`SplitError::OutOfRange`] beyond 28 digits.
    pub fn sum(&self) -> Result<Decimal, SplitError> {
        [self.efficiency, self.entered, self.left]
            .into_iter()
            .try_fold(self.structure, plus)
    }

    fn and(&self, other: &Self) -> Result<Self, SplitError> {
        Ok(Self {
            structure: plus(self.structure, other.structure)?,
            efficiency: plus(self.efficiency, other.efficiency)?,
            entered: plus(self.entered, other.entered)?,
            left: plus(self.left, other.left)?,
        })
    }
}

impl Member {
    /// The member's terms in a group with the value added `whole.0` in the base period and `whole.1` now.
    fn terms(&self, whole: (Positive, Positive)) -> Result<(Case, Terms), SplitError> {
        let weight = |activity: Option<Activity>, whole| match activity {
            Some(activity) => activity.weight(whole),
            None => Ok(Decimal::ZERO),
        };
        let weights = (weight(self.base, whole.0)?, weight(self.current, whole.1)?);
        let change = minus(on_grid(weights.1)?, on_grid(weights.0)?)?;
        let mut terms = Terms::default();
        let case = match (self.base, self.current) {
            (Some(base), Some(current)) => {
                let structure = structure((base, current), weights, whole)?;
                terms.structure = on_grid(structure)?;
                terms.efficiency = minus(change, terms.structure)?;
                Case::Split
            }
            (None, Some(_)) => {
                terms.entered = change;
                Case::Entered
            }
            (Some(_), None) => {
                terms.left = change;
                Case::Left
            }
            (None, None) => Case::Absent,
        };
        Ok((case, terms))
    }
}

/// L(w)·ln(s′ ÷ s).
fn structure(
    (base, current): (Activity, Activity),
    weights: (Decimal, Decimal),
    whole: (Positive, Positive),
) -> Result<Decimal, SplitError> {
    let value_added = growth(base.value_added, current.value_added)?;
    let consumption = growth(base.consumption, current.consumption)?;
    let group = growth(whole.0, whole.1)?;
    // w = E ÷ V, so its logarithm grows by that of E less that of the group's V.
    let mean = logarithmic_mean(weights, consumption.checked_sub(group))?;
    value_added
        .checked_sub(group)
        .and_then(|share| mean.checked_mul(share))
        .ok_or(SplitError::OutOfRange)
}

/// ln(to ÷ from) as a difference of logarithms, so that exchanging the periods only changes its sign.
fn growth(from: Positive, to: Positive) -> Result<Decimal, SplitError> {
    let (from, to) = (from.get(), to.get());
    to.checked_ln()
        .zip(from.checked_ln())
        .and_then(|(to, from)| to.checked_sub(from))
        .ok_or(SplitError::OutOfRange)
}

/// L of two positive weights whose logarithms differ by `growth`.
///
/// For nearly equal weights the quotient would lose its digits, so there it is computed by the series of
/// w·(eᵍ − 1) ÷ g = w·(1 + g÷2 + g²÷6 + g³÷24 + …), of which the first omitted term is below 10⁻²⁶ of w.
fn logarithmic_mean(
    (base, current): (Decimal, Decimal),
    growth: Option<Decimal>,
) -> Result<Decimal, SplitError> {
    let growth = growth.ok_or(SplitError::OutOfRange)?;
    let mean = if growth.abs() > Decimal::new(1, 6) {
        current
            .checked_sub(base)
            .and_then(|change| change.checked_div(growth))
    } else {
        (2..=4_u8)
            .try_fold((Decimal::ONE, Decimal::ONE), |(sum, term), order| {
                let term = term.checked_mul(growth)?.checked_div(order.into())?;
                Some((sum.checked_add(term)?, term))
            })
            .and_then(|(sum, _)| base.checked_mul(sum))
    };
    mean.ok_or(SplitError::OutOfRange)
}

/// Rounds to a multiple of 10⁻¹², half to even; an error if 28 digits cannot hold one.
fn on_grid(value: Decimal) -> Result<Decimal, SplitError> {
    let mut rounded =
        value.round_dp_with_strategy(TERM_PLACES, RoundingStrategy::MidpointNearestEven);
    rounded.rescale(TERM_PLACES);
    if rounded.scale() == TERM_PLACES {
        Ok(rounded)
    } else {
        Err(SplitError::OutOfRange)
    }
}

/// The sum of two multiples of 10⁻¹²; an error if 28 digits cannot hold it.
fn plus(left: Decimal, right: Decimal) -> Result<Decimal, SplitError> {
    exact(left.checked_add(right))
}

/// The difference of two multiples of 10⁻¹²; an error if 28 digits cannot hold it.
fn minus(left: Decimal, right: Decimal) -> Result<Decimal, SplitError> {
    exact(left.checked_sub(right))
}

/// The result, if it lost no decimal place; an error otherwise.
fn exact(result: Option<Decimal>) -> Result<Decimal, SplitError> {
    result
        .filter(|r| r.is_zero() || r.scale() == TERM_PLACES)
        .ok_or(SplitError::OutOfRange)
}

/// Splits the change of the intensity of the group `members`.
///
/// # Errors
/// [`SplitError::NoBase`] and [`SplitError::NoCurrent`] if the group has no member,
/// [`SplitError::OutOfRange`] beyond 28 digits.
pub fn split(members: &[Member]) -> Result<Split, SplitError> {
    let total = |of: fn(&Member) -> Option<Activity>, none| {
        let mut all = members.iter().filter_map(of);
        let first = all.next().ok_or(none)?;
        all.try_fold(first, Activity::and)
    };
    let base = total(|member| member.base, SplitError::NoBase)?;
    let current = total(|member| member.current, SplitError::NoCurrent)?;
    let whole = (base.value_added, current.value_added);
    let members = members
        .iter()
        .map(|member| member.terms(whole))
        .collect::<Result<Vec<_>, _>>()?;
    let totals = members
        .iter()
        .try_fold(Terms::default(), |sum, (_, terms)| sum.and(terms))?;
    let (base, current) = (
        on_grid(base.weight(whole.0)?)?,
        on_grid(current.weight(whole.1)?)?,
    );
    let change = minus(current, base)?;
    Ok(Split {
        base,
        current,
        change,
        totals,
        rounding: minus(change, totals.sum()?)?,
        members,
    })
}

#[cfg(test)]
mod tests;
