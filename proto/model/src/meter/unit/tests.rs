//! Goal: a unit as people write it is exact, or refused with the reason. Method: the table of `proto/README.md` by
//! medium, and the ratio's arithmetic compared with the parser of amounts.

use proptest::prelude::*;

use super::*;

/// The ratio of a unit to the canonical unit, as text.
fn one(medium: Medium, symbol: &str) -> String {
    let ratio = medium
        .ratio_of(symbol)
        .unwrap_or_else(|e| panic!("{symbol}: {e}"));
    ratio
        .of_micro(1_000_000)
        .map_or_else(|| ratio.to_string(), |amount| amount.to_string())
}

fn refused(medium: Medium, symbol: &str) -> String {
    let taken = medium.ratio_of(symbol);
    taken.expect_err(symbol).to_string()
}

#[test]
fn units_are_exact_as_people_write_them() {
    use Medium::{Electricity, FreshWater, Heat, NaturalGas, RawCoal, Steam};
    for (medium, one_is, symbols) in [
        (
            Electricity,
            "1",
            "kWh KWH kwh Kwh kW·h kW.h ｋＷｈ 千瓦时 千瓦小时 度 度电 ㎾h",
        ),
        (Electricity, "0.001", "Wh WH 瓦时"),
        (Electricity, "1000", "MWh MWH 兆瓦时 千度 ㎿h"),
        (
            Electricity,
            "10000",
            "万kWh 万KWH 万千瓦时 万度 10^4kWh 10⁴kWh 万千瓦小时",
        ),
        (Electricity, "1000000", "GWh gwh 吉瓦时 百万kWh"),
        (Electricity, "100000000", "亿kWh 亿千瓦时 亿度"),
        (Heat, "3.6", "kWh KWH 千瓦时"),
        (Heat, "3600", "MWh 兆瓦时"),
        (Heat, "36000", "万kWh 万千瓦时"),
        (Heat, "1", "MJ 兆焦"),
        (Heat, "0.001", "kJ KJ 千焦"),
        (Heat, "1000", "GJ gj 吉焦 百万千焦"),
        (
            FreshWater,
            "1",
            "m3 m³ M3 Ｍ３ m^3 M³ ㎥ 立方米 立方 方 kL 千升",
        ),
        (FreshWater, "0.001", "L l 升"),
        (FreshWater, "10000", "万m3 万立方米 万方 10^4m³"),
        (
            NaturalGas,
            "1",
            "Nm³ Nm3 NM3 nm3 Nm^3 标方 标立方米 标准立方米 m3",
        ),
        (NaturalGas, "10000", "万Nm³ 万标方 10^4Nm3"),
        (RawCoal, "1", "t T 吨 公吨"),
        (RawCoal, "0.001", "kg KG Kg 公斤 千克 ㎏"),
        (RawCoal, "0.000001", "g 克"),
        (Steam, "10000", "万吨 万t"),
        (Steam, "1000", "kt 千吨"),
    ] {
        for symbol in symbols.split(' ') {
            assert_eq!(one(medium, symbol), one_is, "{symbol} of {medium:?}");
            assert_eq!(one(medium, &format!(" {symbol}　")), one_is, "{symbol}");
        }
    }
    assert_eq!(one(Electricity, "万 kWh"), "10000");
    assert_eq!(one(Electricity, ""), "1");
}

#[test]
fn a_unit_that_is_not_exact_is_refused_with_the_reason() {
    use Medium::{Electricity, FreshWater, Heat, NaturalGas, RawCoal, Steam};
    for (medium, symbol, words) in [
        (Steam, "Nm³", "gas"),
        (Steam, "m3", "not fixed; write t"),
        (Steam, "GJ", "quantity heat"),
        (FreshWater, "Nm3", "gas"),
        (FreshWater, "吨", "labelled 吨); write m3"),
        (FreshWater, "t", "not fixed"),
        (Electricity, "MJ", "1/3.6"),
        (Heat, "度", "degree"),
        (Heat, "kcal", "4.1868"),
        (Heat, "万大卡", "4.1868"),
        (Electricity, "mwh", "MWh with a capital M"),
        (Electricity, "mWh", "milli or mega"),
        (Heat, "mj", "MJ with a capital M"),
        (
            Electricity,
            "m3",
            "'m3' does not measure electricity; write kWh",
        ),
        (Electricity, "kW", "does not measure"),
        (FreshWater, "km3", "does not measure"),
        (NaturalGas, "gal", "does not measure natural_gas; write m3"),
        (RawCoal, "吨标准煤", "dated factors"),
        (RawCoal, "万tce", "dated factors"),
        (RawCoal, "G", "does not measure"),
        (RawCoal, "ton", "does not measure"),
        (Electricity, "104", "does not measure"),
        (Electricity, "万", "does not measure"),
    ] {
        let reason = refused(medium, symbol);
        assert!(reason.contains(words), "{reason}");
        assert!(reason.contains(symbol), "{reason}");
    }
    let long = "万".repeat(5_000);
    assert!(refused(Heat, &long).len() < 200);
}

#[test]
fn ratios_are_kept_without_trailing_zeros() {
    assert_eq!(UnitRatio::new(3_600, 0), UnitRatio::new(36, 2));
    assert_eq!(UnitRatio::new(0, 3), None);
    assert_eq!(UnitRatio::new(u64::MAX, 0), None);
    let heat = UnitRatio::new(36, -1).expect("3.6");
    assert_eq!(
        heat.times(UnitRatio::power_of_ten(3)),
        UnitRatio::new(36, 2)
    );
    assert_eq!((heat.as_power_of_ten(), heat.numerator()), (None, 36));
    assert_eq!(UnitRatio::power_of_ten(-3).as_power_of_ten(), Some(-3));
    assert_eq!(heat.of_micro(1).map(Amount::micro), Some(4));
    assert_eq!(heat.of_micro(i64::MAX), None);
}

proptest! {
    #[test]
    fn an_amount_is_converted_as_its_text_would_be(
        micro in -999_999_999_999_999_999i64..=999_999_999_999_999_999,
        shift in 0u32..18,
        numerator in prop::sample::select(vec![1u64, 2, 36, 41_868, 1_207]),
        power in -9i32..7,
    ) {
        let micro = micro / 10i64.pow(shift);
        let ratio = UnitRatio::new(numerator, power).expect("a ratio");
        let text = Amount::from_micro(micro).expect("in range").to_string();
        let parsed = Amount::parse_by(text.as_bytes(), ratio).ok();
        prop_assert_eq!(ratio.of_micro(micro), parsed);
    }

    #[test]
    fn arbitrary_symbols_never_panic(symbol in ".{0,40}") {
        for &medium in Medium::ALL {
            let _unused = medium.ratio_of(&symbol);
        }
    }
}
