//! A real Mosquitto, configured well and badly.

use std::collections::BTreeMap;

use greenpark_doctor::{
    broker,
    report::{Findings, Outcome, Report},
};
use greenpark_ingest::SubscribeSettings;
use greenpark_tests_load::ports;

use super::{assert_check, check, mosquitto::Mosquitto};

const GOOD: &str = "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n\
                    max_queued_bytes 0";

fn settings(port: u16) -> SubscribeSettings {
    SubscribeSettings {
        broker: format!("127.0.0.1:{port}"),
        ..SubscribeSettings::default()
    }
}

async fn examined(settings: &SubscribeSettings) -> Report {
    let mut findings = Findings::new("broker");
    broker::check(settings, "test", &mut findings).await;
    Report {
        checks: findings.into_checks(),
    }
}

fn verdicts(report: &Report) -> BTreeMap<&str, Outcome> {
    let checks = report.checks.iter();
    checks.map(|check| (check.name, check.verdict)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_set_up_well_has_no_fault() {
    let Some(broker) = Mosquitto::start(GOOD, &[]) else {
        return;
    };
    let report = examined(&settings(broker.port)).await;
    let expected = BTreeMap::from([
        ("connect", Outcome::Ok),
        ("session expiry", Outcome::Ok),
        ("keep-alive", Outcome::Ok),
        ("publish window", Outcome::Ok),
        ("topic access", Outcome::Ok),
        ("session", Outcome::Ok),
        ("queue", Outcome::Ok),
        ("window", Outcome::Ok),
        ("redelivery", Outcome::Ok),
        ("message size", Outcome::Ok),
        ("shared subscription", Outcome::Ok),
        ("anonymous access", Outcome::Warning),
        ("restart", Outcome::LeftOut),
    ]);
    assert_eq!(verdicts(&report), expected, "{report:#?}");
    // A second look finds nothing of the first: its session is new.
    let again = examined(&settings(broker.port)).await;
    assert_eq!(verdicts(&again), expected, "{again:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_small_limits_is_told_each_of_them() {
    let bad = "allow_anonymous true\nmax_queued_messages 100\nmax_inflight_messages 1\n\
               message_size_limit 100000\nmax_keepalive 20";
    let Some(broker) = Mosquitto::start(bad, &[]) else {
        return;
    };
    let report = examined(&settings(broker.port)).await;
    let words = ["of 1500", "max_queued_messages 0", "mqtt.max_mqueue_len"];
    assert_check(&report, ("broker", "queue"), Outcome::Fault, &words);
    let words = ["have 1 messages", "max_inflight_messages 0"];
    assert_check(
        &report,
        ("broker", "publish window"),
        Outcome::Warning,
        &words,
    );
    let words = ["1 MiB", "message_size_limit"];
    assert_check(&report, ("broker", "message size"), Outcome::Fault, &words);
    let words = ["20 s", "max_keepalive"];
    assert_check(&report, ("broker", "keep-alive"), Outcome::Warning, &words);
    for name in ["session", "redelivery", "topic access"] {
        assert_check(&report, ("broker", name), Outcome::Ok, &[]);
    }
    let queue = &check(&report, "broker", "queue").seen;
    let came = queue.split_whitespace().rev().nth(1);
    let came: usize = came.and_then(|word| word.parse().ok()).expect("a count");
    assert!((100..=101).contains(&came), "{queue}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_that_mosquitto_has_by_itself_are_found() {
    let Some(broker) = Mosquitto::start("allow_anonymous true", &[]) else {
        return;
    };
    let report = examined(&settings(broker.port)).await;
    assert_check(&report, ("broker", "queue"), Outcome::Fault, &["of 1500"]);
    // To a client of MQTT 5 it gives the window that it asks for, whatever max_inflight_messages says.
    for (receive_maximum, verdict) in [(8, Outcome::Fault), (20, Outcome::Warning)] {
        let settings = SubscribeSettings {
            receive_maximum,
            ..settings(broker.port)
        };
        let report = examined(&settings).await;
        let word = format!("{receive_maximum} messages come");
        let words = [&*word, "subscribe.receive_maximum"];
        assert_check(&report, ("broker", "window"), verdict, &words);
        assert_check(&report, ("broker", "redelivery"), Outcome::Ok, &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_list_that_keeps_ingest_out_is_a_fault() {
    let lines = format!("{GOOD}\nacl_file DIR/acl");
    let files = [("acl", "topic read somewhere/else\n")];
    let Some(broker) = Mosquitto::start(&lines, &files) else {
        return;
    };
    let report = examined(&settings(broker.port)).await;
    let words = ["publish to park/_doctor/test", "acl_file"];
    assert_check(&report, ("broker", "topic access"), Outcome::Fault, &words);
    assert_check(&report, ("broker", "queue"), Outcome::LeftOut, &["refused"]);
    // Mosquitto grants the subscription all the same, and delivers nothing.
    let files = [("acl", "topic write park/#\n")];
    let Some(broker) = Mosquitto::start(&lines, &files) else {
        return;
    };
    let report = examined(&settings(broker.port)).await;
    let words = ["does not come", "topic read park/+/+/+/up/#"];
    assert_check(&report, ("broker", "topic access"), Outcome::Fault, &words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_subscription_keeps_messages_for_a_member_that_is_away() {
    let Some(broker) = Mosquitto::start(GOOD, &[]) else {
        return;
    };
    let settings = SubscribeSettings {
        filters: vec!["$share/ingest/park/+/+/+/up/#".to_owned()],
        ..settings(broker.port)
    };
    let report = examined(&settings).await;
    let name = ("broker", "shared subscription");
    assert_check(&report, name, Outcome::Warning, &["waited for", "$share"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_or_wants_a_password_is_a_fault() {
    let [free] = ports::free();
    let port = free.port();
    let report = examined(&settings(port)).await;
    let words = ["subscribe.broker"];
    assert_check(&report, ("broker", "connect"), Outcome::Fault, &words);
    assert_check(&report, ("broker", "queue"), Outcome::LeftOut, &[]);
    let Some(broker) = Mosquitto::start("allow_anonymous false", &[]) else {
        return;
    };
    let report = examined(&settings(broker.port)).await;
    let words = ["NotAuthorized", "subscribe.password_file"];
    assert_check(&report, ("broker", "connect"), Outcome::Fault, &words);
}

#[tokio::test]
async fn filters_that_take_every_topic_are_not_fed_dead_letters() {
    let settings = SubscribeSettings {
        filters: vec!["#".to_owned()],
        ..settings(1)
    };
    let report = examined(&settings).await;
    let words = ["dead letters"];
    assert_check(&report, ("broker", "connect"), Outcome::LeftOut, &words);
}
