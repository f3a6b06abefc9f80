//! A year of quarter-hourly readings as a CSV file: a real one if the data is there, and a generated one. Both
//! have the same trap: the quarter that ends at 24:00 is printed as 00:00 of the same day.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use jiff::civil::{Date, Time};

/// A CSV file, its mapping and its expected figures.
#[derive(Debug, Clone)]
pub struct MeterYear {
    /// The CSV file.
    pub file: PathBuf,
    /// The mapping.
    pub map: PathBuf,
    /// The resource name of its park.
    pub park: &'static str,
    /// The resource name of its enterprise.
    pub enterprise: &'static str,
    /// The year.
    pub year: i16,
    /// Number of days.
    pub days: usize,
    /// Number of readings.
    pub readings: u64,
    /// Sum of the readings in kWh.
    pub kwh: String,
    /// The same in tce at 0.1229 kgce/kWh with six decimals, if it is known.
    pub tce: Option<&'static str>,
}

/// The year 2018 of a steel plant. If the data is not there, prints a message and returns `None`.
#[must_use]
pub fn steel() -> Option<MeterYear> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let file = root.join("../shared/data/steel_industry.csv.gz");
    if !file.is_file() {
        eprintln!(
            "{} is not there: nothing was tested on real data",
            file.display()
        );
        return None;
    }
    Some(MeterYear {
        file,
        map: root.join("deploy/gateway/maps/steel_industry.toml"),
        park: "parks/steel",
        enterprise: "parks/steel/enterprises/gwangyang",
        year: 2018,
        days: 365,
        readings: 35_040,
        kwh: "959640.31".to_owned(),
        tce: Some("117.939794"),
    })
}

/// Generates the year 2019 of a meter under `folder`; every quarter has a different value.
///
/// # Panics
/// If the files cannot be written.
#[must_use]
pub fn generate(folder: &Path) -> MeterYear {
    let mut csv = String::from("date,Usage_kWh\n");
    let first = Date::constant(2019, 1, 1);
    let (mut hundredths, mut readings) = (0u64, 0u64);
    for day in first
        .series(jiff::Span::new().days(1))
        .take_while(|d| d.year() == 2019)
    {
        for quarter in 1..=96i32 {
            readings += 1;
            let value = readings * 7 % 100_003;
            hundredths += value;
            let end = Time::midnight().wrapping_add(jiff::Span::new().minutes(15 * quarter));
            let stamp = format!(
                "{:02}/{:02}/{} {:02}:{:02}",
                day.day(),
                day.month(),
                day.year(),
                end.hour(),
                end.minute()
            );
            writeln!(csv, "{stamp},{}.{:02}", value / 100, value % 100).expect("a string");
        }
    }
    let (file, map) = (folder.join("made.csv"), folder.join("made.toml"));
    fs::write(&file, csv).expect("written");
    fs::write(&map, GENERATED_MAP).expect("written");
    let kwh = greenpark_model::amount::Sum(i128::from(hundredths) * 10_000).to_string();
    MeterYear {
        file,
        map,
        park: "parks/made",
        enterprise: "parks/made/enterprises/works",
        year: 2019,
        days: 365,
        readings,
        kwh,
        tce: None,
    }
}

const GENERATED_MAP: &str = r#"
park = "made"
enterprise = "works"
gateway = "replay"
meter = "main"
quantity = "electricity"
kind = "interval"
unit = "kWh"

[columns]
instant = "date"
value = "Usage_kWh"

[time]
format = "%d/%m/%Y %H:%M"
offset = "+08:00"
stamp = "end"
interval = "15m"
prints_24_as = "00:00"
"#;
