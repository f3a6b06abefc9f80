//! Grants as an administrator records them and as callers feel them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use greenpark_proto::query::v1::{self as pb, access_client::AccessClient};
use greenpark_query::{
    QuerySettings,
    settings::{JwtSettings, Token},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::fixture::*;

/// A service with two tokens, of which `chief` administers grants.
fn settings() -> QuerySettings {
    let token = |name: &str| Token {
        name: name.to_owned(),
        sha256: sha256(name.as_bytes()),
    };
    QuerySettings {
        tokens: vec![token("chief"), token("ana")],
        administrators: vec!["token:chief".to_owned()],
        ..QuerySettings::default()
    }
}

/// A request of the bearer of `token`.
pub(crate) fn bearing<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse().expect("ascii");
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn auditor(caller: &str, from: &str, to: &str) -> pb::Grant {
    pb::Grant {
        caller: caller.to_owned(),
        role: "auditor".to_owned(),
        name: "parks/p".to_owned(),
        valid_from: from.to_owned(),
        valid_to: to.to_owned(),
        why: "engagement 7".to_owned(),
        ..pb::Grant::default()
    }
}

async fn record(world: &World, grant: pb::Grant) -> Result<pb::Grant, Status> {
    let request = pb::RecordGrantRequest { grant: Some(grant) };
    let mut client = AccessClient::new(world.channel.clone());
    let recorded = client.record_grant(bearing(request, "chief")).await;
    recorded.map(tonic::Response::into_inner)
}

async fn revoke(world: &World, caller: &str) -> Result<pb::Grant, Status> {
    let request = pb::RevokeGrantRequest {
        caller: caller.to_owned(),
        role: "auditor".to_owned(),
        name: "parks/p".to_owned(),
        why: "it is over".to_owned(),
    };
    let mut client = AccessClient::new(world.channel.clone());
    let revoked = client.revoke_grant(bearing(request, "chief")).await;
    revoked.map(tonic::Response::into_inner)
}

/// The parks that the bearer of `token` sees.
async fn parks(world: &World, token: &str) -> Result<Vec<String>, Code> {
    let request = bearing(pb::ListParksRequest::default(), token);
    let listed = world.registry.clone().list_parks(request).await;
    let listed = listed.map_err(|status| status.code())?.into_inner();
    Ok(listed.parks.into_iter().map(|park| park.name).collect())
}

/// Parks `p` and `q`.
async fn world(settings: QuerySettings) -> World {
    let world = World::with(settings).await;
    let meter = series("m", "electricity", greenpark_model::reading::Kind::Interval);
    for park in ["p", "q"] {
        let days = daily("e", &meter, day("2024-05-01"), &["1".to_owned()]);
        world.seal(park, &days, 1, With::Totals).await;
    }
    world
}

#[tokio::test]
async fn a_grant_holds_at_once_on_its_days_and_a_revocation_ends_it_at_once() {
    let world = world(settings()).await;
    assert_eq!(parks(&world, "ana").await, Err(Code::PermissionDenied));
    let grant = record(&world, auditor("token:ana", "2026-11-23", "2026-11-30")).await;
    let grant = grant.expect("granted");
    assert_eq!(grant.granted_by, "token:chief");
    assert_eq!(parks(&world, "ana").await, Ok(vec!["parks/p".to_owned()]));
    world.set_now(day("2026-12-01"), 1);
    assert_eq!(parks(&world, "ana").await, Err(Code::PermissionDenied));
    world.set_now(day("2026-11-30"), 1);
    assert!(parks(&world, "ana").await.is_ok());
    revoke(&world, "token:ana").await.expect("revoked");
    assert_eq!(parks(&world, "ana").await, Err(Code::PermissionDenied));
    let again = revoke(&world, "token:ana")
        .await
        .expect_err("nothing is left");
    assert_eq!(again.code(), Code::FailedPrecondition);
    world.stop().await;
}

#[tokio::test]
async fn an_administrator_sees_no_data_and_lists_what_was_granted_then_and_now() {
    let world = world(settings()).await;
    assert_eq!(parks(&world, "chief").await, Err(Code::PermissionDenied));
    record(&world, auditor("token:ana", "", ""))
        .await
        .expect("granted");
    world.set_now(day("2026-11-24"), 12);
    revoke(&world, "token:ana").await.expect("revoked");
    let list = |as_of: Option<prost_types::Timestamp>| {
        let request = pb::ListGrantsRequest {
            parent: "parks/-".to_owned(),
            as_of,
            ..pb::ListGrantsRequest::default()
        };
        let mut client = AccessClient::new(world.channel.clone());
        async move {
            let listed = client.list_grants(bearing(request, "chief")).await;
            listed.expect("a list").into_inner().grants
        }
    };
    assert_eq!(list(None).await, []);
    let then = list(Some(timestamp_of(day("2026-11-24")))).await;
    let shown: Vec<_> = then.iter().map(|g| (&*g.caller, &*g.valid_from)).collect();
    assert_eq!(shown, [("token:ana", "2026-11-23")]);
    world.stop().await;
}

#[tokio::test]
async fn a_grant_that_overlaps_or_has_mistakes_is_refused_with_what_to_do() {
    let world = world(settings()).await;
    let first = auditor("token:ana", "2026-11-01", "2026-11-30");
    record(&world, first).await.expect("granted");
    let overlap = record(&world, auditor("token:ana", "2026-11-30", "")).await;
    let overlap = overlap.expect_err("refused");
    assert_eq!(overlap.code(), Code::FailedPrecondition);
    assert!(
        overlap.message().contains("revoke that grant first"),
        "{overlap}"
    );
    record(&world, auditor("token:ana", "2026-12-01", ""))
        .await
        .expect("granted");
    let wrong = pb::Grant {
        caller: "ana".to_owned(),
        role: "king".to_owned(),
        name: "parks/p/enterprises/-".to_owned(),
        valid_from: "tomorrow".to_owned(),
        ..pb::Grant::default()
    };
    let wrong = record(&world, wrong).await.expect_err("refused");
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let details = tonic_types::StatusExt::get_details_bad_request(&wrong).expect("details");
    let fields: Vec<&str> = details.field_violations.iter().map(|v| &*v.field).collect();
    let all = [
        "grant.caller",
        "grant.role",
        "grant.name",
        "grant.why",
        "grant.valid_from",
    ];
    assert_eq!(fields, all);
    let on_park = pb::Grant {
        role: "enterprise".to_owned(),
        ..auditor("token:bo", "", "")
    };
    assert_eq!(
        record(&world, on_park).await.expect_err("refused").code(),
        Code::InvalidArgument
    );
    world.stop().await;
}

#[tokio::test]
async fn an_open_service_says_so_and_records_no_grants() {
    let world = world(QuerySettings::default()).await;
    let mut client = AccessClient::new(world.channel.clone());
    let me = client.who_am_i(pb::WhoAmIRequest {}).await;
    let me = me.expect("an answer").into_inner();
    assert_eq!(
        (&*me.caller, &*me.credential, me.open),
        ("anyone", "none", true)
    );
    let grant = pb::RecordGrantRequest {
        grant: Some(auditor("token:ana", "", "")),
    };
    let refused = client.record_grant(grant).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    world.stop().await;
}

#[tokio::test]
async fn the_bearer_of_a_json_web_token_is_its_subject() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let point = pair.der_bytes();
    let part = |range| URL_SAFE_NO_PAD.encode(&point[range]);
    let keys = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k1",
        "x": part(1..33), "y": part(33..65),
    }]});
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    std::fs::write(&path, keys.to_string()).expect("written");
    let world = world(QuerySettings {
        jwt: Some(JwtSettings {
            keys: path,
            issuer: "https://issuer".to_owned(),
            audience: "greenpark".to_owned(),
        }),
        ..settings()
    })
    .await;
    let token = |until: &str| {
        let header = Header {
            kid: Some("k1".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let claims = json!({
            "sub": "alice", "iss": "https://issuer", "aud": "greenpark",
            "exp": day(until).start().millis() / 1_000, "jti": "7",
        });
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        encode(&header, &claims, &key).expect("signed")
    };
    record(&world, auditor("jwt:alice", "", ""))
        .await
        .expect("granted");
    let valid = token("2026-11-24");
    assert_eq!(parks(&world, &valid).await, Ok(vec!["parks/p".to_owned()]));
    assert_eq!(
        parks(&world, &token("2026-11-23")).await,
        Err(Code::Unauthenticated)
    );
    let me = AccessClient::new(world.channel.clone())
        .who_am_i(bearing(pb::WhoAmIRequest {}, &valid))
        .await;
    let me = me.expect("an answer").into_inner();
    let shown = (&*me.caller, &*me.issuer, &*me.credential_id);
    assert_eq!(shown, ("jwt:alice", "https://issuer", "7"));
    assert_eq!(me.grants.len(), 1);
    world.stop().await;
}
