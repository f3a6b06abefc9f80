//! Real clients: rumqttc of either version, as gateways use it.

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, v5};
use tokio::process::Command;

use super::*;
use crate::mosquitto::Broker;

#[tokio::test]
async fn a_client_of_version_3_1_1_is_served() {
    let endpoint = Endpoint::start().await;
    let mut options = MqttOptions::new("gw1", "127.0.0.1", endpoint.address.port());
    options.set_inflight(100).set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 10);
    let publisher = tokio::spawn(async move {
        for value in 1..=1000 {
            let qos = if value % 2 == 0 {
                QoS::AtLeastOnce
            } else {
                QoS::ExactlyOnce
            };
            client
                .publish(TOPIC, qos, false, reading(value))
                .await
                .expect("it is queued");
        }
        client
            .subscribe("park/#", QoS::AtLeastOnce)
            .await
            .expect("it is queued");
        client
    });
    let (mut acknowledged, mut refused) = (0, false);
    within(async {
        while acknowledged < 1000 || !refused {
            match events.poll().await.expect("the connection holds") {
                Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => acknowledged += 1,
                Event::Incoming(Packet::SubAck(ack)) => {
                    refused = ack.return_codes == [rumqttc::SubscribeReasonCode::Failure];
                }
                _ => {}
            }
        }
    })
    .await;
    let mut values = endpoint.values();
    values.sort_unstable();
    assert_eq!(
        values,
        (1..=1000).map(|v| v * 1_000_000).collect::<Vec<i64>>()
    );
    drop(within(publisher).await);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_client_of_version_5_resends_after_a_failed_append() {
    let endpoint = Endpoint::start().await;
    let options = v5::MqttOptions::new("gw1", "127.0.0.1", endpoint.address.port());
    let (client, mut events) = v5::AsyncClient::new(options, 200);
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    for value in 1..=100 {
        client
            .publish(TOPIC, qos, false, reading(value))
            .await
            .expect("it is queued");
    }
    endpoint.log.fail_appends(1);
    let mut reconnects = 0;
    within(async {
        // An error of the event loop is a lost connection; polling again reconnects. rumqttc
        // forgets unacknowledged messages when no session is present, so a gateway keeps them;
        // here: sends them again.
        while endpoint.metrics.accepted() < 100 {
            if events.poll().await.is_err() {
                reconnects += 1;
                for value in 1..=100 {
                    client
                        .try_publish(TOPIC, qos, false, reading(value))
                        .expect("there is room");
                }
            }
        }
    })
    .await;
    assert!(reconnects > 0);
    let mut values = endpoint.values();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 100);
    endpoint.stopped().await;
}

#[tokio::test]
async fn the_client_itself_refuses_a_packet_above_the_announced_size() {
    let endpoint = Endpoint::start().await;
    let options = v5::MqttOptions::new("gw1", "127.0.0.1", endpoint.address.port());
    let (client, mut events) = v5::AsyncClient::new(options, 10);
    let payload = vec![b'x'; 2 << 20];
    client
        .publish(TOPIC, v5::mqttbytes::QoS::AtLeastOnce, false, payload)
        .await
        .expect("queued");
    let ended = async { while events.poll().await.is_ok() {} };
    within(ended).await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_bridge_of_mosquitto_passes_readings_on() {
    let endpoint = Endpoint::start().await;
    // All defaults, except that it does not publish its state on $SYS.
    let bridge = format!(
        "connection greenpark\naddress 127.0.0.1:{}\ntopic park/# out 1\nnotifications false",
        endpoint.address.port()
    );
    let Some(broker) = Broker::start_with(&bridge).await else {
        return;
    };
    until(|| endpoint.metrics.connections_opened.get() == 1).await;
    broker.publish((1..=100).map(reading)).await;
    until(|| endpoint.values().len() == 100).await;
    assert_eq!(
        endpoint.values(),
        (1..=100).map(|v| v * 1_000_000).collect::<Vec<i64>>()
    );
    assert_eq!(endpoint.metrics.connections_opened.get(), 1);
    // Its first attempt, with the bridge bit, was accepted.
    assert_eq!(endpoint.metrics.closed(Closed::Refused), 0);
    endpoint.stopped().await;
}

#[tokio::test]
async fn mosquitto_pub_alone_can_send_a_reading() {
    let endpoint = Endpoint::start().await;
    let port = endpoint.address.port().to_string();
    let mut sent = 0;
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            sent += 1;
            let message = String::from_utf8(reading(sent)).expect("text");
            let arguments = [
                "-p", &port, "-V", version, "-q", qos, "-t", TOPIC, "-m", &message,
            ];
            let publisher = Command::new("mosquitto_pub").args(arguments).status();
            match within(publisher).await {
                Ok(status) => assert!(status.success(), "{version}, QoS {qos}: {status}"),
                Err(error) => {
                    return eprintln!("skipped: no mosquitto_pub on this machine: {error}");
                }
            }
        }
    }
    until(|| endpoint.values().len() == 6).await;
    assert_eq!(
        (0..3)
            .map(|qos| endpoint.metrics.messages(qos))
            .collect::<Vec<_>>(),
        [2, 2, 2]
    );
    endpoint.stopped().await;
}
