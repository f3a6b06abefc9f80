//! The topics that an authenticated client may publish on and subscribe to.

use super::*;

async fn user(endpoint: &Endpoint, version: u8) -> Client {
    let mut client = Client::open(endpoint.address).await;
    let hello = login(version, "g1", (Some("g1"), Some("one")), None);
    client.send(&hello).await;
    client.connack(version).await;
    client
}

/// Encodes a PUBLISH of version 5.
fn publish5(first: u8, packet_id: u16, topic: &str, properties: &[u8]) -> Vec<u8> {
    let id = packet_id.to_be_bytes();
    let length = u8::try_from(properties.len()).expect("few");
    let head = [&text(topic.as_bytes())[..], &id, &[length], properties];
    packet(first, &[&head.concat()[..], &reading(1)].concat())
}

const FOREIGN: [&str; 11] = [
    "park/p2/e1/g1/up/readings",
    "park/p1/e2/g1/up/readings",
    "park/p1/e1/g2/up/readings",
    "park/p1/e1/G1/up/readings",
    "Park/p1/e1/g1/up/readings",
    "park/p1/e1/g1/down/receipt",
    "$SYS/broker/load",
    "$share/a/park/p1/e1/g1/up/readings",
    "park/p1/e1/g1%20/up/readings",
    "/park/p1/e1/g1/up/readings",
    "park/p1/e1/ｇ1/up/readings",
];

#[tokio::test]
async fn a_foreign_topic_is_refused_and_leaves_nothing_in_the_log() {
    let folder = TempDir::new().expect("a temporary folder");
    let endpoint = Endpoint::start_with(with_access(&folder)).await;
    for topic in FOREIGN {
        let mut client = user(&endpoint, 5).await;
        client.send(&publish5(0x32, 7, topic, &[])).await;
        client.expect(&[0x40, 3, 0, 7, 0x87]).await;
        client.send(&publish5(0x34, 8, topic, &[])).await;
        client.expect(&[0x50, 3, 0, 8, 0x87]).await;
        let unasked = [&text(topic.as_bytes())[..], &[0], &reading(1)].concat();
        client.send(&packet(0x30, &unasked)).await;
        client.ping().await;
        let mut client = user(&endpoint, 4).await;
        client.send(&publish(7, topic, &reading(1))).await;
        client.expect_end(&[]).await;
    }
    let tried = u64::try_from(FOREIGN.len()).expect("few") * 4;
    assert_eq!(endpoint.metrics.refused(Refusal::Publish), tried);
    assert!(endpoint.values().is_empty() && endpoint.dead_letters().is_empty());
    assert_eq!(endpoint.metrics.received(), 0);
    // The control.
    for version in [4, 5] {
        let mut client = user(&endpoint, version).await;
        let own = match version {
            4 => publish(7, TOPIC, &reading(1)),
            _ => publish5(0x32, 7, TOPIC, &[]),
        };
        client.send(&own).await;
        client.expect(&puback(7)).await;
    }
    assert_eq!(endpoint.values(), [1_000_000; 2]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_refusal_keeps_its_position_among_the_acknowledgements() {
    let folder = TempDir::new().expect("a temporary folder");
    let endpoint = Endpoint::start_with(with_access(&folder)).await;
    let mut client = user(&endpoint, 5).await;
    let before = publish5(0x32, 1, TOPIC, &[]);
    let foreign = publish5(0x32, 2, FOREIGN[0], &[]);
    let behind = publish5(0x32, 3, TOPIC, &[]);
    client.send(&[before, foreign, behind].concat()).await;
    let refused = [0x40, 3, 0, 2, 0x87];
    client
        .expect(&[&puback(1)[..], &refused, &puback(3)].concat())
        .await;
    // Messages before a refusal that ends the connection are acknowledged.
    let mut client = user(&endpoint, 4).await;
    let before = publish(1, TOPIC, &reading(1));
    let behind = publish(3, TOPIC, &reading(1));
    let foreign = publish(2, FOREIGN[0], &reading(1));
    client.send(&[before, foreign, behind].concat()).await;
    client.expect_end(&puback(1)).await;
    assert_eq!(endpoint.metrics.closed(Closed::Unauthorized), 1);
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_alias_and_a_subscription_grant_nothing() {
    let folder = TempDir::new().expect("a temporary folder");
    let endpoint = Endpoint::start_with(with_access(&folder)).await;
    // An alias for a foreign topic is refused like the topic.
    let mut client = user(&endpoint, 5).await;
    for (id, topic) in [(7, FOREIGN[2]), (8, ""), (9, FOREIGN[0]), (10, "")] {
        client.send(&publish5(0x32, id, topic, &[0x23, 0, 1])).await;
        let id = u8::try_from(id).expect("few");
        client.expect(&[0x40, 3, 0, id, 0x87]).await;
    }
    let mut client = user(&endpoint, 5).await;
    for filter in ["park/p1/e1/g2/down/receipt", "park/p1/+/g1/down/#", "#"] {
        let body = [&[0, 5, 0], &text(filter.as_bytes())[..], &[1]].concat();
        client.send(&packet(0x82, &body)).await;
        client.expect(&[0x90, 4, 0, 5, 0, 0x87]).await;
    }
    assert_eq!(endpoint.metrics.refused(Refusal::Subscription), 3);
    assert!(endpoint.values().is_empty() && endpoint.dead_letters().is_empty());
    // An oversized packet on a foreign topic makes no dead letter either.
    let mut client = user(&endpoint, 4).await;
    client
        .send(&publish(1, FOREIGN[2], &vec![b'x'; 2 << 20]))
        .await;
    client.expect_end(&[]).await;
    assert!(endpoint.dead_letters().is_empty());
    endpoint.stopped().await;
}
