//! A year of a cumulative register as meters and gateways deliver it: with gaps of hours and days, steps
//! backward, blips, a thousandfold value, repeats and rows out of order.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use greenpark_tests_load::minutes::ReplayedMeter;
use jiff::{ToSpan as _, civil::DateTime};

use crate::meter_year;

/// Number of quarter-hours in 2018.
const QUARTERS: usize = 365 * 96;
/// The register at the start of the year, in hundredths of a kWh: eight digits and two decimals.
const START: u64 = 123_456_789;

/// The meter of the register.
const METER: ReplayedMeter = ReplayedMeter {
    park: "steel",
    enterprise: "gwangyang",
    kind: "register",
    batch: 1,
};

/// A CSV file of the register, its mapping and its true consumption.
#[derive(Debug, Clone)]
pub struct RegisterYear {
    /// The CSV file.
    pub file: PathBuf,
    /// The mapping.
    pub map: PathBuf,
    /// Hundredths of a kWh consumed in each month: differences of the true registers at the ends of the months.
    pub months: [u64; 12],
    /// Number of rows in the file, without repeats.
    pub readings: u64,
}

impl RegisterYear {
    /// The last register of the year less its first.
    #[must_use]
    pub fn hundredths(&self) -> u64 {
        self.months.iter().sum()
    }
}

/// The load of each quarter of 2018 in hundredths of a kWh: that of the steel plant if the data is there, else a
/// generated one.
fn loads() -> Vec<u64> {
    let Some(steel) = meter_year::steel() else {
        return (1..=QUARTERS as u64).map(|n| n * 7 % 10_007).collect();
    };
    let packed = fs::File::open(&steel.file).expect("the data is there");
    let mut text = String::new();
    let mut unpacked = GzDecoder::new(packed);
    unpacked
        .read_to_string(&mut text)
        .expect("the data is text");
    let hundredths = |line: &str| {
        let kwh = line.split(',').nth(1).expect("a load");
        let (whole, part) = kwh.split_once('.').unwrap_or((kwh, ""));
        let part = format!("{part:0<2}");
        let number = |text: &str| text.parse::<u64>().expect("digits");
        number(whole) * 100 + number(&part)
    };
    // The last quarter of a day is printed as 00:00 of the same day, but it is last in the file, so the order of
    // the file is correct.
    text.lines().skip(1).map(hundredths).collect()
}

/// Number of quarters from the start of the year to `month`/`day` at `hour`:00.
fn quarter(month: i8, day: i8, hour: i8) -> usize {
    let date = jiff::civil::date(2018, month, day);
    (usize::from(date.day_of_year().unsigned_abs()) - 1) * 96 + usize::from(hour.unsigned_abs()) * 4
}

/// Returns true if the register at this quarter was never delivered. The gaps are an hour and a half, a night, nine
/// days across the end of a month, and a midnight between two months.
fn is_lost(at: usize) -> bool {
    let gaps = [
        quarter(2, 6, 10)..quarter(2, 6, 11) + 2,
        quarter(3, 14, 22)..quarter(3, 15, 6),
        quarter(7, 28, 3)..quarter(8, 6, 17),
        quarter(11, 30, 23)..quarter(12, 1, 2),
    ];
    gaps.iter().any(|gap| gap.contains(&at))
}

/// The delivered register at a quarter. It differs from the true one by small steps back, blips to zero, a register
/// from two hours before, and one that is a thousand times too large.
fn delivered(at: usize, registers: &[u64]) -> u64 {
    let register = registers[at];
    let is = |month, day, hour| at == quarter(month, day, hour);
    if is(1, 17, 9) || is(4, 2, 0) {
        registers[at - 1] - 3
    } else if is(5, 9, 13) || is(6, 30, 23) {
        0
    } else if is(9, 12, 15) {
        registers[at - 8]
    } else if is(10, 20, 4) {
        register * 1000
    } else {
        register
    }
}

/// Writes the year under `folder`.
///
/// # Panics
/// If the files cannot be written.
#[must_use]
pub fn write(folder: &Path) -> RegisterYear {
    let mut registers = vec![START];
    for load in loads() {
        registers.push(registers[registers.len() - 1] + load);
    }
    assert_eq!(registers.len(), QUARTERS + 1);
    let start = DateTime::constant(2018, 1, 1, 0, 0, 0, 0);
    let mut rows = Vec::new();
    for at in (0..registers.len()).filter(|&at| !is_lost(at)) {
        let stamp = start + (15 * i64::try_from(at).expect("a year")).minutes();
        let value = delivered(at, &registers);
        let mut row = String::new();
        let (whole, part) = (value / 100, value % 100);
        write!(
            row,
            "{},{whole}.{part:02}",
            stamp.strftime("%Y-%m-%d %H:%M")
        )
        .expect("a string");
        rows.push(row);
    }
    let readings = rows.len() as u64;
    // A gateway that lost its link resends three hours: older rows after newer ones.
    let repeats: Vec<String> = rows[20_000..20_012].to_vec();
    rows.splice(20_030..20_030, repeats);
    rows[9_000..9_040].reverse();
    let (file, map) = (folder.join("register.csv"), folder.join("register.toml"));
    fs::write(&file, format!("at,kwh\n{}\n", rows.join("\n"))).expect("written");
    fs::write(&map, METER.map()).expect("written");
    let ends = (1..=12).map(|month| match month {
        12 => QUARTERS,
        month => quarter(month + 1, 1, 0),
    });
    let mut before = 0;
    let months = ends.map(|end| registers[end] - registers[std::mem::replace(&mut before, end)]);
    RegisterYear {
        file,
        map,
        months: months.collect::<Vec<_>>().try_into().expect("twelve"),
        readings,
    }
}
