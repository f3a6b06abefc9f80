//! The conversion of a batch of readings to protobuf and back.
//!
//! Columns are packed: an instant is the difference to the reading before, a value is in millionths, and
//! flags are omitted if all are normal; tickets and late readings are lists of rows, empty as a rule. Decoding
//! checks everything, as if a stranger had sent it, and accepts a batch whole or not at all: ingest writes the
//! records of the log, so a mistake in one is our own. For a gateway's batch, ingest accepts the valid readings and
//! refuses the others, so it decodes the message itself and only shares [`rescale`].
//!
//! ```
//! use greenpark_model::batch::Batch;
//! use greenpark_proto::reading_batch;
//! let bytes = reading_batch::encode(&Batch::new());
//! assert_eq!(reading_batch::decode(&bytes).expect("ours"), Batch::new());
//! ```

use bytes::Bytes;
use greenpark_model::{
    amount::Amount,
    batch::{Batch, BatchColumns, BatchError},
    day::Instant,
    id::{IdError, MeterId},
    messages::BatchMessages,
    numbers::Numbers,
    quantity::{Quantity, UnknownQuantity},
    reading::{Flag, Kind, Series},
    ticket::{Ticket, TicketError},
    unit::UnitRatio,
};
use prost::Message;

use crate::telemetry::v1 as wire;

/// Why bytes are not a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchDecodeError {
    /// The bytes are not the protobuf of a `ReadingBatch`.
    #[error("not a park.telemetry.v1.ReadingBatch")]
    Protobuf(#[source] prost::DecodeError),
    /// The meter of a series is not a valid id.
    #[error("series {index}: its meter is no id")]
    Meter {
        /// The index of the series, from zero.
        index: usize,
        /// The mistake in the id.
        #[source]
        cause: IdError,
    },
    /// The quantity of a series is unknown.
    #[error("series {index}: its quantity is unknown")]
    Quantity {
        /// The index of the series, from zero.
        index: usize,
        /// The unknown quantity.
        #[source]
        cause: UnknownQuantity,
    },
    /// A series has no kind.
    #[error(
        "series {index}: its kind is missing; say register, interval, event, gauge or daily_counter"
    )]
    Kind {
        /// The index of the series, from zero.
        index: usize,
    },
    /// The unit of a series does not measure its quantity.
    #[error(
        "series {index}: unit '{unit}' does not measure {quantity}; its canonical unit is {canonical}"
    )]
    Unit {
        /// The index of the series, from zero.
        index: usize,
        /// The unit as given.
        unit: String,
        /// The quantity.
        quantity: Quantity,
        /// The unit to use.
        canonical: &'static str,
    },
    /// A value is out of range after conversion to the canonical unit.
    #[error("reading {index}: its value is out of range in the canonical unit")]
    Value {
        /// The index of the reading, from zero.
        index: usize,
    },
    /// An instant is beyond the calendar.
    #[error("reading {index}: its instant is beyond the calendar")]
    Instant {
        /// The index of the reading, from zero.
        index: usize,
    },
    /// A ticket is neither a valid number nor an implied ticket.
    #[error("ticket {index}: it is no ticket number")]
    Ticket {
        /// The index of the ticket, from zero.
        index: usize,
        /// The mistake in the ticket.
        #[source]
        cause: TicketError,
    },
    /// The columns do not fit together.
    #[error("columns that do not fit together")]
    Columns(#[source] BatchError),
}

/// Encodes `batch` as a `park.telemetry.v1.ReadingBatch`.
#[must_use]
pub fn encode(batch: &Batch) -> Bytes {
    encode_numbered(batch, &BatchMessages::default())
}

/// Encodes `batch` for a record of the log, with its numbered messages. The record's `sequence` header is the lowest
/// number of the messages that end in it.
#[must_use]
pub fn encode_numbered(batch: &Batch, messages: &BatchMessages) -> Bytes {
    let series = batch.series_table().iter().map(to_wire).collect();
    let single = batch.series_table().len() <= 1;
    let mut before = 0i64;
    let deltas = batch.instants().iter().map(|&ms| {
        let delta = ms.wrapping_sub(before);
        before = ms;
        delta
    });
    let normal = batch.flags().iter().all(|&f| f == Flag::Normal.code());
    let message = wire::ReadingBatch {
        series,
        instant_ms_delta: deltas.collect(),
        value_micro: batch.values().to_vec(),
        series_of: if single {
            Vec::new()
        } else {
            batch.series().to_vec()
        },
        flags: if normal {
            Vec::new()
        } else {
            batch.flags().to_vec()
        },
        numbered: messages.ended().turns(),
        ticket_rows: batch.tickets().iter().map(|(row, _)| *row).collect(),
        tickets: batch
            .tickets()
            .iter()
            .map(|(_, ticket)| ticket.as_str().to_owned())
            .collect(),
        late_rows: batch.late().to_vec(),
        received_ms: batch.received().map_or(0, |at| at.millis()),
        message_runs: messages.run_list(),
    };
    message.encode_to_vec().into()
}

fn to_wire(series: &Series) -> wire::Series {
    let kind = match series.kind {
        Kind::Register => wire::Kind::Register,
        Kind::Interval => wire::Kind::Interval,
        Kind::Event => wire::Kind::Event,
        Kind::Gauge => wire::Kind::Gauge,
        Kind::DailyCounter => wire::Kind::DailyCounter,
    };
    wire::Series {
        meter: series.meter.as_str().to_owned(),
        quantity: series.quantity.to_string(),
        kind: kind.into(),
        unit: String::new(),
    }
}

/// Decodes and checks a `park.telemetry.v1.ReadingBatch`, and converts its values to canonical units.
///
/// # Errors
/// [`BatchDecodeError`] names the first mistake in a series, reading or column.
pub fn decode(bytes: &[u8]) -> Result<Batch, BatchDecodeError> {
    decode_numbered(bytes, 0).map(|(batch, _)| batch)
}

/// Decodes a record of the log with its `sequence` header: the batch, and its numbered messages. If the header is 0
/// or the numbers are contradictory, no message ends in the batch, but its readings count all the same.
///
/// # Errors
/// [`BatchDecodeError`] as [`decode`].
pub fn decode_numbered(
    bytes: &[u8],
    sequence: u64,
) -> Result<(Batch, BatchMessages), BatchDecodeError> {
    let message = wire::ReadingBatch::decode(bytes).map_err(BatchDecodeError::Protobuf)?;
    let ended = Numbers::from_turns(sequence, &message.numbered).unwrap_or_default();
    let rows = message.value_micro.len();
    let messages = BatchMessages::from_run_list(ended, &message.message_runs, rows);
    to_batch(message).map(|batch| (batch, messages))
}

fn to_batch(message: wire::ReadingBatch) -> Result<Batch, BatchDecodeError> {
    let (table, scales) = series_table(&message.series)?;
    let rows = message.value_micro.len();
    let series = match message.series_of.len() {
        0 => vec![0; rows],
        _ => message.series_of,
    };
    let values = scale_values(message.value_micro, &series, &scales)?;
    let instants = absolute(message.instant_ms_delta)?;
    let flags = match message.flags.len() {
        0 => vec![Flag::Normal.code(); rows],
        _ => message.flags,
    };
    let tickets = tickets(&message.ticket_rows, &message.tickets)?;
    let received = (message.received_ms != 0).then_some(Instant::from_millis(message.received_ms));
    Batch::from_columns(
        table,
        BatchColumns {
            series,
            instants,
            values,
            flags,
            tickets,
            late: message.late_rows,
            received,
        },
    )
    .map_err(BatchDecodeError::Columns)
}

fn tickets(rows: &[u32], tickets: &[String]) -> Result<Vec<(u32, Ticket)>, BatchDecodeError> {
    if rows.len() != tickets.len() {
        return Err(BatchDecodeError::Columns(BatchError::Ragged));
    }
    let each = rows.iter().zip(tickets).enumerate();
    each.map(|(index, (&row, text))| match Ticket::parse(text) {
        Ok(ticket) => Ok((row, ticket)),
        Err(cause) => Err(BatchDecodeError::Ticket { index, cause }),
    })
    .collect()
}

fn absolute(mut deltas: Vec<i64>) -> Result<Vec<i64>, BatchDecodeError> {
    let mut instant = 0i64;
    for (index, delta) in deltas.iter_mut().enumerate() {
        instant = instant
            .checked_add(*delta)
            .ok_or(BatchDecodeError::Instant { index })?;
        *delta = instant;
    }
    Ok(deltas)
}

fn series_table(
    series: &[wire::Series],
) -> Result<(Vec<Series>, Vec<UnitRatio>), BatchDecodeError> {
    let mut table = Vec::with_capacity(series.len());
    let mut scales = Vec::with_capacity(series.len());
    for (index, entry) in series.iter().enumerate() {
        let meter =
            MeterId::new(&entry.meter).map_err(|cause| BatchDecodeError::Meter { index, cause })?;
        let quantity: Quantity = entry
            .quantity
            .parse()
            .map_err(|cause| BatchDecodeError::Quantity { index, cause })?;
        let kind = match entry.kind() {
            wire::Kind::Register => Kind::Register,
            wire::Kind::Interval => Kind::Interval,
            wire::Kind::Event => Kind::Event,
            wire::Kind::Gauge => Kind::Gauge,
            wire::Kind::DailyCounter => Kind::DailyCounter,
            wire::Kind::Unspecified => return Err(BatchDecodeError::Kind { index }),
        };
        let unit = quantity.medium.unit();
        let ratio = quantity.medium.ratio_of(&entry.unit);
        scales.push(ratio.map_err(|_| BatchDecodeError::Unit {
            index,
            unit: entry.unit.chars().take(20).collect(),
            quantity,
            canonical: unit.symbol(),
        })?);
        table.push(Series {
            meter,
            quantity,
            kind,
        });
    }
    Ok((table, scales))
}

/// Converts values to canonical units; most batches are in canonical units already and stay unchanged.
fn scale_values(
    mut values: Vec<i64>,
    series: &[u32],
    scales: &[UnitRatio],
) -> Result<Vec<i64>, BatchDecodeError> {
    if scales.iter().all(|&s| s == UnitRatio::ONE) {
        return Ok(values);
    }
    for (index, (value, &of)) in values.iter_mut().zip(series).enumerate() {
        let scale = usize::try_from(of)
            .ok()
            .and_then(|of| scales.get(of))
            .copied()
            .unwrap_or(UnitRatio::ONE);
        let amount = rescale(*value, scale).ok_or(BatchDecodeError::Value { index })?;
        *value = amount.micro();
    }
    Ok(values)
}

/// Converts `micro` millionths of a unit of `ratio` canonical units, rounded half to even like every parsed amount;
/// `None` if the amount has more than eighteen digits.
///
/// ```
/// use greenpark_model::unit::UnitRatio;
/// use greenpark_proto::reading_batch::rescale;
/// let kwh = rescale(1_500_000, UnitRatio::power_of_ten(3)).expect("1.5 MWh");
/// assert_eq!(kwh.to_string(), "1500");
/// ```
#[must_use]
pub fn rescale(micro: i64, ratio: UnitRatio) -> Option<Amount> {
    ratio.of_micro(micro)
}

#[cfg(test)]
mod tests;
