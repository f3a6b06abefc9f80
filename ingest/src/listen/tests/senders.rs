//! Goal: the decoder knows who published a message, how old it is and whether a broker kept it.
//! Method: clients on one device topic, with the flags and properties on the wire.

use greenpark_model::clock::Clock;
use greenpark_runtime::clock;

use super::*;

const DEVICE: &str = "v1/devices/me/telemetry";

async fn start(gateway: &str) -> Endpoint {
    start_with(gateway, "m").await
}

async fn start_with(gateway: &str, meter: &str) -> Endpoint {
    let rule = format!(
        r#"{{"filter":"{DEVICE}","format":"thingsboard","park":"p1","enterprise":"e1","gateway":"{gateway}",
        "map":[{{"field":"v","meter":"{meter}","quantity":"electricity"}}]}}"#
    );
    let mut decode = DecodeSettings::default();
    decode
        .rules
        .push(serde_json::from_str(&rule).expect("a rule"));
    let log = MemoryLog::new(1, clock::system());
    let clock = Clock::new(|| greenpark_model::day::Instant::from_millis(NOW));
    let pipeline = Pipeline::new(&decode, log.writer(), clock, IngestMetrics::default());
    Endpoint::start_into(ListenSettings::default(), log, pipeline).await
}

async fn client(endpoint: &Endpoint, version: u8, id: &str) -> Client {
    let mut client = Client::open(endpoint.address).await;
    client.send(&connect(version, id, 60, None)).await;
    client.connack(version).await;
    client
}

fn gateways(endpoint: &Endpoint) -> Vec<String> {
    let entries = endpoint.log.entries(Topic::Readings).into_iter();
    let gateway = |entry: Entry| entry.record.expect("a record").headers.gateway.to_string();
    entries.map(gateway).collect()
}

#[tokio::test]
async fn clients_on_one_device_topic_are_gateways_of_their_own() {
    let endpoint = start("tb-{client}").await;
    for (id, value) in [("a", 1), ("b", 2)] {
        let mut client = client(&endpoint, 4, id).await;
        let payload = format!(r#"{{"v":{value}}}"#);
        client.send(&publish(7, DEVICE, payload.as_bytes())).await;
        client.expect(&puback(7)).await;
    }
    assert_eq!(gateways(&endpoint), ["tb-a", "tb-b"]);
    // A client without an id of its own cannot be identified.
    let mut nameless = client(&endpoint, 4, "").await;
    nameless.send(&publish(8, DEVICE, br#"{"v":3}"#)).await;
    nameless.expect(&puback(8)).await;
    let dead_letters = endpoint.dead_letters();
    assert!(
        dead_letters[0].reason.contains("chose no client id"),
        "{}",
        dead_letters[0].reason
    );
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_second_client_of_a_claimed_gateway_is_refused_by_name() {
    let endpoint = start("tb").await;
    let mut first = client(&endpoint, 4, "meter-a").await;
    let mut second = client(&endpoint, 4, "meter-b").await;
    for id in [1, 2] {
        first.send(&publish(id, DEVICE, br#"{"v":1}"#)).await;
        first.expect(&puback(id)).await;
        second.send(&publish(id, DEVICE, br#"{"v":900}"#)).await;
        second.expect(&puback(id)).await;
    }
    assert_eq!(endpoint.values(), [1_000_000; 2]);
    let dead_letters = endpoint.dead_letters();
    assert_eq!(dead_letters.len(), 2);
    for name in ["'meter-a'", "'meter-b'", "{client}"] {
        assert!(
            dead_letters[0].reason.contains(name),
            "{}",
            dead_letters[0].reason
        );
    }
    assert_eq!(
        (
            endpoint.metrics.received(),
            endpoint.metrics.dead_lettered()
        ),
        (4, 2)
    );
    endpoint.stopped().await;
}

#[tokio::test]
async fn meters_named_after_their_clients_are_accepted_side_by_side() {
    let endpoint = start_with("tb", "{client}-m").await;
    let mut both = [
        client(&endpoint, 4, "a").await,
        client(&endpoint, 4, "b").await,
    ];
    for (id, client) in (1..).zip(&mut both) {
        client.send(&publish(id, DEVICE, br#"{"v":1}"#)).await;
        client.expect(&puback(id)).await;
    }
    assert_eq!(endpoint.values().len(), 2);
    assert!(endpoint.dead_letters().is_empty());
    endpoint.stopped().await;
}

/// Encodes a PUBLISH of QoS 1 with user properties.
fn publish_with(id: u16, payload: &[u8], properties: &[(&str, &str)]) -> Vec<u8> {
    let pairs = properties.iter().flat_map(|(name, value)| {
        [&[0x26][..], &text(name.as_bytes()), &text(value.as_bytes())].concat()
    });
    let pairs: Vec<u8> = pairs.collect();
    let length = u8::try_from(pairs.len()).expect("few");
    let topic = text(DEVICE.as_bytes());
    let head = [&topic[..], &id.to_be_bytes(), &[length], &pairs].concat();
    packet(0x32, &[&head[..], payload].concat())
}

#[tokio::test]
async fn a_replay_neither_takes_over_a_claim_nor_is_refused_for_it() {
    let endpoint = start("tb").await;
    let replay = [("replay", "1"), ("replay-of", "p1/e1/tb")];
    let mut office = client(&endpoint, 5, "office").await;
    office.send(&publish_with(1, br#"{"v":1}"#, &replay)).await;
    office.expect(&[0x40, 2, 0, 1]).await;
    let mut meter = client(&endpoint, 4, "meter-a").await;
    meter.send(&publish(1, DEVICE, br#"{"v":2}"#)).await;
    meter.expect(&puback(1)).await;
    office.send(&publish_with(2, br#"{"v":3}"#, &replay)).await;
    office.expect(&[0x40, 2, 0, 2]).await;
    assert_eq!(endpoint.values(), [1_000_000, 2_000_000, 3_000_000]);
    // A message that is not a replay comes from a second client.
    office.send(&publish_with(3, br#"{"v":4}"#, &[])).await;
    office.expect(&[0x40, 2, 0, 3]).await;
    assert_eq!(endpoint.dead_letters().len(), 1);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_replay_is_not_accepted_as_another_gateways_message() {
    for (gateway, meter, of) in [
        ("{client}", "m", "p1/e1/meter-a"),
        ("tb", "{client}-m", "p1/e1/tb"),
    ] {
        let endpoint = start_with(gateway, meter).await;
        let mut office = client(&endpoint, 5, "office").await;
        let replay = [("replay", "1"), ("replay-of", of)];
        let payload = br#"{"v":1}"#;
        office.send(&publish_with(1, payload, &replay)).await;
        office.expect(&[0x40, 3, 0, 1, 0x87]).await;
        assert!(endpoint.values().is_empty() && endpoint.dead_letters().is_empty());
        office
            .send(&publish_with(2, payload, &[("replay", "1")]))
            .await;
        office.expect(&[0x40, 2, 0, 2]).await;
        assert_eq!(endpoint.values(), [1_000_000]);
        endpoint.stopped().await;
    }
}

#[tokio::test]
async fn a_retained_message_gets_no_instant_of_arrival() {
    let endpoint = start("tb").await;
    let mut client = client(&endpoint, 4, "meter-a").await;
    let mut kept = publish(1, DEVICE, br#"{"v":1}"#);
    kept[0] |= 1;
    client.send(&kept).await;
    client.expect(&puback(1)).await;
    let mut dated = publish(2, DEVICE, br#"{"ts":1700000000000,"values":{"v":2}}"#);
    dated[0] |= 1;
    client.send(&dated).await;
    client.expect(&puback(2)).await;
    assert_eq!(endpoint.values(), [2_000_000]);
    assert!(endpoint.dead_letters()[0].reason.contains("retain flag"));
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_late_reading_is_marked_unless_its_message_is_a_replay() {
    let endpoint = start("tb").await;
    let mut client = client(&endpoint, 5, "gw1").await;
    let at = |id: u16, ms: i64, properties: &[u8]| {
        let payload = format!(r#"{{"meter":"m","quantity":"electricity","at":{ms},"value":1}}"#);
        let length = u8::try_from(properties.len()).expect("few");
        let head = [
            &text(TOPIC.as_bytes())[..],
            &id.to_be_bytes(),
            &[length],
            properties,
        ];
        packet(0x32, &[&head.concat()[..], payload.as_bytes()].concat())
    };
    let replay = [&[0x26][..], &text(b"replay"), &text(b"1")].concat();
    let year = 365 * 86_400_000;
    for (id, ms, properties) in [
        (1, NOW, &[][..]),
        (2, NOW - year, &replay),
        (3, NOW - year - 1, &[]),
    ] {
        client.send(&at(id, ms, properties)).await;
        let [_, _, high, low] = puback(id);
        client.expect(&[0x40, 2, high, low]).await;
    }
    assert_eq!(
        (endpoint.metrics.accepted(), endpoint.metrics.late()),
        (3, 1)
    );
    let late: Vec<_> = payloads(&endpoint.log, Topic::Readings)
        .iter()
        .map(|payload| {
            reading_batch::decode(payload)
                .expect("a batch")
                .late()
                .to_vec()
        })
        .collect();
    assert_eq!(late, [vec![], vec![], vec![0]]);
    endpoint.stopped().await;
}
