//! The course of dead letters in a running park: refused, listed, resent, and never doubled.

use std::{sync::Arc, time::Duration};

use greenpark::dead_letter_replay::{ResendArgs, replay};
use greenpark_client::{connection::ClientArgs, dead_letters::LetterFilterArgs};
use greenpark_gateway::{
    publisher::{self, OutgoingMessage, Tally},
    replay::login::LoginArgs,
};
use greenpark_proto::query::v1::{
    DeadLetterEntry, DeadLetterFilter, ListDeadLettersRequest, Reading, StreamReadingsRequest,
    dead_letters_client::DeadLettersClient, readings_client::ReadingsClient,
};
use tokio::sync::mpsc;

use crate::{query, test_park::TestPark};

/// The enterprise of the dead letters.
const ENTERPRISE: &str = "parks/lp/enterprises/e1";
/// How long dead letters may take to reach the lake.
const PATIENCE: Duration = Duration::from_secs(120);

/// The JSON of a reading, as a gateway sends it.
fn reading(meter: &str, unit: &str) -> String {
    format!(
        r#"{{"meter":"{meter}","quantity":"electricity","kind":"interval","unit":"{unit}","at":"2018-03-01T10:00:00+08:00","value":1.5}}"#
    )
}

/// Publishes `payload` to a stream of gateway `g1` and returns when it is acknowledged.
async fn publish(park: &TestPark, stream: &str, payload: String) {
    let settings = publisher::PublisherSettings {
        address: park.mqtt(),
        client_id: format!("letters-{stream}"),
        ..publisher::PublisherSettings::default()
    };
    let (sender, receiver) = mpsc::channel(1);
    let message = OutgoingMessage {
        topic: Arc::from(format!("park/lp/e1/g1/up/{stream}")),
        payload: payload.into(),
        readings: 1,
        numbered: None,
        replay_of: None,
    };
    sender.send(message).await.expect("there is room");
    drop(sender);
    let published = publisher::publish(settings, receiver, Arc::new(Tally::default())).await;
    published.expect("acknowledged");
}

fn filter(unreplayed: bool) -> DeadLetterFilter {
    DeadLetterFilter {
        parent: ENTERPRISE.to_owned(),
        unreplayed,
        ..DeadLetterFilter::default()
    }
}

/// Waits until the enterprise has `count` dead letters, and returns them, newest first.
async fn wait_for_dead_letters(
    park: &TestPark,
    unreplayed: bool,
    count: usize,
) -> Vec<DeadLetterEntry> {
    let service = DeadLettersClient::connect(format!("http://{}", park.grpc())).await;
    let mut service = service.expect("the service answers");
    let wait = async {
        loop {
            let request = ListDeadLettersRequest {
                filter: Some(filter(unreplayed)),
                ..ListDeadLettersRequest::default()
            };
            let answer = service.list_dead_letters(request).await.expect("a list");
            let letters = answer.into_inner().letters;
            if letters.len() >= count {
                return letters;
            }
            tokio::task::yield_now().await;
        }
    };
    let letters = tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the dead letters reach the lake");
    assert_eq!(letters.len(), count, "{letters:#?}");
    letters
}

/// The readings of the enterprise.
async fn readings(park: &TestPark) -> Vec<Reading> {
    let service = ReadingsClient::connect(format!("http://{}", park.grpc())).await;
    let request = StreamReadingsRequest {
        name: ENTERPRISE.to_owned(),
        period: query::year(2018),
        ..StreamReadingsRequest::default()
    };
    let mut service = service.expect("the service answers");
    let mut pages = service
        .stream_readings(request)
        .await
        .expect("a stream")
        .into_inner();
    let mut all = Vec::new();
    while let Some(page) = pages.message().await.expect("a page") {
        all.extend(page.readings);
    }
    all
}

fn resend(park: &TestPark) -> ResendArgs {
    ResendArgs {
        filter: LetterFilterArgs {
            name: ENTERPRISE.to_owned(),
            gateway: String::new(),
            reason: Vec::new(),
            from: None,
            to: None,
            unreplayed: false,
        },
        letter: Vec::new(),
        again: false,
        as_user: false,
        dry_run: false,
        recorded_by: Some("li".to_owned()),
        evidence: "ticket 7".to_owned(),
        mqtt: park.mqtt(),
        patience: 60,
        login: LoginArgs::default(),
        client: ClientArgs {
            grpc: Some(park.grpc()),
            ..ClientArgs::default()
        },
    }
}

/// Publishes readings that the park refuses, corrects its settings, resends the dead letters and restarts the park.
///
/// # Panics
/// If a dead letter is lost, doubled or resent twice.
pub async fn check_course(park: TestPark) {
    let (good, unread) = (reading("m1", "kWh"), reading("m2", "kWh"));
    let bad = reading("m3", "furlong");
    publish(&park, "readings", format!("[{good}, {bad}]")).await;
    // No decoder reads this stream yet.
    publish(&park, "odd", format!("[{unread}]")).await;
    let letters = wait_for_dead_letters(&park, false, 2).await;
    let reasons: Vec<&str> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    assert_eq!(reasons, ["no-decoder", "unknown-unit"]);
    assert_eq!(
        (letters[1].index, letters[1].gateway.as_str()),
        (Some(1), "g1")
    );
    assert_eq!(readings(&park).await.len(), 1);

    let park = park.change_settings(|settings| {
        let mut odd = settings.decode.rules[0].clone();
        odd.filter = "park/+/+/+/up/odd".to_owned();
        settings.decode.rules.push(odd);
    });
    let park = park.restart().await;
    wait_for_dead_letters(&park, true, 2).await;
    let dry = ResendArgs {
        dry_run: true,
        ..resend(&park)
    };
    replay(&dry).await.expect("a dry run sends nothing");
    wait_for_dead_letters(&park, true, 2).await;
    replay(&resend(&park)).await.expect("resent");
    // One of them is accepted now. The other is refused again; only its refused reading was resent.
    let letters = wait_for_dead_letters(&park, false, 3).await;
    let newest = &letters[0];
    assert_eq!(
        (newest.reason.as_str(), newest.index),
        ("unknown-unit", None)
    );
    assert_eq!(newest.payload_bytes, bad.len() as u64);
    assert!(letters[1..].iter().all(|letter| letter.replays.len() == 1));
    let mut meters: Vec<String> = readings(&park).await.into_iter().map(|r| r.meter).collect();
    meters.sort();
    assert_eq!(
        meters,
        ["m1", "m2"].map(|m| format!("{ENTERPRISE}/meters/{m}"))
    );

    resend_again(park, &letters[1]).await;
}

/// Resends a dead letter a second time, which needs `--again`, and restarts the park.
async fn resend_again(park: TestPark, letter: &DeadLetterEntry) {
    let named = ResendArgs {
        letter: vec![letter.name.clone()],
        ..resend(&park)
    };
    let refused = replay(&named).await.expect_err("it was already resent");
    assert!(format!("{refused:#}").contains("by li"), "{refused:#}");
    let again = ResendArgs {
        again: true,
        ..named
    };
    replay(&again).await.expect("resent again");
    let park = park.restart().await;
    // A payload that is refused again becomes one more dead letter.
    let count = 3 + usize::from(letter.reason == "unknown-unit");
    let letters = wait_for_dead_letters(&park, false, count).await;
    assert!(letters.iter().any(|letter| letter.replays.len() == 2));
    assert_eq!(readings(&park).await.len(), 2);
    park.stop().await;
}
