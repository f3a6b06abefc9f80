//! Resolves a series in which some readings have a ticket, were late or were sent again. There are few of them,
//! so they are resolved row by row.

use std::collections::HashMap;

use greenpark_model::ticket::Ticket;

use crate::rows::{Again, LateArrival, ReadingRows, sparse};

/// One reading of a series.
struct Reading {
    instant: i64,
    ticket: Option<Ticket>,
    value: i64,
    flag: u8,
    superseded: bool,
    late: Option<LateArrival>,
    again: Option<Again>,
}

/// One value of an identity: the reading that determines its place, and the one that determines whether it was
/// late.
struct Kept {
    place: usize,
    late: usize,
    again: Option<Again>,
}

/// Returns true if any reading from row `start` on is annotated.
pub(super) fn is_annotated(rows: &ReadingRows, start: usize) -> bool {
    let after = |last: Option<u32>| last.is_some_and(|row| row as usize >= start);
    after(rows.tickets.last().map(|(row, _)| *row))
        || after(rows.late.last().map(|(row, _)| *row))
        || after(rows.again.last().map(|(row, _)| *row))
}

/// Resolves the identities from row `start` on; returns the number of newly superseded rows. Readings of one
/// instant are sorted by ticket, those without one first.
pub(super) fn resolve(rows: &mut ReadingRows, start: usize) -> u64 {
    let mut readings = remove_from(rows, start);
    // Stable, so that those of one identity stay in the order of the log.
    readings.sort_by(|a, b| (a.instant, &a.ticket).cmp(&(b.instant, &b.ticket)));
    let one = |a: &Reading, b: &Reading| a.instant == b.instant && a.ticket == b.ticket;
    let mut superseded = 0;
    for identity in readings.chunk_by(one) {
        let kept = keep(identity);
        let newest = kept.len() - 1;
        for (nth, kept) in kept.iter().enumerate() {
            let reading = &identity[kept.place];
            superseded += u64::from(nth < newest && !reading.superseded);
            let late = identity[kept.late].late.as_ref();
            append(rows, reading, nth < newest, (late, kept.again));
        }
    }
    superseded
}

/// The values of an identity in the order in which they count, the last one at the end. A value that comes back
/// moves behind the others, unless it was only sent again. If it came several times without another value
/// between, its first reading determines whether it was late.
fn keep(identity: &[Reading]) -> Vec<Kept> {
    let first = |place: usize| Kept {
        place,
        late: place,
        again: identity[place].again,
    };
    if identity.len() == 1 {
        return vec![first(0)];
    }
    let mut by_value: HashMap<(i64, u8), Kept> = HashMap::new();
    let mut last = None;
    for (place, reading) in identity.iter().enumerate() {
        let value = (reading.value, reading.flag);
        match by_value.get_mut(&value) {
            Some(_) if reading.again.is_some() => continue,
            Some(kept) => {
                if last != Some(value) || kept.again.is_some() {
                    kept.late = place;
                }
                (kept.place, kept.again) = (place, None);
            }
            None => {
                by_value.insert(value, first(place));
            }
        }
        last = Some(value);
    }
    let mut kept: Vec<Kept> = by_value.into_values().collect();
    kept.sort_unstable_by_key(|kept| kept.place);
    kept
}

/// Removes the readings from row `start` on from `rows`.
fn remove_from(rows: &mut ReadingRows, start: usize) -> Vec<Reading> {
    let end = rows.instants.len();
    let reading = |row: usize| Reading {
        instant: rows.instants[row],
        ticket: rows.ticket(row).cloned(),
        value: rows.values[row],
        flag: rows.flags[row],
        superseded: rows.superseded[row],
        late: rows.late(row).cloned(),
        again: rows.is_again(row).then_some(Again),
    };
    let readings = (start..end).map(reading).collect();
    let all = start..end;
    let tickets = sparse::places(&rows.tickets, &all).start;
    rows.tickets.truncate(tickets);
    let late = sparse::places(&rows.late, &all).start;
    rows.late.truncate(late);
    let again = sparse::places(&rows.again, &all).start;
    rows.again.truncate(again);
    rows.instants.truncate(start);
    rows.values.truncate(start);
    rows.flags.truncate(start);
    rows.superseded.truncate(start);
    readings
}

fn append(
    rows: &mut ReadingRows,
    reading: &Reading,
    superseded: bool,
    (late, again): (Option<&LateArrival>, Option<Again>),
) {
    // OK because a day has fewer readings than 2^32.
    let row = rows.instants.len() as u32;
    rows.instants.push(reading.instant);
    rows.values.push(reading.value);
    rows.flags.push(reading.flag);
    rows.superseded.push(superseded);
    rows.tickets
        .extend(reading.ticket.clone().map(|ticket| (row, ticket)));
    rows.late.extend(late.cloned().map(|late| (row, late)));
    rows.again.extend(again.map(|again| (row, again)));
}
