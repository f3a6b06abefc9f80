//! The meaning of the columns of a CSV file, from a TOML file.
//!
//! ```toml
//! park = "demo"
//! enterprise = "steel"
//! gateway = "replay"
//! meter = "main"               # or `meter` under [columns]
//! quantity = "electricity"
//! kind = "interval"
//! unit = "kWh"
//! batch = 1                    # readings a message
//! [columns]
//! instant = "date"
//! value = "Usage_kWh"
//! # ticket = "no"              # of events: the column with the number on the ticket
//! [time]
//! format = "%d/%m/%Y %H:%M"
//! offset = "+08:00"
//! stamp = "end"                # the stamp is the end of its interval
//! interval = "15m"
//! prints_24_as = "00:00"       # 24:00 of a day is printed as 00:00 of that day
//! ```

use std::path::Path;

use anyhow::bail;
use greenpark_model::{
    id::{self, ParkId},
    limits::BATCH_READINGS_MAX,
    quantity::Quantity,
    reading::{Flag, Kind},
    stamp::{Spec, Stamps},
};
use greenpark_settings::span::Span;
use serde::Deserialize;

use crate::payload::Head;

/// A mapping that has been checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    park: String,
    enterprise: String,
    /// The gateway; its name is part of the client ids.
    pub gateway: String,
    stream: String,
    /// The meter of every row, unless a column names it.
    pub meter: Option<String>,
    quantity: Quantity,
    kind: Kind,
    unit: String,
    /// The flag of every reading.
    pub flag: Flag,
    /// Readings a message.
    pub batch: usize,
    /// The columns.
    pub columns: ColumnNames,
    stamps: Stamps,
}

/// The columns that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename = "Columns", default, deny_unknown_fields)]
pub struct ColumnNames {
    /// The instants.
    pub instant: String,
    /// The values.
    pub value: String,
    /// The meters, if rows of several are mixed.
    pub meter: Option<String>,
    /// The ticket numbers, if rows are events.
    pub ticket: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    park: String,
    enterprise: String,
    gateway: String,
    stream: Option<String>,
    meter: Option<String>,
    quantity: String,
    kind: String,
    unit: String,
    flag: Option<String>,
    batch: Option<usize>,
    columns: ColumnNames,
    time: TimeFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TimeFile {
    format: String,
    offset: String,
    stamp: String,
    interval: Option<Span>,
    prints_24_as: Option<String>,
}

/// The problems found in a mapping.
struct Problems(Vec<String>);

impl Problems {
    fn that<T, E: std::fmt::Display>(&mut self, key: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.0.push(format!("{key}: {error}")))
            .ok()
    }

    fn id(&mut self, key: &str, text: &str) {
        self.that(key, id::check(text));
    }

    fn not_empty(&mut self, key: &str, text: &str) {
        if text.is_empty() {
            self.0.push(format!("{key}: is missing"));
        }
    }
}

impl Mapping {
    /// Reads and checks `file`.
    ///
    /// # Errors
    /// [`MappingError`] names everything that is wrong.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let display = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| MappingError(format!("{display}: cannot be read: {error}")))?;
        let parsed: File =
            toml::from_str(&text).map_err(|error| MappingError(format!("{display}: {error}")))?;
        match Self::check(parsed) {
            Ok(mapping) => Ok(mapping),
            Err(problems) => {
                let lines: Vec<String> =
                    problems.iter().map(|p| format!("{display}: {p}")).collect();
                bail!(MappingError(lines.join("\n")))
            }
        }
    }

    fn check(file: File) -> Result<Self, Vec<String>> {
        let mut problems = Problems(Vec::new());
        problems.that("park", ParkId::new(&file.park));
        problems.id("enterprise", &file.enterprise);
        problems.id("gateway", &file.gateway);
        match (&file.meter, &file.columns.meter) {
            (Some(meter), None) => problems.id("meter", meter),
            (None, Some(_)) => {}
            _ => problems
                .0
                .push("meter: name one, or a column under [columns], not both".to_owned()),
        }
        let quantity = problems.that("quantity", file.quantity.parse::<Quantity>());
        if let Some(quantity) = quantity {
            problems.that("unit", quantity.medium.ratio_of(&file.unit));
        }
        let kind = Kind::from_name(&file.kind).ok_or_else(|| {
            format!(
                "'{}' is none of register, interval, event, gauge, daily_counter",
                file.kind
            )
        });
        let kind = problems.that("kind", kind);
        if file.columns.ticket.is_some() && kind.is_some_and(|kind| kind != Kind::Event) {
            problems.0.push(
                "columns.ticket: only events have tickets; write kind = \"event\"".to_owned(),
            );
        }
        let flag = file.flag.as_deref().unwrap_or("N");
        let flag =
            Flag::from_name(flag).ok_or_else(|| format!("'{flag}' is none of N F M S D C T B"));
        let flag = problems.that("flag", flag);
        let batch = file.batch.unwrap_or(1);
        if !(1..=BATCH_READINGS_MAX).contains(&batch) {
            problems
                .0
                .push(format!("batch: must be from 1 to {BATCH_READINGS_MAX}"));
        }
        problems.not_empty("columns.instant", &file.columns.instant);
        problems.not_empty("columns.value", &file.columns.value);
        let stamps = stamps(&file.time, &mut problems);
        match (quantity, kind, flag, stamps) {
            (Some(quantity), Some(kind), Some(flag), Some(stamps)) if problems.0.is_empty() => {
                Ok(Self {
                    park: file.park,
                    enterprise: file.enterprise,
                    gateway: file.gateway,
                    stream: file.stream.unwrap_or_else(|| "readings".to_owned()),
                    meter: file.meter,
                    quantity,
                    kind,
                    unit: file.unit,
                    flag,
                    batch,
                    columns: file.columns,
                    stamps,
                })
            }
            _ => Err(problems.0),
        }
    }

    /// Returns the topic of the readings.
    #[must_use]
    pub fn topic(&self) -> String {
        format!(
            "park/{}/{}/{}/up/{}",
            self.park, self.enterprise, self.gateway, self.stream
        )
    }

    /// Returns the topic of the gateway's receipt.
    #[must_use]
    pub fn receipt_topic(&self) -> String {
        format!(
            "park/{}/{}/{}/down/receipt",
            self.park, self.enterprise, self.gateway
        )
    }

    /// Returns true if rows are events: those of one meter and instant differ by their tickets or, without tickets, by their
    /// positions in one message.
    #[must_use]
    pub fn is_of_events(&self) -> bool {
        self.kind == Kind::Event
    }

    /// Returns the fields that the readings of `meter` share.
    #[must_use]
    pub fn head<'a>(&'a self, meter: &'a str) -> Head<'a> {
        Head {
            meter,
            quantity: self.quantity,
            kind: self.kind,
            unit: &self.unit,
        }
    }

    /// Parses a stamp into UTC milliseconds.
    ///
    /// # Errors
    /// The stamp does not have the mapping's form.
    pub fn instant(&self, stamp: &str) -> Result<i64, String> {
        let ms = self.stamps.parse(stamp)?;
        Ok(ms.saturating_sub(self.stamps.shift_ms()))
    }
}

/// Parses `[time]` like the stamps of a rule of `decode`.
fn stamps(file: &TimeFile, problems: &mut Problems) -> Option<Stamps> {
    let is_end = match file.stamp.as_str() {
        "" | "start" => false,
        "end" => true,
        other => {
            problems
                .0
                .push(format!("time.stamp: '{other}' is neither start nor end"));
            return None;
        }
    };
    let interval = file.interval.map(|Span(interval)| interval.as_millis());
    let spec = Spec {
        format: Some(&file.format),
        zone: Some(&file.offset),
        is_end,
        interval_ms: interval.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
        prints_24_as: file.prints_24_as.as_deref(),
    };
    Stamps::of(&spec, |key, reason| {
        let key = if key == "zone" { "offset" } else { key };
        problems.0.push(format!("time.{key}: {reason}"));
    })
}

/// A mapping cannot be used.
#[derive(Debug)]
pub struct MappingError(String);

impl std::fmt::Display for MappingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MappingError {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use greenpark_model::day::Instant;

    use super::*;

    fn load(text: &str) -> anyhow::Result<Mapping> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room on the disk");
        Mapping::load(file.path())
    }

    #[test]
    fn a_steel_stamp_is_the_end_of_its_quarter_and_00_00_means_24_00() {
        let mapping =
            load(include_str!("../../maps/steel_industry.toml")).expect("the shipped mapping");
        let start = |stamp: &str| {
            Instant::from_millis(mapping.instant(stamp).expect("a stamp")).to_string()
        };
        assert_eq!(start("01/01/2018 00:15"), "2018-01-01T00:00:00+08:00");
        assert_eq!(start("01/01/2018 23:45"), "2018-01-01T23:30:00+08:00");
        assert_eq!(start("01/01/2018 00:00"), "2018-01-01T23:45:00+08:00");
        assert_eq!(start("31/12/2018 00:00"), "2018-12-31T23:45:00+08:00");
        assert!(mapping.instant("2018-01-01 00:00").is_err());
        assert_eq!(mapping.batch, 1);
    }

    #[test]
    fn every_mistake_of_a_mapping_is_told_at_once() {
        let error = load(
            "park = \"a/b\"\nenterprise = \"e\"\ngateway = \"g\"\nquantity = \"power\"\nkind = \"sum\"\n\
             unit = \"kWh\"\nbatch = 0\n[columns]\ninstant = \"t\"\n[time]\nformat = \"%s\"\noffset = \"8\"\n\
             stamp = \"end\"\n",
        )
        .expect_err("mistakes")
        .to_string();
        for key in [
            "park",
            "meter",
            "quantity",
            "kind",
            "batch",
            "columns.value",
            "time.offset",
            "time.interval",
        ] {
            assert!(
                error.contains(&format!(": {key}: ")),
                "{key} is not in {error}"
            );
        }
        assert!(
            load("prak = \"x\"")
                .expect_err("unknown")
                .to_string()
                .contains("prak")
        );
    }
}
