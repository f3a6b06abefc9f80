//! Goal: while the log stalls, memory is bounded, clients are held back by TCP, and nothing is lost.
//! Method: a paused log, and clients that send more than the sockets and every bound can hold together.

use tokio::{
    io::BufReader,
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::*;
use crate::limits::{GATHER_MESSAGES_MAX, GATHER_MESSAGES_READY, READ_BYTES};

/// Single readings that a client sends: more than twice what Linux lets a pair of sockets hold (4 MiB
/// to send and 6 MiB received) and the gathers.
const COUNT: u32 = 250_000;

/// Memory that one message of QoS 1 with one reading counts for.
const MESSAGE_BYTES: usize = 28;

/// How long senders are watched that should not get on.
const WATCHED: Duration = Duration::from_secs(1);

fn packet_id(number: u32) -> u16 {
    u16::try_from(number % 65_535 + 1).expect("below 65,536")
}

/// Publishes [`COUNT`] readings on `topic` and waits for nothing.
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

/// What one read brings at most, in messages of a flood.
fn messages_of_a_read() -> usize {
    READ_BYTES / publish(1, TOPIC, &reading(0)).len() + 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_without_end_is_held_back_and_loses_nothing() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client(4).await;
    endpoint.log.pause();
    let (read, write) = client.stream.into_split();
    let mut sender = flood(write, TOPIC.to_owned());
    // It gets as far as a full gather, and no further.
    until(|| endpoint.pipeline.held_bytes() >= GATHER_MESSAGES_MAX * MESSAGE_BYTES).await;
    time::timeout(WATCHED, &mut sender)
        .await
        .expect_err("it is held back");
    let beyond = GATHER_MESSAGES_READY + 2 * messages_of_a_read();
    let held = endpoint.pipeline.held_bytes();
    assert!(
        held <= (GATHER_MESSAGES_MAX + beyond) * MESSAGE_BYTES,
        "{held}"
    );
    assert_eq!(endpoint.metrics.received(), 0);
    endpoint.log.resume();
    acknowledged(read).await;
    drop(within(sender).await.expect("all was sent"));
    assert_eq!(endpoint.metrics.accepted(), u64::from(COUNT));
    // The clients are gone, and with them what their connections kept.
    until(|| endpoint.pipeline.held_bytes() == 0).await;
    endpoint.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_together_hold_no_more_than_they_should() {
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
    let beyond = GATHER_MESSAGES_READY + 2 * messages_of_a_read();
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
    // The clients are gone, and with them what their connections kept.
    until(|| endpoint.pipeline.held_bytes() == 0).await;
    endpoint.stopped().await;
}
