//! The demo park: fictional enterprises of Chongqing and their meters.
//!
//! Fourteen enterprises are above designated size; the fifteenth, a small workshop, does not count in the park's figures.
//! Sub-meters are behind another meter and do not count either.

mod meters;

use greenpark_model::{quantity::Quantity, reading::Kind};

use self::meters::{
    ALUMINA, AUTO, BUILDING, CHEMICAL, DISPLAYS, ELECTRONICS, FOOD, GLASS, HARDWARE, MOTORS, PAPER,
    PHARMA, PLASTICS, STEEL, WORKSHOP,
};
use super::trend::Pattern;

/// The park's id.
pub const PARK: &str = "demo";

/// The one gateway of each enterprise.
pub const GATEWAY: &str = "gw-1";

/// An enterprise of the demo.
#[derive(Debug)]
pub struct EnterpriseSpec {
    /// The id in topics and resource names.
    pub id: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// The industry by GB/T 4754-2017.
    pub industry: &'static str,
    /// True when the enterprise counts in the park's figures (规上).
    pub above_designated_size: bool,
    pub(super) pattern: Pattern,
    /// Value added a day in 2020, in 10⁴ yuan.
    pub(super) value_added: i64,
    /// Growth relative to the park, in ppm a year.
    pub(super) growth: i64,
    /// The meters.
    pub meters: &'static [MeterSpec],
}

/// A meter of the demo.
#[derive(Debug)]
pub struct MeterSpec {
    /// The id in topics and resource names.
    pub id: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// What the meter measures.
    pub quantity: Quantity,
    /// Register or tickets.
    pub kind: Kind,
    /// For a register, thousandths of a unit per hour in 2020; for tickets, thousandths of a tonne per day.
    /// For waste it is the mass *generated*, of which each flow gets a part.
    pub amount: i64,
    /// The place, which decides whether the meter counts in the enterprise's consumption.
    pub place: MeterPlace,
}

/// The place of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterPlace {
    /// At the enterprise's boundary.
    Main,
    /// Behind another meter.
    Sub,
}

/// Modulus of every electricity register: nine integer digits, so that the registers of the largest plants roll over.
pub(super) const ELECTRICITY_MODULUS: i64 = 1_000_000_000;

macro_rules! enterprise {
    ($id:literal, $title:literal, $industry:literal, $pattern:ident, $value:literal, $growth:literal, $meters:ident) => {
        EnterpriseSpec {
            id: $id,
            title: $title,
            industry: $industry,
            above_designated_size: true,
            pattern: Pattern::$pattern,
            value_added: $value,
            growth: $growth,
            meters: $meters,
        }
    };
}

/// Every enterprise of the park.
pub const ENTERPRISES: &[EnterpriseSpec] = &[
    enterprise!(
        "jiangbei-steel",
        "江北钢铁",
        "C31",
        Continuous,
        310,
        -6_000,
        STEEL
    ),
    enterprise!(
        "nanchuan-alumina",
        "南川氧化铝",
        "C32",
        Continuous,
        195,
        -4_000,
        ALUMINA
    ),
    enterprise!(
        "changshou-chemical",
        "长寿化工",
        "C26",
        Continuous,
        235,
        1_000,
        CHEMICAL
    ),
    enterprise!(
        "fuling-building",
        "涪陵建材",
        "C30",
        Continuous,
        86,
        -9_000,
        BUILDING
    ),
    enterprise!("banan-auto", "巴南汽车", "C36", TwoShifts, 558, 9_000, AUTO),
    enterprise!(
        "beibei-motors",
        "北碚电机",
        "C38",
        TwoShifts,
        140,
        6_000,
        MOTORS
    ),
    enterprise!(
        "xiyong-electronics",
        "西永电子",
        "C39",
        Continuous,
        441,
        12_000,
        ELECTRONICS
    ),
    enterprise!(
        "yubei-displays",
        "渝北显示",
        "C39",
        Continuous,
        392,
        8_000,
        DISPLAYS
    ),
    enterprise!(
        "wanzhou-food",
        "万州食品",
        "C14",
        TwoShifts,
        117,
        3_000,
        FOOD
    ),
    enterprise!(
        "hechuan-pharma",
        "合川医药",
        "C27",
        TwoShifts,
        171,
        10_000,
        PHARMA
    ),
    enterprise!(
        "jiangjin-paper",
        "江津纸业",
        "C22",
        Continuous,
        108,
        -3_000,
        PAPER
    ),
    enterprise!(
        "dazu-hardware",
        "大足五金",
        "C33",
        DayShift,
        77,
        2_000,
        HARDWARE
    ),
    enterprise!(
        "tongliang-glass",
        "铜梁玻璃",
        "C30",
        Continuous,
        95,
        -2_000,
        GLASS
    ),
    enterprise!(
        "bishan-plastics",
        "璧山塑料",
        "C29",
        DayShift,
        86,
        5_000,
        PLASTICS
    ),
    EnterpriseSpec {
        above_designated_size: false,
        ..enterprise!(
            "shapingba-workshop",
            "沙坪坝工坊",
            "C33",
            DayShift,
            2,
            0,
            WORKSHOP
        )
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use greenpark_model::id;

    use super::*;

    #[test]
    fn the_park_is_as_large_as_promised() {
        assert!(ENTERPRISES.len() >= 12);
        let mut names = BTreeSet::new();
        for enterprise in ENTERPRISES {
            id::check(enterprise.id).expect("an id");
            for meter in enterprise.meters {
                id::check(meter.id).expect("an id");
                assert!(
                    names.insert((enterprise.id, meter.id)),
                    "{} twice",
                    meter.id
                );
            }
        }
        assert!(names.len() >= 80, "{} meters", names.len());
    }
}
