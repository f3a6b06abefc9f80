//! Quantities: a medium and its flow through the enterprise.
//!
//! A [`Quantity`] is written `electricity` or, where the flow matters, `fly_ash.utilized`. Files store its
//! codes, so codes may be added but never renumbered.
//!
//! ```
//! use greenpark_model::quantity::Quantity;
//! let ash: Quantity = "fly_ash.utilized".parse().expect("known");
//! assert_eq!(ash.to_string(), "fly_ash.utilized");
//! assert_eq!(ash.medium.unit().symbol(), "t");
//! ```

use std::{fmt, str::FromStr};

/// The canonical unit of a medium. Every stored amount is in one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Kilowatt-hours.
    KilowattHour,
    /// Cubic metres.
    CubicMetre,
    /// Tonnes.
    Tonne,
    /// Megajoules.
    Megajoule,
}

impl Unit {
    /// The symbol used on every wire: `kWh`, `m3`, `t`, `MJ`.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::KilowattHour => "kWh",
            Self::CubicMetre => "m3",
            Self::Tonne => "t",
            Self::Megajoule => "MJ",
        }
    }
}

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal, $chinese:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in the order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stored code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The value with this stored code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The name on every wire and in every file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The name in the field's Chinese.
            #[must_use]
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$variant => $chinese,)* }
            }

            /// The value with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// An energy carrier, a kind of water, an energy-carrying medium or a solid waste.
    Medium {
        /// Electric energy, in kWh.
        Electricity = 1, "electricity", "电力";
        /// Natural gas at standard conditions, in m³.
        NaturalGas = 2, "natural_gas", "天然气";
        /// Steam, in t.
        Steam = 3, "steam", "蒸汽";
        /// Heat, in MJ.
        Heat = 4, "heat", "热力";
        /// Raw coal, in t.
        RawCoal = 5, "raw_coal", "原煤";
        /// Washed coal, in t.
        WashedCoal = 6, "washed_coal", "洗精煤";
        /// Coke, in t.
        Coke = 7, "coke", "焦炭";
        /// Diesel, in t.
        Diesel = 8, "diesel", "柴油";
        /// Gasoline, in t.
        Gasoline = 9, "gasoline", "汽油";
        /// Fuel oil, in t.
        FuelOil = 10, "fuel_oil", "燃料油";
        /// Liquefied petroleum gas, in t.
        Lpg = 11, "lpg", "液化石油气";
        /// Liquefied natural gas, in t.
        Lng = 12, "lng", "液化天然气";
        /// Coke-oven gas, in m³.
        CokeOvenGas = 13, "coke_oven_gas", "焦炉煤气";
        /// Blast-furnace gas, in m³.
        BlastFurnaceGas = 14, "blast_furnace_gas", "高炉煤气";
        /// Fresh water intake (新水取用量), in m³.
        FreshWater = 20, "fresh_water", "新水";
        /// Water reused within the enterprise, in m³; never part of water intensity.
        ReusedWater = 21, "reused_water", "重复利用水";
        /// Compressed air, in m³; an energy-carrying medium (耗能工质).
        CompressedAir = 30, "compressed_air", "压缩空气";
        /// Oxygen, in m³; an energy-carrying medium.
        Oxygen = 31, "oxygen", "氧气";
        /// Coal gangue, in t.
        CoalGangue = 40, "coal_gangue", "煤矸石";
        /// Fly ash, in t.
        FlyAsh = 41, "fly_ash", "粉煤灰";
        /// Tailings, in t.
        Tailings = 42, "tailings", "尾矿";
        /// Smelting slag, in t.
        SmeltingSlag = 43, "smelting_slag", "冶炼渣";
        /// By-product gypsum, in t.
        ByproductGypsum = 44, "byproduct_gypsum", "工业副产石膏";
        /// Furnace slag, in t; not one of the five bulk categories.
        FurnaceSlag = 45, "furnace_slag", "炉渣";
    }
}

coded! {
    /// The flow of a medium through the enterprise.
    Flow {
        /// Consumed or taken in; the flow of a quantity that names none.
        Consumed = 0, "consumed", "消费";
        /// Waste generated (产生量).
        Generated = 1, "generated", "产生";
        /// Waste utilized, old stock included (综合利用量).
        Utilized = 2, "utilized", "综合利用";
        /// The part of the utilized waste that was stored in former years (综合利用往年贮存量).
        UtilizedOldStock = 3, "utilized_old_stock", "综合利用往年贮存";
        /// Waste stored (贮存量).
        Stored = 4, "stored", "贮存";
        /// Waste disposed of, old stock included (处置量).
        Disposed = 5, "disposed", "处置";
        /// The part of the disposed waste that was stored in former years (处置往年贮存量).
        DisposedOldStock = 6, "disposed_old_stock", "处置往年贮存";
        /// Waste dumped (倾倒丢弃量).
        Dumped = 7, "dumped", "倾倒丢弃";
        /// Energy or a medium bought from outside (购进量).
        Purchased = 8, "purchased", "购进";
        /// Primary energy produced on site, such as solar power (自产一次能源).
        Produced = 9, "produced", "自产";
        /// Input of a boiler house or power plant for transformation (加工转换投入).
        TransformedIn = 10, "transformed_in", "加工转换投入";
        /// Output of the transformation (加工转换产出).
        TransformedOut = 11, "transformed_out", "加工转换产出";
        /// Recovered and used again (回收利用).
        Recovered = 12, "recovered", "回收利用";
        /// Sold or supplied to others (外供).
        Exported = 13, "exported", "外供";
        /// Growth of the stock; below zero where it shrank (库存变化).
        StockChange = 14, "stock_change", "库存变化";
        /// Waste received from another enterprise of the park, which has booked it as utilized (接收综合利用).
        Received = 15, "received", "接收";
    }
}

impl Flow {
    /// Returns true if media of `class` can have this flow.
    #[must_use]
    pub const fn fits(self, class: MediumClass) -> bool {
        match self {
            Self::Consumed => true,
            Self::Generated
            | Self::Utilized
            | Self::UtilizedOldStock
            | Self::Stored
            | Self::Disposed
            | Self::DisposedOldStock
            | Self::Dumped
            | Self::Received => matches!(class, MediumClass::Waste),
            Self::Purchased
            | Self::Produced
            | Self::TransformedIn
            | Self::TransformedOut
            | Self::Recovered
            | Self::Exported
            | Self::StockChange => {
                matches!(class, MediumClass::Energy | MediumClass::CarryingMedium)
            }
        }
    }
}

/// The class of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediumClass {
    /// Counts in comprehensive energy consumption (综合能耗).
    Energy,
    /// Counts in water intake.
    Water,
    /// An energy-carrying medium (耗能工质), outside the indicator unless a policy says otherwise.
    CarryingMedium,
    /// Solid waste.
    Waste,
}

impl Medium {
    /// The canonical unit of every amount of this medium.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Electricity => Unit::KilowattHour,
            Self::Heat => Unit::Megajoule,
            Self::NaturalGas | Self::CokeOvenGas | Self::BlastFurnaceGas => Unit::CubicMetre,
            Self::FreshWater | Self::ReusedWater => Unit::CubicMetre,
            Self::CompressedAir | Self::Oxygen => Unit::CubicMetre,
            _ => Unit::Tonne,
        }
    }

    /// The class of this medium.
    #[must_use]
    pub const fn class(self) -> MediumClass {
        match self.code() {
            1..=19 => MediumClass::Energy,
            20..=29 => MediumClass::Water,
            30..=39 => MediumClass::CarryingMedium,
            _ => MediumClass::Waste,
        }
    }
}

/// A medium and its flow, which is what a reading measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity {
    /// The medium.
    pub medium: Medium,
    /// The flow; [`Flow::Consumed`] unless another is named.
    pub flow: Flow,
}

/// A text that names no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown quantity '{0}'; write one like electricity, natural_gas, fresh_water or fly_ash.utilized"
)]
pub struct UnknownQuantity(pub String);

impl Quantity {
    /// `medium` consumed.
    #[must_use]
    pub const fn consumed(medium: Medium) -> Self {
        Self {
            medium,
            flow: Flow::Consumed,
        }
    }

    /// The code of files and records: the medium's in the high byte, the flow's in the low one.
    #[must_use]
    pub fn code(self) -> u16 {
        u16::from_be_bytes([self.medium.code(), self.flow.code()])
    }

    /// The quantity with this code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        let [medium, flow] = code.to_be_bytes();
        Some(Self {
            medium: Medium::from_code(medium)?,
            flow: Flow::from_code(flow)?,
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flow {
            Flow::Consumed => f.write_str(self.medium.as_str()),
            flow => write!(f, "{}.{}", self.medium.as_str(), flow.as_str()),
        }
    }
}

impl FromStr for Quantity {
    type Err = UnknownQuantity;
    fn from_str(text: &str) -> Result<Self, UnknownQuantity> {
        let (medium, flow) = text.split_once('.').unwrap_or((text, "consumed"));
        let known = Medium::from_name(medium).zip(Flow::from_name(flow));
        let (medium, flow) = known
            .filter(|(medium, flow)| flow.fits(medium.class()))
            .ok_or_else(|| UnknownQuantity(text.chars().take(60).collect()))?;
        Ok(Self { medium, flow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_distinct_and_parse_back() {
        for &medium in Medium::ALL {
            assert_eq!(Medium::from_code(medium.code()), Some(medium));
            assert_eq!(Medium::from_name(medium.as_str()), Some(medium));
            for &flow in Flow::ALL {
                let quantity = Quantity { medium, flow };
                assert_eq!(Quantity::from_code(quantity.code()), Some(quantity));
                let named = quantity.to_string().parse::<Quantity>();
                let allowed = flow.fits(medium.class());
                assert_eq!(named.ok(), allowed.then_some(quantity));
            }
        }
    }
}
