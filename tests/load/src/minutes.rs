//! A CSV file of one reading a minute, and the mapping with which `greenpark replay` reads it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The meter and messages that a file is replayed as.
#[derive(Debug, Clone, Copy)]
pub struct ReplayedMeter {
    /// The park's id.
    pub park: &'static str,
    /// The enterprise's id.
    pub enterprise: &'static str,
    /// Kind of the readings: `interval` or `register`.
    pub kind: &'static str,
    /// Readings in a message.
    pub batch: usize,
}

/// A file of minutes. The values repeat only after about a hundred thousand minutes.
#[derive(Debug, Clone)]
pub struct Minutes {
    /// The CSV file.
    pub file: PathBuf,
    /// The mapping.
    pub map: PathBuf,
    /// Sum of the readings in thousandths of a kWh.
    pub thousandths: u64,
}

impl ReplayedMeter {
    /// The mapping of a CSV file with the columns `at` (to the minute) and `kwh`.
    #[must_use]
    pub fn map(&self) -> String {
        let Self {
            park,
            enterprise,
            kind,
            batch,
        } = self;
        format!(
            r#"
park = "{park}"
enterprise = "{enterprise}"
gateway = "replay"
meter = "main"
quantity = "electricity"
kind = "{kind}"
unit = "kWh"
batch = {batch}

[columns]
instant = "at"
value = "kwh"

[time]
format = "%Y-%m-%d %H:%M"
offset = "+08:00"
stamp = "start"
"#
        )
    }
}

impl Minutes {
    /// Writes the first `readings` minutes of January 2025 under `folder`.
    ///
    /// # Panics
    /// If the month has fewer minutes, or a file cannot be written.
    #[must_use]
    pub fn write(folder: &Path, meter: ReplayedMeter, readings: u64) -> Self {
        assert!(readings <= 31 * 1_440, "January has no {readings} minutes");
        let (mut csv, mut thousandths) = (String::from("at,kwh\n"), 0);
        for reading in 0..readings {
            let (day, minute) = (reading / 1_440 + 1, reading % 1_440);
            let (hour, minute) = (minute / 60, minute % 60);
            let value = reading * 31 % 99_991 + 1;
            thousandths += value;
            let (whole, part) = (value / 1_000, value % 1_000);
            writeln!(
                csv,
                "2025-01-{day:02} {hour:02}:{minute:02},{whole}.{part:03}"
            )
            .expect("a string");
        }
        let (file, map) = (folder.join("minutes.csv"), folder.join("minutes.toml"));
        fs::write(&file, csv).expect("written");
        fs::write(&map, meter.map()).expect("written");
        Self {
            file,
            map,
            thousandths,
        }
    }

    /// Sum of the readings in kWh, formatted as in figures.
    #[must_use]
    pub fn kwh(&self) -> String {
        let exact = format!(
            "{}.{:03}",
            self.thousandths / 1_000,
            self.thousandths % 1_000
        );
        exact.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
