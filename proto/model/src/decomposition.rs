//! Why a group's intensity changed: structure or efficiency.
//!
//! The intensity of a group is Σ consumption ÷ Σ value added = Σ wᵢ with wᵢ = Eᵢ ÷ V, and wᵢ is the
//! product of a *share* sᵢ = Vᵢ ÷ V and the member's own *intensity* Eᵢ ÷ Vᵢ. The additive LMDI splits
//! each member's change Δwᵢ into L(wᵢ)·ln(s′ᵢ ÷ sᵢ), the structure, and L(wᵢ)·ln(I′ᵢ ÷ Iᵢ), the
//! efficiency, where L(x, y) = (x − y) ÷ ln(x ÷ y) is the logarithmic mean (METHOD (b)).
//!
//! # What sums to what
//!
//! Every term is a multiple of 10⁻¹², so sums are exact and the order of members changes nothing. For a
//! member, structure + efficiency + entered + left + unsplit is Δwᵢ exactly: the efficiency is made from
//! the remainder. For the group, structure + efficiency + entered + left + unsplit + rounding is the
//! change exactly: wᵢ are rounded one by one, and what that leaves, at most 10⁻¹² a member, is booked
//! under its own name and to nobody.
//!
//! # Zeros
//!
//! A member that was not there (neither consumed nor added value) has *entered* with all of its w, and
//! one that is there no more has *left* with all of it. One that stopped or began to consume at a value
//! added in both periods changed its efficiency alone, which is the limit of the formula. One that
//! consumed without value added, or has a negative value, has no intensity to take a logarithm of: its
//! change stays whole under *unsplit*. A group without value added is an error.
//!
//! ```
//! use greenpark_model::decomposition::{Activity, Member, split};
//! let at = |consumption: i64, value_added: i64| Activity {
//!     consumption: consumption.into(),
//!     value_added: value_added.into(),
//! };
//! // Both members are as efficient as before; the heavy one has half of its share left.
//! let heavy = Member { base: at(80, 40), current: at(40, 20) };
//! let light = Member { base: at(30, 60), current: at(40, 80) };
//! let split = split(&[heavy, light]).expect("there is value added");
//! assert_eq!(split.change.to_string(), "-0.300000000000");
//! assert_eq!(split.totals.structure.round_dp(9), split.change.round_dp(9));
//! ```

use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

/// Decimal places of every term: a multiple of 10⁻¹² up to 10¹⁶ is exact in 28 digits.
pub const TERM_PLACES: u32 = 12;

/// What a member, or a group, did in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// tce for energy, m³ for water; the same for all members and both periods.
    pub consumption: Decimal,
    /// 10⁴ yuan, at the same constant prices in both periods.
    pub value_added: Decimal,
}

/// A member of the group in both periods; an absent one has zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// In the base period.
    pub base: Activity,
    /// In the current period.
    pub current: Activity,
}

/// How a member's change was split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// Into structure and efficiency by the formula.
    Split,
    /// It consumed in one period only, at a value added in both: efficiency alone.
    ConsumedOnce,
    /// It consumed in neither period: no change.
    NeverConsumed,
    /// It was absent from the base period.
    Entered,
    /// It is absent from the current period.
    Left,
    /// It consumed without value added, or a value is negative: no logarithm.
    Unsplit,
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
    /// From members that are absent from the current period; not positive for a consumer.
    pub left: Decimal,
    /// From members whose change has no logarithm.
    pub unsplit: Decimal,
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
    /// What rounding the members one by one leaves: at most 10⁻¹² a member, a half in each period.
    pub rounding: Decimal,
    /// For each member in the order given, how it was split and its terms.
    pub members: Vec<(Case, Terms)>,
}

/// Why a change cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The group added no value in the base period, or less than none.
    #[error("the group has no value added in the base period")]
    NoBaseValueAdded,
    /// The group added no value in the current period, or less than none.
    #[error("the group has no value added in the current period")]
    NoCurrentValueAdded,
    /// Beyond 28 digits.
    #[error("a term beyond 28 digits")]
    OutOfRange,
}

impl Activity {
    /// Neither consumed nor added value.
    fn is_absent(&self) -> bool {
        self.consumption.is_zero() && self.value_added.is_zero()
    }

    fn is_negative(&self) -> bool {
        self.consumption < Decimal::ZERO || self.value_added < Decimal::ZERO
    }

    /// Consumption per value added of `whole`.
    fn weight(&self, whole: Decimal) -> Result<Decimal, SplitError> {
        self.consumption
            .checked_div(whole)
            .ok_or(SplitError::OutOfRange)
    }
}

impl Terms {
    /// The change that the terms make together.
    ///
    /// # Errors
    /// [`SplitError::OutOfRange`] beyond 28 digits.
    pub fn sum(&self) -> Result<Decimal, SplitError> {
        [self.efficiency, self.entered, self.left, self.unsplit]
            .into_iter()
            .try_fold(self.structure, plus)
    }

    fn and(&self, other: &Self) -> Result<Self, SplitError> {
        Ok(Self {
            structure: plus(self.structure, other.structure)?,
            efficiency: plus(self.efficiency, other.efficiency)?,
            entered: plus(self.entered, other.entered)?,
            left: plus(self.left, other.left)?,
            unsplit: plus(self.unsplit, other.unsplit)?,
        })
    }
}

impl Member {
    fn case(&self) -> Case {
        let (base, current) = (&self.base, &self.current);
        let without_value = base.value_added.is_zero() || current.value_added.is_zero();
        let once = base.consumption.is_zero() != current.consumption.is_zero();
        if base.is_absent() && current.is_absent() {
            Case::NeverConsumed
        } else if base.is_absent() {
            Case::Entered
        } else if current.is_absent() {
            Case::Left
        } else if base.is_negative() || current.is_negative() {
            Case::Unsplit
        } else if base.consumption.is_zero() && current.consumption.is_zero() {
            Case::NeverConsumed
        } else if without_value {
            Case::Unsplit
        } else if once {
            Case::ConsumedOnce
        } else {
            Case::Split
        }
    }

    /// The member's terms in a group that added `whole.0` in the base period and `whole.1` now.
    fn terms(&self, whole: (Decimal, Decimal)) -> Result<(Case, Terms), SplitError> {
        let weights = (self.base.weight(whole.0)?, self.current.weight(whole.1)?);
        let change = minus(on_grid(weights.1)?, on_grid(weights.0)?)?;
        let mut terms = Terms::default();
        let case = self.case();
        match case {
            Case::Split => {
                terms.structure = on_grid(self.structure(weights, whole)?)?;
                terms.efficiency = minus(change, terms.structure)?;
            }
            Case::ConsumedOnce => terms.efficiency = change,
            Case::NeverConsumed => {}
            Case::Entered => terms.entered = change,
            Case::Left => terms.left = change,
            Case::Unsplit => terms.unsplit = change,
        }
        Ok((case, terms))
    }

    /// L(w)·ln(s′ ÷ s), where every value is positive.
    fn structure(
        &self,
        weights: (Decimal, Decimal),
        whole: (Decimal, Decimal),
    ) -> Result<Decimal, SplitError> {
        let (base, current) = (&self.base, &self.current);
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
}

/// ln(to ÷ from) as a difference of logarithms, so that exchanging the periods only turns its sign.
fn growth(from: Decimal, to: Decimal) -> Result<Decimal, SplitError> {
    to.checked_ln()
        .zip(from.checked_ln())
        .and_then(|(to, from)| to.checked_sub(from))
        .ok_or(SplitError::OutOfRange)
}

/// L of two positive weights whose logarithms differ by `growth`.
///
/// Near equal weights the quotient loses its digits, so there it is the series of
/// w·(eᵍ − 1) ÷ g = w·(1 + g÷2 + g²÷6 + g³÷24 + …), whose first term left out is below 10⁻²⁶ of w.
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

/// To a multiple of 10⁻¹², half to even; an error where 28 digits do not hold one.
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

/// The sum of two multiples of 10⁻¹², an error where 28 digits do not hold it.
fn plus(left: Decimal, right: Decimal) -> Result<Decimal, SplitError> {
    exact(left.checked_add(right))
}

/// The difference of two multiples of 10⁻¹², an error where 28 digits do not hold it.
fn minus(left: Decimal, right: Decimal) -> Result<Decimal, SplitError> {
    exact(left.checked_sub(right))
}

/// A result that lost no place of the grid on its way.
fn exact(result: Option<Decimal>) -> Result<Decimal, SplitError> {
    result
        .filter(|r| r.is_zero() || r.scale() == TERM_PLACES)
        .ok_or(SplitError::OutOfRange)
}

/// Splits the change of the intensity of `members` together.
///
/// # Errors
/// [`SplitError::NoBaseValueAdded`] and [`SplitError::NoCurrentValueAdded`] where the group's value added
/// is not positive, [`SplitError::OutOfRange`] beyond 28 digits.
pub fn split(members: &[Member]) -> Result<Split, SplitError> {
    let total = |of: fn(&Member) -> Decimal| {
        members
            .iter()
            .map(of)
            .try_fold(Decimal::ZERO, Decimal::checked_add)
            .ok_or(SplitError::OutOfRange)
    };
    let base = Activity {
        consumption: total(|m| m.base.consumption)?,
        value_added: total(|m| m.base.value_added)?,
    };
    let current = Activity {
        consumption: total(|m| m.current.consumption)?,
        value_added: total(|m| m.current.value_added)?,
    };
    if base.value_added <= Decimal::ZERO {
        return Err(SplitError::NoBaseValueAdded);
    }
    if current.value_added <= Decimal::ZERO {
        return Err(SplitError::NoCurrentValueAdded);
    }
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
