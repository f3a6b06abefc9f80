//! The assessment basis (考核口径) of energy intensity: the deductions of the official assessment (METHOD (j)).
//!
//! `E_assessed = E_gross − raw material − Σ recognized non-fossil kWh × f`, with `f` the electricity factor of
//! the requested basis. The gross figure is unchanged, and [`BasisOfAssessment`] is part of every
//! [`Key`](crate::indicator::Key), so that gross and assessed figures are never compared.
//!
//! The rules are data: a [`RuleSet`] lists the deductions, each rule with its source and status. A rule may
//! limit deductions from other regions to a share of the saving that the target requires,
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

use crate::meter::amount::{Amount, AmountError, Sum};

/// The energy that an intensity counts: all, or the rest after the assessment's deductions.
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

/// The way of non-fossil electricity (非化石电力) to its user; the physical ways first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NonFossilKind {
    /// Own generation that the enterprise used (自发自用).
    SelfUse,
    /// Direct supply by a dedicated line (绿电直连).
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

/// The kinds of energy that may be deducted, in the order of their deduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deductible {
    /// Non-fossil electricity of one kind.
    NonFossil(NonFossilKind),
    /// Energy used as raw material (原料用能).
    RawMaterial,
}

/// A text that names no deductible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of self_use, direct, trade, certificate and raw_material")]
pub struct UnknownDeductible(pub String);

/// One rule of the assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The kind of energy that is deducted.
    pub deductible: Deductible,
    /// Energy of other regions counts for at most this fraction of the saving that the target requires; `None`
    /// if the region does not matter.
    pub other_regions_max: Option<Decimal>,
    /// The source, with its status.
    pub source: String,
}

/// Rules under one name; a kind without a rule is not deducted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// The name that results carry.
    pub id: String,
    /// At most one rule for each deductible.
    pub rules: Vec<Rule>,
}

/// Energy for which an enterprise claims a deduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The kind of energy.
    pub deductible: Deductible,
    /// The energy was generated in another region than it is used in.
    pub is_of_other_region: bool,
    /// The energy in tonnes of standard coal.
    pub tce: Decimal,
}

/// The part of a claim that is deducted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deduction {
    /// Tonnes of standard coal; at most those of the claim.
    pub tce: Decimal,
    /// The reason, if it is less than the claim.
    pub limit: Option<Limit>,
}

/// Why a claim does not count, or not in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// No rule of the set names its kind.
    NoRule,
    /// The energy of other regions exceeds the share of the saving that the rule allows.
    OtherRegions,
    /// It is of another region, and no known target requires a saving.
    NoSaving,
}

/// The result of an assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    /// Tonnes of standard coal after all deductions.
    pub energy: Decimal,
    /// One for each claim, in the same order.
    pub deductions: Vec<Deduction>,
}

/// The saving that a target requires against the base year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// The fall that the target requires, as a fraction (0.16 is 16 %).
    pub target: Decimal,
    /// Gross energy of the base year, in tonnes of standard coal.
    pub base_energy: Decimal,
    /// The denominator of the base year's intensity.
    pub base_output: Decimal,
    /// The denominator of the judged period's intensity, in the same unit.
    pub output: Decimal,
}

/// A deduction that cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssessError {
    /// Beyond 28 digits.
    #[error("a deduction beyond 28 digits")]
    OutOfRange,
    /// The base year's output is not above zero.
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

    /// Returns true if the saving that a target requires limits the claim.
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

/// Converts `mwh` of electricity to tonnes of standard coal by a factor in kgce per kWh, exactly.
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

/// Deducts `claims` from `gross` tonnes of standard coal by `rules`. `saving` is the saving that the target requires
/// of the period, in tonnes; `None` if no target is known, and then claims that it would limit do not count.
///
/// Of several claims under one limit, the earlier ones count first.
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

/// Deducts `claim` from the rest `left` of a limit.
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
