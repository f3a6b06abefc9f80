//! The sources of water.

use std::{fmt, str::FromStr};

use crate::meter::quantity::coded;

coded! {
    /// A source of water. Whether a source counts differs by scheme, so a meter names its source.
    WaterSource {
        /// Tap water (市政自来水).
        Municipal = 1, "municipal", "市政供水";
        /// Rivers and lakes, by the enterprise itself (地表水).
        Surface = 2, "surface", "地表水";
        /// Wells (地下水).
        Groundwater = 3, "groundwater", "地下水";
        /// Treated waste water from outside (再生水).
        Reclaimed = 4, "reclaimed", "再生水";
        /// Collected rain (雨水).
        Rain = 5, "rain", "雨水";
        /// Water of mines (矿井水).
        Mine = 6, "mine", "矿井水";
        /// Desalinated water (海水淡化水).
        Desalinated = 7, "desalinated", "淡化海水";
        /// Condensate of bought steam (蒸汽冷凝水).
        SteamCondensate = 8, "steam_condensate", "蒸汽冷凝水";
        /// Bought softened water (外购软水).
        PurchasedSoft = 9, "purchased_soft", "外购软水";
    }
}

impl WaterSource {
    /// Returns true if such water is bought from outside, rather than drawn by the enterprise itself.
    #[must_use]
    pub const fn is_bought(self) -> bool {
        match self {
            Self::Municipal
            | Self::Reclaimed
            | Self::Desalinated
            | Self::SteamCondensate
            | Self::PurchasedSoft => true,
            Self::Surface | Self::Groundwater | Self::Rain | Self::Mine => false,
        }
    }
}

/// A text that names no source of water.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown source of water '{0}'; write municipal, surface, groundwater, reclaimed, rain, mine, \
     desalinated, steam_condensate or purchased_soft"
)]
pub struct UnknownWaterSource(pub String);

impl fmt::Display for WaterSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WaterSource {
    type Err = UnknownWaterSource;
    fn from_str(text: &str) -> Result<Self, UnknownWaterSource> {
        Self::from_name(text).ok_or_else(|| UnknownWaterSource(text.chars().take(60).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        for &source in WaterSource::ALL {
            assert_eq!(source.to_string().parse(), Ok(source));
            assert_eq!(WaterSource::from_code(source.code()), Some(source));
        }
        assert!("sea".parse::<WaterSource>().is_err());
    }
}
