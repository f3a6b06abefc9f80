//! How connections end: by the client, by a takeover, by silence, by the log, by the shutdown.

use greenpark_model::clock::Clock;

use super::*;
use crate::metrics::Closed;

#[tokio::test]
async fn a_failed_append_closes_the_connection_and_the_resend_arrives() {
    let endpoint = Endpoint::start().await;
    for (version, goodbye) in [(4, &[][..]), (5, &[0xe0, 2, 0x89, 0][..])] {
        let publish = match version {
            4 => publish(1, TOPIC, &reading(version)),
            _ => packet(
                0x32,
                &[&text(TOPIC.as_bytes())[..], &[0, 1, 0], &reading(version)].concat(),
            ),
        };
        let protocol = u8::try_from(version).expect("4 or 5");
        let mut client = endpoint.client(protocol).await;
        endpoint.log.fail_appends(1);
        client.send(&publish).await;
        client.expect_end(goodbye).await;
        let mut client = endpoint.client(protocol).await;
        client.send(&publish).await;
        client.expect(&puback(1)).await;
    }
    assert_eq!(endpoint.values(), [4_000_000, 5_000_000]);
    assert_eq!(endpoint.metrics.received(), 2);
    endpoint.stopped().await;
}

#[tokio::test]
async fn the_newer_connection_of_an_id_takes_over() {
    let endpoint = Endpoint::start().await;
    let mut old = endpoint.client(5).await;
    let mut new = endpoint.client(5).await;
    old.expect_end(&[0xe0, 2, 0x8e, 0]).await;
    new.ping().await;
    let mut newest = endpoint.client(4).await;
    new.expect_end(&[0xe0, 2, 0x8e, 0]).await;
    newest.ping().await;
    assert_eq!(endpoint.metrics.takeovers.get(), 2);
    endpoint.stopped().await;
}

#[tokio::test]
async fn messages_of_a_taken_over_connection_are_acknowledged_first() {
    let endpoint = Endpoint::start().await;
    let mut old = endpoint.client(5).await;
    endpoint.log.pause();
    old.send(&packet(
        0x32,
        &[&text(TOPIC.as_bytes())[..], &[0, 1, 0], &reading(1)].concat(),
    ))
    .await;
    old.ping().await;
    let mut new = endpoint.client(5).await;
    new.ping().await;
    endpoint.log.resume();
    old.expect_end(&[&puback(1)[..], &[0xe0, 2, 0x8e, 0]].concat())
        .await;
    endpoint.stopped().await;
}

/// Returns a reading of one instant, so that two values contradict each other.
fn reading_of(value: u32) -> Vec<u8> {
    let text = String::from_utf8(reading(value)).expect("text");
    let (before, after) = text.split_once("\"at\":").expect("an instant");
    format!("{before}\"at\":1700000000000{}", &after[13..]).into_bytes()
}

#[tokio::test]
async fn a_correction_on_a_newer_connection_is_appended_after_the_corrected_reading() {
    let endpoint = Endpoint::start().await;
    endpoint.log.pause();
    let mut old = endpoint.client(4).await;
    old.send(&publish(1, TOPIC, &reading_of(1))).await;
    // An append is under way when the next reading arrives, so that it waits in the batch.
    until(|| endpoint.metrics.messages(1) == 1).await;
    old.send(&publish(2, TOPIC, &reading_of(2))).await;
    old.ping().await;
    // A connection that comes and goes in between does not open the way.
    let mut between = endpoint.client(4).await;
    between.ping().await;
    let mut new = endpoint.client(4).await;
    between.expect_end(&[]).await;
    new.send(&publish(2, TOPIC, &reading_of(2))).await;
    new.send(&publish(3, TOPIC, &reading_of(3))).await;
    new.ping().await;
    endpoint.log.resume();
    new.expect(&[puback(2), puback(3)].concat()).await;
    old.expect_end(&[puback(1), puback(2)].concat()).await;
    let values = endpoint.values();
    assert_eq!(values, [1_000_000, 2_000_000, 2_000_000, 3_000_000]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_newer_connection_does_not_wait_forever_for_a_hung_log() {
    let settings = ListenSettings {
        drain_grace: Duration::from_millis(50),
        ..Default::default()
    };
    let endpoint = Endpoint::start_with(settings).await;
    endpoint.log.pause();
    let mut old = endpoint.client(4).await;
    old.send(&publish(1, TOPIC, &reading_of(1))).await;
    old.ping().await;
    let mut new = endpoint.client(4).await;
    new.send(&publish(2, TOPIC, &reading_of(2))).await;
    new.ping().await;
    old.expect_end(&[]).await;
    endpoint.log.resume();
    new.expect(&puback(2)).await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_disconnects() {
    let endpoint = Endpoint::start().await;
    let will = String::from_utf8(reading(9)).expect("text");
    let open = async |version: u8, topic: &str| {
        let mut client = Client::open(endpoint.address).await;
        client
            .send(&connect(version, "gw1", 60, Some((topic, &will))))
            .await;
        client.connack(version).await;
        client
    };
    let mut client = open(4, TOPIC).await;
    client.send(&[0xe0, 0]).await;
    client.expect_end(&[]).await;
    assert!(endpoint.values().is_empty());
    drop(open(4, "gateways/gw1/status").await);
    drop(open(4, TOPIC).await);
    until(|| endpoint.values() == [9_000_000]).await;
    // DISCONNECT 0x04 requests the will, and any reason but 0x00 publishes it.
    for (code, count) in [(0x04, 2), (0x80, 3), (0x00, 3)] {
        let mut client = open(5, TOPIC).await;
        client.send(&[0xe0, 1, code]).await;
        client.expect_end(&[]).await;
        assert_eq!(endpoint.values(), vec![9_000_000; count]);
    }
    // The next connection of the id starts without it.
    drop(open(5, "gateways/gw1/status").await);
    assert!(endpoint.dead_letters().is_empty());
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_will_is_published_if_writing_an_acknowledgement_fails() {
    let endpoint = Endpoint::start_holding(1).await;
    let will = String::from_utf8(reading(9)).expect("text");
    let mut client = Client::open(endpoint.address).await;
    let connect = connect(4, "gw1", 60, Some((TOPIC, &will)));
    client.send(&connect).await;
    client.connack(4).await;
    endpoint.log.pause();
    client.send(&publish(1, TOPIC, &reading(1))).await;
    // Nothing is read while the append is under way, so only writing the acknowledgement can meet
    // the reset.
    until(|| endpoint.metrics.messages(1) == 1).await;
    client.stream.set_zero_linger().expect("a TCP stream");
    drop(client);
    endpoint.log.resume();
    let grace = ListenSettings::default().drain_grace;
    let published = until(|| endpoint.values() == [1_000_000, 9_000_000]);
    let in_time = time::timeout(grace / 2, published).await;
    in_time.expect("the will is published before the ending is given up");
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_incomplete_packet_ends_the_connection_after_its_deadline() {
    let endpoint = Endpoint::start_with(ListenSettings {
        packet_deadline: Duration::from_millis(200),
        ..ListenSettings::default()
    })
    .await;
    let whole = publish(1, TOPIC, &reading(1));
    let mut between_two = endpoint.client_named(4, "between-two").await;
    between_two.send(&whole).await;
    between_two.expect(&puback(1)).await;
    for (version, goodbye) in [(4, &[][..]), (5, &[0xe0, 2, 0x8d, 0][..])] {
        let mut client = endpoint.client(version).await;
        client.send(&whole[..5]).await;
        client.expect_end(goodbye).await;
    }
    assert_eq!(endpoint.metrics.closed(Closed::PacketStalled), 2);
    between_two.ping().await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
    let endpoint = Endpoint::start().await;
    let mut client = Client::open(endpoint.address).await;
    let will = String::from_utf8(reading(9)).expect("text");
    let started = time::Instant::now();
    client
        .send(&connect(5, "gw1", 1, Some((TOPIC, &will))))
        .await;
    client.connack(5).await;
    client.expect_end(&[0xe0, 2, 0x8d, 0]).await;
    assert!(started.elapsed() >= Duration::from_millis(1500));
    assert_eq!(endpoint.values(), [9_000_000]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn our_own_acknowledgements_count_as_activity() {
    let endpoint = Endpoint::start().await;
    let mut client = Client::open(endpoint.address).await;
    client.send(&connect(4, "gw1", 1, None)).await;
    client.connack(4).await;
    endpoint.log.pause();
    client.send(&publish(1, TOPIC, &reading(1))).await;
    // The acknowledgement comes a second after the publish, and restarts the keep-alive.
    let second = Duration::from_secs(1);
    time::timeout(second, client.stream.peek(&mut [0]))
        .await
        .expect_err("no acknowledgement yet");
    let acknowledged = time::Instant::now();
    endpoint.log.resume();
    client.expect(&puback(1)).await;
    client.expect_end(&[]).await;
    assert!(acknowledged.elapsed() >= second * 3 / 2);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_receipts_and_sends_their_acknowledgements() {
    let mut endpoint = Endpoint::start().await;
    let mut client = endpoint.client(5).await;
    endpoint.log.pause();
    client
        .send(&packet(
            0x32,
            &[&text(TOPIC.as_bytes())[..], &[0, 1, 0], &reading(1)].concat(),
        ))
        .await;
    client.ping().await;
    endpoint.stop();
    // No further connections are accepted.
    let address = endpoint.address;
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    assert!(client.has_nothing());
    endpoint.log.resume();
    client
        .expect_end(&[&puback(1)[..], &[0xe0, 2, 0x8b, 0]].concat())
        .await;
    drop(client);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_forever_for_a_hung_log() {
    let settings = ListenSettings {
        drain_grace: Duration::from_millis(50),
        ..Default::default()
    };
    let endpoint = Endpoint::start_with(settings).await;
    let mut client = endpoint.client(4).await;
    endpoint.log.pause();
    client.send(&publish(1, TOPIC, &reading(1))).await;
    client.ping().await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_connection_above_the_maximum_is_closed() {
    let settings = ListenSettings {
        connections_max: 1,
        ..Default::default()
    };
    let endpoint = Endpoint::start_with(settings).await;
    let mut first = endpoint.client(4).await;
    let mut second = Client::open(endpoint.address).await;
    second.expect_end(&[]).await;
    first.ping().await;
    assert_eq!(endpoint.metrics.connections.get(), 1);
    first.send(&[0xe0, 0]).await;
    first.expect_end(&[]).await;
    drop(first);
    until(|| endpoint.metrics.connections.get() == 0).await;
    endpoint.stopped().await;
}

#[tokio::test]
async fn an_occupied_port_is_reported() {
    let endpoint = Endpoint::start().await;
    let settings = ListenSettings {
        address: endpoint.address,
        ..ListenSettings::default()
    };
    let decode = DecodeSettings::default();
    let pipeline = Pipeline::new(
        &decode,
        endpoint.log.writer(),
        Clock::new(|| greenpark_model::day::Instant::from_millis(NOW)),
        IngestMetrics::default(),
    );
    let error = MqttListener::bind(settings, pipeline)
        .await
        .expect_err("the port is in use");
    assert!(
        error
            .to_string()
            .contains(&endpoint.address.port().to_string()),
        "{error}"
    );
    endpoint.stopped().await;
}
