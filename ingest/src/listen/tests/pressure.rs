//! Goal: while the log stalls, memory is bounded, TCP holds the clients back, and nothing is lost.
//! Method: a paused log, and clients that send more than the sockets and every bound can hold
//! together.

use tokio::{
    io::BufReader,
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::*;
use crate::{
    limits::{BATCH_MESSAGES_MAX, BATCH_MESSAGES_READY, READ_BYTES, UNFINISHED_PART},
    metrics::Closed,
};

/// Single readings that a client sends: more than twice what Linux lets a pair of sockets hold (4
/// MiB to send and 6 MiB received) and the batches.
const COUNT: u32 = 250_000;

/// Memory of one message of QoS 1 with one reading.
const MESSAGE_BYTES: usize = 28;

/// How long senders that should be held back are observed.
const WATCHED: Duration = Duration::from_secs(1);

fn packet_id(number: u32) -> u16 {
    u16::try_from(number % 65_535 + 1).expect("below 65,536")
}

/// Publishes [`COUNT`] readings on `topic` without waiting.
fn flood(mut write: OwnedWriteHalf, topic: String) -> JoinHandle<OwnedWriteHalf> {
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        for number in 0..COUNT {
            bytes.extend_from_slice(&publish(packet_id(number), &topic, &reading(number)));
            if bytes.len() > READ_BYTES || number + 1 == COUNT {
                write.write_all(&bytes).await.expect("it is read");
                bytes.clear();
            }
        }
        write
    })
}

/// Expects the acknowledgements of a flood, in order.
async fn acknowledged(read: OwnedReadHalf) {
    let mut read = BufReader::new(read);
    let acks = async {
        let mut ack = [0; 4];
        for number in 0..COUNT {
            read.read_exact(&mut ack).await.expect("acknowledged");
            assert_eq!(ack, puback(packet_id(number)));
        }
    };
    within(acks).await;
}

/// Returns the most messages of a flood in one read.
fn messages_of_a_read() -> usize {
    READ_BYTES / publish(1, TOPIC, &reading(0)).len() + 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_stops_sending_is_held_back_and_loses_nothing() {
    // The incomplete packet is not late: its client is held back.
    let endpoint = Endpoint::start_with(ListenSettings {
        packet_deadline: WATCHED / 4,
        ..ListenSettings::default()
    })
    .await;
    let client = endpoint.client(4).await;
    endpoint.log.pause();
    let (read, write) = client.stream.into_split();
    let mut sender = flood(write, TOPIC.to_owned());
    // The client gets as far as a full batch, and no further.
    until(|| endpoint.pipeline.held_bytes() >= BATCH_MESSAGES_MAX * MESSAGE_BYTES).await;
    time::timeout(WATCHED, &mut sender)
        .await
        .expect_err("it is held back");
    let beyond = BATCH_MESSAGES_READY + 2 * messages_of_a_read();
    let held = endpoint.pipeline.held_bytes();
    assert!(
        held <= (BATCH_MESSAGES_MAX + beyond) * MESSAGE_BYTES,
        "{held}"
    );
    assert_eq!(endpoint.metrics.received(), 0);
    endpoint.log.resume();
    acknowledged(read).await;
    drop(within(sender).await.expect("all was sent"));
    assert_eq!(endpoint.metrics.accepted(), u64::from(COUNT));
    // The clients are gone, and so is the memory of their connections.
    until(|| endpoint.pipeline.held_bytes() == 0).await;
    endpoint.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_together_stay_within_the_memory_bound() {
    // Less than two connections would hold by themselves.
    let bytes_max = 2 << 20;
    let connections = 4;
    let endpoint = Endpoint::start_holding(bytes_max).await;
    endpoint.log.pause();
    let (mut reads, mut senders) = (Vec::new(), Vec::new());
    for number in 0..connections {
        let mut client = Client::open(endpoint.address).await;
        let hello = connect(4, &format!("gw{number}"), 60, None);
        client.send(&hello).await;
        client.connack(4).await;
        let (read, write) = client.stream.into_split();
        reads.push(read);
        senders.push(flood(write, format!("park/p1/e{number}/g1/up/readings")));
    }
    until(|| endpoint.pipeline.held_bytes() >= bytes_max).await;
    let all = futures::future::join_all(&mut senders);
    time::timeout(WATCHED, all)
        .await
        .expect_err("they are held back");
    assert!(senders.iter().all(|sender| !sender.is_finished()));
    let beyond = BATCH_MESSAGES_READY + 2 * messages_of_a_read();
    let held = endpoint.pipeline.held_bytes();
    assert!(
        held <= bytes_max + connections * beyond * MESSAGE_BYTES,
        "{held}"
    );
    endpoint.log.resume();
    futures::future::join_all(reads.into_iter().map(acknowledged)).await;
    for sender in senders {
        drop(within(sender).await.expect("all was sent"));
    }
    // The clients are gone, and so is the memory of their connections.
    until(|| endpoint.pipeline.held_bytes() == 0).await;
    endpoint.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incomplete_packets_stay_within_their_memory_bound() {
    const SENT: usize = 96 * 1024;
    let part = 4 << 20;
    let endpoint = Endpoint::start_holding(part * UNFINISHED_PART).await;
    let mut whole = publish(1, TOPIC, &reading(1));
    // The header of a packet of 200,000 bytes, followed by half of it.
    let mut packet = vec![whole[0], 0xc0, 0x9a, 0x0c];
    packet.resize(SENT, b'x');
    packet[4..6].copy_from_slice(&[0, 1]);
    let mut clients = Vec::new();
    for _ in 0..120 {
        let mut client = endpoint
            .client_named(4, &format!("half-{}", clients.len()))
            .await;
        // A connection that was closed meanwhile accepts no more.
        let _lost = client.stream.write_all(&packet).await;
        clients.push(client);
        assert!(endpoint.pipeline.unfinished_bytes() <= part + 2 * SENT + READ_BYTES);
    }
    until(|| endpoint.metrics.closed(Closed::Crowded) > 0).await;
    // Clients that send complete packets are not affected.
    let mut client = endpoint.client_named(4, "right").await;
    for number in 1..=100 {
        whole = publish(packet_id(number), TOPIC, &reading(number));
        client.send(&whole).await;
        client.expect(&puback(packet_id(number))).await;
    }
    assert_eq!(endpoint.metrics.received(), 100);
    drop(clients);
    until(|| endpoint.pipeline.unfinished_bytes() == 0).await;
    endpoint.stopped().await;
}
