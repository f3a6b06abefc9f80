//! The native protobuf: a `park.telemetry.v1.ReadingBatch`.
//!
//! Each series and each reading is right or wrong by itself, as in the JSON forms: a series that is wrong
//! refuses its readings, a reading that is wrong refuses itself, and the others are taken. Only bytes
//! that are no such message, columns that do not fit together, and more than a record holds refuse the
//! payload as a whole.

use greenpark_model::{
    limits::{BATCH_READINGS_MAX, BATCH_SERIES_MAX},
    reading::{Flag, Kind, Reading},
};
use greenpark_proto::{
    reading_batch,
    telemetry::v1::{Kind as WireKind, ReadingBatch, Series},
};
use prost::Message as _;

use super::{Decoded, SeriesTable, instant, series::Name};

/// One row of the columns.
struct Row {
    of: u32,
    ms: i64,
    micro: i64,
    flag: u8,
}

/// Decodes `payload` into `to`; an error refuses the payload as a whole.
pub(super) fn decode(
    payload: &[u8],
    series: &mut SeriesTable,
    now_ms: i64,
    to: &mut Decoded,
) -> Result<(), String> {
    let batch = ReadingBatch::decode(payload)
        .map_err(|cause| format!("not a park.telemetry.v1.ReadingBatch: {cause}"))?;
    check_columns(&batch)?;
    let found = batch.series.iter().enumerate();
    let found: Vec<_> = found
        .map(|(at, entry)| find(entry, series).map_err(|e| format!("series {at}: {e}")))
        .collect();
    let mut ms = 0i64;
    let columns = batch.instant_ms_delta.iter().zip(&batch.value_micro);
    for (index, (delta, &micro)) in columns.enumerate() {
        // The encoder's subtraction wraps around, too, so one wild instant does not shift the others.
        ms = ms.wrapping_add(*delta);
        let row = Row {
            of: batch.series_of.get(index).copied().unwrap_or(0),
            ms,
            micro,
            flag: batch
                .flags
                .get(index)
                .copied()
                .unwrap_or(Flag::Normal.code()),
        };
        match usize::try_from(row.of).ok().and_then(|of| found.get(of)) {
            None => to.refuse(index, 1, no_series(row.of)),
            Some(Err(reason)) => to.refuse(index, 1, reason.as_str()),
            Some(&Ok(of)) => match reading(&row, series.scale(of), now_ms) {
                Ok(reading) => to.readings.push((of, reading)),
                Err(reason) => to.refuse(index, 1, reason),
            },
        }
    }
    Ok(())
}

/// Refuses columns from which it cannot be told what belongs together.
fn check_columns(batch: &ReadingBatch) -> Result<(), String> {
    let (rows, table) = (batch.value_micro.len(), batch.series.len());
    if rows > BATCH_READINGS_MAX {
        return Err(format!(
            "more than {BATCH_READINGS_MAX} readings in one payload; send them in several"
        ));
    }
    if table > BATCH_SERIES_MAX {
        return Err(format!(
            "more than {BATCH_SERIES_MAX} series in one payload; send them in several"
        ));
    }
    let instants = batch.instant_ms_delta.len();
    let (series, flags) = (batch.series_of.len(), batch.flags.len());
    let series_fit = series == rows || (series == 0 && table <= 1);
    if instants == rows && series_fit && (flags == rows || flags == 0) {
        return Ok(());
    }
    Err(format!(
        "the columns have different lengths: {rows} in value_micro, {instants} in instant_ms_delta, \
         {series} in series_of (may be empty for one series, here are {table}), {flags} in flags (may \
         be empty)"
    ))
}

fn find(entry: &Series, series: &mut SeriesTable) -> Result<u32, String> {
    let kind = match entry.kind() {
        WireKind::Register => Kind::Register,
        WireKind::Interval => Kind::Interval,
        WireKind::Event => Kind::Event,
        WireKind::Gauge => Kind::Gauge,
        WireKind::DailyCounter => Kind::DailyCounter,
        WireKind::Unspecified => {
            return Err(
                "\"kind\": missing or unknown; say register, interval, event, gauge or \
                 daily_counter"
                    .to_owned(),
            );
        }
    };
    series.find(Name {
        meter: &entry.meter,
        quantity: &entry.quantity,
        kind: kind.as_str(),
        unit: &entry.unit,
    })
}

fn no_series(of: u32) -> String {
    format!("its series is {of}, which the batch does not list")
}

fn reading(row: &Row, scale: i32, now_ms: i64) -> Result<Reading, String> {
    let value = reading_batch::rescale(row.micro, scale);
    Ok(Reading {
        instant: instant::check(row.ms, now_ms).map_err(|e| format!("its instant: {e}"))?,
        value: value.ok_or_else(|| {
            let micro = row.micro;
            format!("its value: {micro} millionths are beyond 999999999999.999999 canonical units")
        })?,
        flag: Flag::from_code(row.flag).ok_or_else(|| {
            format!(
                "its flag: the byte {} is no data flag of HJ 212; write N, F, M, S, D, C, T or B",
                row.flag
            )
        })?,
    })
}

#[cfg(test)]
mod tests;
