//! The numbered messages that the books hold: `<lake>/<park>/messages/`, one Delta table per park.
//!
//! A gateway may number its messages within an *epoch* (`proto/decisions/0007-gateway-receipts.md`). A row is a
//! run of consecutive numbers whose records are of one civil day: that of the latest reading of their record. A
//! number may be under two days if its message was sent twice.
//!
//! The table has one file per month. After a log was lost and another adopted, it has one for each of the two
//! logs. A write joins the new numbers to those of that file and replaces it, in one commit. So a set that is
//! written twice changes nothing, and writers that do not know of each other lose nothing: a writer that is
//! overtaken joins again. History is not kept: unlike readings, numbers are only ever added.
//!
//! ```
//! use greenpark_archive::messages::{GatewayEpoch, Messages};
//! use greenpark_model::numbers::Numbers;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let of = GatewayEpoch {
//!     enterprise: "works".parse()?,
//!     gateway: "gw-1".parse()?,
//!     epoch: 7,
//! };
//! let mut numbers = Numbers::default();
//! numbers.insert(1, 5);
//! let mut messages = Messages::default();
//! assert!(messages.insert(&of, "2026-11-22".parse()?, &numbers));
//! assert!(!messages.insert(&of, "2026-11-22".parse()?, &numbers), "nothing is new");
//! # Ok(())
//! # }
//! ```

mod columns;
mod table;

use std::collections::BTreeMap;

use greenpark_model::{
    day::CivilDay,
    id::{EnterpriseId, GatewayId},
    numbers::{Numbered, Numbers},
};

pub use self::table::MessagesTable;

/// The key of a file: the month and log of its messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FileKey {
    month: String,
    /// The log that the messages came by: the lake's offset of its first record. That of the first log is 0.
    log: u64,
}

/// One count of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayEpoch {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The gateway.
    pub gateway: GatewayId,
    /// The number of the count.
    pub epoch: u64,
}

/// Numbered messages by gateway, epoch and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    by_epoch: BTreeMap<GatewayEpoch, BTreeMap<CivilDay, Numbers>>,
    runs: usize,
}

impl Messages {
    /// Returns true if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs == 0
    }

    /// The number of runs, each a row of the table.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Adds `numbers` of a day. Returns true if any of them is new there. Ignores an epoch that no gateway can
    /// have: another program wrote its record.
    pub fn insert(&mut self, of: &GatewayEpoch, day: CivilDay, numbers: &Numbers) -> bool {
        if numbers.is_empty() || Numbered::new(of.epoch, 1).is_none() {
            return false;
        }
        if !self.by_epoch.contains_key(of) {
            self.by_epoch.insert(of.clone(), BTreeMap::new());
        }
        let days = self
            .by_epoch
            .get_mut(of)
            .expect("the epoch was just entered");
        let known = days.entry(day).or_default();
        let before = known.runs().len();
        let grew = known.join(numbers);
        self.runs = self.runs - before + known.runs().len();
        grew
    }

    /// Adds all of `other`. Returns true if any of them is new.
    pub fn join(&mut self, other: &Self) -> bool {
        let mut grew = false;
        for (of, day, numbers) in other.iter() {
            grew |= self.insert(of, day, numbers);
        }
        grew
    }

    /// The numbers of each day, in the order of enterprise, gateway, epoch and day.
    pub fn iter(&self) -> impl Iterator<Item = (&GatewayEpoch, CivilDay, &Numbers)> {
        let all = self.by_epoch.iter();
        all.flat_map(|(of, days)| days.iter().map(move |(day, numbers)| (of, *day, numbers)))
    }

    /// The days of each epoch, in order.
    pub fn epochs(&self) -> impl Iterator<Item = (&GatewayEpoch, &BTreeMap<CivilDay, Numbers>)> {
        self.by_epoch.iter()
    }

    /// Splits the messages, which came by `log`, by the files that hold them: by month.
    fn by_file(&self, log: u64) -> BTreeMap<FileKey, Self> {
        let mut months: BTreeMap<FileKey, Self> = BTreeMap::new();
        for (of, day, numbers) in self.iter() {
            let month = month_of(day);
            let month = months.entry(FileKey { month, log }).or_default();
            month.insert(of, day, numbers);
        }
        months
    }

    /// Bounds each gateway to about `runs_max` runs. Of each of its days and epochs the lowest runs but the
    /// first are forgotten, and epochs beyond half of that bound, the lowest first. Forgotten numbers appear as
    /// a gap. Returns true if anything was forgotten.
    fn forget_beyond(&mut self, runs_max: usize) -> bool {
        let mut of_gateway: BTreeMap<(EnterpriseId, GatewayId), usize> = BTreeMap::new();
        for (of, _, numbers) in self.iter() {
            let gateway = (of.enterprise.clone(), of.gateway.clone());
            *of_gateway.entry(gateway).or_default() += numbers.runs().len();
        }
        of_gateway.retain(|_, runs| *runs > runs_max);
        for gateway in of_gateway.keys() {
            self.shrink(gateway, runs_max);
        }
        self.runs = self.iter().map(|(.., numbers)| numbers.runs().len()).sum();
        !of_gateway.is_empty()
    }

    fn shrink(&mut self, (enterprise, gateway): &(EnterpriseId, GatewayId), runs_max: usize) {
        let is_of = |of: &GatewayEpoch| of.enterprise == *enterprise && of.gateway == *gateway;
        let days = |all: &Self| -> usize {
            let own = all.by_epoch.iter().filter(|(of, _)| is_of(of));
            own.map(|(_, days)| days.len()).sum()
        };
        let mut left = days(self);
        while left > runs_max / 2 {
            let lowest = self.by_epoch.keys().find(|of| is_of(of)).cloned();
            let Some(lowest) = lowest else { break };
            left -= self.by_epoch.remove(&lowest).map_or(0, |days| days.len());
        }
        let share = runs_max / left.max(1);
        let own = self.by_epoch.iter_mut().filter(|(of, _)| is_of(of));
        for numbers in own.flat_map(|(_, days)| days.values_mut()) {
            numbers.forget_beyond(share);
        }
    }
}

/// Formats the month of a day as `2026-11`.
fn month_of(day: CivilDay) -> String {
    let text = day.to_string();
    text.rsplit_once('-')
        .map_or_else(String::new, |(month, _)| month.to_owned())
}

#[cfg(test)]
mod tests;
