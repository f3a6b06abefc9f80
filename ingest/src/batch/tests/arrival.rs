//! Goal: the time of arrival and the sender determine how readings are interpreted. Method:
//! accumulators that share the newest instants as connections do, with the flags and senders that
//! front ends set.

use greenpark_model::{day::Instant, reading::Kind};

use super::*;
use crate::{auth::ClientIdentity, newest::Lateness, settings::LatePolicy, topic::Sender};

const DAY_MS: i64 = 86_400_000;

/// The state that all connections of an ingest share.
struct Ingest {
    routes: Arc<Routes>,
    lateness: Arc<Lateness>,
    metrics: IngestMetrics,
}

impl Ingest {
    fn new(settings: &DecodeSettings) -> Self {
        Self {
            routes: Arc::new(Routes::new(settings)),
            lateness: Arc::new(Lateness::new(settings)),
            metrics: IngestMetrics::default(),
        }
    }

    fn of_rule(rule: &str) -> Self {
        Self::new(&DecodeSettings {
            rules: vec![serde_json::from_str(rule).expect("a rule")],
            ..DecodeSettings::default()
        })
    }

    fn connect(&self, sender: Sender) -> BatchAccumulator {
        let held = Reservation::new(Arc::new(MemoryBudget::new(1 << 20)));
        BatchAccumulator::new(Arc::clone(&self.routes), self.metrics.clone(), held)
            .with_lateness(Arc::clone(&self.lateness))
            .with_client(ClientIdentity {
                grant: None,
                sender: Arc::new(sender),
            })
    }
}

fn publish<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish {
        topic,
        payload: payload.as_bytes(),
        qos: 1,
        packet_id: 1,
        ..Publish::default()
    }
}

/// Returns the late readings of a batch, and the number of dead letters with that reason.
fn late(accumulator: &mut BatchAccumulator) -> (Vec<Vec<u32>>, usize) {
    let sealed = accumulator.seal();
    let named = |letter: &&DeadLetter| letter.reason.contains("late: ");
    let refused = dead_letters(&sealed).iter().filter(named).count();
    let batches = batches(&sealed);
    let late = batches.iter().map(|batch| batch.late().to_vec());
    (late.collect(), refused)
}

#[test]
fn a_late_reading_is_accepted_and_marked() {
    let ingest = Ingest::new(&DecodeSettings::default());
    let mut first = ingest.connect(Sender::default());
    first.add(publish(TOPIC, &reading(1, NOW)), NOW);
    first.add(publish(TOPIC, &reading(1, NOW - 7 * DAY_MS)), NOW + 1);
    assert_eq!(late(&mut first), (vec![vec![]], 0));
    drop(first);
    // A gateway whose clock is reset also reconnects.
    let mut second = ingest.connect(Sender::default());
    second.add(publish(TOPIC, &reading(1, NOW - 365 * DAY_MS)), NOW + 2);
    second.add(publish(TOPIC, &reading(1, NOW + 3)), NOW + 3);
    second.add(
        publish("park/p1/e1/g2/up/readings", &reading(1, NOW - 365 * DAY_MS)),
        NOW,
    );
    let sealed = second.seal();
    let batches = batches(&sealed);
    assert_eq!(
        (batches[0].late(), batches[0].received()),
        ([0].as_slice(), Some(Instant::from_millis(NOW + 2)))
    );
    assert_eq!(
        batches[1].late(),
        [] as [u32; 0],
        "another gateway has a clock of its own"
    );
    assert_eq!(
        sealed
            .tallies
            .iter()
            .map(|t| (t.accepted, t.late))
            .collect::<Vec<_>>(),
        [(2, 1), (1, 0)]
    );
}

#[test]
fn a_backlog_in_order_and_a_first_message_are_not_late() {
    let ingest = Ingest::new(&DecodeSettings::default());
    let mut accumulator = ingest.connect(Sender::default());
    for day in (0..60).rev() {
        accumulator.add(publish(TOPIC, &reading(1, NOW - day * DAY_MS)), NOW);
    }
    let year = format!("[{},{}]", reading(1, NOW), reading(1, NOW - 300 * DAY_MS));
    accumulator.add(publish("park/p1/e1/g2/up/readings", &year), NOW);
    assert_eq!(late(&mut accumulator), (vec![vec![], vec![]], 0));
}

#[test]
fn a_replay_is_never_late() {
    let ingest = Ingest::new(&DecodeSettings {
        late: LatePolicy::DeadLetter,
        ..DecodeSettings::default()
    });
    let old = reading(1, NOW - 365 * DAY_MS);
    let mut live = ingest.connect(Sender::new(Some("gw"), None));
    live.add(publish(TOPIC, &reading(1, NOW)), NOW);
    live.add(publish(TOPIC, &old), NOW);
    let marked = Publish {
        replay: true,
        ..publish(TOPIC, &old)
    };
    live.add(marked, NOW);
    assert_eq!(late(&mut live), (vec![vec![]], 1));
    let users = ["office".to_owned()];
    let mut office = ingest.connect(Sender::new(Some("office"), None).replaying(&users));
    office.add(publish(TOPIC, &old), NOW);
    assert_eq!(late(&mut office), (vec![vec![]], 0));
}

#[test]
fn a_late_reading_may_be_a_dead_letter_beside_the_others() {
    let ingest = Ingest::new(&DecodeSettings {
        late: LatePolicy::DeadLetter,
        late_max: std::time::Duration::from_secs(86_400),
        ..DecodeSettings::default()
    });
    let mut accumulator = ingest.connect(Sender::default());
    accumulator.add(publish(TOPIC, &reading(1, NOW)), NOW);
    let both = format!("[{},{}]", reading(1, NOW - 2 * DAY_MS), reading(1, NOW + 1));
    accumulator.add(publish(TOPIC, &both), NOW);
    let sealed = accumulator.seal();
    assert_eq!(batches(&sealed)[0].len(), 2);
    let letter = &dead_letters(&sealed)[0];
    assert_eq!(letter.index, Some(0));
    assert!(letter.reason.contains("replay"), "{}", letter.reason);
    let tally = &sealed.tallies[0];
    assert_eq!((tally.accepted, tally.late, tally.dead_lettered), (2, 0, 1));
}

const BARE: &str = r#"{"filter":"t/+","format":"thingsboard","park":"p","enterprise":"e","gateway":"{1}",
    "map":[{"field":"v","meter":"m","quantity":"electricity"}]}"#;

#[test]
fn a_message_that_a_broker_may_have_kept_gets_no_instant_of_arrival() {
    let ingest = Ingest::of_rule(BARE);
    let mut accumulator = ingest.connect(Sender::default());
    let bare = publish("t/g", r#"{"v":10}"#);
    accumulator.add(bare, NOW);
    accumulator.add(
        Publish {
            retain: true,
            ..bare
        },
        NOW,
    );
    accumulator.add_queued(bare, NOW);
    let dated = publish("t/g", r#"{"ts":1700000000000,"values":{"v":11}}"#);
    accumulator.add_queued(
        Publish {
            retain: true,
            ..dated
        },
        NOW,
    );
    let sealed = accumulator.seal();
    assert_eq!(batches(&sealed)[0].instants(), [NOW, 1_700_000_000_000]);
    let reasons: Vec<_> = dead_letters(&sealed)
        .iter()
        .map(|l| l.reason.clone())
        .collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].contains("retain flag"), "{reasons:?}");
    assert!(reasons[1].contains("while ingest was away"), "{reasons:?}");
}

#[test]
fn two_clients_of_one_rule_are_two_gateways_or_the_second_is_refused() {
    let rule = |gateway: &str| {
        Ingest::of_rule(&format!(
            r#"{{"filter":"v1/devices/me/telemetry","format":"thingsboard","park":"p","enterprise":"e",
            "gateway":"{gateway}","map":[{{"field":"v","meter":"m","quantity":"electricity"}}]}}"#
        ))
    };
    let payload = r#"{"ts":1700000000000,"values":{"v":1}}"#;
    let outcome = |accumulator: &mut BatchAccumulator| {
        accumulator.add(publish("v1/devices/me/telemetry", payload), NOW);
        let sealed = accumulator.seal();
        let gateways: Vec<_> = sealed
            .readings
            .iter()
            .map(|r| r.headers.gateway.to_string())
            .collect();
        let reasons: Vec<_> = dead_letters(&sealed)
            .iter()
            .map(|l| l.reason.clone())
            .collect();
        (gateways, reasons)
    };
    let own = rule("{user}");
    for user in ["a", "b"] {
        let mut accumulator = own.connect(Sender::new(Some(user), Some("c")));
        assert_eq!(outcome(&mut accumulator), (vec![user.to_owned()], vec![]));
    }
    let one = rule("tb");
    let mut first = one.connect(Sender::new(Some("a"), Some("c1")));
    let mut second = one.connect(Sender::new(Some("b"), Some("c2")));
    for _again in 0..2 {
        assert_eq!(outcome(&mut first), (vec!["tb".to_owned()], vec![]));
        let (gateways, reasons) = outcome(&mut second);
        assert!(gateways.is_empty());
        assert!(
            reasons[0].contains("client 'c2' of user 'b' is refused"),
            "{reasons:?}"
        );
    }
}

#[test]
fn events_of_one_message_keep_their_tickets_in_the_record() {
    let mut accumulator = accumulator();
    let event = |value: &str| {
        format!(
            r#"{{"meter":"s","quantity":"raw_coal","kind":"event","at":1700000000000,"value":{value}}}"#
        )
    };
    let two = format!("[{},{}]", event("31.46"), event("31.46"));
    add(&mut accumulator, TOPIC, &two, 1);
    add(&mut accumulator, TOPIC, &reading(1, 1_700_000_000_000), 2);
    add(&mut accumulator, TOPIC, &two, 3);
    let batch = &batches(&accumulator.seal())[0];
    let tickets: Vec<_> = batch
        .tickets()
        .iter()
        .map(|(row, t)| (*row, t.as_str()))
        .collect();
    assert_eq!(
        tickets,
        [(1, "#2"), (4, "#2")],
        "before messages are joined"
    );
    assert_eq!(batch.series_table()[0].kind, Kind::Event);
}
