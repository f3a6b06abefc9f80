//! The assessment basis (考核口径) of energy intensity: what the official assessment deducts (METHOD (j)).
//!
//! `E_assessed = E_gross − raw material − Σ recognized non-fossil kWh × f`, with `f` the electricity factor of
//! the basis that is asked. The gross figure stays as it is, and [`BasisOfAssessment`] is part of every
//! [`Key`](crate::indicator::Key), so that gross and assessed figures are never compared.
//!
//! The rules are data: a [`RuleSet`] says what is deducted, each rule with its source and status. A rule may
//! bound what other regions give: at most a share of the saving that the target asks of the plan's period,
//! `saving = target × gross energy of the base year × V ÷ V of the base year`.
//!
//! ```
//! use greenpark_model::assessment::{Claim, Deductible, NonFossilKind, Rule, RuleSet, assess};
//! use rust_decimal::Decimal;
//! let own = Deductible::NonFossil(NonFossilKind::SelfUse);
//! let rules = RuleSet {
//!     id: "example".to_owned(),
//!     rules: vec![Rule { deductible: own, other_regions_max: None, source: "notice".to_owned() }],
//! };
//! let claim = Claim { deductible: own, is_of_other_region: false, tce: Decimal::from(60) };
//! let made = assess(Decimal::from(1_000), &[claim], &rules, None).expect("in range");
//! assert_eq!(made.energy, Decimal::from(940));
//! ```

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use crate::amount::{Amount, AmountError, Sum};

/// Whether an energy intensity counts all energy, or what the assessment leaves of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum BasisOfAssessment {
    /// All comprehensive energy consumption.
    #[default]
    Gross,
    /// Less non-fossil electricity and raw-material energy.
    Assessed,
}

/// A text that names no basis of assessment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither gross nor assessed")]
pub struct UnknownBasisOfAssessment(pub String);

/// How non-fossil electricity (非化石电力) came to who used it; the physical ways first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NonFossilKind {
    /// Own generation that was used (自发自用).
    SelfUse,
    /// Direct supply by a line of its own (绿电直连).
    Direct,
    /// Green power trade (绿电交易).
    Trade,
    /// Green certificates alone (绿证).
    Certificate,
}

/// A text that names no kind of non-fossil electricity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of self_use, direct, trade and certificate")]
pub struct UnknownNonFossilKind(pub String);

/// What may be deducted, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deductible {
    /// Non-fossil electricity of one kind.
    NonFossil(NonFossilKind),
    /// Energy used as raw material (原料用能).
    RawMaterial,
}

/// A text that names nothing that may be deducted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of self_use, direct, trade, certificate and raw_material")]
pub struct UnknownDeductible(pub String);

/// One rule of the assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What is deducted.
    pub deductible: Deductible,
    /// What other regions give counts for at most this fraction of the saving that the target asks; `None`
    /// where every region is alike.
    pub other_regions_max: Option<Decimal>,
    /// Where it comes from, with its status.
    pub source: String,
}

/// Rules under one name; what no rule names is not deducted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// The name that results carry.
    pub id: String,
    /// At most one rule for each deductible.
    pub rules: Vec<Rule>,
}

/// Energy that someone wants deducted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// What it is.
    pub deductible: Deductible,
    /// Whether it was generated in another region than it is used in.
    pub is_of_other_region: bool,
    /// In tonnes of standard coal.
    pub tce: Decimal,
}

/// How much of a claim is deducted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deduction {
    /// In tonnes of standard coal; at most the claim's.
    pub tce: Decimal,
    /// Why it is less than the claim, where it is.
    pub limit: Option<Limit>,
}

/// Why a claim does not count, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// No rule of the set names it.
    NoRule,
    /// Other regions give more than the share of the saving that the rule allows.
    OtherRegions,
    /// It is of another region, and no target is known that asks a saving.
    NoSaving,
}

/// What the assessment leaves of an energy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    /// Tonnes of standard coal that are left.
    pub energy: Decimal,
    /// One for each claim, in the same order.
    pub deductions: Vec<Deduction>,
}

/// What a target asks to be saved against the base year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// The fall that the target asks, as a fraction (0.16 is 16 %).
    pub target: Decimal,
    /// Gross energy of the base year, in tonnes of standard coal.
    pub base_energy: Decimal,
    /// What the base year's intensity is divided by.
    pub base_output: Decimal,
    /// What the judged period's intensity is divided by, in the same unit.
    pub output: Decimal,
}

/// A deduction that cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssessError {
    /// Beyond 28 digits.
    #[error("a deduction beyond 28 digits")]
    OutOfRange,
    /// The base year has nothing to divide by.
    #[error("the base year's output is not above zero, so no saving follows from the target")]
    NoBase,
}

impl BasisOfAssessment {
    /// The name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gross => "gross",
            Self::Assessed => "assessed",
        }
    }
}

impl fmt::Display for BasisOfAssessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BasisOfAssessment {
    type Err = UnknownBasisOfAssessment;
    fn from_str(text: &str) -> Result<Self, UnknownBasisOfAssessment> {
        [Self::Gross, Self::Assessed]
            .into_iter()
            .find(|basis| basis.as_str() == text)
            .ok_or_else(|| UnknownBasisOfAssessment(text.chars().take(40).collect()))
    }
}

impl NonFossilKind {
    /// Every kind, the physical ones first.
    pub const ALL: [Self; 4] = [Self::SelfUse, Self::Direct, Self::Trade, Self::Certificate];

    /// The name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelfUse => "self_use",
            Self::Direct => "direct",
            Self::Trade => "trade",
            Self::Certificate => "certificate",
        }
    }
}

impl fmt::Display for NonFossilKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NonFossilKind {
    type Err = UnknownNonFossilKind;
    fn from_str(text: &str) -> Result<Self, UnknownNonFossilKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownNonFossilKind(text.chars().take(40).collect()))
    }
}

impl Deductible {
    /// The name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NonFossil(kind) => kind.as_str(),
            Self::RawMaterial => "raw_material",
        }
    }
}

impl fmt::Display for Deductible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Deductible {
    type Err = UnknownDeductible;
    fn from_str(text: &str) -> Result<Self, UnknownDeductible> {
        if text == Self::RawMaterial.as_str() {
            return Ok(Self::RawMaterial);
        }
        let kind = text.parse().map(Self::NonFossil);
        kind.map_err(|UnknownNonFossilKind(text)| UnknownDeductible(text))
    }
}

impl RuleSet {
    /// The rule of `deductible`.
    #[must_use]
    pub fn find(&self, deductible: Deductible) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.deductible == deductible)
    }

    /// Whether a claim is bounded by the saving that a target asks.
    #[must_use]
    pub fn is_bounded(&self, claim: &Claim) -> bool {
        let rule = self.find(claim.deductible);
        claim.is_of_other_region && rule.is_some_and(|rule| rule.other_regions_max.is_some())
    }
}

impl Saving {
    /// The saving in tonnes of standard coal: target × base energy × output ÷ base output, at least 0.
    ///
    /// # Errors
    /// [`AssessError::NoBase`] without a positive output of the base year, [`AssessError::OutOfRange`] beyond
    /// 28 digits.
    pub fn tce(&self) -> Result<Decimal, AssessError> {
        if self.base_output <= Decimal::ZERO {
            return Err(AssessError::NoBase);
        }
        self.target
            .checked_mul(self.base_energy)
            .and_then(|asked| asked.checked_mul(self.output))
            .and_then(|asked| asked.checked_div(self.base_output))
            .map(|saving| saving.max(Decimal::ZERO))
            .ok_or(AssessError::OutOfRange)
    }
}

/// Tonnes of standard coal that `mwh` of electricity are worth at a factor in kgce per kWh, exactly.
///
/// # Errors
/// [`AmountError::OutOfRange`] beyond 28 digits.
pub fn tce_of_mwh(mwh: Amount, kgce_per_kwh: Decimal) -> Result<Decimal, AmountError> {
    // One MWh at one kgce/kWh is one tonne.
    Sum::from(mwh)
        .decimal()?
        .checked_mul(kgce_per_kwh)
        .map(|tce| tce.normalize())
        .ok_or(AmountError::OutOfRange)
}

/// What `rules` leave of `gross` tonnes of standard coal. `saving` is what the target asks of the period, in
/// tonnes; `None` where no target is known, and then claims that it would bound do not count.
///
/// Of several claims that one bound concerns, the earlier ones count first.
///
/// # Errors
/// [`AssessError::OutOfRange`] beyond 28 digits.
pub fn assess(
    gross: Decimal,
    claims: &[Claim],
    rules: &RuleSet,
    saving: Option<Decimal>,
) -> Result<Assessed, AssessError> {
    let mut left: Vec<(Deductible, Decimal)> = Vec::new();
    for rule in &rules.rules {
        if let (Some(share), Some(saving)) = (rule.other_regions_max, saving) {
            let most = share.checked_mul(saving).ok_or(AssessError::OutOfRange)?;
            left.push((rule.deductible, most.max(Decimal::ZERO)));
        }
    }
    let mut energy = gross;
    let mut deductions = Vec::with_capacity(claims.len());
    for claim in claims {
        let deduction = if rules.find(claim.deductible).is_none() {
            nothing(Limit::NoRule)
        } else if !rules.is_bounded(claim) {
            whole(claim)
        } else {
            let bound = left.iter_mut().find(|(of, _)| *of == claim.deductible);
            bound.map_or(nothing(Limit::NoSaving), |(_, left)| within(claim, left))
        };
        energy = energy
            .checked_sub(deduction.tce)
            .ok_or(AssessError::OutOfRange)?;
        deductions.push(deduction);
    }
    Ok(Assessed { energy, deductions })
}

const fn nothing(limit: Limit) -> Deduction {
    Deduction {
        tce: Decimal::ZERO,
        limit: Some(limit),
    }
}

const fn whole(claim: &Claim) -> Deduction {
    Deduction {
        tce: claim.tce,
        limit: None,
    }
}

/// What is `left` of a bound for `claim`, which uses it up.
fn within(claim: &Claim, left: &mut Decimal) -> Deduction {
    if claim.tce <= *left {
        *left -= claim.tce;
        return whole(claim);
    }
    Deduction {
        tce: std::mem::take(left),
        limit: Some(Limit::OtherRegions),
    }
}

#[cfg(test)]
mod tests;
