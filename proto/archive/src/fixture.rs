//! Rows, files and books for tests.

use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, GatewayId, MeterId, ParkId},
    log_position::Partition,
    quantity::{Medium, Quantity},
    reading::{Flag, Kind, Series},
    ticket::Ticket,
};
use proptest::prelude::*;

use crate::{
    book::{Change, Consumed, NewFile},
    readings::{
        columns::{FileFacts, encode_readings},
        file::FileKind,
    },
    rows::{LateArrival, ReadingRows, SeriesKey, builder::RowsBuilder},
};

pub(crate) fn park() -> ParkId {
    ParkId::new("east").expect("an id")
}

pub(crate) fn enterprise(name: &str) -> EnterpriseId {
    EnterpriseId::new(name).expect("an id")
}

pub(crate) fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

pub(crate) fn key(enterprise: &str, meter: &str, medium: Medium) -> SeriesKey {
    SeriesKey {
        enterprise: self::enterprise(enterprise),
        series: Series {
            meter: MeterId::new(meter).expect("an id"),
            quantity: Quantity::consumed(medium),
            kind: Kind::Register,
        },
    }
}

/// A day of registers, one meter for each enterprise, `many` readings each.
pub(crate) fn registers(day: CivilDay, enterprises: &[&str], many: i64) -> ReadingRows {
    let mut builder = RowsBuilder::new();
    for name in enterprises {
        let key = builder.key(&key(name, "main", Medium::Electricity));
        for n in 0..many {
            let instant = day.start().millis() + n * 86_400_000 / many;
            builder.push(
                key,
                instant,
                1_000_000_000 + n * 250_000,
                Flag::Normal.code(),
            );
        }
    }
    builder.finish().rows
}

pub(crate) fn new_file(rows: &ReadingRows, day: CivilDay, kind: FileKind) -> NewFile {
    let facts = FileFacts {
        park: park(),
        day,
        kind: kind.clone(),
        offsets: None,
    };
    NewFile {
        day,
        kind,
        encoded: encode_readings(rows, &facts).expect("sound rows"),
    }
}

pub(crate) fn hot(rows: &ReadingRows, day: CivilDay, offset: u64) -> NewFile {
    new_file(
        rows,
        day,
        FileKind::Hot {
            partition: Partition::FIRST,
            offset,
        },
    )
}

pub(crate) fn sealed(rows: &ReadingRows, day: CivilDay, name: &str, revision: u32) -> NewFile {
    new_file(
        rows,
        day,
        FileKind::Sealed {
            enterprise: enterprise(name),
            revision,
        },
    )
}

/// A flush: one hot file, with what it consumed.
pub(crate) fn flush(file: NewFile, next_offset: u64) -> Change {
    let consumed = Some(Consumed::up_to(Partition::FIRST, next_offset));
    Change {
        add: vec![file],
        consumed,
        ..Change::default()
    }
}

/// Readings in the order of the log: few series, instants and values, so that they collide.
pub(crate) fn log() -> impl Strategy<Value = Vec<(SeriesKey, i64, i64, u8)>> {
    let series = prop_oneof![
        Just(key("steel", "main", Medium::Electricity)),
        Just(key("steel", "main", Medium::NaturalGas)),
        Just(key("steel", "side", Medium::Electricity)),
        Just(key("glass", "main", Medium::Steam)),
    ];
    let flag = prop_oneof![Just(Flag::Normal.code()), Just(Flag::Manual.code())];
    prop::collection::vec((series, 0i64..12, 0i64..3, flag), 0..120)
}

pub(crate) fn build(log: &[(SeriesKey, i64, i64, u8)]) -> crate::rows::Merged {
    let mut builder = RowsBuilder::new();
    for (key, instant, value, flag) in log {
        let key = builder.key(key);
        builder.push(key, *instant, *value, *flag);
    }
    builder.finish()
}

/// One of few readings that collide, some of them with a ticket, late or sent again.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) key: SeriesKey,
    pub(crate) instant: i64,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) value: i64,
    pub(crate) flag: u8,
    pub(crate) late: Option<LateArrival>,
    pub(crate) again: bool,
}

/// Readings in the order of the log, like [`log`], some of them with a ticket, late or sent again.
pub(crate) fn annotated_log() -> impl Strategy<Value = Vec<Sent>> {
    let ticket = prop::option::weighted(0.4, prop::sample::select(vec!["#2", "7", "A-7"]));
    let late = prop::option::weighted(0.2, (0i64..3, "g[12]"));
    let annotated = (ticket, late, prop::bool::weighted(0.2), log());
    let one = prop::collection::vec(annotated, 0..40);
    one.prop_map(|many| {
        let sent = many.into_iter().filter_map(|(ticket, late, again, log)| {
            let (key, instant, value, flag) = log.into_iter().next()?;
            Some(Sent {
                key,
                instant,
                ticket: ticket.map(|text| Ticket::parse(text).expect("a ticket")),
                value,
                flag,
                late: late.map(|(received, gateway)| LateArrival {
                    received: Instant::from_millis(received),
                    gateway: GatewayId::new(&gateway).expect("an id"),
                }),
                again,
            })
        });
        sent.collect()
    })
}

pub(crate) fn build_annotated(log: &[Sent]) -> crate::rows::Merged {
    let mut builder = RowsBuilder::new();
    for (row, sent) in (0u32..).zip(log) {
        let key = builder.key(&sent.key);
        builder.push(key, sent.instant, sent.value, sent.flag);
        if let Some(ticket) = &sent.ticket {
            builder.ticket(row, ticket.clone());
        }
        if let Some(late) = &sent.late {
            builder.late(row, late.clone());
        }
        if sent.again {
            builder.again(row);
        }
    }
    builder.finish()
}
