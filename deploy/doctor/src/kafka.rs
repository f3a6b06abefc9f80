//! Checks of a Kafka cluster: the brokers' description of the topics, and a trial record.

use std::collections::BTreeMap;

use greenpark_archive::inspect::BookInspection as Book;
use greenpark_log_kafka::{
    KafkaSettings,
    inspect::{self, Inspection, PartitionState, TopicState, Trial},
};
use greenpark_model::{clock::Clock, day::Instant};

use crate::{
    position,
    report::{Findings, Outcome, chain, duration_text},
};

/// The message size that the largest record needs of brokers and topics: Kafka's own default.
const MESSAGE_BYTES: u64 = 1_048_588;
/// The shortest retention that the log opens with: thirty days.
const RETENTION_MS_MIN: i64 = 30 * 86_400_000;
/// A larger clock difference is a warning.
const SKEW_MS_WARNING: i64 = 2_000;
/// A larger clock difference is a fault: readings of today would be in the future.
const SKEW_MS_FAULT: i64 = 60_000;

/// A finding: outcome, observation, and its meaning and change.
type Finding = (Outcome, String, [&'static str; 2]);

const MIN_INSYNC: [&str; 2] = [
    "an acknowledgement may mean one disk, or none can be given while a broker is away",
    "three replicas with min.insync.replicas=2: kafka-configs.sh --alter --entity-type topics --entity-name TOPIC \
     --add-config min.insync.replicas=2",
];
const RETENTION: [&str; 2] = [
    "Kafka removes records by age and size whether anybody has read them or not",
    "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config \
     cleanup.policy=delete,retention.ms=-1,retention.bytes=-1",
];
const SIZE: [&str; 2] = [
    "the largest batches of a gateway are never acknowledged, and are sent again and again",
    "the topic's max.message.bytes and the brokers' message.max.bytes: 1048588 (the default) or more; \
     replica.fetch.max.bytes as much",
];

/// Checks the cluster of `settings`, `group`'s standing in it and the books against it, by `clock`.
pub async fn check(
    settings: &KafkaSettings,
    group: &str,
    unique: &str,
    (books, clock): (&[Book], &Clock),
    findings: &mut Findings,
) {
    let found = match inspect::inspect(settings, group).await {
        Ok(found) => found,
        Err(error) => {
            let means = "nothing can be acknowledged";
            let change = "check kafka.brokers and kafka.properties; the brokers' advertised.listeners must be \
                          addresses that this machine reaches";
            return findings.add("connect", Outcome::Fault, chain(&error), [means, change]);
        }
    };
    let seen = format!("{} brokers answer at {}", found.brokers, settings.brokers);
    findings.ok("connect", seen, "");
    topics(settings, &found, findings);
    if !found.readings.partitions.is_empty() {
        let topic = &found.readings;
        add_finding(findings, "replication", replication(topic));
        add_finding(findings, "min.insync.replicas", in_sync(topic));
        add_finding(findings, "unclean election", unclean(topic));
        add_finding(findings, "retention", retention(topic));
        add_finding(findings, "lag", lag(topic, clock.now()));
        let ends = topic.partitions.iter().map(|p| (p.partition, p.end));
        position::compare(books, &ends.collect::<BTreeMap<_, _>>(), findings);
    }
    match inspect::try_produce(settings, unique, clock).await {
        Ok(trial) => tried(&trial, &found.readings, findings),
        Err(error) => {
            let why = format!("a record of ours was not taken: {}", chain(&error));
            let change = "allow this client to create greenpark.doctor.* (or create topics), and to produce \
                          idempotently (IdempotentWrite on the cluster); look whether all replicas are there";
            let means =
                "if it is not only the topic that may not be made, no reading is acknowledged";
            findings.add("produce", Outcome::Fault, why, [means, change]);
        }
    }
}

fn add_finding(findings: &mut Findings, name: &'static str, (verdict, seen, advice): Finding) {
    match verdict {
        Outcome::Ok => findings.ok(name, seen, ""),
        verdict => findings.add(name, verdict, seen, advice),
    }
}

fn topics(settings: &KafkaSettings, found: &Inspection, findings: &mut Findings) {
    let missing = |topic: &&TopicState| topic.partitions.is_empty();
    let both = [&found.readings, &found.dead_letters];
    let absent: Vec<&str> = both
        .into_iter()
        .filter(missing)
        .map(|t| t.name.as_str())
        .collect();
    if !absent.is_empty() {
        let why = format!(
            "{} is not there yet; the first start makes it",
            absent.join(" and ")
        );
        findings.left_out("topics", why, "");
    } else {
        let seen = format!("{} and {}", found.readings.name, found.dead_letters.name);
        findings.ok("topics", seen, "");
    }
    let expected = settings.partitions as usize;
    for topic in both.into_iter().filter(|topic| !missing(topic)) {
        let has = topic.partitions.len();
        if has != expected {
            let means = "every service refuses to start: a park would change its partition";
            let change = "set kafka.partitions to the count that the lake was written with; partitions of a topic \
                          cannot be taken away: if it was enlarged, make a new topic (kafka.prefix) and a new lake";
            let seen = format!(
                "{} has {has}, and kafka.partitions says {expected}",
                topic.name
            );
            findings.add("partition count", Outcome::Fault, seen, [means, change]);
        }
    }
}

fn setting<'a>(topic: &'a TopicState, name: &str) -> Option<&'a str> {
    topic.settings.get(name).map(String::as_str)
}

fn least(topic: &TopicState, of: impl Fn(&PartitionState) -> usize) -> usize {
    topic.partitions.iter().map(of).min().unwrap_or(0)
}

fn replication(topic: &TopicState) -> Finding {
    let (replicas, in_sync) = (least(topic, |p| p.replicas), least(topic, |p| p.in_sync));
    let seen = format!("{replicas} replicas, at least {in_sync} of them in sync");
    let advice = match replicas {
        0 | 1 => [
            "every acknowledged reading lies on one disk until the processor has stored it",
            "three brokers, and kafka.replication = 3 before the topics are made; later: \
             kafka-reassign-partitions.sh",
        ],
        _ => [
            "a broker is away or behind: one more failure can stop appends or lose readings",
            "bring the broker back; kafka-topics.sh --describe --under-replicated-partitions names it",
        ],
    };
    let sound = replicas > 1 && in_sync == replicas;
    let verdict = if sound { Outcome::Ok } else { Outcome::Warning };
    (verdict, seen, advice)
}

fn in_sync(topic: &TopicState) -> Finding {
    let minimum =
        setting(topic, "min.insync.replicas").and_then(|value| value.parse::<usize>().ok());
    let Some(needed) = minimum else {
        return (
            Outcome::LeftOut,
            "the brokers do not tell".to_owned(),
            MIN_INSYNC,
        );
    };
    let (replicas, in_sync) = (least(topic, |p| p.replicas), least(topic, |p| p.in_sync));
    let seen = format!("{needed} of {replicas} replicas must have a record; {in_sync} are in sync");
    let verdict = match needed {
        _ if needed > in_sync => Outcome::Fault,
        _ if replicas == 1 => Outcome::Ok,
        1 => Outcome::Warning,
        _ if needed == replicas => Outcome::Warning,
        _ => Outcome::Ok,
    };
    (verdict, seen, MIN_INSYNC)
}

fn unclean(topic: &TopicState) -> Finding {
    let name = "unclean.leader.election.enable";
    let advice = [
        "a broker that lacks acknowledged records may become their leader, and they are gone",
        "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config \
         unclean.leader.election.enable=false",
    ];
    match setting(topic, name) {
        Some("false") => (Outcome::Ok, format!("{name}=false"), advice),
        Some(value) => (Outcome::Fault, format!("{name}={value}"), advice),
        None => (
            Outcome::LeftOut,
            "the brokers do not tell".to_owned(),
            advice,
        ),
    }
}

fn retention(topic: &TopicState) -> Finding {
    let of = |name| setting(topic, name).unwrap_or("?");
    let (policy, ms, bytes) = (
        of("cleanup.policy"),
        of("retention.ms"),
        of("retention.bytes"),
    );
    let seen = format!("cleanup.policy={policy}, retention.ms={ms}, retention.bytes={bytes}");
    let short = ms
        .parse::<i64>()
        .is_ok_and(|ms| (0..RETENTION_MS_MIN).contains(&ms));
    let verdict = match policy {
        "?" => Outcome::LeftOut,
        _ if policy != "delete" || short => Outcome::Fault,
        _ if bytes != "-1" => Outcome::Warning,
        _ => Outcome::Ok,
    };
    (verdict, seen, RETENTION)
}

/// What the group has not read, against how long it will stay.
fn lag(topic: &TopicState, now: Instant) -> Finding {
    let lost = topic.partitions.iter().map(|found| {
        let committed = found.committed.unwrap_or(0);
        found.first.saturating_sub(committed)
    });
    let lost: u64 = lost.sum();
    let waiting = topic.lag();
    if lost > 0 {
        let advice = [
            "they are lost to the archive",
            "set retention.ms=-1 and retention.bytes=-1; if gateways still have them, let them send again",
        ];
        let seen = format!("{lost} records were removed before the processor had read them");
        return (Outcome::Fault, seen, advice);
    }
    let Some(oldest) = waiting.oldest_ms else {
        let seen = format!("{} records wait for the processor", waiting.records);
        return (Outcome::Ok, seen, RETENTION);
    };
    let age = now.millis() - oldest;
    let kept = setting(topic, "retention.ms").and_then(|ms| ms.parse::<i64>().ok());
    let seen = format!(
        "{} records wait for the processor, the oldest since {}",
        waiting.records,
        duration_text(age)
    );
    let advice = [
        "when the oldest is as old as retention.ms, records go unread",
        "start the processor, and look into its log for why it stops; raise retention.ms until it has caught up",
    ];
    match kept.filter(|&kept| kept >= 0) {
        Some(kept) if age > kept / 2 => (Outcome::Fault, seen, advice),
        _ => (Outcome::Ok, seen, advice),
    }
}

/// What was seen of records of our own.
fn tried(trial: &Trial, topic: &TopicState, findings: &mut Findings) {
    let seen = format!(
        "a record is acknowledged by all replicas after {:.1?}",
        trial.took
    );
    findings.ok("produce", seen, "idempotent, acks=all");
    let limit = setting(topic, "max.message.bytes").and_then(|bytes| bytes.parse::<u64>().ok());
    let verdict = match &trial.largest {
        Err(why) => (
            Outcome::Fault,
            format!("a record of 1 MB is refused: {why}"),
            SIZE,
        ),
        Ok(()) if limit.is_some_and(|limit| limit < MESSAGE_BYTES) => {
            let limit = limit.unwrap_or(0);
            (
                Outcome::Fault,
                format!("{} has max.message.bytes={limit}", topic.name),
                SIZE,
            )
        }
        Ok(()) => (Outcome::Ok, "a record of 1 MB is taken".to_owned(), SIZE),
    };
    add_finding(findings, "message size", verdict);
    let Some(skew) = trial.skew_ms else {
        return findings.left_out("clock", "the broker did not stamp the record", "");
    };
    let way = if skew < 0 { "behind" } else { "ahead of" };
    let seen = format!("the broker's clock is {} ms {way} ours", skew.abs());
    let verdict = match skew.abs() {
        0..SKEW_MS_WARNING => Outcome::Ok,
        SKEW_MS_WARNING..SKEW_MS_FAULT => Outcome::Warning,
        _ => Outcome::Fault,
    };
    let advice = [
        "retention by time goes by the broker's clock, and days close by ours",
        "synchronise both: chrony or systemd-timesyncd (timedatectl set-ntp true)",
    ];
    add_finding(findings, "clock", (verdict, seen, advice));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(replicas: usize, settings: &[(&str, &str)]) -> TopicState {
        let partition = PartitionState {
            partition: greenpark_model::log_position::Partition::FIRST,
            replicas,
            in_sync: replicas,
            first: 0,
            end: 10,
            committed: Some(4),
            oldest_unread_ms: Some(0),
        };
        let settings = settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        TopicState {
            name: "t".to_owned(),
            partitions: vec![partition],
            settings: settings.collect(),
        }
    }

    #[test]
    fn replicas_and_what_an_acknowledgement_means() {
        for (replicas, needed, verdict) in [
            (1, "1", Outcome::Ok),
            (1, "2", Outcome::Fault),
            (3, "1", Outcome::Warning),
            (3, "2", Outcome::Ok),
            (3, "3", Outcome::Warning),
        ] {
            let topic = topic(replicas, &[("min.insync.replicas", needed)]);
            assert_eq!(in_sync(&topic).0, verdict, "{replicas} {needed}");
        }
        let mut away = topic(3, &[("min.insync.replicas", "2")]);
        assert_eq!(replication(&away).0, Outcome::Ok);
        away.partitions[0].in_sync = 1;
        assert_eq!(in_sync(&away).0, Outcome::Fault);
        assert_eq!(replication(&away).0, Outcome::Warning);
        assert_eq!(replication(&topic(1, &[])).0, Outcome::Warning);
    }

    #[test]
    fn settings_that_lose_readings_are_faults() {
        let kept = |policy, ms, bytes| {
            let settings = [
                ("cleanup.policy", policy),
                ("retention.ms", ms),
                ("retention.bytes", bytes),
            ];
            retention(&topic(1, &settings)).0
        };
        assert_eq!(kept("delete", "-1", "-1"), Outcome::Ok);
        assert_eq!(kept("delete", "604800000", "-1"), Outcome::Fault);
        assert_eq!(kept("compact", "-1", "-1"), Outcome::Fault);
        assert_eq!(kept("delete", "-1", "1073741824"), Outcome::Warning);
        assert_eq!(retention(&topic(1, &[])).0, Outcome::LeftOut);
        let name = "unclean.leader.election.enable";
        assert_eq!(unclean(&topic(3, &[(name, "true")])).0, Outcome::Fault);
        assert_eq!(unclean(&topic(3, &[(name, "false")])).0, Outcome::Ok);
    }

    #[test]
    fn what_waits_is_held_against_the_retention() {
        let day = 86_400_000;
        let kept = (40 * day).to_string();
        let settings = [("retention.ms", &*kept)];
        let found = lag(&topic(1, &settings), Instant::from_millis(10 * day));
        assert_eq!(found.0, Outcome::Ok, "{found:?}");
        assert!(found.1.contains("6 records"), "{found:?}");
        assert_eq!(
            lag(&topic(1, &settings), Instant::from_millis(21 * day)).0,
            Outcome::Fault
        );
        let good = [("retention.ms", "-1")];
        assert_eq!(
            lag(&topic(1, &good), Instant::from_millis(900 * day)).0,
            Outcome::Ok
        );
        let mut gone = topic(1, &good);
        gone.partitions[0].first = 6;
        let found = lag(&gone, Instant::from_millis(day));
        assert!(
            found.0 == Outcome::Fault && found.1.starts_with("2 records"),
            "{found:?}"
        );
    }
}
