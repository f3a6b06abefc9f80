//! The demo park: fictional enterprises of Chongqing and what they have metered.
//!
//! Fourteen are above designated size; a small workshop is not, and does not count in the park's
//! figures. Meters marked as sub-meters stand behind another meter and are not counted either.

mod meters;

use greenpark_model::{quantity::Quantity, reading::Kind};

use self::meters::{
    ALUMINA, AUTO, BUILDING, CHEMICAL, DISPLAYS, ELECTRONICS, FOOD, GLASS, HARDWARE, MOTORS, PAPER,
    PHARMA, PLASTICS, STEEL, WORKSHOP,
};
use super::trend::Pattern;

/// The park's id.
pub(super) const PARK: &str = "demo";

/// The one gateway of each enterprise.
pub(super) const GATEWAY: &str = "gw-1";

/// An enterprise of the demo.
#[derive(Debug)]
pub(super) struct EnterpriseSpec {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// By GB/T 4754-2017.
    pub(super) industry: &'static str,
    pub(super) above_designated_size: bool,
    pub(super) pattern: Pattern,
    /// Value added a day in 2020, in 10⁴ yuan.
    pub(super) value_added: i64,
    /// How much faster than the park it grows, in ppm a year.
    pub(super) growth: i64,
    pub(super) meters: &'static [MeterSpec],
}

/// A meter of the demo.
#[derive(Debug)]
pub(super) struct MeterSpec {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) quantity: Quantity,
    pub(super) kind: Kind,
    /// For a register, thousandths of a unit an hour in 2020; for tickets, thousandths of a tonne a day.
    /// A ticket of waste tells the waste *generated* here, of which its flow gets a part.
    pub(super) amount: i64,
    /// Whether it counts in the enterprise's consumption.
    pub(super) place: Place,
}

/// Where a meter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the enterprise's boundary.
    Main,
    /// Behind another meter.
    Sub,
}

/// Modulus of every electricity register: nine digits before the point, which the largest plants pass.
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
pub(super) const ENTERPRISES: &[EnterpriseSpec] = &[
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
