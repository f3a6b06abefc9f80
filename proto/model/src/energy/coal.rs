//! Standard coal (标准煤) from amounts and dated factors.
//!
//! Factors are data: a [`FactorSet`] comes from a file with the source and status of every entry, and
//! this module contains no constant. Published coefficients are used as published and never recomputed
//! (GB/T 2589-2020: electricity 0.1229 kgce/kWh at calorific value, not 3600 ÷ 29307.6).

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use crate::{
    meter::{
        amount::{Amount, AmountError, Sum},
        quantity::Medium,
    },
    time::day::CivilDay,
};

/// The conversion of electricity and heat to standard coal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Basis {
    /// 当量值: the energy content.
    Calorific,
    /// 等价值: the coal burnt to generate it.
    PrimaryEquivalent,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calorific => "calorific",
            Self::PrimaryEquivalent => "primary_equivalent",
        })
    }
}

/// A text that names no basis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither calorific nor primary_equivalent")]
pub struct UnknownBasis(pub String);

impl FromStr for Basis {
    type Err = UnknownBasis;
    fn from_str(text: &str) -> Result<Self, UnknownBasis> {
        match text {
            "calorific" => Ok(Self::Calorific),
            "primary_equivalent" => Ok(Self::PrimaryEquivalent),
            other => Err(UnknownBasis(other.chars().take(40).collect())),
        }
    }
}

/// The treatment of energy-carrying media (耗能工质), such as water and compressed air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Media {
    /// They do not count: the energies used to make them are counted already.
    #[default]
    Excluded,
    /// Media bought from outside count, by the coefficients of Annex B.
    Purchased,
}

/// A text that names no treatment of media.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither excluded nor purchased")]
pub struct UnknownMedia(pub String);

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excluded => "excluded",
            Self::Purchased => "purchased",
        })
    }
}

impl FromStr for Media {
    type Err = UnknownMedia;
    fn from_str(text: &str) -> Result<Self, UnknownMedia> {
        match text {
            "excluded" => Ok(Self::Excluded),
            "purchased" => Ok(Self::Purchased),
            other => Err(UnknownMedia(other.chars().take(40).collect())),
        }
    }
}

/// One dated coefficient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// The medium that it converts.
    pub medium: Medium,
    /// The basis to which it belongs; `None` for both.
    pub basis: Option<Basis>,
    /// Kilograms of standard coal for one canonical unit of the medium.
    pub kgce_per_unit: Decimal,
    /// The first day on which it holds.
    pub valid_from: CivilDay,
    /// The last day on which it holds; `None` for an open end.
    pub valid_to: Option<CivilDay>,
    /// The day of publication, before which it could not be used; `None` if unknown.
    pub published: Option<CivilDay>,
    /// The source, with its status.
    pub source: String,
}

/// Factors under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorSet {
    /// The name that results carry.
    pub id: String,
    /// The entries.
    pub factors: Vec<Factor>,
    /// The heat of one kilogram of standard coal in kJ, which converts a measured calorific value; `None`
    /// if the set does not define it.
    pub kj_per_kgce: Option<Decimal>,
}

impl FactorSet {
    /// The factor of `medium` at `basis` on `day`.
    #[must_use]
    pub fn find(&self, medium: Medium, basis: Basis, day: CivilDay) -> Option<&Factor> {
        self.find_known(medium, basis, (day, None))
    }

    /// As [`find`](Self::find), but only among the factors published by the second day, if one is given.
    #[must_use]
    pub fn find_known(
        &self,
        medium: Medium,
        basis: Basis,
        (day, known_on): (CivilDay, Option<CivilDay>),
    ) -> Option<&Factor> {
        let is_known = |f: &Factor| {
            let dates = f.published.zip(known_on);
            dates.is_none_or(|(published, known_on)| published <= known_on)
        };
        self.factors.iter().find(|f| {
            is_known(f)
                && f.medium == medium
                && f.basis.is_none_or(|b| b == basis)
                && f.valid_from <= day
                && f.valid_to.is_none_or(|last| day <= last)
        })
    }
}

/// Tonnes of standard coal in `amount` of a fuel whose measured net calorific value (实测低位发热量) is
/// `kj_per_unit`, exactly to 28 digits: amount × value ÷ heat of standard coal.
///
/// # Errors
/// [`AmountError::OutOfRange`] beyond 28 digits, or if the heat of standard coal is zero.
pub fn tce_of_heat(
    amount: Sum,
    kj_per_unit: Amount,
    kj_per_kgce: Decimal,
) -> Result<Decimal, AmountError> {
    let kj_per_tce = kj_per_kgce.checked_mul(Decimal::ONE_THOUSAND);
    amount
        .decimal()?
        .checked_mul(Sum::from(kj_per_unit).decimal()?)
        .zip(kj_per_tce)
        .and_then(|(kj, per_tce)| kj.checked_div(per_tce))
        .map(|tce| tce.normalize())
        .ok_or(AmountError::OutOfRange)
}

impl Factor {
    /// Tonnes of standard coal in `amount`, exactly.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] beyond 28 digits.
    pub fn tce(&self, amount: Sum) -> Result<Decimal, AmountError> {
        amount
            .decimal()?
            .checked_mul(self.kgce_per_unit)
            .and_then(|kgce| kgce.checked_div(Decimal::ONE_THOUSAND))
            .map(|tce| tce.normalize())
            .ok_or(AmountError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(medium: Medium, basis: Option<Basis>, kgce: &str) -> Factor {
        Factor {
            medium,
            basis,
            kgce_per_unit: kgce.parse().expect("a decimal"),
            valid_from: CivilDay::from_epoch_days(0),
            valid_to: None,
            published: None,
            source: "vector".to_owned(),
        }
    }

    fn tce(set: &FactorSet, basis: Basis, amounts: &[(Medium, &str)]) -> String {
        let day = CivilDay::from_epoch_days(20_000);
        let total: Decimal = amounts
            .iter()
            .map(|(medium, amount)| {
                let amount: Amount = amount.parse().expect("a decimal");
                let factor = set.find(*medium, basis, day).expect("a factor");
                factor.tce(amount.into()).expect("in range")
            })
            .sum();
        total.normalize().to_string()
    }

    /// METHOD (a): 1 200 000 kWh + 50 000 m³ gas (1.2143) + 8 t diesel.
    #[test]
    fn method_a_comprehensive_energy_of_electricity_gas_and_diesel() {
        let set = FactorSet {
            id: "vector".to_owned(),
            factors: vec![
                factor(Medium::Electricity, Some(Basis::Calorific), "0.1229"),
                factor(Medium::Electricity, Some(Basis::PrimaryEquivalent), "0.31"),
                factor(Medium::NaturalGas, None, "1.2143"),
                factor(Medium::Diesel, None, "1457.1"),
            ],
            kj_per_kgce: None,
        };
        let amounts = [
            (Medium::Electricity, "1200000"),
            (Medium::NaturalGas, "50000"),
            (Medium::Diesel, "8"),
        ];
        assert_eq!(tce(&set, Basis::Calorific, &amounts), "219.8518");
        assert_eq!(tce(&set, Basis::PrimaryEquivalent, &amounts), "444.3718");
    }

    /// METHOD (a): a measured value replaces the default; at the default's own heat both agree.
    #[test]
    fn method_a_a_measured_calorific_value_counts_by_the_heat_of_standard_coal() {
        let amount = |text: &str| text.parse::<Amount>().expect("a decimal");
        let heat: Decimal = "29307.6".parse().expect("a decimal");
        let tonnes = Sum::from(amount("1000"));
        // 7,000 kcal/kg is standard coal itself: 29,307,600 kJ a tonne.
        let same = tce_of_heat(tonnes, amount("29307600"), heat).expect("in range");
        assert_eq!(same, Decimal::from(1_000));
        let poor = tce_of_heat(tonnes, amount("20934000"), heat).expect("in range");
        assert_eq!(poor.round_dp(6).to_string(), "714.285714");
        assert!(tce_of_heat(tonnes, amount("1"), Decimal::ZERO).is_err());
    }

    /// The steel plant's year: 959,640.31 kWh at 0.1229.
    #[test]
    fn the_steel_plants_year_in_standard_coal() {
        let electricity = factor(Medium::Electricity, None, "0.1229");
        let year: Amount = "959640.31".parse().expect("a decimal");
        let exact = electricity.tce(year.into()).expect("in range");
        assert_eq!(exact.to_string(), "117.939794099");
        assert_eq!(exact.round_dp(6).to_string(), "117.939794");
    }
}
