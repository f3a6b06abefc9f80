//! The native protobuf: a `park.telemetry.v1.ReadingBatch`.
//!
//! Each series and each reading is valid or invalid by itself, as in the JSON forms: an invalid
//! series refuses its readings, an invalid reading refuses itself, and the others are accepted.
//! Only bytes that are not such a message, columns of different lengths, and more readings than a
//! record holds refuse the payload as a whole.

use std::iter::Peekable;

use greenpark_model::{
    letter::LetterCode,
    limits::{BATCH_READINGS_MAX, BATCH_SERIES_MAX},
    reading::{Flag, Kind, Reading},
    ticket::Ticket,
    unit::UnitRatio,
};
use greenpark_proto::{
    reading_batch,
    telemetry::v1::{Kind as WireKind, ReadingBatch, Series},
};
use prost::Message as _;

use crate::decode::{Decoded, SeriesTable, Timing, fault::Fault, series::Name, time::instant};

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
    timing: &Timing<'_>,
    to: &mut Decoded,
) -> Result<(), Fault> {
    let batch = ReadingBatch::decode(payload)
        .map_err(|cause| format!("not a park.telemetry.v1.ReadingBatch: {cause}"))?;
    check_columns(&batch)?;
    let found = batch.series.iter().enumerate();
    let found: Vec<_> = found
        .map(|(at, entry)| find(entry, series).map_err(|e| e.at(&format!("series {at}"))))
        .collect();
    let mut ms = 0i64;
    let mut tickets = batch.ticket_rows.iter().zip(&batch.tickets).peekable();
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
            Some(Err(reason)) => to.refuse(index, 1, reason),
            Some(&Ok(of)) => {
                let mut decode = || -> Result<(), Fault> {
                    let reading = reading(&row, series.ratio(of), timing)?;
                    let ticket = ticket(&mut tickets, index, series.kind(of))?;
                    to.accept_ticketed(of, reading, ticket);
                    Ok(())
                };
                if let Err(reason) = decode() {
                    to.refuse(index, 1, reason);
                }
            }
        }
    }
    Ok(())
}

/// Refuses columns that cannot be assigned to each other.
fn check_columns(batch: &ReadingBatch) -> Result<(), Fault> {
    let (rows, table) = (batch.value_micro.len(), batch.series.len());
    if rows > BATCH_READINGS_MAX {
        let words =
            format!("more than {BATCH_READINGS_MAX} readings in one payload; send them in several");
        return Err(Fault::new(LetterCode::TooLarge, words));
    }
    if table > BATCH_SERIES_MAX {
        let words =
            format!("more than {BATCH_SERIES_MAX} series in one payload; send them in several");
        return Err(Fault::new(LetterCode::TooLarge, words));
    }
    let instants = batch.instant_ms_delta.len();
    let (series, flags) = (batch.series_of.len(), batch.flags.len());
    let (ticket_rows, tickets) = (&batch.ticket_rows, batch.tickets.len());
    let ascending = ticket_rows.windows(2).all(|pair| pair[0] < pair[1]);
    if ticket_rows.len() != tickets || !ascending {
        let words = format!(
            "the tickets do not fit: {tickets} in tickets, {} in ticket_rows, which must be ascending",
            ticket_rows.len()
        );
        return Err(Fault::new(LetterCode::BadField, words));
    }
    if let Some(&row) = ticket_rows.last()
        && usize::try_from(row).map_or(true, |row| row >= rows)
    {
        let words = format!("ticket_rows names reading {row}, and there are {rows}");
        return Err(Fault::new(LetterCode::BadField, words));
    }
    let series_fit = series == rows || (series == 0 && table <= 1);
    if instants == rows && series_fit && (flags == rows || flags == 0) {
        return Ok(());
    }
    let words = format!(
        "the columns have different lengths: {rows} in value_micro, {instants} in instant_ms_delta, \
         {series} in series_of (may be empty for one series, here are {table}), {flags} in flags (may \
         be empty)"
    );
    Err(words.into())
}

fn find(entry: &Series, series: &mut SeriesTable) -> Result<u32, Fault> {
    let kind = match entry.kind() {
        WireKind::Register => Kind::Register,
        WireKind::Interval => Kind::Interval,
        WireKind::Event => Kind::Event,
        WireKind::Gauge => Kind::Gauge,
        WireKind::DailyCounter => Kind::DailyCounter,
        WireKind::Unspecified => {
            let words = "\"kind\": missing or unknown; say register, interval, event, gauge or \
                 daily_counter";
            return Err(Fault::new(LetterCode::UnknownKind, words));
        }
    };
    series.find(Name {
        meter: &entry.meter,
        quantity: &entry.quantity,
        kind: kind.as_str(),
        unit: &entry.unit,
    })
}

/// Returns the ticket of the reading `index`, if it has one; `tickets` are ordered by their rows.
fn ticket<'b>(
    tickets: &mut Peekable<impl Iterator<Item = (&'b u32, &'b String)>>,
    index: usize,
    kind: Kind,
) -> Result<Option<Ticket>, Fault> {
    let here = |row: &u32| usize::try_from(*row).is_ok_and(|row| row == index);
    let behind = |row: &u32| usize::try_from(*row).is_ok_and(|row| row < index);
    // Refused readings leave their tickets behind.
    while tickets.next_if(|(row, _)| behind(row)).is_some() {}
    let Some((_, text)) = tickets.next_if(|(row, _)| here(row)) else {
        return Ok(None);
    };
    if kind != Kind::Event {
        let kind = kind.as_str();
        let words = format!("its ticket: a {kind} has none, only an event does");
        return Err(Fault::new(LetterCode::BadField, words));
    }
    let ticket = Ticket::new(text);
    ticket
        .map(Some)
        .map_err(|reason| Fault::new(LetterCode::BadField, format!("its ticket: {reason}")))
}

fn no_series(of: u32) -> String {
    format!("its series is {of}, which the batch does not list")
}

fn reading(row: &Row, ratio: UnitRatio, timing: &Timing<'_>) -> Result<Reading, Fault> {
    let value = reading_batch::rescale(row.micro, ratio);
    Ok(Reading {
        instant: instant::check(row.ms, timing).map_err(|e| e.at("its instant"))?,
        value: value.ok_or_else(|| {
            let micro = row.micro;
            let words = format!(
                "its value: {micro} millionths are beyond 999999999999.999999 canonical units"
            );
            Fault::new(LetterCode::OutOfRange, words)
        })?,
        flag: Flag::from_code(row.flag).ok_or_else(|| {
            let words = format!(
                "its flag: the byte {} is no data flag of HJ 212; write N, F, M, S, D, C, T or B",
                row.flag
            );
            Fault::new(LetterCode::BadFlag, words)
        })?,
    })
}

#[cfg(test)]
mod tests;
