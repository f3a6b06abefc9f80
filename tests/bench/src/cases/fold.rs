//! Daily totals: the fold over registers in columns.

use std::hint::black_box;

use greenpark_model::{
    fold::{DayColumns, MeterProfile, fold_day},
    reading::{Flag, Kind},
};
use tokio::runtime::Runtime;

use crate::measure::Measure;

/// A thousand meters, each with a register a minute.
pub(crate) fn daily_totals(_runtime: &Runtime) {
    const METERS: usize = 1_000;
    const MINUTES: usize = 1_440;
    const ROUNDS: u64 = 20;
    let rows = METERS * MINUTES;
    let minute = |row: usize| (row % MINUTES) as i64;
    let instants: Vec<i64> = (0..rows).map(|r| minute(r) * 60_000).collect();
    let values: Vec<i64> = (0..rows)
        .map(|r| minute(r) * 1_250_000 + (r / MINUTES) as i64)
        .collect();
    let flags = vec![Flag::Normal.code(); rows];
    let superseded = vec![false; rows];
    let traits = MeterProfile::default();
    let measure = Measure::begin("daily fold, registers");
    for _round in 0..ROUNDS {
        for meter in 0..METERS {
            let range = meter * MINUTES..(meter + 1) * MINUTES;
            let columns = DayColumns {
                instants: &instants[range.clone()],
                values: &values[range.clone()],
                flags: &flags[range.clone()],
                superseded: &superseded[range],
            };
            let day = fold_day(Kind::Register, &traits, black_box(columns));
            assert_eq!(day.within.0, (MINUTES as i128 - 1) * 1_250_000);
        }
    }
    measure.end(rows as u64 * ROUNDS);
}
