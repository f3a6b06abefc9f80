//! The course of dead letters on a running park: refused, listed, sent again, and never doubled.

use std::{sync::Arc, time::Duration};

use greenpark::dead_letter_replay::{ResendArgs, replay};
use greenpark_client::{connection::ClientArgs, dead_letters::LetterFilterArgs};
use greenpark_console::output::OutputFormat;
use greenpark_gateway::{
    publisher::{self, OutgoingMessage, Tally},
    replay::login::LoginArgs,
};
use greenpark_proto::query::v1::{
    DeadLetterEntry, DeadLetterFilter, ListDeadLettersRequest, Reading, StreamReadingsRequest,
    dead_letters_client::DeadLettersClient, readings_client::ReadingsClient,
};
use tokio::sync::mpsc;

use crate::{ask, site::Site};

/// Whose letters they are.
const ENTERPRISE: &str = "parks/lp/enterprises/e1";
/// How long letters may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// A reading of a meter, as a gateway sends it.
fn reading(meter: &str, unit: &str) -> String {
    format!(
        r#"{{"meter":"{meter}","quantity":"electricity","kind":"interval","unit":"{unit}","at":"2018-03-01T10:00:00+08:00","value":1.5}}"#
    )
}

/// Publishes `payload` on a stream of gateway `g1` and returns when it is acknowledged.
async fn publish(site: &Site, stream: &str, payload: String) {
    let settings = publisher::PublisherSettings {
        address: site.mqtt(),
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

/// The letters of the enterprise, newest first, once there are `many`.
async fn listed(site: &Site, unreplayed: bool, many: usize) -> Vec<DeadLetterEntry> {
    let service = DeadLettersClient::connect(format!("http://{}", site.grpc())).await;
    let mut service = service.expect("the service answers");
    let wait = async {
        loop {
            let request = ListDeadLettersRequest {
                filter: Some(filter(unreplayed)),
                ..ListDeadLettersRequest::default()
            };
            let answer = service.list_dead_letters(request).await.expect("a list");
            let letters = answer.into_inner().letters;
            if letters.len() >= many {
                return letters;
            }
            tokio::task::yield_now().await;
        }
    };
    let letters = tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("they come to rest");
    assert_eq!(letters.len(), many, "{letters:#?}");
    letters
}

/// The readings that the enterprise has.
async fn readings(site: &Site) -> Vec<Reading> {
    let service = ReadingsClient::connect(format!("http://{}", site.grpc())).await;
    let request = StreamReadingsRequest {
        name: ENTERPRISE.to_owned(),
        period: ask::year(2018),
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

fn resend(site: &Site) -> ResendArgs {
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
        mqtt: site.mqtt(),
        patience: 60,
        login: LoginArgs::default(),
        client: ClientArgs {
            grpc: site.grpc(),
            format: OutputFormat::Table,
        },
    }
}

/// Sends what the park refuses, mends the park, sends it again, and starts the park anew.
///
/// # Panics
/// If a letter is lost or doubled, or sent again twice.
pub async fn course(site: Site) {
    let (good, unread) = (reading("m1", "kWh"), reading("m2", "kWh"));
    let bad = reading("m3", "furlong");
    publish(&site, "readings", format!("[{good}, {bad}]")).await;
    // Nobody reads this stream yet.
    publish(&site, "odd", format!("[{unread}]")).await;
    let letters = listed(&site, false, 2).await;
    let reasons: Vec<&str> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    assert_eq!(reasons, ["no-decoder", "unknown-unit"]);
    assert_eq!(
        (letters[1].index, letters[1].gateway.as_str()),
        (Some(1), "g1")
    );
    assert_eq!(readings(&site).await.len(), 1);

    let site = site.set(|settings| {
        let mut odd = settings.decode.rules[0].clone();
        odd.filter = "park/+/+/+/up/odd".to_owned();
        settings.decode.rules.push(odd);
    });
    let site = site.restart().await;
    listed(&site, true, 2).await;
    let dry = ResendArgs {
        dry_run: true,
        ..resend(&site)
    };
    replay(&dry).await.expect("nothing is sent");
    listed(&site, true, 2).await;
    replay(&resend(&site)).await.expect("sent again");
    // One of them is right by now, and one is refused again: of it only the reading was sent.
    let letters = listed(&site, false, 3).await;
    let newest = &letters[0];
    assert_eq!(
        (newest.reason.as_str(), newest.index),
        ("unknown-unit", None)
    );
    assert_eq!(newest.payload_bytes, bad.len() as u64);
    assert!(letters[1..].iter().all(|letter| letter.replays.len() == 1));
    let mut meters: Vec<String> = readings(&site).await.into_iter().map(|r| r.meter).collect();
    meters.sort();
    assert_eq!(
        meters,
        ["m1", "m2"].map(|m| format!("{ENTERPRISE}/meters/{m}"))
    );

    once_more(site, &letters[1]).await;
}

/// Sends a letter that was sent again before once more, which must be asked for, and starts the park anew.
async fn once_more(site: Site, letter: &DeadLetterEntry) {
    let named = ResendArgs {
        letter: vec![letter.name.clone()],
        ..resend(&site)
    };
    let refused = replay(&named).await.expect_err("it was sent again");
    assert!(format!("{refused:#}").contains("by li"), "{refused:#}");
    let again = ResendArgs {
        again: true,
        ..named
    };
    replay(&again).await.expect("sent once more");
    let site = site.restart().await;
    // What is refused once more is a letter more.
    let many = 3 + usize::from(letter.reason == "unknown-unit");
    let letters = listed(&site, false, many).await;
    assert!(letters.iter().any(|letter| letter.replays.len() == 2));
    assert_eq!(readings(&site).await.len(), 2);
    site.stop().await;
}
