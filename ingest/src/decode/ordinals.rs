//! Implied tickets: events without a ticket that share series, instant and message are distinct
//! amounts, and their position is their ticket.

use greenpark_model::ticket::Ticket;
use rustc_hash::FxHashMap;

use super::{Decoded, SeriesTable};
use crate::limits::DECODED_READINGS_KEPT;

/// The number of events seen in a message, by series and instant.
pub(super) type Seen = FxHashMap<(u32, i64), u32>;

/// Gives the second, third … event of one series and instant its implied ticket.
pub(super) fn imply(to: &mut Decoded, series: &SeriesTable) {
    let Decoded {
        readings,
        tickets,
        seen,
        ..
    } = to;
    let sent = tickets.len();
    let mut given = 0;
    for (row, (of, reading)) in (0u32..).zip(readings.iter()) {
        if given < sent && tickets[given].0 == row {
            given += 1;
            continue;
        }
        let Some(event) = series.event(*of) else {
            continue;
        };
        let count = seen.entry((event, reading.instant.millis())).or_insert(0);
        *count += 1;
        if let Some(ticket) = Ticket::implied(*count) {
            tickets.push((row, ticket));
        }
    }
    if tickets.len() > sent {
        tickets.sort_unstable_by_key(|(row, _)| *row);
    }
    seen.clear();
    if seen.capacity() > DECODED_READINGS_KEPT {
        *seen = Seen::default();
    }
}
