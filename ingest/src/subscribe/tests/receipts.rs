//! Goal: a gateway behind a broker finds its receipt there, retained. Method: a real Mosquitto, and
//! MQTT 5 clients that number their messages and subscribe to receipts.

use greenpark_runtime::clock;
use rumqttc::v5::{
    AsyncClient, Event, EventLoop,
    mqttbytes::{
        QoS,
        v5::{Packet, PublishProperties},
    },
};
use serde_json::{Value, json};

use super::*;

const RECEIPTS: &str = "park/p1/e1/g1/down/receipt";

fn client(broker: &Broker, id: &str) -> (AsyncClient, EventLoop) {
    AsyncClient::new(MqttOptions::new(id, "127.0.0.1", broker.port), 100)
}

/// Publishes messages of epoch 7 and waits until the broker has acknowledged them.
async fn publish_numbered(broker: &Broker, sequences: &[u64]) {
    let (client, mut events) = client(broker, "gateway");
    for &sequence in sequences {
        let properties = PublishProperties {
            user_properties: vec![
                ("epoch".to_owned(), "7".to_owned()),
                ("sequence".to_owned(), sequence.to_string()),
            ],
            ..Default::default()
        };
        let payload = reading(i64::try_from(sequence).expect("a small number"));
        let sent =
            client.publish_with_properties(TOPIC, QoS::AtLeastOnce, false, payload, properties);
        sent.await.expect("queued");
    }
    let mut left = sequences.len();
    within(async {
        while left > 0 {
            let event = events.poll().await.expect("the broker stays");
            left -= usize::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
        }
    })
    .await;
}

/// Reads receipts until one reports `stored`, and returns whether the first one was retained.
async fn receipt(broker: &Broker, stored: &Value) -> bool {
    let (client, mut events) = client(broker, "asking");
    client
        .subscribe(RECEIPTS, QoS::AtLeastOnce)
        .await
        .expect("queued");
    let mut retained = None;
    within(async {
        loop {
            let event = events.poll().await.expect("the broker stays");
            let Event::Incoming(Packet::Publish(publish)) = event else {
                continue;
            };
            retained.get_or_insert(publish.retain);
            let receipt: Value = serde_json::from_slice(&publish.payload).expect("JSON");
            assert_eq!(receipt["epoch"], 7);
            if receipt["stored"] == *stored {
                return;
            }
        }
    })
    .await;
    retained.expect("one came")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_retained_at_the_broker() {
    let Some(mut broker) = Broker::start().await else {
        return;
    };
    let log = MemoryLog::new(1, clock::system());
    let running = Running::start(settings(&broker), &log).await;
    running.subscribed(&broker).await;
    publish_numbered(&broker, &[1, 2, 3, 6]).await;
    let stored = json!({"upTo": 6, "gaps": [[4, 5]]});
    receipt(&broker, &stored).await;
    assert!(
        receipt(&broker, &stored).await,
        "it is kept for who asks later"
    );
    // A broker that lost its state gets the receipts again.
    broker.restart().await;
    receipt(&broker, &stored).await;
    running.stopped().await;
}
