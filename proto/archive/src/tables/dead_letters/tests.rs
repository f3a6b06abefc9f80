//! Goal: a letter is in the table once, whichever writer adds it and however often; and an enterprise's flood
//! costs no other anything. Method: tables in a folder and in memory, written by one or two writers.

use std::sync::Arc;

use greenpark_model::log_position::Partition;
use greenpark_runtime::clock;
use object_store::memory::InMemory;
use proptest::prelude::*;

use super::*;
use crate::{
    book::Consumed,
    fixture::{enterprise, park},
    lake::Lake,
};

const NOW: i64 = 1_795_392_000_000;
const BOUNDS: Bounds = Bounds {
    enterprise_letters: 800,
    enterprise_bytes: 8 << 20,
    park_bytes: 64 << 20,
};

fn letter(of: &str, offset: u64) -> Letter {
    let payload = format!("{{\"odd\":{offset}}}");
    Letter {
        id: LetterId {
            partition: Partition::FIRST,
            offset,
        },
        enterprise: enterprise(of),
        gateway: GatewayId::new("g.1").expect("an id"),
        received: Instant::from_millis(NOW + i64::try_from(offset).expect("small")),
        topic: format!("park/east/{of}/g.1/up/readings"),
        code: match offset % 3 {
            0 => LetterCode::UnknownUnit,
            _ => LetterCode::Undecodable,
        },
        words: "\"unit\": 'kwh' is none".to_owned(),
        index: offset.is_multiple_of(2).then_some(7),
        readings: 2,
        bytes: payload.len() as u64,
        payload: payload.into(),
        truncated: offset.is_multiple_of(5),
    }
}

fn lake() -> Lake {
    Lake::over(Arc::new(InMemory::new()), clock::system())
}

/// Everything in the table, by enterprise, in the order of the log.
async fn all(lake: &Lake) -> BTreeMap<EnterpriseId, Letters> {
    let mut table = lake.letters(&park());
    let mut files = table.files().await.expect("readable");
    files.sort_by_key(LettersFile::place);
    let mut all: BTreeMap<EnterpriseId, Letters> = BTreeMap::new();
    for file in files {
        let letters = table.read(&file, Payloads::Taken).await.expect("readable");
        assert_eq!(letters.kept.len() as u64, file.letters());
        for letter in &letters.kept {
            assert_eq!(letter.enterprise, *file.enterprise());
            let (first, last) = file.received();
            assert!(first <= letter.received && letter.received <= last);
        }
        all.entry(file.enterprise().clone())
            .or_default()
            .extend(letters);
    }
    all
}

fn offsets(letters: &Letters) -> Vec<u64> {
    letters.kept.iter().map(|letter| letter.id.offset).collect()
}

fn gone(letters: &Letters) -> u64 {
    letters.gone.values().map(|gone| gone.letters).sum()
}

#[tokio::test]
async fn letters_are_read_as_they_were_written_with_and_without_their_payloads() {
    let lake = lake();
    let mut table = lake.letters(&park());
    assert!(table.files().await.expect("no table").is_empty());
    let letters: Vec<Letter> = (0..7).map(|offset| letter("steel.works", offset)).collect();
    let added = table
        .add(
            Consumed::up_to(Partition::FIRST, 0),
            letters.clone(),
            &BOUNDS,
        )
        .await
        .expect("added");
    assert_eq!((added.letters, added.dropped), (7, 0));
    let found = all(&lake).await;
    assert_eq!(found[&enterprise("steel.works")].kept, letters);
    let files = table.files().await.expect("readable");
    let left = table
        .read(&files[0], Payloads::Left)
        .await
        .expect("readable");
    for (left, whole) in left.kept.iter().zip(&letters) {
        let expected = Letter {
            payload: Bytes::new(),
            ..whole.clone()
        };
        assert_eq!(*left, expected);
    }
    assert_eq!(lake.letter_parks().await.expect("listed"), [park()]);
    assert!(
        lake.parks().await.expect("listed").is_empty(),
        "a letter makes no park"
    );
}

#[tokio::test]
async fn what_was_consumed_is_passed_over_by_every_writer() {
    let lake = lake();
    let (mut one, mut other) = (lake.letters(&park()), lake.letters(&park()));
    let letters: Vec<Letter> = (0..10).map(|offset| letter("steel", offset)).collect();
    one.add(
        Consumed::up_to(Partition::FIRST, 0),
        letters[..4].to_vec(),
        &BOUNDS,
    )
    .await
    .expect("added");
    // The other began before that, and has read further.
    let added = other
        .add(
            Consumed::up_to(Partition::FIRST, 0),
            letters[..8].to_vec(),
            &BOUNDS,
        )
        .await
        .expect("added");
    assert_eq!(added.letters, 4);
    let added = one
        .add(
            Consumed::up_to(Partition::FIRST, 0),
            letters[2..].to_vec(),
            &BOUNDS,
        )
        .await
        .expect("added");
    assert_eq!(added.letters, 2);
    let added = one
        .add(
            Consumed::up_to(Partition::FIRST, 0),
            letters.clone(),
            &BOUNDS,
        )
        .await
        .expect("added");
    assert_eq!(added, Added::default());
    // Another partition has offsets of its own.
    let mut elsewhere = letter("steel", 0);
    elsewhere.id.partition = Partition::new(3);
    let added = other
        .add(
            Consumed::up_to(Partition::new(3), 0),
            vec![elsewhere],
            &BOUNDS,
        )
        .await
        .expect("added");
    assert_eq!(added.letters, 1);
    let consumed = one.consumed().await.expect("readable");
    assert_eq!(consumed[0].next_offset, 10);
    let found = all(&lake).await;
    assert_eq!(
        offsets(&found[&enterprise("steel")]),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    );
}

#[tokio::test]
async fn one_enterprises_flood_does_not_push_out_anothers_letters() {
    let lake = lake();
    let mut table = lake.letters(&park());
    table
        .add(
            Consumed::up_to(Partition::FIRST, 0),
            vec![letter("quiet", 0)],
            &BOUNDS,
        )
        .await
        .expect("added");
    let (mut next, mut dropped, mut sizes) = (1, 0, Vec::new());
    for size in [1, 40, 3, 900, 20, 5_000, 1, 60, 60, 60, 700, 90, 90] {
        let flood = (next..next + size)
            .map(|offset| letter("loud", offset))
            .collect();
        next += size;
        dropped += table
            .add(Consumed::up_to(Partition::FIRST, 0), flood, &BOUNDS)
            .await
            .expect("added")
            .dropped;
        sizes.push(all(&lake).await[&enterprise("loud")].kept.len());
    }
    let found = all(&lake).await;
    assert_eq!(offsets(&found[&enterprise("quiet")]), [0]);
    assert_eq!(gone(&found[&enterprise("quiet")]), 0);
    let loud = &found[&enterprise("loud")];
    assert!(sizes.iter().all(|&size| size <= 800), "{sizes:?}");
    // The newest are there, without a hole, and the dropped ones are counted.
    let kept = offsets(loud);
    assert_eq!(kept, (next - kept.len() as u64..next).collect::<Vec<_>>());
    assert!(kept.len() >= 80, "{}", kept.len());
    assert_eq!(kept.len() as u64 + gone(loud), next - 1);
    assert_eq!(gone(loud), dropped);
    let readings: u64 = loud.gone.values().map(|gone| gone.readings).sum();
    assert_eq!(readings, 2 * gone(loud));
}

#[tokio::test]
async fn a_steady_flood_keeps_seven_eighths_of_its_bound_in_few_files() {
    let lake = lake();
    let mut table = lake.letters(&park());
    for offset in 0..1_500 {
        table
            .add(
                Consumed::up_to(Partition::FIRST, 0),
                vec![letter("loud", offset)],
                &BOUNDS,
            )
            .await
            .expect("added");
    }
    let found = all(&lake).await;
    let loud = &found[&enterprise("loud")];
    assert!(
        (700..=800).contains(&loud.kept.len()),
        "{}",
        loud.kept.len()
    );
    assert_eq!(loud.kept.len() as u64 + gone(loud), 1_500);
    let files = table.files().await.expect("readable").len();
    assert!(files <= 24, "{files} files");
}

#[tokio::test]
async fn of_a_park_that_has_too_much_the_one_with_the_most_gives_first() {
    let lake = lake();
    let mut table = lake.letters(&park());
    let noise = |offset: u64| {
        let bytes = (0..4_096_u64)
            .map(|i| (i.wrapping_mul(offset.wrapping_mul(2_654_435_761) + i) >> 7) as u8);
        Bytes::from(bytes.collect::<Vec<u8>>())
    };
    let bounds = Bounds {
        park_bytes: 96 << 10,
        ..BOUNDS
    };
    let mut next = 0;
    for round in 0..12 {
        for (of, many) in [("small", 1), ("loud", 6)] {
            let letters = (next..next + many).map(|offset| Letter {
                payload: noise(offset),
                ..letter(of, offset)
            });
            let letters: Vec<Letter> = letters.filter(|_| round % 4 == 0 || of == "loud").collect();
            next += many;
            table
                .add(Consumed::up_to(Partition::FIRST, 0), letters, &bounds)
                .await
                .expect("added");
        }
    }
    let found = all(&lake).await;
    assert_eq!(found[&enterprise("small")].kept.len(), 3);
    assert_eq!(gone(&found[&enterprise("small")]), 0);
    let loud = &found[&enterprise("loud")];
    assert!(gone(loud) > 0 && !loud.kept.is_empty());
    assert_eq!(loud.kept.len() as u64 + gone(loud), 72);
}

#[tokio::test]
async fn enterprises_that_a_sender_makes_up_are_kept_together() {
    let lake = lake();
    let mut table = lake.letters(&park());
    let many = ENTERPRISES_MAX as u64 + 50;
    let letters = (0..many).map(|offset| letter(&format!("e{offset}"), offset));
    table
        .add(
            Consumed::up_to(Partition::FIRST, 0),
            letters.collect(),
            &BOUNDS,
        )
        .await
        .expect("added");
    let found = all(&lake).await;
    assert_eq!(found.len(), ENTERPRISES_MAX + 1);
    let other = &found[&enterprise(OTHER)];
    assert_eq!(other.kept.len(), 50);
    assert!(
        other.kept[0].topic.contains("/e1000/"),
        "its topic says whose it is"
    );
}

#[test]
fn an_id_has_one_spelling() {
    let id: LetterId = "3-17".parse().expect("an id");
    assert_eq!((id.partition, id.offset), (Partition::new(3), 17));
    for wrong in [
        "", "3", "3-", "-17", "03-17", "3-017", "3-+17", "3-17-1", "a-b",
    ] {
        assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// In whatever batches letters come, repeated or not, every letter is kept or counted, once.
    #[test]
    fn letters_are_kept_or_counted_once(batches in proptest::collection::vec((0_u64..60, 0_u64..80), 1..12)) {
        let bounds = Bounds { enterprise_letters: 100, enterprise_bytes: 1 << 20, park_bytes: 64 << 20 };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let lake = lake();
            let mut table = lake.letters(&park());
            let mut end = 0_u64;
            for (back, many) in batches {
                let from = end.saturating_sub(back);
                end = end.max(from + many);
                let of = |offset: u64| if offset.is_multiple_of(4) { "one" } else { "two" };
                let letters = (from..from + many).map(|offset| letter(of(offset), offset));
                table.add(Consumed::up_to(Partition::FIRST, 0), letters.collect(), &bounds).await.expect("added");
            }
            let found = all(&lake).await;
            let total: u64 = found.values().map(|of| of.kept.len() as u64 + gone(of)).sum();
            prop_assert_eq!(total, end);
            for of in found.values() {
                prop_assert!(of.kept.len() <= 100);
                prop_assert!(of.kept.windows(2).all(|two| two[0].id < two[1].id));
            }
            Ok(())
        })?;
    }
}
