//! Random numbers of the simulation, in the types that ops need.

use greenpark_tests_load::random;

/// A stream of numbers; the same seed gives the same stream.
#[derive(Debug, Clone)]
pub(crate) struct Random(random::Random);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(random::Random::new(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        // OK because it is below a u32.
        self.0.below(u64::from(bound)) as u32
    }

    /// A small number below `bound`.
    pub(crate) fn few(&mut self, bound: u8) -> u8 {
        // OK because it is below a u8.
        self.below(u32::from(bound)) as u8
    }

    /// Returns true once in `times`.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }
}
