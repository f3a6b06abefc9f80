//! Carbon dioxide from amounts and dated factors (METHOD (e)).
//!
//! `CO₂ = Σ fuel × LHV × CC × OF × 44/12 + Σ kWh × grid factor + Σ heat × its factor`, location-based:
//! electricity counts with the factor of its grid, for every seller.
//!
//! Factors are data: a [`CarbonSet`] comes from a file, every entry with its dates, source and status,
//! and this module contains no constant. A grid factor holds for the days that its entry names, so adding a later
//! year's factor never changes a figure that already had one. A day without a factor is an error of
//! [`CarbonSet::find`]; [`CarbonSet::find_or_fall_back`] uses another factor and names it.
//!
//! ```
//! use greenpark_model::carbon::{CarbonSet, GridFactor, Region};
//! use greenpark_model::{amount, quantity::Medium};
//! let day = |text: &str| text.parse().expect("a day");
//! let chongqing: Region = "chongqing".parse().expect("a region");
//! let set = CarbonSet {
//!     id: "example".to_owned(),
//!     grid: vec![GridFactor {
//!         region: chongqing.clone(),
//!         year: 2023,
//!         kg_per_kwh: "0.5581".parse().expect("a decimal"),
//!         valid_from: day("2023-01-01"),
//!         valid_to: Some(day("2023-12-31")),
//!         published: day("2025-12-31"),
//!         source: "notice".to_owned(),
//!     }],
//!     fuels: Vec::new(),
//! };
//! let applied = set.find(Medium::Electricity, &chongqing, day("2023-06-30")).expect("a factor");
//! let kwh = amount::whole(1_000).expect("in range");
//! assert_eq!(applied.tco2(kwh.into()).expect("in range").to_string(), "0.5581");
//! assert!(set.find(Medium::Electricity, &chongqing, day("2024-06-30")).is_err());
//! ```

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use crate::{
    energy::coal::Basis,
    meter::{
        amount::{AmountError, Sum},
        quantity::Medium,
    },
    money::PriceBase,
    positive::{Positive, RatioError},
    time::day::CivilDay,
};

/// The area of a grid factor: the nation or a province, by its name in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

/// A text that names no region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no region; write national, or a province in small letters such as chongqing")]
pub struct UnknownRegion(pub String);

/// The mean factor of a grid in one year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridFactor {
    /// The region of the grid.
    pub region: Region,
    /// The year whose electricity it describes; publication is a year or more later.
    pub year: i16,
    /// Kilograms of CO₂ for one kWh.
    pub kg_per_kwh: Decimal,
    /// The first day to which it is applied.
    pub valid_from: CivilDay,
    /// The last day to which it is applied; `None` until another is added.
    pub valid_to: Option<CivilDay>,
    /// The day of publication, before which it could not be used.
    pub published: CivilDay,
    /// The source, with its status.
    pub source: String,
}

/// The components of a fuel's factor, for one canonical unit of its medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composition {
    /// LHV: net calorific value in GJ.
    pub lhv_gj: Decimal,
    /// CC: tonnes of carbon for one TJ.
    pub carbon_t_per_tj: Decimal,
    /// OF: the part of the carbon that is oxidized, as a fraction.
    pub oxidation: Decimal,
}

/// The factor of a fuel, or of heat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuelFactor {
    /// The medium that it converts.
    pub medium: Medium,
    /// Tonnes of CO₂ for one canonical unit of the medium, as published.
    pub tco2_per_unit: Decimal,
    /// The components; `None` if the source gives the product alone, as for heat.
    pub composition: Option<Composition>,
    /// The first day on which it holds.
    pub valid_from: CivilDay,
    /// The last day on which it holds; `None` for an open end.
    pub valid_to: Option<CivilDay>,
    /// The day of publication; `None` if unknown.
    pub published: Option<CivilDay>,
    /// The source, with its status.
    pub source: String,
}

/// Factors under one name. If two entries fit, the first counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarbonSet {
    /// The name that results carry.
    pub id: String,
    /// The factors of electricity.
    pub grid: Vec<GridFactor>,
    /// The factors of fuels and heat.
    pub fuels: Vec<FuelFactor>,
}

/// The factor used in place of a missing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// The same region's factor of the latest year before the day.
    EarlierYear {
        /// The year of the factor.
        year: i16,
    },
    /// The nation's factor.
    National {
        /// The year of the factor.
        year: i16,
    },
}

/// A factor as it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied<'a> {
    /// Tonnes of CO₂ for one canonical unit of the medium.
    pub tco2_per_unit: Decimal,
    /// `None` if it is the factor of the requested day and region.
    pub fallback: Option<Fallback>,
    /// The source, with its status.
    pub source: &'a str,
}

/// Why there is no factor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarbonError {
    /// The set has no grid factor for the region on the day.
    #[error(
        "'{set}' has no grid factor of {region} for {day}; add the year's, or allow a fallback"
    )]
    NoGridFactor {
        /// The set's id.
        set: String,
        /// The region.
        region: Region,
        /// The day.
        day: CivilDay,
    },
    /// The set has no factor for the medium on the day.
    #[error("'{set}' has no factor of {} for {day}", medium.as_str())]
    NoFuelFactor {
        /// The set's id.
        set: String,
        /// The medium.
        medium: Medium,
        /// The day.
        day: CivilDay,
    },
}

/// The denominator of a carbon ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denominator {
    /// Value added in 10⁴ yuan at these prices: tCO₂/10⁴ yuan.
    ValueAdded(PriceBase),
    /// Comprehensive energy in tce at this basis of electricity: tCO₂/tce.
    StandardCoal(Basis),
}

/// CO₂ per unit of a denominator; ratios of different denominators are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarbonRatio {
    /// The denominator.
    pub per: Denominator,
    /// tCO₂ per unit of the denominator, exact to 28 digits.
    pub value: Positive,
}

impl Region {
    /// The whole nation.
    #[must_use]
    pub fn national() -> Self {
        Self("national".to_owned())
    }

    /// The name in files and answers.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;
    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        fits.then(|| Self(text.to_owned()))
            .ok_or_else(|| UnknownRegion(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl GridFactor {
    fn holds(&self, day: CivilDay) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }

    fn applied(&self, fallback: Option<Fallback>) -> Applied<'_> {
        Applied {
            // kg/kWh is t/MWh, and dividing by 1000 moves the point.
            tco2_per_unit: self.kg_per_kwh / Decimal::ONE_THOUSAND,
            fallback,
            source: &self.source,
        }
    }
}

impl Composition {
    /// LHV × CC × OF × 44/12 in tonnes of CO₂ for one unit; `None` beyond 28 digits.
    #[must_use]
    pub fn tco2_per_unit(&self) -> Option<Decimal> {
        self.lhv_gj
            .checked_mul(self.carbon_t_per_tj)?
            .checked_mul(self.oxidation)?
            .checked_mul(Decimal::from(44))?
            .checked_div(Decimal::from(12_000))
    }

    /// Returns true if `published` is the product, rounded to the places of `published`.
    #[must_use]
    pub fn rounds_to(&self, published: Decimal) -> bool {
        // Half of the last place: a product that ends in a five may have been rounded either way.
        let half = Decimal::new(5, 1).checked_mul(Decimal::new(1, published.scale()));
        self.tco2_per_unit()
            .and_then(|product| product.checked_sub(published))
            .zip(half)
            .is_some_and(|(off, half)| off.abs() <= half)
    }
}

impl CarbonSet {
    /// The factor of `medium` on `day`; for electricity, the factor of `region`.
    ///
    /// # Errors
    /// [`CarbonError`] if the set has none for exactly this.
    pub fn find(
        &self,
        medium: Medium,
        region: &Region,
        day: CivilDay,
    ) -> Result<Applied<'_>, CarbonError> {
        if medium != Medium::Electricity {
            return self.fuel(medium, (day, None));
        }
        self.grid
            .iter()
            .find(|f| f.region == *region && f.holds(day))
            .map(|f| f.applied(None))
            .ok_or_else(|| CarbonError::NoGridFactor {
                set: self.id.clone(),
                region: region.clone(),
                day,
            })
    }

    /// As [`CarbonSet::find`]. If the grid factor is missing, returns a marked fallback: the region's latest before
    /// the day, or else the nation's of the day, or else the nation's latest before it.
    ///
    /// A later year's factor is never used for an earlier day.
    ///
    /// # Errors
    /// [`CarbonError`] if none of these exists. Fuels have no fallback.
    pub fn find_or_fall_back(
        &self,
        medium: Medium,
        region: &Region,
        day: CivilDay,
    ) -> Result<Applied<'_>, CarbonError> {
        self.find_known(medium, region, (day, None))
    }

    /// As [`CarbonSet::find_or_fall_back`], but only among the factors published by the second day, if one is given.
    ///
    /// # Errors
    /// [`CarbonError`] if no published factor fits.
    pub fn find_known(
        &self,
        medium: Medium,
        region: &Region,
        (day, known_on): (CivilDay, Option<CivilDay>),
    ) -> Result<Applied<'_>, CarbonError> {
        if medium != Medium::Electricity {
            return self.fuel(medium, (day, known_on));
        }
        let known = || {
            let is_known = move |f: &&GridFactor| known_on.is_none_or(|on| f.published <= on);
            self.grid.iter().filter(is_known)
        };
        let of_the_day = |of: &Region| known().find(|f| f.region == *of && f.holds(day));
        let latest = |of: &Region| {
            let before = |f: &&GridFactor| f.region == *of && f.valid_from <= day;
            known().filter(before).reduce(|best, next| {
                let later = next.valid_from > best.valid_from;
                if later { next } else { best }
            })
        };
        if let Some(own) = of_the_day(region) {
            return Ok(own.applied(None));
        }
        if let Some(own) = latest(region) {
            let year = own.year;
            return Ok(own.applied(Some(Fallback::EarlierYear { year })));
        }
        let nation = Region::national();
        of_the_day(&nation)
            .or_else(|| latest(&nation))
            .map(|f| f.applied(Some(Fallback::National { year: f.year })))
            .ok_or_else(|| CarbonError::NoGridFactor {
                set: self.id.clone(),
                region: region.clone(),
                day,
            })
    }

    fn fuel(
        &self,
        medium: Medium,
        (day, known_on): (CivilDay, Option<CivilDay>),
    ) -> Result<Applied<'_>, CarbonError> {
        let holds = |f: &&FuelFactor| {
            let dates = f.published.zip(known_on);
            dates.is_none_or(|(published, known_on)| published <= known_on)
                && f.medium == medium
                && f.valid_from <= day
                && f.valid_to.is_none_or(|last| day <= last)
        };
        self.fuels
            .iter()
            .find(holds)
            .map(|f| Applied {
                tco2_per_unit: f.tco2_per_unit,
                fallback: None,
                source: &f.source,
            })
            .ok_or_else(|| CarbonError::NoFuelFactor {
                set: self.id.clone(),
                medium,
                day,
            })
    }
}

impl Applied<'_> {
    /// Tonnes of CO₂ for `amount` canonical units, exactly.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] beyond 28 digits.
    pub fn tco2(&self, amount: Sum) -> Result<Decimal, AmountError> {
        amount
            .decimal()?
            .checked_mul(self.tco2_per_unit)
            .map(|tco2| tco2.normalize())
            .ok_or(AmountError::OutOfRange)
    }
}

impl CarbonRatio {
    /// The fall since `base` as a fraction (0.18 is 18 % less; negative is a rise).
    ///
    /// # Errors
    /// [`RatioError::MixedBases`] if the denominators differ, [`RatioError::OutOfRange`] beyond 28 digits.
    pub fn fall_since(&self, base: &Self) -> Result<Decimal, RatioError> {
        if self.per != base.per {
            return Err(RatioError::MixedBases);
        }
        let remaining = self.value.get().checked_div(base.value.get());
        remaining
            .and_then(|remaining| Decimal::ONE.checked_sub(remaining))
            .ok_or(RatioError::OutOfRange)
    }
}

/// `tco2` tonnes of CO₂ per value added of `value_added` × 10⁴ yuan at `prices`.
///
/// # Errors
/// [`RatioError::OutOfRange`] beyond 28 digits.
pub fn per_value_added(
    tco2: Positive,
    value_added: Positive,
    prices: PriceBase,
) -> Result<CarbonRatio, RatioError> {
    Ok(CarbonRatio {
        per: Denominator::ValueAdded(prices),
        value: tco2.over(value_added).ok_or(RatioError::OutOfRange)?,
    })
}

/// `tco2` tonnes of CO₂ per `tce` tonnes of standard coal at `basis`.
///
/// # Errors
/// [`RatioError::OutOfRange`] beyond 28 digits.
pub fn per_tce(tco2: Positive, tce: Positive, basis: Basis) -> Result<CarbonRatio, RatioError> {
    Ok(CarbonRatio {
        per: Denominator::StandardCoal(basis),
        value: tco2.over(tce).ok_or(RatioError::OutOfRange)?,
    })
}

#[cfg(test)]
mod tests;
