//! A meter's minutes as a CSV file, and the mapping by which `greenpark replay` reads it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Whose the readings of a file are.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// The park's id.
    pub park: &'static str,
    /// The enterprise's id.
    pub enterprise: &'static str,
    /// What a reading tells: `interval` or `register`.
    pub kind: &'static str,
    /// Readings of a message.
    pub batch: usize,
}

/// A file of minutes, each with another value for any hundred thousand in a row.
#[derive(Debug, Clone)]
pub struct Minutes {
    /// The CSV file.
    pub file: PathBuf,
    /// The mapping.
    pub map: PathBuf,
    /// What the readings sum to, in thousandths of a kWh.
    pub thousandths: u64,
}

impl Meter {
    /// The mapping of a CSV file with the columns `at`, to the minute, and `kwh`.
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
    /// If they are more than the month has, or cannot be written.
    #[must_use]
    pub fn write(folder: &Path, meter: Meter, readings: u64) -> Self {
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

    /// What the readings sum to in kWh, as figures tell it.
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
