//! The native protobuf: a `park.telemetry.v1.ReadingBatch`.
//!
//! The batch is decoded and checked by `greenpark-proto`, which refuses it whole; what it cannot know,
//! whether an instant is of our time, is checked here reading by reading.

use std::error::Error;

use greenpark_model::{
    amount::Amount,
    batch::Batch,
    reading::{Flag, Reading},
};
use greenpark_proto::reading_batch;

use super::{Decoded, SeriesTable, instant, series::Name};

/// Decodes `payload` into `to`; an error refuses the payload as a whole.
pub(super) fn decode(
    payload: &[u8],
    series: &mut SeriesTable,
    now_ms: i64,
    to: &mut Decoded,
) -> Result<(), String> {
    let batch = reading_batch::decode(payload).map_err(|e| chain(&e))?;
    let indices = indices(&batch, series)?;
    let columns = batch
        .series()
        .iter()
        .zip(batch.instants())
        .zip(batch.values())
        .zip(batch.flags());
    for (index, (((&of, &ms), &micro), &flag)) in columns.enumerate() {
        // OK because a Batch has only indices, values and flags that exist.
        let (Some(&of), Ok(value), Some(flag)) = (
            indices.get(of as usize),
            Amount::from_micro(micro),
            Flag::from_code(flag),
        ) else {
            to.refuse(index, 1, "it is outside its own batch".to_owned());
            continue;
        };
        match instant::check(ms, now_ms) {
            Ok(instant) => to.readings.push((
                of,
                Reading {
                    instant,
                    value,
                    flag,
                },
            )),
            Err(reason) => to.refuse(index, 1, format!("its instant: {reason}")),
        }
    }
    Ok(())
}

fn indices(batch: &Batch, series: &mut SeriesTable) -> Result<Vec<u32>, String> {
    let entries = batch.series_table().iter();
    entries
        .map(|entry| {
            let quantity = entry.quantity.to_string();
            let meter = entry.meter.as_str();
            series.find(Name {
                meter,
                quantity: &quantity,
                kind: entry.kind.as_str(),
                unit: "",
            })
        })
        .collect()
}

/// The error and what caused it, as one sentence for the gateway's engineer.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use greenpark_model::{
        day::Instant,
        id::MeterId,
        limits::FUTURE_MS_MAX,
        quantity::{Medium, Quantity},
        reading::{Kind, Series},
    };

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_batch_is_taken_but_for_its_reading_of_the_future() {
        let mut batch = Batch::new();
        let meter = MeterId::new("m1").expect("an id");
        let quantity = Quantity::consumed(Medium::Electricity);
        let of = batch
            .add_series(Series {
                meter,
                quantity,
                kind: Kind::Register,
            })
            .expect("room");
        for ms in [NOW - 1, NOW + FUTURE_MS_MAX + 1, NOW] {
            let value = Amount::from_micro(5).expect("in range");
            batch
                .push(
                    of,
                    Reading {
                        instant: Instant(ms),
                        value,
                        flag: Flag::Normal,
                    },
                )
                .expect("room");
        }
        let (mut table, mut to) = (SeriesTable::default(), Decoded::default());
        decode(&reading_batch::encode(&batch), &mut table, NOW, &mut to).expect("a batch");
        assert_eq!(to.readings.len(), 2);
        assert_eq!(to.refusals.parts(), 1);
        assert_eq!(to.refusals.first()[0].index, Some(1));
    }

    #[test]
    fn bytes_that_are_no_batch_are_refused_with_their_cause() {
        let (mut table, mut to) = (SeriesTable::default(), Decoded::default());
        let reason = decode(b"\xff\xff\xff", &mut table, NOW, &mut to).expect_err("no batch");
        assert!(reason.contains("ReadingBatch"), "{reason}");
    }
}
