//! What is refused, and what a client can find out without having been told.

use std::time::Duration;

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use greenpark_query::{QuerySettings, settings::Grant};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt as _;

use crate::fixture::*;

async fn refused(world: &mut World, request: pb::GetIndicatorRequest) -> tonic::Status {
    world
        .indicators
        .get_energy_intensity(request)
        .await
        .expect_err("refused")
}

/// One enterprise with a reading.
async fn one() -> World {
    let world = World::new().await;
    let meter = series("m", "electricity", Kind::Interval);
    let sealed = daily("e", &meter, day("2024-05-01"), &["1".into()]);
    world.seal(PARK, &sealed, 1, With::Totals).await;
    world
}

#[tokio::test]
async fn names_of_nothing_and_names_of_the_wrong_form_are_told_apart() {
    let mut world = one().await;
    for (name, code) in [
        ("parks/nowhere", Code::NotFound),
        ("parks/p/enterprises/nobody", Code::NotFound),
        ("park/p", Code::InvalidArgument),
        ("parks/p/enterprises/-", Code::InvalidArgument),
        ("parks/p/enterprises/e/meters/m", Code::InvalidArgument),
    ] {
        let status = refused(&mut world, get(name, year(2024))).await;
        assert_eq!(status.code(), code, "{name}");
    }
    let status = refused(&mut world, get("parks/nowhere", year(2024))).await;
    let message = status.message();
    assert!(message.contains("there are parks/p"), "{message}");
    let stream = pb::StreamReadingsRequest {
        name: "parks/p/enterprises/nobody".to_owned(),
        period: period(year(2024)),
        ..pb::StreamReadingsRequest::default()
    };
    let pages = world.readings.stream_readings(stream).await;
    let status = pages.expect("a stream").into_inner().message().await;
    assert_eq!(status.expect_err("refused").code(), Code::NotFound);
    world.stop().await;
}

#[tokio::test]
async fn impossible_questions_are_errors_that_name_the_field() {
    let mut world = one().await;
    let asked = || get("parks/p", year(2024));
    let reversed = days("2024-05-02", "2024-05-01");
    let long = days("2001-01-01", "2060-01-01");
    let (mut wrong_basis, mut wrong_base, mut no_period) = (asked(), asked(), asked());
    wrong_basis.basis = 9;
    wrong_base.price_base = "nominal".to_owned();
    no_period.period = None;
    for (request, field) in [
        (get("parks/p", reversed), "period.days.last"),
        (get("parks/p", long), "period.days"),
        (wrong_basis, "basis"),
        (wrong_base, "price_base"),
        (no_period, "period"),
    ] {
        let status = refused(&mut world, request).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        let details = status.get_details_bad_request().expect("details");
        assert_eq!(details.field_violations[0].field, field);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_question_that_takes_too_long_ends_by_its_deadline() {
    let mut world = World::with(QuerySettings {
        deadline: Duration::ZERO,
        ..QuerySettings::default()
    })
    .await;
    let status = refused(&mut world, get("parks/-", year(2024))).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    world.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let settings = QuerySettings {
        message_max: 64 << 10,
        ..QuerySettings::default()
    };
    let mut world = World::with(settings).await;
    let name = "x".repeat(128 << 10);
    let status = refused(&mut world, get(&name, year(2024))).await;
    assert_eq!(status.code(), Code::OutOfRange);
    world.stop().await;
}

#[tokio::test]
async fn a_token_reaches_its_own_park_and_no_other() {
    let digest: String = Sha256::digest(b"secret")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let grant = Grant {
        token_sha256: digest,
        names: vec!["parks/p".to_owned()],
        holder: "tests".to_owned(),
        declares: true,
    };
    let mut world = World::with(QuerySettings {
        grants: vec![grant],
        ..QuerySettings::default()
    })
    .await;
    let meter = series("m", "electricity", Kind::Interval);
    for park in ["p", "q"] {
        world
            .seal(
                park,
                &daily("e", &meter, day("2024-05-01"), &["1".into()]),
                1,
                With::Totals,
            )
            .await;
    }
    let asked = |name: &str, token: Option<&str>| {
        let mut request = Request::new(get(name, year(2024)));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("ascii");
            request.metadata_mut().insert("authorization", value);
        }
        request
    };
    let client = &mut world.indicators;
    let no_token = client
        .get_energy_intensity(asked("parks/p", None))
        .await
        .expect_err("refused");
    assert_eq!(no_token.code(), Code::Unauthenticated);
    let wrong = client
        .get_energy_intensity(asked("parks/p", Some("guess")))
        .await;
    assert_eq!(wrong.expect_err("refused").code(), Code::Unauthenticated);
    let other = client
        .get_energy_intensity(asked("parks/q", Some("secret")))
        .await;
    assert_eq!(other.expect_err("refused").code(), Code::NotFound);
    let own = client
        .get_energy_intensity(asked("parks/p", Some("secret")))
        .await
        .expect("a figure");
    assert_eq!(own.into_inner().enterprises.len(), 1);
    let all = client
        .get_energy_intensity(asked("parks/-", Some("secret")))
        .await
        .expect("a figure");
    assert_eq!(all.into_inner().enterprises, ["parks/p/enterprises/e"]);
    world.stop().await;
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let world = World::new().await;
    let mut health = HealthClient::new(world.channel.clone());
    for service in ["", "park.query.v1.Indicators", "park.query.v1.Readings"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.expect("healthy").into_inner();
        assert_eq!(answer.status, 1, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(world.channel.clone());
    let ask = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let asked = vec![
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "park.query.v1.Indicators".to_owned(),
        )),
    ];
    let answers = reflection
        .server_reflection_info(tokio_stream::iter(asked))
        .await;
    let mut answers = answers.expect("answers").into_inner();
    let listed = answers
        .message()
        .await
        .expect("an answer")
        .expect("listed")
        .message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = listed else {
        panic!("{listed:?}")
    };
    let names: Vec<&str> = listed
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in ["Indicators", "Registry", "Readings"] {
        assert!(
            names.contains(&format!("park.query.v1.{name}").as_str()),
            "{names:?}"
        );
    }
    let file = answers
        .message()
        .await
        .expect("an answer")
        .expect("a file")
        .message_response;
    assert!(matches!(
        file,
        Some(MessageResponse::FileDescriptorResponse(_))
    ));
    drop((health, reflection, answers));
    world.stop().await;
}

#[tokio::test]
async fn what_is_said_of_all_parks_together_needs_all_parks() {
    let token_sha256 = Sha256::digest(b"secret")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let grant = Grant {
        token_sha256,
        names: vec!["parks/p".to_owned()],
        holder: "tests".to_owned(),
        declares: true,
    };
    let mut world = World::with(QuerySettings {
        grants: vec![grant],
        ..QuerySettings::default()
    })
    .await;
    for (parent, refused) in [("parks/-", true), ("parks/q", true), ("parks/p", false)] {
        let value = pb::DeclaredValue {
            plan: "chongqing-parks-14fyp".to_owned(),
            indicator: "green-parks".to_owned(),
            year: 2025,
            value: "30".to_owned(),
        };
        let mut request = Request::new(pb::DeclareIndicatorsRequest {
            parent: parent.to_owned(),
            values: vec![value],
            recorded_by: "test".to_owned(),
            evidence: String::new(),
        });
        let bearer = "Bearer secret".parse().expect("ascii");
        request.metadata_mut().insert("authorization", bearer);
        let answer = world.registry.declare_indicators(request).await;
        let code = answer.err().map(|status| status.code());
        assert_eq!(code, refused.then_some(Code::NotFound), "{parent}");
    }
    world.stop().await;
}

#[tokio::test]
async fn who_may_only_read_declares_nothing_and_who_declares_is_named() {
    let token_sha256 = |token: &str| {
        let digest = Sha256::digest(token.as_bytes());
        digest.iter().map(|b| format!("{b:02x}")).collect()
    };
    let grant = |token: &str, declares| Grant {
        token_sha256: token_sha256(token),
        names: vec!["parks/p/enterprises/e".to_owned()],
        holder: "steel works".to_owned(),
        declares,
    };
    let mut world = World::with(QuerySettings {
        grants: vec![grant("reads", false), grant("declares", true)],
        ..QuerySettings::default()
    })
    .await;
    for (token, refused) in [("reads", true), ("declares", false)] {
        let mut request = Request::new(pb::DeclareStatisticsRequest {
            parent: "parks/p".to_owned(),
            statistics: vec![value_added("p", "e", pb::period::Period::Year(2024), "100")],
            // Whoever asks can say this of itself.
            recorded_by: "Municipal Bureau of Statistics".to_owned(),
            evidence: "a letter".to_owned(),
        });
        let bearer = format!("Bearer {token}").parse().expect("ascii");
        request.metadata_mut().insert("authorization", bearer);
        let answer = world.registry.declare_statistics(request).await;
        let status = answer.err();
        let code = status.as_ref().map(tonic::Status::code);
        assert_eq!(
            code,
            refused.then_some(Code::PermissionDenied),
            "{status:?}"
        );
        if let Some(status) = status {
            assert!(
                status
                    .message()
                    .contains("no grant of yours permits to declare"),
                "{status}"
            );
        }
    }
    let entries = world.lake.reference().entries().await.expect("readable");
    let by: Vec<(&str, &str)> = entries
        .entries
        .iter()
        .map(|e| (e.recorded_by.as_str(), e.evidence.as_str()))
        .collect();
    // What anyone can say of itself is evidence; the author is who proved a name.
    let stated =
        "a letter (stated by Municipal Bureau of Statistics, granted on parks/p/enterprises/e)";
    assert_eq!(by, [("token:steel works", stated)]);
    world.stop().await;
}
