//! Chance that a seed decides: SplitMix64.

/// A stream of numbers; the same seed gives the same stream.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of `seed` that is told apart by `purpose`.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut chance = Self(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        chance.draw();
        chance
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// A number from `least` to `most`, each power of two as likely as the next.
    pub fn spread(&mut self, least: u64, most: u64) -> u64 {
        let bits = |number: u64| u64::from(64 - number.leading_zeros());
        let width = bits(least) + self.below(bits(most) - bits(least) + 1);
        let from = (1u64 << (width - 1)).max(least);
        let to = ((1u64 << width) - 1).min(most);
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Whether one chance in `of` comes true.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// Puts `items` into another order.
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
    fn a_seed_decides_the_stream() {
        let stream = |seed| {
            let mut chance = Chance::new(seed, 1);
            [(); 4].map(|()| chance.draw())
        };
        assert_eq!(stream(7), stream(7));
        assert_ne!(stream(7), stream(8));
    }

    #[test]
    fn a_spread_stays_in_its_bounds() {
        let mut chance = Chance::new(3, 1);
        for _ in 0..10_000 {
            let number = chance.spread(1, 300);
            assert!((1..=300).contains(&number), "{number}");
        }
    }
}
