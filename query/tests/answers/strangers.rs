//! What somebody can do who may ask nothing (FAULTS D4).

use std::net::TcpStream;

use greenpark_proto::query::v1::{self as pb, registry_client::RegistryClient};
use greenpark_query::{QuerySettings, settings::Grant};
use sha2::{Digest as _, Sha256};
use tonic::{Code, codec::CompressionEncoding, transport::Channel};

use crate::fixture::*;

/// A service that only the bearer of `secret` may ask.
fn guarded() -> QuerySettings {
    let digest = Sha256::digest(b"secret");
    QuerySettings {
        grants: vec![Grant {
            token_sha256: digest.iter().map(|b| format!("{b:02x}")).collect(),
            names: vec!["parks/-".to_owned()],
            holder: "tests".to_owned(),
            declares: true,
        }],
        ..QuerySettings::default()
    }
}

#[tokio::test]
async fn a_message_is_not_even_read_before_its_sender_may_ask() {
    let world = World::with(guarded()).await;
    // Some kilobytes on the wire, eight megabytes inflated: more than the service reads of anybody.
    let request = || pb::DeclareStatisticsRequest {
        parent: "x".repeat(8 << 20),
        ..pb::DeclareStatisticsRequest::default()
    };
    let mut client = RegistryClient::new(world.channel.clone())
        .max_encoding_message_size(16 << 20)
        .send_compressed(CompressionEncoding::Gzip);
    let stranger = client.declare_statistics(request()).await;
    assert_eq!(stranger.expect_err("refused").code(), Code::Unauthenticated);
    let mut known = tonic::Request::new(request());
    let token = "Bearer secret".parse().expect("ascii");
    known.metadata_mut().insert("authorization", token);
    let too_large = client.declare_statistics(known).await.expect_err("refused");
    assert_ne!(too_large.code(), Code::Unauthenticated, "{too_large}");
    world.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_and_the_others_go_on() {
    let settings = QuerySettings {
        connections_max: 3,
        ..QuerySettings::default()
    };
    let mut world = World::with(settings).await;
    let open = || TcpStream::connect(world.address).expect("the system accepts");
    // The world has one of three; two idle ones stay, and all further ones are closed.
    let mut idle: Vec<TcpStream> = (0..2).map(|_| open()).collect();
    let address = world.address;
    let refused = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        (0..20).all(|_| {
            let mut stream = TcpStream::connect(address).expect("the system accepts");
            // The end, or a reset, and never a byte.
            !matches!(stream.read(&mut [0; 1]), Ok(read) if read > 0)
        })
    });
    assert!(refused.await.expect("no panic"));
    let plans = pb::ListPlansRequest::default();
    let answered = world.indicators.list_plans(plans).await;
    assert!(answered.is_ok(), "{answered:?}");
    // Once one is gone, another is let in.
    drop(idle.pop());
    let let_in = async {
        loop {
            let channel = Channel::from_shared(format!("http://{address}"));
            let channel = channel.expect("an address").connect_lazy();
            let mut client = pb::indicators_client::IndicatorsClient::new(channel);
            let plans = pb::ListPlansRequest::default();
            if client.list_plans(plans).await.is_ok() {
                break;
            }
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(60), let_in).await;
    in_time.expect("a place is free within a minute");
    drop(idle);
    world.stop().await;
}
