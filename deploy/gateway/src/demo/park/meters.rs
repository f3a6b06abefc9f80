//! The meters of each enterprise of the demo, with their level of 2020.

use greenpark_model::{
    quantity::{Flow, Medium, Quantity},
    reading::Kind,
};

use super::{MeterPlace, MeterSpec};

const fn register(id: &'static str, title: &'static str, medium: Medium, amount: i64) -> MeterSpec {
    let quantity = Quantity::consumed(medium);
    MeterSpec {
        id,
        title,
        quantity,
        kind: Kind::Register,
        amount,
        place: MeterPlace::Main,
    }
}

const fn power(id: &'static str, title: &'static str, kwh_per_hour: i64) -> MeterSpec {
    register(id, title, Medium::Electricity, kwh_per_hour * 1_000)
}

const fn sub(id: &'static str, title: &'static str, kwh_per_hour: i64) -> MeterSpec {
    MeterSpec {
        place: MeterPlace::Sub,
        ..power(id, title, kwh_per_hour)
    }
}

const fn gas(id: &'static str, title: &'static str, m3_per_hour: i64) -> MeterSpec {
    register(id, title, Medium::NaturalGas, m3_per_hour * 1_000)
}

const fn steam(id: &'static str, title: &'static str, kg_per_hour: i64) -> MeterSpec {
    register(id, title, Medium::Steam, kg_per_hour)
}

const fn water(id: &'static str, title: &'static str, liters_per_hour: i64) -> MeterSpec {
    register(id, title, Medium::FreshWater, liters_per_hour)
}

/// A meter of reused water is last in its list: the position of a meter seeds its random factors, so inserting one earlier
/// would change the figures.
const fn reuse(id: &'static str, title: &'static str, liters_per_hour: i64) -> MeterSpec {
    register(id, title, Medium::ReusedWater, liters_per_hour)
}

const fn ticket(
    id: &'static str,
    title: &'static str,
    medium: Medium,
    flow: Flow,
    tonnes_per_day: i64,
) -> MeterSpec {
    let quantity = Quantity { medium, flow };
    MeterSpec {
        id,
        title,
        quantity,
        kind: Kind::Event,
        amount: tonnes_per_day * 1_000,
        place: MeterPlace::Main,
    }
}

pub(super) const STEEL: &[MeterSpec] = &[
    power("electricity-1", "110 kV 一号进线", 27_400),
    power("electricity-2", "110 kV 二号进线", 19_800),
    sub("electricity-arc", "电弧炉", 14_600),
    sub("electricity-mill", "轧机", 9_200),
    gas("gas-1", "加热炉天然气", 2_350),
    steam("steam-1", "外购蒸汽", 6_400),
    water("water-1", "一号取水", 196_000),
    water("water-2", "二号取水", 118_000),
    ticket(
        "slag-generated",
        "冶炼渣产生",
        Medium::SmeltingSlag,
        Flow::Generated,
        168,
    ),
    ticket(
        "slag-utilized",
        "冶炼渣利用",
        Medium::SmeltingSlag,
        Flow::Utilized,
        168,
    ),
    ticket(
        "slag-reclaimed",
        "利用往年冶炼渣",
        Medium::SmeltingSlag,
        Flow::UtilizedOldStock,
        168,
    ),
    ticket(
        "slag-stored",
        "冶炼渣贮存",
        Medium::SmeltingSlag,
        Flow::Stored,
        168,
    ),
    ticket(
        "slag-disposed",
        "冶炼渣处置",
        Medium::SmeltingSlag,
        Flow::Disposed,
        168,
    ),
    reuse("water-reused", "浊环与净环水", 2_830_000),
];

pub(super) const ALUMINA: &[MeterSpec] = &[
    power("electricity-1", "总进线一", 15_700),
    power("electricity-2", "总进线二", 9_300),
    sub("electricity-mills", "球磨", 5_100),
    gas("gas-1", "焙烧炉天然气", 1_720),
    water("water-1", "一号取水", 151_000),
    water("water-2", "二号取水", 66_000),
    ticket("coal-1", "入炉原煤", Medium::RawCoal, Flow::Consumed, 96),
    ticket(
        "ash-generated",
        "粉煤灰产生",
        Medium::FlyAsh,
        Flow::Generated,
        92,
    ),
    ticket(
        "ash-utilized",
        "粉煤灰利用",
        Medium::FlyAsh,
        Flow::Utilized,
        92,
    ),
    ticket(
        "ash-reclaimed",
        "利用往年粉煤灰",
        Medium::FlyAsh,
        Flow::UtilizedOldStock,
        92,
    ),
    ticket("ash-stored", "粉煤灰贮存", Medium::FlyAsh, Flow::Stored, 92),
    ticket(
        "ash-disposed",
        "粉煤灰处置",
        Medium::FlyAsh,
        Flow::Disposed,
        92,
    ),
];

pub(super) const CHEMICAL: &[MeterSpec] = &[
    power("electricity-1", "总进线", 13_900),
    sub("electricity-compressor", "压缩机", 6_100),
    gas("gas-1", "原料气", 1_480),
    steam("steam-1", "一号蒸汽", 17_800),
    steam("steam-2", "二号蒸汽", 9_100),
    water("water-1", "一号取水", 142_000),
    water("water-2", "循环补水", 71_000),
    ticket(
        "gypsum-generated",
        "副产石膏产生",
        Medium::ByproductGypsum,
        Flow::Generated,
        74,
    ),
    ticket(
        "gypsum-utilized",
        "副产石膏利用",
        Medium::ByproductGypsum,
        Flow::Utilized,
        74,
    ),
    ticket(
        "gypsum-reclaimed",
        "利用往年石膏",
        Medium::ByproductGypsum,
        Flow::UtilizedOldStock,
        74,
    ),
    ticket(
        "gypsum-stored",
        "副产石膏贮存",
        Medium::ByproductGypsum,
        Flow::Stored,
        74,
    ),
    ticket(
        "gypsum-disposed",
        "副产石膏处置",
        Medium::ByproductGypsum,
        Flow::Disposed,
        74,
    ),
    reuse("water-reused", "循环水", 1_910_000),
];

pub(super) const BUILDING: &[MeterSpec] = &[
    power("electricity-1", "总进线", 8_300),
    sub("electricity-kiln", "窑系统", 3_900),
    sub("electricity-grinding", "粉磨", 2_700),
    gas("gas-1", "窑头天然气", 960),
    water("water-1", "取水", 27_000),
];

pub(super) const AUTO: &[MeterSpec] = &[
    power("electricity-1", "一号开闭所", 6_900),
    power("electricity-2", "二号开闭所", 5_200),
    sub("electricity-paint", "涂装", 3_300),
    sub("electricity-press", "冲压", 2_100),
    gas("gas-1", "涂装烘干", 610),
    steam("steam-1", "外购蒸汽", 3_200),
    water("water-1", "取水", 58_000),
];

pub(super) const MOTORS: &[MeterSpec] = &[
    power("electricity-1", "总进线", 3_900),
    sub("electricity-test", "试验站", 900),
    gas("gas-1", "浸漆烘炉", 180),
    water("water-1", "取水", 17_000),
    water("water-2", "生活与绿化", 5_000),
];

pub(super) const ELECTRONICS: &[MeterSpec] = &[
    power("electricity-1", "一号主变", 9_700),
    power("electricity-2", "二号主变", 8_800),
    sub("electricity-chillers", "冷站", 4_700),
    gas("gas-1", "锅炉", 240),
    water("water-1", "一号取水", 63_000),
    water("water-2", "纯水站补水", 47_000),
];

pub(super) const DISPLAYS: &[MeterSpec] = &[
    power("electricity-1", "一号主变", 12_600),
    power("electricity-2", "二号主变", 10_900),
    sub("electricity-cleanroom", "洁净室", 6_600),
    gas("gas-1", "废气处理", 330),
    water("water-1", "一号取水", 93_000),
    water("water-2", "纯水站补水", 68_000),
];

pub(super) const FOOD: &[MeterSpec] = &[
    power("electricity-1", "总进线", 2_900),
    sub("electricity-cold", "冷库", 1_200),
    steam("steam-1", "外购蒸汽", 7_200),
    gas("gas-1", "烘焙", 150),
    water("water-1", "取水", 46_000),
];

pub(super) const PHARMA: &[MeterSpec] = &[
    power("electricity-1", "总进线", 3_600),
    sub("electricity-air", "空调净化", 1_500),
    steam("steam-1", "外购蒸汽", 6_100),
    gas("gas-1", "燃气", 90),
    water("water-1", "取水", 38_000),
];

pub(super) const PAPER: &[MeterSpec] = &[
    power("electricity-1", "总进线", 9_100),
    sub("electricity-machine", "纸机", 5_400),
    steam("steam-1", "一号蒸汽", 21_000),
    steam("steam-2", "二号蒸汽", 11_500),
    water("water-1", "一号取水", 131_000),
    water("water-2", "二号取水", 54_000),
    reuse("water-reused", "白水回用", 412_000),
];

pub(super) const HARDWARE: &[MeterSpec] = &[
    power("electricity-1", "总进线", 2_700),
    sub("electricity-plating", "电镀", 800),
    gas("gas-1", "热处理", 210),
    water("water-1", "取水", 19_000),
    water("water-2", "电镀补水", 8_000),
];

pub(super) const GLASS: &[MeterSpec] = &[
    power("electricity-1", "总进线", 4_800),
    sub("electricity-float", "浮法线", 2_600),
    gas("gas-1", "熔窑一", 1_310),
    gas("gas-2", "熔窑二", 870),
    water("water-1", "取水", 24_000),
];

pub(super) const PLASTICS: &[MeterSpec] = &[
    power("electricity-1", "总进线", 3_300),
    sub("electricity-injection", "注塑", 1_900),
    steam("steam-1", "外购蒸汽", 1_700),
    gas("gas-1", "燃气", 60),
    water("water-1", "取水", 12_000),
];

pub(super) const WORKSHOP: &[MeterSpec] = &[
    power("electricity-1", "总进线", 140),
    water("water-1", "取水", 900),
];
