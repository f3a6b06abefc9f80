//! Exchanges of several packets: QoS 2, aliases, and gateways of MQTT 3.1.

use super::*;

/// Encodes a PUBLISH with explicit flags, for MQTT 5 with properties.
fn published(first: u8, packet_id: u8, (topic, properties): (&str, &[u8]), value: u32) -> Vec<u8> {
    let head = [&text(topic.as_bytes())[..], &[0, packet_id], properties];
    packet(first, &[head.concat(), reading(value)].concat())
}

#[tokio::test]
async fn an_exchange_of_qos_2_runs_once_and_again() {
    let endpoint = Endpoint::start().await;
    for version in [4, 5] {
        let properties = vec![0; usize::from(version == 5)];
        let mut client = endpoint.client(version).await;
        let of = |first, value| published(first, 9, (TOPIC, &properties), value);
        let unknown = match version {
            5 => vec![0x70, 3, 0, 9, 0x92],
            _ => vec![0x70, 2, 0, 9],
        };
        client.send(&[0x62, 2, 0, 9]).await;
        client.expect(&unknown).await;
        // A repeat before PUBREL gets PUBREC again; the reading's identity makes it count once.
        for first in [0x34, 0x3c] {
            client.send(&of(first, 1)).await;
            client.expect(&[0x50, 2, 0, 9]).await;
        }
        client.send(&[0x62, 2, 0, 9]).await;
        client.expect(&[0x70, 2, 0, 9]).await;
        client.send(&[0x62, 2, 0, 9]).await;
        client.expect(&unknown).await;
        // After PUBCOMP the id belongs to another message.
        client.send(&of(0x34, 2)).await;
        client.expect(&[0x50, 2, 0, 9]).await;
        client.send(&[0x62, 2, 0, 9]).await;
        client.expect(&[0x70, 2, 0, 9]).await;
    }
    let mut values = endpoint.values();
    values.dedup();
    assert_eq!(values, [1_000_000, 2_000_000, 1_000_000, 2_000_000]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_alias_stands_for_its_topic_on_its_connection() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    let alias = [3, 0x23, 0, 1];
    let other = "park/p1/e1/g2/up/readings";
    for (id, topic) in [(1, TOPIC), (2, ""), (3, other), (4, "")] {
        let value = u32::from(id);
        client
            .send(&published(0x32, id, (topic, &alias), value))
            .await;
        client.expect(&puback(id.into())).await;
    }
    assert_eq!(
        endpoint.values(),
        [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    );
    assert!(endpoint.dead_letters().is_empty());
    let mut next = endpoint.client(5).await;
    next.send(&published(0x32, 5, ("", &alias), 5)).await;
    next.expect_end(&[0xe0, 2, 0x82, 0]).await;
    assert_eq!(endpoint.values().len(), 4);
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_old_gateway_of_mqtt_3_1_is_served() {
    let endpoint = Endpoint::start().await;
    let will = String::from_utf8(reading(9)).expect("text");
    let open = async |id: &str| {
        let hello = connect(3, id, 60, Some((TOPIC, &will)));
        let name = hello.windows(4).position(|bytes| bytes == b"MQTT");
        let mut hello = hello[name.expect("a protocol name") - 2..].to_vec();
        hello.splice(..6, text(b"MQIsdp"));
        let mut client = Client::open(endpoint.address).await;
        client.send(&packet(0x10, &hello)).await;
        client.connack(4).await;
        client
    };
    let mut client = open("gateway-with-an-id-of-more-than-23-letters").await;
    client.send(&publish(7, TOPIC, &reading(1))).await;
    client.expect(&puback(7)).await;
    client.send(&published(0x34, 8, (TOPIC, &[]), 2)).await;
    client.expect(&[0x50, 2, 0, 8]).await;
    // Sent again, with the DUP flag of 3.1.
    client.send(&[0x6a, 2, 0, 8]).await;
    client.expect(&[0x70, 2, 0, 8]).await;
    client.ping().await;
    client.send(&[0xe0, 0]).await;
    client.expect_end(&[]).await;
    drop(open("other").await);
    until(|| endpoint.values() == [1_000_000, 2_000_000, 9_000_000]).await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_message_with_the_retain_flag_is_accepted() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    client.send(&published(0x33, 1, (TOPIC, &[]), 1)).await;
    client.expect(&puback(1)).await;
    assert_eq!(endpoint.values(), [1_000_000]);
    endpoint.stopped().await;
}
