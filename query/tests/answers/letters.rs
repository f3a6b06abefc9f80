//! What was not accepted, asked over gRPC: filters, pages and scopes.

use greenpark_archive::{
    book::Consumed,
    dead_letters::{Bounds, Letter, LetterId},
};
use greenpark_model::{
    day::Instant,
    id::{GatewayId, ParkId},
    letter::LetterCode,
    log_position::Partition,
};
use greenpark_proto::query::v1::{self as pb, dead_letters_client::DeadLettersClient};
use greenpark_query::{QuerySettings, settings::Grant};
use tonic::{Code, Request, Status, transport::Channel};

use crate::fixture::{World, at, day, enterprise, sha256, timestamp_of};

pub(crate) const BOUNDS: Bounds = Bounds {
    enterprise_letters: 800,
    enterprise_bytes: 8 << 20,
    park_bytes: 64 << 20,
};

/// A letter that came `hours` after the start of 2026-04-01.
pub(crate) fn letter(of: &str, offset: u64, hours: i64, code: LetterCode) -> Letter {
    let payload = format!("payload {offset}");
    Letter {
        id: LetterId {
            partition: Partition::FIRST,
            offset,
        },
        enterprise: enterprise(of),
        gateway: GatewayId::new(if offset.is_multiple_of(2) { "g1" } else { "g2" }).expect("an id"),
        received: Instant::from_millis(at(day("2026-04-01"), hours)),
        topic: format!("park/p/{of}/g1/up/readings"),
        code,
        words: format!("wrong {offset}"),
        index: None,
        readings: offset + 1,
        bytes: payload.len() as u64,
        payload: payload.into(),
        truncated: false,
    }
}

async fn keep(world: &World, park: &str, letters: Vec<Letter>) {
    keep_within(world, park, letters, &BOUNDS).await;
}

pub(crate) async fn keep_within(world: &World, park: &str, letters: Vec<Letter>, bounds: &Bounds) {
    let mut table = world.lake.letters(&ParkId::new(park).expect("an id"));
    let consumed = Consumed::up_to(Partition::FIRST, 0);
    table.add(consumed, letters, bounds).await.expect("kept");
}

/// Letters of two enterprises of `p`, one of `q`, and one of nobody.
pub(crate) async fn filled(settings: QuerySettings) -> World {
    use LetterCode::{BadInstant, BadTopic, UnknownUnit};
    let world = World::with(settings).await;
    keep(
        &world,
        "p",
        vec![
            letter("e", 0, 1, UnknownUnit),
            letter("e", 1, 2, BadInstant),
            letter("f", 2, 3, UnknownUnit),
            letter("e", 4, 30, UnknownUnit),
        ],
    )
    .await;
    keep(&world, "q", vec![letter("e", 3, 4, UnknownUnit)]).await;
    keep(
        &world,
        "_unknown",
        vec![letter("_unknown", 5, 40, BadTopic)],
    )
    .await;
    world
}

pub(crate) fn client(world: &World) -> DeadLettersClient<Channel> {
    DeadLettersClient::new(world.channel.clone())
}

pub(crate) fn of(parent: &str) -> pb::DeadLetterFilter {
    pb::DeadLetterFilter {
        parent: parent.to_owned(),
        ..pb::DeadLetterFilter::default()
    }
}

fn list(filter: pb::DeadLetterFilter) -> pb::ListDeadLettersRequest {
    pb::ListDeadLettersRequest {
        filter: Some(filter),
        ..pb::ListDeadLettersRequest::default()
    }
}

fn bearing<T>(asked: T, token: &str) -> Request<T> {
    let mut request = Request::new(asked);
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().expect("ascii");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// The offsets of the letters that `token` is shown of `filter`.
async fn shown(
    world: &World,
    filter: pb::DeadLetterFilter,
    token: &str,
) -> Result<Vec<u64>, Status> {
    let answer = client(world)
        .list_dead_letters(bearing(list(filter), token))
        .await?;
    let letters = answer.into_inner().letters;
    Ok(letters.iter().map(|letter| offset(&letter.name)).collect())
}

fn offset(name: &str) -> u64 {
    let id: LetterId = name
        .rsplit('/')
        .next()
        .expect("a part")
        .parse()
        .expect("an id");
    id.offset
}

pub(crate) async fn listed(world: &World, filter: pb::DeadLetterFilter) -> Vec<u64> {
    shown(world, filter, "").await.expect("a list")
}

#[tokio::test]
async fn letters_are_listed_newest_first_by_what_they_say() {
    let world = filled(QuerySettings::default()).await;
    assert_eq!(listed(&world, of("parks/-")).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(listed(&world, of("parks/p")).await, [4, 2, 1, 0]);
    assert_eq!(listed(&world, of("parks/p/enterprises/e")).await, [4, 1, 0]);
    assert_eq!(listed(&world, of("parks/_unknown")).await, [5]);
    assert!(listed(&world, of("parks/none")).await.is_empty());
    let gateway = pb::DeadLetterFilter {
        gateway: "g2".to_owned(),
        ..of("parks/-")
    };
    assert_eq!(listed(&world, gateway).await, [5, 3, 1]);
    let reasons = pb::DeadLetterFilter {
        reasons: vec!["bad-instant".to_owned(), "bad-topic".to_owned()],
        ..of("parks/-")
    };
    assert_eq!(listed(&world, reasons).await, [5, 1]);
    let second_day = pb::DeadLetterFilter {
        from: Some(timestamp_of(day("2026-04-02"))),
        ..of("parks/-")
    };
    assert_eq!(listed(&world, second_day).await, [5, 4]);
    let first_day = pb::DeadLetterFilter {
        to: Some(timestamp_of(day("2026-04-02"))),
        ..of("parks/p")
    };
    assert_eq!(listed(&world, first_day).await, [2, 1, 0]);
    let all = client(&world)
        .list_dead_letters(list(of("parks/p/enterprises/f")))
        .await;
    let letter = all.expect("a list").into_inner().letters.remove(0);
    assert_eq!(letter.name, "parks/p/enterprises/f/deadLetters/0-2");
    assert_eq!(
        (letter.reason.as_str(), letter.detail.as_str()),
        ("unknown-unit", "wrong 2")
    );
    assert_eq!((letter.readings, letter.payload_bytes), (3, 9));
    assert!(letter.payload.is_empty(), "a list has no payloads");
    world.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_and_a_token_fits_its_question_only() {
    let world = World::new().await;
    for start in [0, 40, 80] {
        let letters = (start..start + 40).map(|offset| {
            let hours = i64::try_from(offset % 7).expect("small");
            letter("e", offset, hours, LetterCode::BadValue)
        });
        keep(&world, "p", letters.collect()).await;
    }
    let ask = |token: &str, parent: &str| pb::ListDeadLettersRequest {
        filter: Some(of(parent)),
        page_size: 9,
        page_token: token.to_owned(),
    };
    let (mut token, mut all) = (String::new(), Vec::new());
    loop {
        let page = client(&world)
            .list_dead_letters(ask(&token, "parks/p"))
            .await;
        let page = page.expect("a page").into_inner();
        assert!(page.letters.len() <= 9);
        all.extend(
            page.letters
                .into_iter()
                .map(|letter| (letter.received, offset(&letter.name))),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(all.len(), 120);
    let ordered = |two: &[(Option<prost_types::Timestamp>, u64)]| {
        let key =
            |of: &(Option<prost_types::Timestamp>, u64)| (of.0.expect("a time").seconds, of.1);
        key(&two[0]) > key(&two[1])
    };
    assert!(all.windows(2).all(ordered), "the newest first, each once");
    for (token, parent) in [(token.as_str(), "parks/-"), ("none", "parks/p")] {
        let refused = client(&world).list_dead_letters(ask(token, parent)).await;
        let refused = refused.expect_err("not ours");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("page_token"), "{refused}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_letter_is_read_with_what_was_sent_and_an_unknown_one_is_refused() {
    let world = filled(QuerySettings::default()).await;
    let get = |name: &str| pb::GetDeadLetterRequest {
        name: name.to_owned(),
    };
    let found = client(&world)
        .get_dead_letter(get("parks/p/enterprises/e/deadLetters/0-4"))
        .await;
    let found = found.expect("a letter").into_inner();
    assert_eq!(
        (&*found.payload, found.gateway.as_str()),
        (&b"payload 4"[..], "g1")
    );
    for (name, code, word) in [
        (
            "parks/p/enterprises/e/deadLetters/0-2",
            Code::NotFound,
            "0-4, 0-1, 0-0",
        ),
        (
            "parks/x/enterprises/e/deadLetters/0-4",
            Code::NotFound,
            "not kept",
        ),
        (
            "parks/p/enterprises/e/deadLetters/4",
            Code::InvalidArgument,
            "as in 0-17",
        ),
        (
            "parks/p/enterprises/e",
            Code::InvalidArgument,
            "deadLetters/0-17",
        ),
        ("", Code::InvalidArgument, "deadLetters/0-17"),
    ] {
        let refused = client(&world)
            .get_dead_letter(get(name))
            .await
            .expect_err("refused");
        assert_eq!(refused.code(), code, "{name}");
        assert!(refused.message().contains(word), "{name}: {refused}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_filter_names_everything_that_is_wrong_with_it() {
    let world = filled(QuerySettings::default()).await;
    let wrong = pb::DeadLetterFilter {
        parent: "parks/p/enterprises/e/meters/m".to_owned(),
        gateway: "a b".to_owned(),
        reasons: vec!["unknown-unit".to_owned(), "odd".to_owned()],
        from: Some(timestamp_of(day("2026-04-02"))),
        to: Some(timestamp_of(day("2026-04-01"))),
        unreplayed: false,
    };
    let refused = shown(&world, wrong.clone(), "").await.expect_err("wrong");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = tonic_types::StatusExt::get_details_bad_request(&refused).expect("details");
    let fields: Vec<&str> = details
        .field_violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "filter.parent",
            "filter.gateway",
            "filter.reasons",
            "filter.to"
        ]
    );
    let of_reasons = &details.field_violations[2].description;
    assert!(
        of_reasons.contains("'odd'") && of_reasons.contains("too-late"),
        "{of_reasons}"
    );
    let streamed = pb::StreamDeadLettersRequest {
        filter: Some(wrong),
    };
    let mut stream = client(&world)
        .stream_dead_letters(streamed)
        .await
        .expect("a stream")
        .into_inner();
    let refused = stream.message().await.expect_err("wrong");
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.stop().await;
}

/// Settings that let `one` see an enterprise, `park` a park, and `all` everything.
fn granted() -> QuerySettings {
    let grant = |token: &str, name: &str| Grant {
        token_sha256: sha256(token.as_bytes()),
        names: vec![name.to_owned()],
        holder: "tests".to_owned(),
        declares: true,
    };
    QuerySettings {
        grants: vec![
            grant("one", "parks/p/enterprises/e"),
            grant("park", "parks/p"),
            grant("all", "parks/-"),
        ],
        ..QuerySettings::default()
    }
}

#[tokio::test]
async fn a_scope_of_one_enterprise_sees_its_own_letters_and_no_others() {
    let world = filled(granted()).await;
    assert_eq!(
        shown(&world, of("parks/-"), "one").await.expect("a list"),
        [4, 1, 0]
    );
    assert_eq!(
        shown(&world, of("parks/-"), "park").await.expect("a list"),
        [4, 2, 1, 0]
    );
    assert_eq!(
        shown(&world, of("parks/-"), "all").await.expect("a list"),
        [5, 4, 3, 2, 1, 0]
    );
    for (token, parent) in [
        ("one", "parks/p"),
        ("one", "parks/p/enterprises/f"),
        ("park", "parks/q"),
        ("park", "parks/_unknown"),
    ] {
        let refused = shown(&world, of(parent), token).await.expect_err("denied");
        assert_eq!(refused.code(), Code::NotFound, "{token} {parent}");
    }
    let refused = shown(&world, of("parks/-"), "").await.expect_err("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mine = pb::StreamDeadLettersRequest {
        filter: Some(of("parks/-")),
    };
    let stream = client(&world)
        .stream_dead_letters(bearing(mine, "one"))
        .await;
    let (mut stream, mut streamed) = (stream.expect("a stream").into_inner(), Vec::new());
    while let Some(letter) = stream.message().await.expect("a letter") {
        streamed.push(offset(&letter.name));
    }
    assert_eq!(streamed, [0, 1, 4]);
    let counted = pb::CountDeadLettersRequest {
        filter: Some(of("parks/-")),
    };
    let counted = client(&world)
        .count_dead_letters(bearing(counted, "one"))
        .await;
    let names: Vec<String> = counted
        .expect("counts")
        .into_inner()
        .counts
        .into_iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(names, ["parks/p/enterprises/e"; 2]);
    world.stop().await;
}

#[tokio::test]
async fn a_scope_of_one_enterprise_reads_and_records_no_others_letter() {
    let world = filled(granted()).await;
    let get = pb::GetDeadLetterRequest {
        name: "parks/p/enterprises/f/deadLetters/0-2".to_owned(),
    };
    let refused = client(&world)
        .get_dead_letter(bearing(get, "one"))
        .await
        .expect_err("denied");
    assert_eq!(refused.code(), Code::NotFound);
    let replayed = pb::RecordDeadLetterReplayRequest {
        names: vec!["parks/p/enterprises/f/deadLetters/0-2".to_owned()],
        recorded_by: "li".to_owned(),
        evidence: String::new(),
    };
    let refused = client(&world)
        .record_dead_letter_replay(bearing(replayed, "one"))
        .await;
    assert_eq!(refused.expect_err("denied").code(), Code::NotFound);
    world.stop().await;
}
