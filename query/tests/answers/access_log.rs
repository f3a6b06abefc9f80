//! The access log: everything that was asked is recorded, and what must not leave unrecorded does not.

use std::{collections::BTreeMap, fs};

use greenpark_archive::access_log::{AccessEvent, AccessRecord};
use greenpark_proto::query::v1::{
    self as pb, access_client::AccessClient, extract_chunk::Part, readings_client::ReadingsClient,
};
use greenpark_query::{QuerySettings, settings::Token};
use prometheus_client::encoding::text::encode;
use tonic::{Code, Status};

use crate::{access_roles::bearing, fixture::*};

const E: &str = "parks/p/enterprises/e";

/// Two parks, and the callers `chief`, who administers all, `ana`, who audits `parks/p`, and `eve`, without a grant.
async fn world(access_log: bool) -> World {
    let token = |name: &str| Token {
        name: name.to_owned(),
        sha256: sha256(name.as_bytes()),
    };
    let world = World::with(QuerySettings {
        tokens: ["chief", "ana", "eve", "head"].map(token).to_vec(),
        administrators: vec!["token:chief".to_owned()],
        access_log,
        ..QuerySettings::default()
    })
    .await;
    let meter = series("m", "electricity", greenpark_model::reading::Kind::Interval);
    for park in ["p", "q"] {
        let days = daily(
            "e",
            &meter,
            day("2024-05-01"),
            &["1".to_owned(), "2".to_owned()],
        );
        world.seal(park, &days, 1, With::Totals).await;
    }
    for (caller, role) in [("ana", "auditor"), ("head", "administrator")] {
        grant(&world, caller, role).await.expect("granted");
    }
    world
}

async fn grant(world: &World, caller: &str, role: &str) -> Result<(), Status> {
    let grant = pb::Grant {
        caller: format!("token:{caller}"),
        role: role.to_owned(),
        name: "parks/p".to_owned(),
        why: "engagement 7".to_owned(),
        ..pb::Grant::default()
    };
    let request = pb::RecordGrantRequest { grant: Some(grant) };
    let mut client = AccessClient::new(world.channel.clone());
    client
        .record_grant(bearing(request, "chief"))
        .await
        .map(drop)
}

/// The bytes and the manifest of an extract.
async fn extract(world: &World) -> Result<(Vec<u8>, String), Status> {
    let request = pb::ExtractRequest {
        name: E.to_owned(),
        period: period(year(2024)),
        ..pb::ExtractRequest::default()
    };
    let mut client = ReadingsClient::new(world.channel.clone());
    let mut parts = client.extract(bearing(request, "ana")).await?.into_inner();
    let (mut file, mut manifest) = (Vec::new(), String::new());
    while let Some(chunk) = parts.message().await? {
        match chunk.part.expect("a part") {
            Part::Data(data) => file.extend(data),
            Part::ManifestJson(text) => manifest = text,
        }
    }
    Ok((file, manifest))
}

async fn quality(world: &World, token: &str) -> Result<(), Code> {
    let request = pb::GetQualityRequest {
        name: E.to_owned(),
        period: period(year(2024)),
        ..pb::GetQualityRequest::default()
    };
    let mut client = pb::quality_client::QualityClient::new(world.channel.clone());
    let answer = client.get_quality(bearing(request, token)).await;
    answer.map(drop).map_err(|status| status.code())
}

/// All records of the log, after the service has stopped.
async fn stopped(world: World) -> Vec<AccessRecord> {
    let (lake, today) = (world.lake.clone(), at(day("2026-11-23"), 12));
    let today = greenpark_model::day::Instant::from_millis(today).day();
    let keep = world.stop().await;
    let records = lake.access_log().of_day(today).await.expect("readable");
    drop(keep);
    records
}

#[tokio::test]
async fn every_request_is_recorded_with_who_asked_what_and_what_came_of_it() {
    let world = world(true).await;
    quality(&world, "ana").await.expect("an answer");
    for _ in 0..3 {
        assert_eq!(quality(&world, "eve").await, Err(Code::PermissionDenied));
    }
    assert_eq!(quality(&world, "guess").await, Err(Code::Unauthenticated));
    let (file, _) = extract(&world).await.expect("an extract");
    let records = stopped(world).await;

    let mut by_request: BTreeMap<&str, Vec<&AccessRecord>> = BTreeMap::new();
    for record in records.iter().filter(|r| r.event != AccessEvent::Refused) {
        by_request
            .entry(&record.request_id)
            .or_default()
            .push(record);
    }
    let of = |method: &str| {
        let mut found = by_request.values().filter(|of| &*of[0].method == method);
        found.next().expect("recorded").clone()
    };
    let asked = of("GetQuality");
    let [attempt, outcome] = asked[..] else {
        panic!("{asked:#?}")
    };
    assert_eq!(
        (attempt.event, &*attempt.decision),
        (AccessEvent::Attempt, "permitted")
    );
    assert_eq!(
        (outcome.event, &*outcome.decision),
        (AccessEvent::Outcome, "ok")
    );
    assert!(outcome.bytes.is_some_and(|bytes| bytes > 0));
    for record in &asked {
        let shown = (&*record.caller, &*record.scope_asked, &*record.source);
        assert_eq!(
            shown,
            ("token:ana", "parks/p/enterprises/e 2024", "127.0.0.1")
        );
        assert_eq!(&*record.determined_by, "auditor on parks/p");
        assert_eq!(&*record.versions, "reference:1");
    }
    let extracted = of("Extract");
    let [_, extract, outcome] = extracted[..] else {
        panic!("{extracted:#?}")
    };
    assert_eq!(extract.event, AccessEvent::Extract);
    assert_eq!(extract.extract_sha256.as_deref(), Some(&*sha256(&file)));
    assert_eq!((outcome.rows, &*outcome.decision), (Some(2), "ok"));
    assert!(outcome.bytes >= Some(file.len() as u64));

    let refused = records.iter().filter(|r| r.event == AccessEvent::Refused);
    let refused: Vec<_> = refused
        .map(|r| (&*r.caller, &*r.method, &*r.decision, r.requests))
        .collect();
    assert_eq!(
        refused,
        [
            ("", "GetQuality", "unauthenticated", 1),
            ("token:eve", "GetQuality", "permission_denied", 3)
        ]
    );
}

#[tokio::test]
async fn extracts_and_grants_are_refused_while_the_log_cannot_be_written_and_questions_are_not() {
    let world = world(true).await;
    let folder = world.folder().join("access");
    let aside = world.folder().join("aside");
    fs::rename(&folder, &aside).expect("moved");
    fs::write(&folder, "in the way").expect("written");
    let refused = extract(&world).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(
        refused
            .message()
            .contains("the access log cannot be written")
    );
    let refused = grant(&world, "eve", "auditor").await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert_eq!(quality(&world, "ana").await, Ok(()));
    assert_eq!(
        quality(&world, "eve").await,
        Err(Code::PermissionDenied),
        "nothing was granted"
    );

    fs::remove_file(&folder).expect("removed");
    fs::rename(&aside, &folder).expect("moved back");
    extract(&world).await.expect("an extract");
    grant(&world, "eve", "auditor").await.expect("granted");
    let records = stopped(world).await;
    let attempts = records.iter().filter(|r| r.event == AccessEvent::Attempt);
    let attempts = attempts.filter(|r| &*r.method == "Extract").count();
    assert_eq!(
        attempts, 2,
        "the refused attempt is recorded, too, and once"
    );
    let answered = records
        .iter()
        .filter(|r| &*r.method == "GetQuality" && &*r.decision == "ok");
    assert_eq!(
        answered.count(),
        1,
        "what was asked meanwhile is recorded later"
    );
}

#[tokio::test]
async fn an_administrator_of_a_park_sees_its_records_alone() {
    let world = world(true).await;
    quality(&world, "ana").await.expect("an answer");
    let mut registry = world.registry.clone();
    let parks = registry.list_parks(bearing(pb::ListParksRequest::default(), "ana"));
    parks.await.expect("a list");
    let records = async |token: &str, parent: &str, caller: &str| {
        let request = pb::StreamAccessLogRequest {
            parent: parent.to_owned(),
            caller: caller.to_owned(),
            period: None,
        };
        let mut client = AccessClient::new(world.channel.clone());
        let records = client.stream_access_log(bearing(request, token)).await?;
        let (mut records, mut all) = (records.into_inner(), Vec::new());
        while let Some(record) = records.message().await? {
            all.push(record);
        }
        Ok::<Vec<pb::AccessLogRecord>, Status>(all)
    };
    // An extract waits for the log, so what was asked before it is there afterwards.
    extract(&world).await.expect("an extract");
    let all = records("chief", "parks/-", "token:ana")
        .await
        .expect("records");
    let methods = |records: &[pb::AccessLogRecord], method: &str| {
        records
            .iter()
            .filter(|record| record.method == method)
            .count()
    };
    assert_eq!(
        (methods(&all, "ListParks"), methods(&all, "GetQuality")),
        (2, 2)
    );
    assert!(all.iter().all(|record| record.caller == "token:ana"));
    let of_park = records("head", "parks/p", "").await.expect("records");
    assert_eq!(
        (
            methods(&of_park, "ListParks"),
            methods(&of_park, "GetQuality")
        ),
        (0, 2)
    );
    for (token, parent, code) in [
        ("head", "parks/-", Code::NotFound),
        ("head", "parks/q", Code::NotFound),
        ("ana", "parks/p", Code::PermissionDenied),
        ("chief", E, Code::InvalidArgument),
    ] {
        let refused = records(token, parent, "").await.expect_err("refused");
        assert_eq!(refused.code(), code, "{token} {parent}: {refused}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_service_without_a_log_records_nothing_and_refuses_nothing() {
    let world = world(false).await;
    extract(&world).await.expect("an extract");
    let mut text = String::new();
    encode(&mut text, &world.metrics).expect("text");
    assert!(
        text.contains("greenpark_query_access_records_total 0"),
        "{text}"
    );
    assert_eq!(stopped(world).await, []);
}
