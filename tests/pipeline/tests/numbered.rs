//! Goal: a message that a gateway numbered and did not send is reported as missing until it is sent late.
//! Method: a whole park with the embedded defaults, an MQTT 5 publisher, and queries over gRPC.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use greenpark_gateway::publisher::{OutgoingMessage, PublisherSettings, Tally, publish};
use greenpark_model::{
    day::{CivilDay, Instant},
    numbers::Numbered,
};
use greenpark_proto::query::v1::{
    Days, GetQualityRequest, Period, QualityReport, period, quality_client::QualityClient,
};
use greenpark_tests_pipeline::test_park::TestPark;
use tokio::sync::mpsc;
use tonic::transport::Channel;

const EPOCH: u64 = 1_795_392_000;

/// The civil day before today in the park.
fn yesterday() -> CivilDay {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.expect("after 1970").as_millis();
    let now = Instant::from_millis(i64::try_from(ms).expect("in range"));
    now.day().previous()
}

/// Publishes a message with one reading of `day` for each of `numbers`, and waits for their acknowledgements.
async fn send(park: &TestPark, day: CivilDay, numbers: impl IntoIterator<Item = u64>) {
    let settings = PublisherSettings {
        address: park.mqtt(),
        ..PublisherSettings::default()
    };
    let (sender, receiver) = mpsc::channel(64);
    for number in numbers {
        let at = format!("{day}T10:{number:02}:00+08:00");
        let payload = format!(
            r#"{{"meter":"m1","quantity":"electricity","kind":"interval","at":"{at}","value":1.5}}"#
        );
        let message = OutgoingMessage {
            topic: Arc::from("park/p/works/gw-1/up/readings"),
            payload: payload.into(),
            readings: 1,
            numbered: Numbered::new(EPOCH, number),
            replay_of: None,
        };
        sender.send(message).await.expect("the publisher listens");
    }
    drop(sender);
    let sent = publish(settings, receiver, Arc::new(Tally::default())).await;
    sent.expect("everything is acknowledged");
}

async fn quality(client: &mut QualityClient<Channel>, day: CivilDay) -> QualityReport {
    let day = day.to_string();
    let request = GetQualityRequest {
        name: "parks/p/enterprises/works".to_owned(),
        period: Some(Period {
            period: Some(period::Period::Days(Days {
                first: day.clone(),
                last: day,
            })),
        }),
        by_day: false,
        as_of: None,
    };
    let report = client.get_quality(request).await;
    report.expect("a report").into_inner()
}

/// Queries until completeness is `wanted`, and returns the findings about missing messages.
async fn wait_for_completeness(park: &TestPark, day: CivilDay, wanted: &str) -> Vec<String> {
    let client = QualityClient::connect(format!("http://{}", park.grpc())).await;
    let mut client = client.expect("the service answers");
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let wait = async {
        loop {
            tick.tick().await;
            let report = quality(&mut client, day).await;
            let indices = report.indices.iter();
            let mut found = indices.filter(|index| index.name == "completeness");
            if found.next().is_some_and(|index| index.value == wanted) {
                let missing = report.findings.into_iter();
                let missing = missing.filter(|found| found.check == "missing-messages");
                return missing.map(|found| found.detail).collect();
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), wait).await;
    in_time.unwrap_or_else(|_| panic!("completeness is {wanted} in a minute"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_never_sent_lowers_completeness_until_it_comes() {
    let park = TestPark::start_with(|settings| {
        settings.processor.messages_interval = Duration::from_millis(100);
    })
    .await;
    let day = yesterday();
    send(&park, day, (1..=10).filter(|number| *number != 6)).await;
    let missing = wait_for_completeness(&park, day, "0.900000").await;
    let finding = format!("1 message(s) of gateway gw-1, epoch {EPOCH}, did not come: 6 ({day})");
    assert_eq!(missing, [finding]);
    // The lake keeps the numbers across a restart.
    let park = park.restart().await;
    assert_eq!(wait_for_completeness(&park, day, "0.900000").await.len(), 1);
    send(&park, day, [6]).await;
    assert!(
        wait_for_completeness(&park, day, "1.000000")
            .await
            .is_empty()
    );
    park.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_writes_waiting_message_numbers() {
    // By default there is a minute between two writes; a process that is stopped writes at once.
    let park = TestPark::start().await;
    let day = yesterday();
    send(&park, day, [1, 2, 4]).await;
    let park = park.restart().await;
    assert_eq!(wait_for_completeness(&park, day, "0.750000").await.len(), 1);
    park.stop().await;
}
