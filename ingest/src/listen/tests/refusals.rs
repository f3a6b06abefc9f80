//! Refusals, and how the client and the log learn of them.

use greenpark_model::limits::FUTURE_MS_MAX;

use super::*;

#[tokio::test]
async fn a_refused_payload_is_acknowledged_as_a_dead_letter() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    let future = String::from_utf8(reading(1))
        .expect("text")
        .replace("1700000000001", &(NOW + FUTURE_MS_MAX + 1).to_string());
    let good = String::from_utf8(reading(2)).expect("text");
    let mixed = format!("[{good},{future},{}]", good.replace("value", "valeu"));
    let unknown_unit = good.replace("}", r#","unit":"gal"}"#);
    let cases = [
        (TOPIC, "{not json".to_owned(), "not JSON"),
        (TOPIC, unknown_unit, "gal"),
        (
            "sensors/1",
            good.clone(),
            "park/{park}/{enterprise}/{gateway}/up/{stream}",
        ),
        ("park/p1/e1/g1/up/other", good, "no decoder"),
        (TOPIC, future, "ahead of this server's clock"),
    ];
    for (id, (topic, payload, _)) in (1..).zip(&cases) {
        client.send(&publish(id, topic, payload.as_bytes())).await;
        client.expect(&puback(id)).await;
    }
    let dead_letters = endpoint.dead_letters();
    for (letter, (topic, payload, word)) in dead_letters.iter().zip(&cases) {
        assert_eq!(
            (letter.topic.as_str(), &letter.payload[..]),
            (*topic, payload.as_bytes())
        );
        assert!(letter.reason.contains(word), "{}", letter.reason);
    }
    client.send(&publish(9, TOPIC, mixed.as_bytes())).await;
    client.expect(&puback(9)).await;
    assert_eq!(endpoint.values(), [2_000_000]);
    let dead_letters = endpoint.dead_letters();
    let indices: Vec<_> = dead_letters[cases.len()..]
        .iter()
        .map(|l| l.index)
        .collect();
    assert_eq!(indices, [Some(1), Some(2)]);
    assert!(
        dead_letters
            .iter()
            .skip(cases.len())
            .all(|l| l.payload == mixed.as_bytes())
    );
    let metrics = &endpoint.metrics;
    assert_eq!(
        (
            metrics.received(),
            metrics.accepted(),
            metrics.dead_lettered()
        ),
        (8, 1, 7)
    );
    endpoint.stopped().await;
}

/// Returns a payload larger than any packet may have.
fn too_large() -> Vec<u8> {
    vec![b'x'; 2 << 20]
}

fn assert_are_letters_of_oversized(dead_letters: &[DeadLetter], count: usize) {
    assert_eq!(dead_letters.len(), count);
    for letter in dead_letters {
        assert_eq!(letter.topic, TOPIC);
        assert!(letter.truncated && !letter.payload.is_empty());
        assert!(letter.reason.contains("1048576"), "{}", letter.reason);
    }
}

#[tokio::test]
async fn an_oversized_packet_is_a_dead_letter_and_does_not_block_its_sender() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    // Packets before and after it in the same bytes are accepted as usual.
    let before = publish(1, TOPIC, &reading(1));
    let behind = publish(3, TOPIC, &reading(3));
    let large = publish(2, TOPIC, &too_large());
    client.send(&[before, large, behind].concat()).await;
    client
        .expect(&[puback(1), puback(2), puback(3)].concat())
        .await;
    let mut exactly_once = publish(4, TOPIC, &too_large());
    exactly_once[0] = 0x34;
    client.send(&exactly_once).await;
    client.expect(&[0x50, 2, 0, 4]).await;
    let mut unasked = publish(0, TOPIC, &too_large());
    unasked[0] = 0x30;
    client.send(&unasked).await;
    client.ping().await;
    until(|| endpoint.dead_letters().len() == 3).await;
    assert_are_letters_of_oversized(&endpoint.dead_letters(), 3);
    assert_eq!(endpoint.values(), [1_000_000, 3_000_000]);
    assert_eq!(endpoint.metrics.dead_lettered(), 3);
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_oversized_packet_is_skipped_wherever_it_is_split() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    let large = publish(1, TOPIC, &vec![b'x'; 1 << 20]);
    let behind = publish(2, TOPIC, &reading(2));
    let bytes = [large, behind].concat();
    for cut in [3, 90_000, 1 << 20, bytes.len() - 85] {
        let (front, back) = bytes.split_at(cut);
        client.send(front).await;
        client.send(back).await;
        client.expect(&[puback(1), puback(2)].concat()).await;
    }
    assert_eq!(endpoint.values(), [2_000_000; 4]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn half_of_an_oversized_packet_is_neither_dead_lettered_nor_acknowledged() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    let large = publish(2, TOPIC, &too_large());
    client.send(&publish(1, TOPIC, &reading(1))).await;
    client.send(&large[..large.len() - 1]).await;
    client.expect(&puback(1)).await;
    client.stream.shutdown().await.expect("an orderly end");
    client.expect_end(&[]).await;
    assert!(endpoint.dead_letters().is_empty());
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_oversized_packet_of_version_5_is_acknowledged_and_disconnected() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    client.send(&publish(2, TOPIC, &too_large())).await;
    client
        .expect_end(&[&puback(2)[..], &[0xe0, 2, 0x95, 0]].concat())
        .await;
    assert_are_letters_of_oversized(&endpoint.dead_letters(), 1);
    // Of an oversized packet other than PUBLISH nothing is kept.
    let mut client = endpoint.client(4).await;
    client.send(&packet(0x82, &too_large())[..100_000]).await;
    client.expect_end(&[]).await;
    assert_eq!(endpoint.metrics.dead_lettered(), 1);
    endpoint.stopped().await;
}

#[tokio::test]
async fn the_largest_packet_is_accepted() {
    let endpoint = Endpoint::start().await;
    let mut client = endpoint.client(4).await;
    let overhead = publish(1, TOPIC, &vec![b' '; 1 << 19]).len() - (1 << 19) + 1;
    let mut payload = reading(1);
    payload.resize(greenpark_model::limits::PACKET_BYTES_MAX - overhead, b' ');
    client.send(&publish(1, TOPIC, &payload)).await;
    client.expect(&puback(1)).await;
    assert_eq!(endpoint.values(), [1_000_000]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn subscriptions_are_refused_and_unsubscribing_is_answered() {
    let endpoint = Endpoint::start().await;
    let filter = text(b"park/#");
    let mut client = endpoint.client(4).await;
    client
        .send(&packet(0x82, &[&[0, 5], &filter[..], &[1]].concat()))
        .await;
    client.expect(&[0x90, 3, 0, 5, 0x80]).await;
    client
        .send(&packet(0xa2, &[&[0, 6], &filter[..]].concat()))
        .await;
    client.expect(&[0xb0, 2, 0, 6]).await;
    let mut client = endpoint.client(5).await;
    client
        .send(&packet(
            0x82,
            &[&[0, 5, 0], &filter[..], &[1], &filter[..], &[0]].concat(),
        ))
        .await;
    client.expect(&[0x90, 5, 0, 5, 0, 0x87, 0x87]).await;
    client
        .send(&packet(0xa2, &[&[0, 6, 0], &filter[..]].concat()))
        .await;
    client.expect(&[0xb0, 4, 0, 6, 0, 0x11]).await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_served_gets_the_reason() {
    let endpoint = Endpoint::start().await;
    let mut anonymous = connect(4, "", 60, None);
    anonymous[9] = 0;
    for (hello, answer) in [
        (connect(3, "gw1", 60, None), &[0x20, 2, 0, 1][..]),
        (connect(5, "gw\n1", 60, None), &[0x20, 3, 0, 0x81, 0]),
        (connect(4, "gw\n1", 60, None), &[]),
        (connect(6, "gw1", 60, None), &[0x20, 3, 0, 0x84, 0]),
        (anonymous, &[0x20, 2, 0, 2]),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), &[]),
        (packet(0x10, &[0, 4, b'M', b'Q']), &[]),
    ] {
        let mut client = Client::open(endpoint.address).await;
        client.send(&hello).await;
        client.expect_end(answer).await;
    }
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_client_without_an_id_gets_one() {
    let endpoint = Endpoint::start().await;
    let mut first = Client::open(endpoint.address).await;
    first.send(&connect(5, "", 60, None)).await;
    first.connack(5).await;
    let mut second = Client::open(endpoint.address).await;
    second.send(&connect(4, "", 60, None)).await;
    second.connack(4).await;
    // Neither disconnected the other.
    first.ping().await;
    second.ping().await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn packets_against_the_protocol_end_the_connection_after_acknowledging_earlier_ones() {
    let endpoint = Endpoint::start().await;
    for (wrong, code) in [
        (connect(5, "gw1", 60, None), 0x82),
        (vec![0xf0, 0], 0x82),
        (
            packet(0x36, &[&text(TOPIC.as_bytes())[..], &[0, 1, 0]].concat()),
            0x81,
        ),
        (
            packet(0x32, &[&text(TOPIC.as_bytes())[..], &[0, 0, 0]].concat()),
            0x82,
        ),
        (
            packet(0x32, &[&text(b"\xff\xff")[..], &[0, 1, 0]].concat()),
            0x81,
        ),
        (vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01], 0x81),
    ] {
        let mut client = endpoint.client(5).await;
        let good = packet(
            0x32,
            &[&text(TOPIC.as_bytes())[..], &[0, 7, 0], &reading(1)].concat(),
        );
        client.send(&[good, wrong].concat()).await;
        client
            .expect_end(&[&puback(7)[..], &[0xe0, 2, code, 0]].concat())
            .await;
    }
    endpoint.stopped().await;
}
