//! Pseudorandom numbers (splitmix64) that depend on their seed alone, on every machine.

/// Returns number `index` of the sequence of `seed`.
#[must_use]
pub fn number(seed: u64, index: u64) -> u64 {
    let mut z = seed ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_numbers_of_seed_zero_are_splitmix64s() {
        assert_eq!(super::number(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(super::number(0, 1), 0x6e78_9e6a_a1b9_65f4);
    }
}
