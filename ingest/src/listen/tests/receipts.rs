//! Goal: a numbering gateway receives what the log has, at once after subscribing and after
//! changes, and never before the log has it.

use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};
use greenpark_model::numbers::Numbers;
use rumqttc::v5::mqttbytes::{QoS, v5 as five};
use serde_json::{Value, json};

use super::*;

const RECEIPTS: &str = "park/p1/e1/g1/down/receipt";

/// Encodes a numbered PUBLISH of QoS 1 for MQTT 5.
fn numbered(packet_id: u16, (epoch, sequence): (u64, u64), payload: &[u8]) -> Vec<u8> {
    let properties = five::PublishProperties {
        user_properties: vec![
            ("epoch".to_owned(), epoch.to_string()),
            ("sequence".to_owned(), sequence.to_string()),
        ],
        ..Default::default()
    };
    let payload = payload.to_vec();
    let mut publish = five::Publish::new(TOPIC, QoS::AtLeastOnce, payload, Some(properties));
    publish.pkid = packet_id;
    let mut bytes = bytes::BytesMut::new();
    publish.write(&mut bytes).expect("it fits");
    bytes.to_vec()
}

/// Encodes a SUBSCRIBE to receipts.
fn subscribe(version: u8) -> Vec<u8> {
    let properties = vec![0; usize::from(version == 5)];
    subscribe_with(&properties, 1)
}

fn subscribe_with(properties: &[u8], options: u8) -> Vec<u8> {
    let filter = text(RECEIPTS.as_bytes());
    packet(
        0x82,
        &[&[0, 9], properties, &filter[..], &[options]].concat(),
    )
}

impl Client {
    /// Expects a receipt next; returns its retain flag and its contents.
    async fn receipt(&mut self, version: u8) -> (bool, Value) {
        let first = within(self.stream.read_u8()).await.expect("a packet");
        assert_eq!(first & 0xfe, 0x30, "a PUBLISH of QoS 0");
        let mut length = 0;
        for place in 0..4 {
            let byte = within(self.stream.read_u8()).await.expect("a length");
            length |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        within(self.stream.read_exact(&mut body))
            .await
            .expect("a body");
        let topic = text(RECEIPTS.as_bytes());
        assert_eq!(body[..topic.len()], topic[..]);
        let mut payload = &body[topic.len()..];
        if version == 5 {
            let length = usize::from(payload[0]);
            self.identifier = payload[1..=length].last().copied();
            payload = &payload[1 + length..];
        }
        (
            first & 1 == 1,
            serde_json::from_slice(payload).expect("JSON"),
        )
    }
}

#[tokio::test]
async fn a_subscriber_gets_a_receipt_at_once_and_after_changes() {
    let endpoint = Endpoint::start().await;
    for version in [4, 5] {
        // Nothing is known of this epoch before its first message.
        let mut gateway = Client::open(endpoint.address).await;
        gateway.send(&connect(5, "sender", 60, None)).await;
        gateway.connack(5).await;
        let epoch = u64::from(version);
        gateway.send(&numbered(1, (epoch, 1), &reading(1))).await;
        gateway.expect(&puback(1)).await;

        let mut client = endpoint.client(version).await;
        client.send(&subscribe(version)).await;
        match version {
            4 => client.expect(&[0x90, 3, 0, 9, 0]).await,
            _ => client.expect(&[0x90, 4, 0, 9, 0, 0]).await,
        }
        let (retained, receipt) = client.receipt(version).await;
        assert!(retained);
        assert_eq!(
            (&receipt["epoch"], &receipt["stored"]),
            (&json!(epoch), &json!({"upTo": 1, "gaps": []}))
        );
        assert!(receipt.get("archived").is_none());

        gateway.send(&numbered(2, (epoch, 4), &reading(2))).await;
        gateway.expect(&puback(2)).await;
        let (retained, receipt) = client.receipt(version).await;
        assert!(!retained);
        assert_eq!(receipt["stored"], json!({"upTo": 4, "gaps": [[2, 3]]}));
        drop(gateway);
    }
    endpoint.stopped().await;
}

#[tokio::test]
async fn no_receipt_is_sent_before_the_log_has_the_message() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    client.send(&subscribe(5)).await;
    client.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    endpoint.log.pause();
    client.send(&numbered(1, (7, 1), &reading(1))).await;
    client.ping().await;
    // A subscriber gets nothing while the log is slow, not even that the gateway exists.
    client.send(&subscribe(5)).await;
    client.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    client.ping().await;
    endpoint.log.resume();
    client.expect(&puback(1)).await;
    let (_, receipt) = client.receipt(5).await;
    assert_eq!(receipt["stored"]["upTo"], 1);
    // Messages of a failed append are not reported either.
    endpoint.log.fail_appends(1);
    client.send(&numbered(2, (7, 2), &reading(2))).await;
    let mut rest = Vec::new();
    within(client.stream.read_to_end(&mut rest))
        .await
        .expect("the connection is closed");
    let mut client = endpoint.client(5).await;
    client.send(&subscribe(5)).await;
    client.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    let (_, receipt) = client.receipt(5).await;
    assert_eq!(receipt["stored"]["upTo"], 1);
    endpoint.stopped().await;
}

#[tokio::test]
async fn receipts_report_the_archive_and_dead_letters_as_stored() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    client.send(&numbered(1, (7, 1), b"no JSON")).await;
    client.expect(&puback(1)).await;
    assert_eq!(endpoint.dead_letters().len(), 1);
    let mut numbers = Numbers::default();
    numbers.insert(1, 1);
    let park = ParkId::new("p1").expect("an id");
    let enterprise = EnterpriseId::new("e1").expect("an id");
    let gateway = GatewayId::new("g1").expect("an id");
    let receipts = endpoint.pipeline.receipts();
    receipts.archived((&park, &enterprise, &gateway), 7, &numbers);
    client.send(&subscribe(5)).await;
    client.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    let (_, receipt) = client.receipt(5).await;
    let all = json!({"upTo": 1, "gaps": []});
    assert_eq!((&receipt["stored"], &receipt["archived"]), (&all, &all));
    endpoint.stopped().await;
}

#[tokio::test]
async fn other_filters_are_refused_and_a_subscription_ends() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    let filters = [RECEIPTS, "park/p1/e1/+/down/receipt", "park/#", TOPIC];
    let mut body = vec![0, 5, 0];
    for filter in filters {
        body.extend_from_slice(&text(filter.as_bytes()));
        body.push(0);
    }
    client.send(&packet(0x82, &body)).await;
    client
        .expect(&[0x90, 7, 0, 5, 0, 0, 0x87, 0x87, 0x87])
        .await;
    let body = [&[0, 6, 0], &text(RECEIPTS.as_bytes())[..]].concat();
    for code in [0x00, 0x11] {
        client.send(&packet(0xa2, &body)).await;
        client.expect(&[0xb0, 4, 0, 6, 0, code]).await;
    }
    client.send(&numbered(1, (7, 1), &reading(1))).await;
    client.expect(&puback(1)).await;
    client.ping().await;
    endpoint.stopped().await;
}

/// The options of a subscription of MQTT 5: QoS 0, retain as published, retain handling.
const AS_PUBLISHED: u8 = 0x08;
const IF_NEW: u8 = 0x10;
const NEVER: u8 = 0x20;

#[tokio::test]
async fn subscription_options_apply_to_receipts() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    let granted = [0x90, 4, 0, 9, 0, 0];
    client.send(&numbered(1, (7, 1), &reading(1))).await;
    client.expect(&puback(1)).await;
    // The next receipt, not the retained one.
    client.send(&subscribe_with(&[2, 0x0b, 5], NEVER)).await;
    client.expect(&granted).await;
    client.ping().await;
    client.send(&numbered(2, (7, 2), &reading(2))).await;
    client.expect(&puback(2)).await;
    let (retained, receipt) = client.receipt(5).await;
    assert_eq!((retained, client.identifier), (false, Some(5)));
    assert_eq!(receipt["stored"]["upTo"], 2);
    // The existing subscription is replaced by one without an identifier.
    client
        .send(&subscribe_with(&[0], IF_NEW | AS_PUBLISHED))
        .await;
    client.expect(&granted).await;
    client.ping().await;
    client.send(&numbered(3, (7, 3), &reading(3))).await;
    client.expect(&puback(3)).await;
    let (retained, receipt) = client.receipt(5).await;
    assert_eq!((retained, client.identifier), (true, None));
    assert_eq!(receipt["stored"]["upTo"], 3);
    client.send(&subscribe_with(&[0], 0)).await;
    client.expect(&granted).await;
    assert!(client.receipt(5).await.0);
    // It is sent to a new subscription.
    let mut client = endpoint.client(5).await;
    client.send(&subscribe_with(&[2, 0x0b, 6], IF_NEW)).await;
    client.expect(&granted).await;
    assert!(client.receipt(5).await.0);
    assert_eq!(client.identifier, Some(6));
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_receipt_larger_than_the_client_accepts_is_not_sent() {
    let endpoint = Endpoint::start().await;
    let mut client = Client::open(endpoint.address).await;
    let mut hello = connect(5, "small", 60, None).split_off(2);
    hello.splice(10..11, [5, 0x27, 0, 0, 0, 60]);
    client.send(&packet(0x10, &hello)).await;
    client.connack(5).await;
    client.send(&numbered(1, (7, 1), &reading(1))).await;
    client.expect(&puback(1)).await;
    client.send(&subscribe(5)).await;
    client.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    client.ping().await;
    endpoint.stopped().await;
}
