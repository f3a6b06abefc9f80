//! Values that devices show instead of a register: all ones of 16 and 32 bits, the least signed value of each,
//! and 0 where the register was high.

use crate::{limits::MICRO, meter::amount::Amount};

/// All ones of 16 and 32 bits, and the largest signed values of both.
const HIGH: [i64; 4] = [0xFFFF, 0xFFFF_FFFF, 0x7FFF, 0x7FFF_FFFF];
/// The least signed values of 16 and 32 bits.
const LOW: [i64; 2] = [-0x8000, -0x8000_0000];

/// Returns true if a register is all ones of 32 bits at any decimal scale, as few real registers are.
#[must_use]
pub fn is_all_ones(register: Amount) -> bool {
    is_scaled(register, &[0xFFFF_FFFF])
}

/// Returns true if a register that does not fit its neighbors is a value that devices show instead of one.
#[must_use]
pub fn is_sentinel(register: Amount) -> bool {
    register == Amount::ZERO || is_scaled(register, &HIGH) || is_scaled(register, &LOW)
}

/// Returns true if a register is one of `values` times a power of ten that six places can hold.
fn is_scaled(register: Amount, values: &[i64]) -> bool {
    let mut unit = MICRO.saturating_mul(1_000);
    while unit > 0 {
        let scaled = |value: &i64| value.checked_mul(unit) == Some(register.micro());
        if values.iter().any(scaled) {
            return true;
        }
        unit /= 10;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_recognized_at_any_decimal_scale() {
        for text in [
            "0",
            "65535",
            "6553.5",
            "4294967295",
            "429496729.5",
            "-32768",
            "-2147483.648",
        ] {
            assert!(is_sentinel(text.parse().expect("a decimal")), "{text}");
        }
        for text in ["1", "65534", "4294967296", "-32767"] {
            assert!(!is_sentinel(text.parse().expect("a decimal")), "{text}");
        }
        assert!(is_all_ones("429496729.5".parse().expect("a decimal")));
        assert!(!is_all_ones("65535".parse().expect("a decimal")));
    }
}
