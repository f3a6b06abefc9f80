//! A checksum of which days of which enterprises are sealed, and in which revision.
//!
//! It is recorded with the rollups and computed again from the days that the rollups hold. If the two differ, a
//! day is missing in one of them.

use std::collections::HashMap;

use greenpark_model::{day::CivilDay, id::EnterpriseId};
use sha2::{Digest as _, Sha256};

/// The sum over some sealed days; their order does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SealedSum(pub(crate) u64);

/// The share of an enterprise in a [`SealedSum`].
#[derive(Debug, Clone, Copy)]
pub struct EnterprisePart(u64);

impl EnterprisePart {
    /// The share of `enterprise`.
    #[must_use]
    pub fn of(enterprise: &EnterpriseId) -> Self {
        let digest = Sha256::digest(enterprise.as_str());
        let first: [u8; 8] = std::array::from_fn(|at| digest[at]);
        Self(u64::from_le_bytes(first))
    }
}

impl SealedSum {
    /// Adds a day that is sealed in `revision`.
    pub fn add(&mut self, enterprise: EnterprisePart, day: CivilDay, revision: u32) {
        // OK because the cast keeps the bits: different days stay different numbers.
        let day = u64::from(day.epoch_days() as u32);
        self.0 = self
            .0
            .wrapping_add(mixed(enterprise.0 ^ mixed(day << 32 | u64::from(revision))));
    }

    /// The sum over all of `days`.
    pub(crate) fn of<'a>(days: impl Iterator<Item = (&'a EnterpriseId, CivilDay, u32)>) -> Self {
        let mut parts: HashMap<&EnterpriseId, EnterprisePart> = HashMap::new();
        let mut sum = Self::default();
        for (enterprise, day, revision) in days {
            let part = parts.entry(enterprise);
            let part = part.or_insert_with(|| EnterprisePart::of(enterprise));
            sum.add(*part, day, revision);
        }
        sum
    }
}

/// Spreads the bits of a number: the finalizer of splitmix64.
const fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_depends_on_each_day_and_not_on_their_order() {
        let days: Vec<(EnterpriseId, CivilDay, u32)> = ["e", "f"]
            .into_iter()
            .flat_map(|name| (0..400).map(move |day| (name, day)))
            .map(|(name, day)| {
                let enterprise = EnterpriseId::new(name).expect("an id");
                (enterprise, CivilDay::from_epoch_days(20_000 + day), 1)
            })
            .collect();
        let sum = |days: &[(EnterpriseId, CivilDay, u32)]| {
            SealedSum::of(days.iter().map(|(of, day, revision)| (of, *day, *revision)))
        };
        let whole = sum(&days);
        let mut other = days.clone();
        other.reverse();
        assert_eq!(sum(&other), whole);
        for at in 0..days.len() {
            let mut fewer = days.clone();
            fewer.swap_remove(at);
            assert_ne!(sum(&fewer), whole);
            let mut again = days.clone();
            again[at].2 += 1;
            assert_ne!(sum(&again), whole);
        }
        // The same day of two enterprises counts differently.
        let mut swapped = days[..400].to_vec();
        swapped[7].0 = days[400].0.clone();
        assert_ne!(sum(&swapped), sum(&days[..400]));
    }
}
