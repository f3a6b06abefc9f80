//! Every method of the descriptors, for every role, on one's own names, on others' and on absent ones.
//!
//! A method without a row fails the test.

use std::collections::BTreeSet;

use bytes::{Buf as _, BufMut as _, Bytes};
use greenpark_proto::query::v1 as pb;
use greenpark_query::{
    QuerySettings,
    settings::{Grant, Token},
};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::{
    access_declarations::WRITES,
    access_requests::{About, Needs, READS, Row, Target},
    fixture::*,
};

/// The rows of all methods.
fn rows() -> impl Iterator<Item = &'static Row> {
    READS.iter().chain(WRITES)
}

/// A caller with one role, and whether it reaches an enterprise or a park.
struct Caller {
    token: &'static str,
    rights: &'static [Needs],
    /// The enterprises `e` and `f` of `p`, the park `p`, and the other park `q`.
    reaches: [bool; 4],
}

const CALLERS: [Caller; 7] = [
    Caller {
        token: "gateway",
        rights: &[],
        reaches: [true, false, false, false],
    },
    Caller {
        token: "enterprise",
        rights: &[Needs::Read, Needs::Declare],
        reaches: [true, false, false, false],
    },
    Caller {
        token: "operator",
        rights: &[Needs::Read, Needs::Declare, Needs::Register],
        reaches: [true, true, true, false],
    },
    Caller {
        token: "auditor",
        rights: &[Needs::Read],
        reaches: [true, false, false, false],
    },
    Caller {
        token: "administrator",
        rights: &[Needs::Administer],
        reaches: [true, true, true, false],
    },
    Caller {
        token: "ended",
        rights: &[],
        reaches: [false; 4],
    },
    Caller {
        token: "nobody",
        rights: &[],
        reaches: [false; 4],
    },
];

fn digest(token: &str) -> String {
    sha256(token.as_bytes())
}

/// The park `p` with two enterprises, and `q`, with callers for every role.
async fn world() -> World {
    let token = |name: &str| Token {
        name: name.to_owned(),
        sha256: digest(name),
    };
    let chief = Grant {
        token_sha256: digest("chief"),
        names: vec!["parks/-".to_owned()],
        holder: "chief".to_owned(),
        declares: true,
    };
    let world = World::with(QuerySettings {
        tokens: CALLERS.iter().map(|caller| token(caller.token)).collect(),
        administrators: vec!["token:chief".to_owned()],
        grants: vec![chief],
        ..QuerySettings::default()
    })
    .await;
    let meter = series("m", "electricity", greenpark_model::reading::Kind::Interval);
    for (park, enterprise) in [("p", "e"), ("p", "f"), ("q", "e")] {
        let days = daily(enterprise, &meter, day("2024-05-01"), &["1".to_owned()]);
        world.seal(park, &days, 1, With::Totals).await;
    }
    for (caller, role, name, to) in [
        ("gateway", "gateway", "parks/p/enterprises/e", ""),
        ("enterprise", "enterprise", "parks/p/enterprises/e", ""),
        ("operator", "operator", "parks/p", ""),
        ("auditor", "auditor", "parks/p/enterprises/e", ""),
        ("administrator", "administrator", "parks/p", ""),
        ("ended", "auditor", "parks/-", "2026-11-22"),
    ] {
        let grant = pb::Grant {
            caller: format!("token:{caller}"),
            role: role.to_owned(),
            name: name.to_owned(),
            valid_from: "2026-01-01".to_owned(),
            valid_to: to.to_owned(),
            why: "for the tests".to_owned(),
            ..pb::Grant::default()
        };
        let request = pb::RecordGrantRequest { grant: Some(grant) }.encode_to_vec();
        let recorded = call(&world.channel, "Access/RecordGrant", Some("chief"), request).await;
        recorded.expect("granted");
    }
    world
}

#[tokio::test]
async fn every_method_is_open_to_whom_the_table_of_roles_names_and_to_no_other() {
    let set = FileDescriptorSet::decode(greenpark_proto::DESCRIPTORS).expect("descriptors");
    let mut methods = BTreeSet::new();
    for file in set.file.iter().filter(|f| f.package() == "park.query.v1") {
        for service in &file.service {
            let of = service.method.iter();
            methods.extend(of.map(|m| format!("{}/{}", service.name(), m.name())));
        }
    }
    let listed: BTreeSet<String> = rows().map(|row| row.0.to_owned()).collect();
    assert_eq!(
        methods, listed,
        "a method without a row, or a row without a method"
    );

    let world = world().await;
    let targets = [("p", "e"), ("p", "f"), ("q", "e"), ("z", "z")];
    let (mut calls, mut wrong) = (0, Vec::new());
    for &(method, needs, about, make) in rows() {
        for (place, (park, enterprise)) in targets.into_iter().enumerate() {
            let target = Target { park, enterprise };
            let unknown = [None, Some("guess"), Some("x.y.z"), Some("")];
            for token in unknown {
                let refused = call(&world.channel, method, token, make(&target)).await;
                let code = refused.expect_err("refused").code();
                assert_eq!(code, Code::Unauthenticated, "{method} {token:?}");
                calls += 1;
            }
            for caller in &CALLERS {
                let answer = call(&world.channel, method, Some(caller.token), make(&target)).await;
                let status = answer.err();
                let code = status.as_ref().map_or(Code::Ok, Status::code);
                let case = format!(
                    "{method} by {} on {park}/{enterprise}: {status:?}",
                    caller.token
                );
                let has = needs == Needs::Nothing || caller.rights.contains(&needs);
                let reaches = match (about, place) {
                    (About::Own, _) => true,
                    (_, 3) => false,
                    (About::Enterprise, place) => caller.reaches[[0, 1, 3][place]],
                    (About::Park, place) => caller.reaches[[2, 2, 3][place]],
                };
                let text = status.as_ref().map_or("", Status::message);
                let hidden =
                    code == Code::NotFound && text.contains("that a grant of yours covers");
                let right = match (has, reaches) {
                    (false, _) => code == Code::PermissionDenied,
                    (true, false) => hidden,
                    (true, true) => {
                        !hidden && ![Code::PermissionDenied, Code::Unauthenticated].contains(&code)
                    }
                };
                if !right {
                    wrong.push(case);
                }
                calls += 1;
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(calls, rows().count() * 4 * (4 + CALLERS.len()));
    world.stop().await;
}

#[tokio::test]
async fn what_is_forbidden_and_what_is_absent_are_answered_alike() {
    let world = world().await;
    let (other, absent) = (
        Target {
            park: "q",
            enterprise: "e",
        },
        Target {
            park: "z",
            enterprise: "e",
        },
    );
    for &(method, _, about, make) in rows().filter(|row| row.2 != About::Own) {
        for caller in &CALLERS {
            let mut texts = Vec::new();
            for target in [&other, &absent] {
                let answer = call(&world.channel, method, Some(caller.token), make(target)).await;
                let status = answer.expect_err("refused");
                let text = format!("{:?} {}", status.code(), status.message());
                texts.push(text.replace(&target.park(), "PARK"));
            }
            assert_eq!(texts[0], texts[1], "{method} {about:?} {}", caller.token);
        }
    }
    world.stop().await;
}

/// Calls a method with the bytes of a message, and returns the bytes of its answers.
pub(crate) async fn call(
    channel: &Channel,
    method: &str,
    token: Option<&str>,
    message: Vec<u8>,
) -> Result<Vec<Bytes>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("a connection");
    let mut request = Request::new(Bytes::from(message));
    if let Some(token) = token {
        let bearer = format!("Bearer {token}").parse().expect("ascii");
        request.metadata_mut().insert("authorization", bearer);
    }
    let path = format!("/park.query.v1.{method}").parse().expect("a path");
    let answers = client.server_streaming(request, path, Raw).await?;
    let (mut answers, mut read) = (answers.into_inner(), Vec::new());
    while let Some(answer) = answers.message().await? {
        read.push(answer);
    }
    Ok(read)
}

/// Messages as bytes, whatever they mean.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
