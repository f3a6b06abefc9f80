//! Indicators: ratios that are computed once, from totals, and carry their bases.
//!
//! The intensity of a group is Σ consumption ÷ Σ value added; no function here computes a mean of ratios. A
//! [`Key`] names the bases of a ratio, and only ratios with equal keys are compared.

pub mod assessment;
pub mod soundness;

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

use crate::{
    energy::coal::{Basis, Media},
    indicator::assessment::BasisOfAssessment,
    money::PriceBase,
    positive::{Positive, RatioError},
};

/// Decimal places of a reported ratio.
pub const RATIO_PLACES: u32 = 6;

/// An indicator of a park, an enterprise or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Indicator {
    /// 单位工业增加值综合能耗, tce per 10⁴ yuan.
    EnergyIntensity,
    /// 万元工业增加值用水量, m³ per 10⁴ yuan.
    WaterIntensity,
    /// 大宗工业固废综合利用率, per cent.
    WasteUtilization,
    /// 单位工业增加值二氧化碳排放, tCO₂ per 10⁴ yuan; location-based.
    CarbonIntensity,
    /// 单位能耗碳排放, tCO₂ per tce; location-based.
    CarbonPerEnergy,
}

impl Indicator {
    /// Every indicator.
    pub const ALL: [Self; 5] = [
        Self::EnergyIntensity,
        Self::WaterIntensity,
        Self::WasteUtilization,
        Self::CarbonIntensity,
        Self::CarbonPerEnergy,
    ];

    /// The name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EnergyIntensity => "energy-intensity",
            Self::WaterIntensity => "water-intensity",
            Self::WasteUtilization => "waste-utilization",
            Self::CarbonIntensity => "carbon-intensity",
            Self::CarbonPerEnergy => "carbon-per-energy",
        }
    }

    /// The name in the field's Chinese.
    #[must_use]
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::EnergyIntensity => "单位工业增加值综合能耗",
            Self::WaterIntensity => "万元工业增加值用水量",
            Self::WasteUtilization => "大宗工业固废综合利用率",
            Self::CarbonIntensity => "单位工业增加值二氧化碳排放",
            Self::CarbonPerEnergy => "单位能耗碳排放",
        }
    }

    /// The unit of its reported value.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::EnergyIntensity => "tce/10k-yuan",
            Self::WaterIntensity => "m3/10k-yuan",
            Self::WasteUtilization => "percent",
            Self::CarbonIntensity => "tco2/10k-yuan",
            Self::CarbonPerEnergy => "tco2/tce",
        }
    }

    /// The indicator with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|i| i.as_str() == name)
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bases of a ratio; ratios of different keys are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The indicator.
    pub indicator: Indicator,
    /// The basis of electricity; `None` if the indicator contains no energy.
    pub basis: Option<Basis>,
    /// The basis of assessment: [`BasisOfAssessment::Gross`] for everything but an energy intensity.
    pub basis_of_assessment: BasisOfAssessment,
    /// The price base of the denominator; `None` if the indicator contains no money.
    pub price_base: Option<PriceBase>,
    /// The treatment of energy-carrying media.
    pub media: Media,
}

/// A ratio of two totals above zero, with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// The bases.
    pub key: Key,
    /// The value, exact to 28 digits.
    pub value: Positive,
}

impl Ratio {
    /// Computes the ratio of two totals, both above zero.
    ///
    /// # Errors
    /// [`RatioError::OutOfRange`] beyond 28 digits.
    pub fn new(key: Key, numerator: Positive, denominator: Positive) -> Result<Self, RatioError> {
        let value = numerator.over(denominator).ok_or(RatioError::OutOfRange)?;
        Ok(Self { key, value })
    }

    /// The fall since `base` as a fraction (0.16 is 16 % less; negative is a rise).
    ///
    /// # Errors
    /// [`RatioError::MixedBases`] if the keys differ, [`RatioError::OutOfRange`] beyond 28 digits.
    pub fn fall_since(&self, base: &Self) -> Result<Decimal, RatioError> {
        if self.key != base.key {
            return Err(RatioError::MixedBases);
        }
        let remaining = self.value.get().checked_div(base.value.get());
        remaining
            .and_then(|remaining| Decimal::ONE.checked_sub(remaining))
            .ok_or(RatioError::OutOfRange)
    }

    /// The value as it is reported: six places, half to even.
    #[must_use]
    pub fn rounded(&self) -> Decimal {
        round(self.value.get(), RATIO_PLACES)
    }
}

/// `value` with exactly `places` decimal places, half to even.
#[must_use]
pub fn round(value: Decimal, places: u32) -> Decimal {
    let mut rounded = value.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven);
    rounded.rescale(places);
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(basis: Basis) -> Key {
        Key {
            indicator: Indicator::EnergyIntensity,
            basis: Some(basis),
            basis_of_assessment: BasisOfAssessment::Gross,
            price_base: Some(PriceBase::Constant(2020)),
            media: Media::Excluded,
        }
    }

    fn positive(value: i64) -> Positive {
        Positive::new(value.into()).expect("above zero")
    }

    #[test]
    fn a_comparison_across_bases_is_refused() {
        let calorific = Ratio::new(key(Basis::Calorific), positive(10), positive(2)).expect("made");
        let primary = Ratio::new(key(Basis::PrimaryEquivalent), positive(10), positive(2));
        let refused = calorific.fall_since(&primary.expect("made"));
        assert_eq!(refused, Err(RatioError::MixedBases));
    }

    #[test]
    fn a_fall_is_a_fraction_of_the_base() {
        let of = |numerator, denominator| {
            let (numerator, denominator) = (positive(numerator), positive(denominator));
            Ratio::new(key(Basis::Calorific), numerator, denominator).expect("made")
        };
        let fall = of(84, 100).fall_since(&of(100, 100));
        assert_eq!(fall, Ok(Decimal::new(16, 2)));
        let rise = of(100, 100).fall_since(&of(50, 100));
        assert_eq!(rise, Ok(-Decimal::ONE));
    }
}
