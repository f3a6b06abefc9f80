//! Random numbers from a seed: SplitMix64, which gives the same numbers on every machine and version.

/// A stream of numbers; the same seed gives the same stream.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of `seed` that differs for every `purpose`.
    #[must_use]
    pub fn with_purpose(seed: u64, purpose: u64) -> Self {
        let mut random = Self(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        random.draw();
        random
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// A number from `min` to `max`; each power of two is as likely as the next.
    pub fn spread(&mut self, min: u64, max: u64) -> u64 {
        let bits = |number: u64| u64::from(64 - number.leading_zeros());
        let width = bits(min) + self.below(bits(max) - bits(min) + 1);
        let from = (1u64 << (width - 1)).max(min);
        let to = ((1u64 << width) - 1).min(max);
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Returns true once in `of` times.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// Shuffles `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let stream = |seed| {
            let mut random = Random::with_purpose(seed, 1);
            [(); 4].map(|()| random.draw())
        };
        assert_eq!(stream(7), stream(7));
        assert_ne!(stream(7), stream(8));
    }

    #[test]
    fn a_spread_number_stays_within_its_bounds() {
        let mut random = Random::with_purpose(3, 1);
        for _ in 0..10_000 {
            let number = random.spread(1, 300);
            assert!((1..=300).contains(&number), "{number}");
        }
    }
}
