//! A publisher against a server that cuts, refuses and acknowledges in any order.

use std::collections::BTreeMap;

use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode, PubAck};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Reads packets of one connection of a server under test.
struct Peer {
    stream: TcpStream,
    bytes: BytesMut,
}

impl Peer {
    async fn accept(listener: &TcpListener, code: ConnectReturnCode) -> Self {
        let (stream, _) = listener.accept().await.expect("a client comes");
        let mut peer = Self {
            stream,
            bytes: BytesMut::new(),
        };
        assert!(matches!(peer.read().await, Some(Packet::Connect(..))));
        peer.write(|bytes| accept(code).write(bytes)).await;
        peer
    }

    async fn read(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.bytes, Some(1 << 20)) {
                Ok(packet) => return Some(packet),
                Err(CodecError::InsufficientBytes(_)) => {
                    if self.stream.read_buf(&mut self.bytes).await.ok()? == 0 {
                        return None;
                    }
                }
                // rumqttc does not read the DISCONNECT of two bytes that it writes.
                Err(CodecError::PayloadRequired) => return None,
                Err(error) => panic!("the client wrote no MQTT: {error}"),
            }
        }
    }

    async fn publish(&mut self) -> Option<Publish> {
        loop {
            match self.read().await? {
                Packet::Publish(publish) => return Some(publish),
                Packet::Disconnect(_) => return None,
                _ => {}
            }
        }
    }

    async fn write(&mut self, packet: impl FnOnce(&mut BytesMut) -> Result<usize, CodecError>) {
        let mut bytes = BytesMut::new();
        packet(&mut bytes).expect("a packet is written");
        self.stream
            .write_all(&bytes)
            .await
            .expect("the client reads");
    }

    async fn ack(&mut self, pkid: u16) {
        self.write(|bytes| PubAck::new(pkid, None).write(bytes))
            .await;
    }
}

fn accept(code: ConnectReturnCode) -> ConnAck {
    ConnAck {
        session_present: false,
        code,
        properties: None,
    }
}

async fn server() -> (TcpListener, PublisherSettings) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port 0 is free");
    let address = listener.local_addr().expect("a bound address").to_string();
    let settings = PublisherSettings {
        address,
        inflight_max: 4,
        patience: Duration::from_secs(20),
        ..PublisherSettings::default()
    };
    (listener, settings)
}

fn number(n: u32) -> OutgoingMessage {
    let payload = Bytes::from(n.to_string());
    OutgoingMessage {
        topic: Arc::from("park/p/e/g/up/readings"),
        payload,
        readings: 10,
        numbered: None,
        replay_of: None,
    }
}

async fn feed(count: u32) -> mpsc::Receiver<OutgoingMessage> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        for n in 0..count {
            if sender.send(number(n)).await.is_err() {
                return;
            }
        }
    });
    receiver
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_after_a_cut() {
    let (listener, settings) = server().await;
    let tally = Arc::new(Tally::default());
    let publisher = tokio::spawn(publish(settings, feed(100).await, Arc::clone(&tally)));

    let mut taken: BTreeMap<Bytes, u32> = BTreeMap::new();
    // Each of the first five connections acknowledges a few out of order and is then cut.
    for _ in 0..5 {
        let mut peer = Peer::accept(&listener, ConnectReturnCode::Success).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            let publish = peer.publish().await.expect("more is to come");
            *taken.entry(publish.payload).or_default() += 1;
            held.push(publish.pkid);
        }
        peer.ack(held[3]).await;
        peer.ack(held[1]).await;
        // What comes now was sent after the acknowledgements were read.
        let next = peer.publish().await.expect("the window moved on");
        assert!(!next.dup || held.contains(&next.pkid));
    }
    let mut peer = Peer::accept(&listener, ConnectReturnCode::Success).await;
    while let Some(publish) = peer.publish().await {
        *taken.entry(publish.payload.clone()).or_default() += 1;
        peer.ack(publish.pkid).await;
    }
    publisher
        .await
        .expect("no panic")
        .expect("all is acknowledged");

    assert_eq!(taken.len(), 100);
    assert_eq!(
        (tally.messages(), tally.messages_acknowledged()),
        (100, 100)
    );
    assert_eq!((tally.sent(), tally.acknowledged()), (1000, 1000));
    assert_eq!(tally.reconnects(), 5);
    assert!(tally.messages_resent() >= 10);
}

#[tokio::test]
async fn repeats_carry_dup_and_keep_their_order() {
    let (listener, settings) = server().await;
    let tally = Arc::new(Tally::default());
    let publisher = tokio::spawn(publish(settings, feed(4).await, Arc::clone(&tally)));
    let mut peer = Peer::accept(&listener, ConnectReturnCode::Success).await;
    for _ in 0..4 {
        assert!(!peer.publish().await.expect("a publish").dup);
    }
    drop(peer);
    let mut peer = Peer::accept(&listener, ConnectReturnCode::Success).await;
    for n in 0..4 {
        let publish = peer.publish().await.expect("a repeat");
        assert!(publish.dup);
        assert_eq!(publish.payload, number(n).payload);
        peer.ack(publish.pkid).await;
    }
    publisher
        .await
        .expect("no panic")
        .expect("all is acknowledged");
}

#[tokio::test]
async fn a_refused_client_gives_up_and_says_why() {
    let (listener, settings) = server().await;
    let publisher = tokio::spawn(publish(settings, feed(1).await, Arc::default()));
    let _peer = Peer::accept(&listener, ConnectReturnCode::NotAuthorized).await;
    let error = publisher.await.expect("no panic").expect_err("refused");
    assert!(error.to_string().contains("NotAuthorized"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_comes_is_given_up() {
    let (listener, mut settings) = server().await;
    drop(listener);
    settings.patience = Duration::ZERO;
    let error = publish(settings, feed(1).await, Arc::default())
        .await
        .expect_err("nobody there");
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error}");
}
