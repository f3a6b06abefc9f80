//! Parsing and printing of exact decimals.

use proptest::prelude::*;

use super::*;

fn micro(text: &str, scale: i32) -> Result<i64, AmountError> {
    Amount::parse_scaled(text.as_bytes(), scale).map(Amount::micro)
}

#[test]
fn a_decimal_is_parsed_exactly() {
    for (text, scale, expected) in [
        ("3.17", 0, 3_170_000),
        ("-0.000001", 0, -1),
        ("+5", 0, 5_000_000),
        ("959640.31", 0, 959_640_310_000),
        ("1.5", 3, 1_500_000_000),
        ("250", -3, 250_000),
        ("1e3", 0, 1_000_000_000),
        ("12.5E-1", 0, 1_250_000),
        ("0.0000000", 0, 0),
        ("000000000000000000000001.5", 0, 1_500_000),
        ("3.1700000762939453", 0, 3_170_000),
        ("999999999999.999999", 0, 999_999_999_999_999_999),
        ("1e-400", 0, 0),
    ] {
        assert_eq!(micro(text, scale), Ok(expected), "{text} × 10^{scale}");
    }
}

#[test]
fn a_seventh_place_is_rounded_half_to_even() {
    assert_eq!(micro("0.0000005", 0), Ok(0));
    assert_eq!(micro("0.0000015", 0), Ok(2));
    assert_eq!(micro("0.00000050000000000000000001", 0), Ok(1));
    assert_eq!(micro("0.0000004999999999999999", 0), Ok(0));
}

#[test]
fn a_text_that_is_no_decimal_is_refused() {
    for text in [
        "", "-", ".", ".5", "1.2.3", "1,5", "NaN", "inf", "0x10", "1e", "1e999999", " 1", "1 ",
    ] {
        assert_eq!(micro(text, 0), Err(AmountError::NotDecimal), "{text:?}");
    }
    for text in ["1000000000000", "1e12", "99999999999999999999999", "1e99"] {
        assert_eq!(micro(text, 0), Err(AmountError::OutOfRange), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(value in -MICRO_MAX..=MICRO_MAX) {
        let amount = Amount::from_micro(value).expect("in range");
        prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[-+0-9.eE]{0,40}", scale in -9i32..9) {
        let _unused = micro(&text, scale);
    }
}
