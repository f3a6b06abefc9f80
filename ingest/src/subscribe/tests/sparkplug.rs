//! Goal: a Sparkplug node without a known birth receives a rebirth request and the host's STATE.
//! Method: a node with a few messages that npm's sparkplug-payload encoded, at a real Mosquitto.

use greenpark_model::clock::Clock;
use greenpark_runtime::clock;
use rumqttc::v5::{
    AsyncClient, Event, EventLoop,
    mqttbytes::{QoS, v5::Packet},
};

use super::*;
use crate::DecoderRule;

const NBIRTH: &[u8] = include_bytes!("../../decode/dialects/sparkplug/vectors/nbirth.bin");
const DBIRTH: &[u8] = include_bytes!("../../decode/dialects/sparkplug/vectors/dbirth.bin");
const DDATA: &[u8] = include_bytes!("../../decode/dialects/sparkplug/vectors/ddata.bin");

fn rule() -> DecoderRule {
    let rule = r#"{"filter":"spBv1.0/#","format":"sparkplug","park":"p","enterprise":"{1}",
        "gateway":"{3}","others":"ignore",
        "map":[{"field":"Energy/Total","meter":"{device}","quantity":"electricity"}]}"#;
    serde_json::from_str(rule).expect("a rule")
}

struct Node {
    client: AsyncClient,
    events: EventLoop,
}

impl Node {
    async fn connect(broker: &Broker) -> Self {
        let options = MqttOptions::new("node", "127.0.0.1", broker.port);
        let (client, events) = AsyncClient::new(options, 64);
        let all = client.subscribe("spBv1.0/#", QoS::AtLeastOnce).await;
        all.expect("room for a request");
        Self { client, events }
    }

    async fn publish(&self, topic: &str, payload: &[u8]) {
        let topic = format!("spBv1.0/g/{topic}");
        let sent = self
            .client
            .publish(topic, QoS::AtLeastOnce, false, payload.to_vec());
        sent.await.expect("room for a request");
    }

    /// Waits for a publish on `topic` whose payload contains `word`.
    async fn hears(&mut self, topic: &str, word: &[u8]) {
        within(async {
            loop {
                let event = self.events.poll().await.expect("the broker is there");
                let Event::Incoming(Packet::Publish(heard)) = event else {
                    continue;
                };
                let holds = heard.payload.windows(word.len()).any(|part| part == word);
                if heard.topic == topic && holds {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_sparkplug_node_gets_a_rebirth_request_and_the_host_state() {
    let Some(broker) = Broker::start().await else {
        return;
    };
    let (log, metrics) = (MemoryLog::new(1, clock::system()), IngestMetrics::default());
    let decode = DecodeSettings {
        rules: vec![rule()],
        ..DecodeSettings::default()
    };
    let pipeline = Pipeline::new(
        &decode,
        log.writer(),
        Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
        metrics.clone(),
    );
    let settings = SubscribeSettings {
        filters: vec!["spBv1.0/#".to_owned()],
        sparkplug_host: Some("greenpark".to_owned()),
        ..settings(&broker)
    };
    let subscriber = Subscriber::new(settings, pipeline).expect("sound settings");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(subscriber.run(async move { drop(stopped.await) }));
    let mut node = Node::connect(&broker).await;
    node.hears("spBv1.0/STATE/greenpark", b"\"online\":true")
        .await;
    node.publish("DDATA/e/d1", DDATA).await;
    node.hears("spBv1.0/g/NCMD/e", b"Node Control/Rebirth")
        .await;
    for (topic, payload) in [
        ("NBIRTH/e", NBIRTH),
        ("DBIRTH/e/d1", DBIRTH),
        ("DDATA/e/d1", DDATA),
    ] {
        node.publish(topic, payload).await;
    }
    // The node polls until the broker returns its device's birth; then it sends data.
    node.hears("spBv1.0/g/DBIRTH/e/d1", DBIRTH).await;
    node.hears("spBv1.0/g/DDATA/e/d1", DDATA).await;
    within(async {
        while metrics.accepted() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((metrics.accepted(), metrics.dead_lettered()), (2, 1));
    assert_eq!(counts(&log), BTreeMap::from([(3, 1), (4, 1)]));
    drop(stop);
    node.hears("spBv1.0/STATE/greenpark", b"\"online\":false")
        .await;
    within(task).await.expect("it ends");
}
