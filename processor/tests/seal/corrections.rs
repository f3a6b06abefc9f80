//! Which value counts if an identity is sent more than once: corrections, messages sent again, tickets, repeats and late
//! readings, across flushes, seals and restarts.

use greenpark_archive::totals::{TotalsRow, decode_totals};
use greenpark_model::{log_position::Partition, messages::BatchMessages, ticket::Ticket};

use super::*;

/// A message of an enterprise: one batch of readings of one meter.
struct Message {
    enterprise: &'static str,
    kind: Kind,
    /// Instant, ticket and millionths.
    readings: Vec<(i64, Option<&'static str>, i64)>,
    late: Option<Instant>,
    /// The number of the message in epoch 7.
    number: Option<u64>,
}

impl Message {
    fn of(readings: &[(i64, i64)]) -> Self {
        let readings = readings.iter().map(|&(at, micro)| (at, None, micro));
        Self {
            enterprise: "e",
            kind: Kind::Interval,
            readings: readings.collect(),
            late: None,
            number: None,
        }
    }

    fn numbered(number: u64, readings: &[(i64, i64)]) -> Self {
        Self {
            number: Some(number),
            ..Self::of(readings)
        }
    }

    fn record(&self) -> Record {
        let mut batch = Batch::new();
        self.add_to(&mut batch);
        let mut messages = BatchMessages::default();
        if let Some(number) = self.number {
            messages.end(number, 0..self.readings.len() as u32);
        }
        self.record_of(&batch, &messages)
    }

    fn add_to(&self, batch: &mut Batch) {
        let series = Series {
            meter: MeterId::new("m").expect("an id"),
            quantity: "raw_coal".parse().expect("a quantity"),
            kind: self.kind,
        };
        let series = batch.add_series(series).expect("room");
        for &(at, ticket, micro) in &self.readings {
            let reading = Reading {
                instant: Instant::from_millis(at),
                value: Amount::from_micro(micro).expect("in range"),
                flag: Flag::Normal,
            };
            match ticket.map(|text| Ticket::parse(text).expect("a ticket")) {
                Some(ticket) => batch.push_ticketed(series, reading, ticket),
                None => batch.push(series, reading),
            }
            .expect("room");
            if let Some(received) = self.late {
                batch.mark_last_late(received);
            }
        }
    }

    /// The record of `batch`, from the sender of this message.
    fn record_of(&self, batch: &Batch, messages: &BatchMessages) -> Record {
        Record {
            park: park(),
            headers: Headers {
                enterprise: EnterpriseId::new(self.enterprise).expect("an id"),
                gateway: GatewayId::new("g").expect("an id"),
                epoch: 7,
                sequence: messages.ended().runs().first().map_or(0, |run| run.0),
                content_type: ContentType::ReadingBatch,
            },
            payload: reading_batch::encode_numbered(batch, messages),
        }
    }
}

impl Bench {
    /// Appends each message as a record of its own.
    async fn append(&self, messages: &[Message]) {
        for message in messages {
            self.append_record(message.record()).await;
        }
    }

    async fn append_record(&self, record: Record) {
        let writer = self.log.writer();
        let receipt = writer.append(Topic::Readings, vec![record]).await;
        assert_eq!(receipt.expect("appended").records(), 1);
    }

    /// Appends a message and runs a processor until the message is published.
    async fn publish(&self, lake: &Lake, message: Message) {
        self.append(&[message]).await;
        let end = self.log.entries(Topic::Readings).len() as u64;
        let running = self.start(lake).await;
        until(|| async { (self.log.committed("test", Partition::FIRST) == end).then_some(()) })
            .await;
        running.stop().await;
    }

    fn set_clock(&self, to: &str) {
        let now: Instant = to.parse().expect("an instant");
        self.now
            .store(now.millis(), std::sync::atomic::Ordering::Relaxed);
    }
}

/// The book once a processor has sealed `days` enterprise-days, so that no hot file is left.
async fn seal(bench: &Bench, lake: &Lake, days: usize) -> Arc<Snapshot> {
    let running = bench.start(lake).await;
    let book = sealed(lake, 2026, days).await;
    running.stop().await;
    book
}

/// The rows of the sealed file of `e`, when no hot file is left.
async fn sealed_rows(bench: &Bench, lake: &Lake) -> ReadingRows {
    let book = seal(bench, lake, 1).await;
    rows(lake, &book).await.remove(0)
}

/// The values that count of the only identity.
fn counts(rows: &ReadingRows) -> Vec<i64> {
    let kept = (0..rows.len()).filter(|&row| !rows.superseded[row]);
    kept.map(|row| rows.values[row]).collect()
}

async fn totals(bench: &Bench, lake: &Lake) -> Vec<TotalsRow> {
    let book = snapshot(lake, 2026).await.expect("a book");
    let mut rows = Vec::new();
    for file in &book.totals_files {
        let folder = bench.folder.path().join(book.totals_root());
        let bytes = std::fs::read(folder.join(&file.path)).expect("a file");
        rows.extend(decode_totals(bytes.into()).expect("our file"));
    }
    rows.retain(|row| {
        let revision = book.sealed_revision(row.day, &row.enterprise);
        row.is_repeats() || revision == Some(row.revision)
    });
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_comes_back_counts_when_each_is_flushed_by_itself() {
    let bench = Bench::new("2026-03-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let at = day("2026-03-01").start().millis();
    for micro in [10, 12, 10] {
        bench.publish(&lake, Message::of(&[(at, micro)])).await;
    }
    assert!(bench.hot_files(&lake).await >= 3);
    bench.set_clock("2026-03-03T12:00:00+08:00");
    let rows = sealed_rows(&bench, &lake).await;
    assert_eq!(
        (rows.values, rows.superseded),
        (vec![12, 10], vec![true, false])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_comes_back_counts_over_seals() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let at = day("2026-03-01").start().millis();
    for (micro, revision) in [(10, 1), (12, 2), (10, 3), (10, 3)] {
        bench.publish(&lake, Message::of(&[(at, micro)])).await;
        let rows = sealed_rows(&bench, &lake).await;
        assert_eq!(counts(&rows), [micro]);
        let book = snapshot(&lake, 2026).await.expect("a book");
        let e = EnterpriseId::new("e").expect("an id");
        assert_eq!(book.sealed_revision(day("2026-03-01"), &e), Some(revision));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_numbered_message_that_is_sent_again_corrects_nothing() {
    for flushed in [false, true] {
        let bench = Bench::new("2026-06-01T12:00:00+08:00");
        let lake = bench.lake().await;
        let at = day("2026-03-01").start().millis();
        let messages = [
            Message::numbered(1, &[(at, 10)]),
            Message::numbered(2, &[(at, 12)]),
            Message::numbered(1, &[(at, 10)]),
        ];
        if flushed {
            for message in messages {
                bench.publish(&lake, message).await;
            }
        } else {
            bench.append(&messages).await;
        }
        let rows = sealed_rows(&bench, &lake).await;
        assert_eq!(counts(&rows), [12], "flushed: {flushed}");
        // A message with a new number is a correction.
        bench
            .publish(&lake, Message::numbered(3, &[(at, 10)]))
            .await;
        let rows = sealed_rows(&bench, &lake).await;
        assert_eq!(counts(&rows), [10], "flushed: {flushed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_may_hold_readings_that_are_sent_again_beside_new_ones() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let at = day("2026-03-01").start().millis();
    let hour = |nth: i64| at + nth * HOUR;
    let messages = [
        Message::numbered(1, &[(hour(0), 10), (hour(1), 20)]),
        Message::numbered(2, &[(hour(0), 12), (hour(1), 22), (hour(2), 30)]),
    ];
    for message in messages {
        bench.publish(&lake, message).await;
    }
    // The first message comes again between two new ones, and one of these twice; the last has no number.
    let together = [
        Message::numbered(3, &[(hour(3), 40)]),
        Message::numbered(1, &[(hour(0), 10), (hour(1), 20)]),
        Message::numbered(4, &[(hour(2), 31), (hour(3), 41)]),
        Message::numbered(3, &[(hour(3), 40)]),
        Message::of(&[(hour(4), 50)]),
    ];
    let (mut batch, mut messages) = (Batch::new(), BatchMessages::default());
    for message in &together {
        let from = batch.len() as u32;
        message.add_to(&mut batch);
        if let Some(number) = message.number {
            messages.end(number, from..batch.len() as u32);
        }
    }
    let record = together[0].record_of(&batch, &messages);
    bench.append_record(record).await;
    // A message that is split over two records is known by its number in both.
    let cut = Message::numbered(2, &[(hour(0), 12), (hour(1), 22)]);
    let (mut batch, mut messages) = (Batch::new(), BatchMessages::default());
    cut.add_to(&mut batch);
    messages.leave(2, 0..2);
    let corrects = Message::numbered(5, &[(hour(1), 23)]);
    bench.append(&[corrects]).await;
    bench.append_record(cut.record_of(&batch, &messages)).await;
    bench.publish(&lake, Message::of(&[(hour(5), 60)])).await;
    let rows = sealed_rows(&bench, &lake).await;
    assert_eq!(counts(&rows), [12, 23, 31, 41, 50, 60]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_lists_only_the_messages_that_end_in_it_is_sent_again_as_a_whole() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let at = day("2026-03-01").start().millis();
    for (number, micro) in [(1, 10), (2, 12), (1, 10)] {
        let message = Message::numbered(number, &[(at, micro)]);
        let mut batch = Batch::new();
        message.add_to(&mut batch);
        let mut messages = BatchMessages::default();
        messages.end(number, 0..1);
        let messages = BatchMessages::from(messages.into_ended());
        bench
            .append_record(message.record_of(&batch, &messages))
            .await;
    }
    let rows = sealed_rows(&bench, &lake).await;
    assert_eq!(counts(&rows), [12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_of_one_instant_are_amounts_of_their_own_and_dropped_ones_are_counted() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let at = day("2026-03-01").start().millis();
    let tickets = || Message {
        kind: Kind::Event,
        readings: vec![
            (at, None, 31_460_000),
            (at, Some("#2"), 28_900_000),
            (at, Some("A-7"), 31_460_000),
            (at, Some("A-8"), 31_460_000),
        ],
        ..Message::of(&[])
    };
    bench.publish(&lake, tickets()).await;
    let rows = sealed_rows(&bench, &lake).await;
    assert_eq!(counts(&rows).iter().sum::<i64>(), 123_280_000);
    bench.append(&[tickets()]).await;
    bench.publish(&lake, tickets()).await;
    seal(&bench, &lake, 1).await;
    let rows = totals(&bench, &lake).await;
    let sum: i128 = rows.iter().map(|row| row.fold.within.0).sum();
    let dropped: u32 = rows.iter().map(|row| row.duplicates).sum();
    assert_eq!((sum, dropped), (123_280_000, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_came_three_times_are_counted_for_their_own_enterprise() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let start = day("2026-03-01").start().millis();
    let hours = |enterprise, many: i64| {
        let hours = (0..many).map(|h| (start + h * HOUR, h + 1));
        Message {
            enterprise,
            ..Message::of(&hours.collect::<Vec<_>>())
        }
    };
    // Twice before the day is sealed and once after; another enterprise sends once.
    bench
        .append(&[hours("e", 24), hours("e", 24), hours("f", 24)])
        .await;
    let first = seal(&bench, &lake, 2).await;
    let dropped = |rows: &[TotalsRow], of: &str| -> u32 {
        let of_it = rows.iter().filter(|row| row.enterprise.as_str() == of);
        of_it.map(|row| row.duplicates).sum()
    };
    let rows = totals(&bench, &lake).await;
    assert_eq!((dropped(&rows, "e"), dropped(&rows, "f")), (24, 0));
    bench.publish(&lake, hours("e", 24)).await;
    let again = seal(&bench, &lake, 2).await;
    assert_eq!(again.files, first.files, "a repeat made a new revision");
    let rows = totals(&bench, &lake).await;
    assert_eq!((dropped(&rows, "e"), dropped(&rows, "f")), (48, 0));
    // One reading more makes a revision, and nothing is counted twice or forgotten.
    bench.publish(&lake, hours("e", 23)).await;
    bench
        .publish(&lake, Message::of(&[(start + 1, 1_000)]))
        .await;
    seal(&bench, &lake, 2).await;
    let rows = totals(&bench, &lake).await;
    let readings: u32 = rows.iter().map(|row| row.fold.readings).sum();
    assert_eq!(readings, 24 + 25);
    assert_eq!((dropped(&rows, "e"), dropped(&rows, "f")), (71, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_marks_are_stored_with_their_readings_and_counted() {
    let bench = Bench::new("2026-03-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let at = day("2026-03-01").start().millis();
    let received: Instant = "2026-03-20T08:00:00+08:00".parse().expect("an instant");
    let late = |readings: &[(i64, i64)]| Message {
        late: Some(received),
        ..Message::of(readings)
    };
    bench
        .publish(&lake, Message::of(&[(at, 5), (at + HOUR, 6)]))
        .await;
    // One reading is new, one is a correction, and one came in time before.
    bench
        .publish(&lake, late(&[(at, 5), (at + HOUR, 7), (at + 2 * HOUR, 8)]))
        .await;
    bench.set_clock("2026-03-21T12:00:00+08:00");
    let rows = sealed_rows(&bench, &lake).await;
    let marks: Vec<(i64, i64)> = rows
        .late_in(0..rows.len())
        .map(|(row, late)| {
            assert_eq!(late.gateway.as_str(), "g");
            (rows.values[row], late.received.millis())
        })
        .collect();
    assert_eq!(marks, [(7, received.millis()), (8, received.millis())]);
    let rows = totals(&bench, &lake).await;
    assert_eq!(rows.iter().map(|row| row.late).collect::<Vec<_>>(), [2]);
}
