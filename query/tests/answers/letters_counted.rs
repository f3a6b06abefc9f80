//! What was not accepted: sent again, counted, and named beside quality.

use greenpark_archive::dead_letters::Bounds;
use greenpark_model::letter::LetterCode;
use greenpark_proto::query::v1::{self as pb, quality_client::QualityClient};
use greenpark_query::QuerySettings;
use tonic::Code;

use crate::{
    fixture::{World, days, period},
    letters::{BOUNDS, client, filled, keep_within, letter, listed, of},
};

#[tokio::test]
async fn what_was_sent_again_is_recorded_and_can_be_left_out() {
    let world = filled(QuerySettings::default()).await;
    let record = |names: &[&str], by: &str| pb::RecordDeadLetterReplayRequest {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        recorded_by: by.to_owned(),
        evidence: "ticket 7".to_owned(),
    };
    let names = [
        "parks/p/enterprises/e/deadLetters/0-0",
        "parks/p/enterprises/f/deadLetters/0-2",
    ];
    let recorded = client(&world)
        .record_dead_letter_replay(record(&names, "li"))
        .await;
    assert_eq!(recorded.expect("recorded").into_inner().recorded, 2);
    let unreplayed = pb::DeadLetterFilter {
        unreplayed: true,
        ..of("parks/p")
    };
    assert_eq!(listed(&world, unreplayed).await, [4, 1]);
    let get = pb::GetDeadLetterRequest {
        name: names[1].to_owned(),
    };
    let letter = client(&world)
        .get_dead_letter(get)
        .await
        .expect("a letter")
        .into_inner();
    assert_eq!(letter.replays.len(), 1);
    assert_eq!(
        (
            &*letter.replays[0].recorded_by,
            &*letter.replays[0].evidence
        ),
        ("li", "ticket 7")
    );
    // The same offset of another park is another letter.
    let q = listed(
        &world,
        pb::DeadLetterFilter {
            unreplayed: true,
            ..of("parks/q")
        },
    )
    .await;
    assert_eq!(q, [3]);
    for (names, by, code) in [
        (
            &["parks/p/enterprises/e/deadLetters/0-9"][..],
            "li",
            Code::NotFound,
        ),
        (&["parks/p/enterprises/e"], "li", Code::InvalidArgument),
        (&[], "li", Code::InvalidArgument),
        (&names, " ", Code::InvalidArgument),
    ] {
        let refused = client(&world)
            .record_dead_letter_replay(record(names, by))
            .await;
        assert_eq!(refused.expect_err("refused").code(), code, "{names:?}");
    }
    // Other questions pass such entries over.
    let parks = world
        .registry
        .clone()
        .list_parks(pb::ListParksRequest::default())
        .await;
    assert!(parks.expect("a list").into_inner().parks.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn counts_include_what_is_not_kept_any_more() {
    let world = World::new().await;
    let bounds = Bounds {
        enterprise_letters: 10,
        ..BOUNDS
    };
    for start in [0, 20, 40] {
        let letters = (start..start + 20).map(|offset| letter("e", offset, 1, LetterCode::TooLate));
        keep_within(&world, "p", letters.collect(), &bounds).await;
    }
    let ask = |filter| pb::CountDeadLettersRequest {
        filter: Some(filter),
    };
    let counted = client(&world)
        .count_dead_letters(ask(of("parks/p")))
        .await
        .expect("counts");
    let count = &counted.into_inner().counts[0];
    assert_eq!(
        (count.letters, count.kept, count.readings),
        (60, 10, (1..=60).sum())
    );
    assert_eq!(count.reason, "too-late");
    let gateway = pb::DeadLetterFilter {
        gateway: "g1".to_owned(),
        ..of("parks/p")
    };
    let counted = client(&world)
        .count_dead_letters(ask(gateway))
        .await
        .expect("counts")
        .into_inner();
    assert_eq!((counted.counts[0].letters, counted.notes.len()), (5, 1));
    world.stop().await;
}

#[tokio::test]
async fn quality_names_the_dead_letters_of_an_enterprise_and_of_others() {
    let mut world = filled(QuerySettings::default()).await;
    world.register_enterprise("p", "e", true).await;
    let ask = |name: &str, first: &str, last: &str| pb::GetQualityRequest {
        name: name.to_owned(),
        period: period(days(first, last)),
        ..pb::GetQualityRequest::default()
    };
    let mut quality = QualityClient::new(world.channel.clone());
    let asked = ask("parks/p/enterprises/e", "2026-04-01", "2026-04-30");
    let report = quality
        .get_quality(asked)
        .await
        .expect("a report")
        .into_inner();
    let letters: Vec<&pb::Finding> = report
        .findings
        .iter()
        .filter(|f| f.check == "dead-letters")
        .collect();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].name, "parks/p/enterprises/e");
    assert_eq!(
        letters[0].detail,
        "3 dead letter(s) refuse 8 reading(s): 2 unknown-unit, 1 bad-instant"
    );
    let asked = ask("parks/p/enterprises/e", "2026-04-02", "2026-04-30");
    let report = quality
        .get_quality(asked)
        .await
        .expect("a report")
        .into_inner();
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.detail.starts_with("1 dead letter(s)"))
    );
    let asked = ask("parks/p", "2026-04-01", "2026-04-30");
    let report = quality
        .get_quality(asked)
        .await
        .expect("a report")
        .into_inner();
    let note = report
        .notes
        .iter()
        .find(|note| note.contains("not counted here"));
    assert!(
        note.is_some_and(|note| note.contains("parks/p/enterprises/f (1 unknown-unit)")),
        "{:?}",
        report.notes
    );
    let asked = ask("parks/p/enterprises/e", "2026-05-01", "2026-05-30");
    let report = quality
        .get_quality(asked)
        .await
        .expect("a report")
        .into_inner();
    assert!(report.findings.iter().all(|f| f.check != "dead-letters"));
    world.stop().await;
}
