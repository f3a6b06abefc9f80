//! Months from rollups: the same answers as from totals, and none that depend on them.

use std::{path::PathBuf, sync::Arc};

use greenpark_archive::{book::Book, lake::Lake, meters::Meters};
use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;

use crate::fixture::*;

const NAME: &str = "parks/p/enterprises/e";

/// Rolls up all totals of a book that are in no rollup yet, as the processor does.
pub(crate) async fn roll_up(lake: &Lake, book: &mut Book) {
    let entries = lake.reference().entries().await.expect("readable");
    let mut parks = Meters::read(&entries).expect("readable");
    let meters = parks.remove(book.park().as_str()).unwrap_or_default();
    book.roll_up(&Arc::new(meters)).await.expect("rolled up");
}

/// The folder of the rollups of 2024.
fn rollups(world: &World) -> PathBuf {
    world.folder().join("p/2024/rollups")
}

/// A year of a register and a scale whose January was sealed again, partly.
async fn year_of_two_meters(world: &World) {
    let (first, all) = (day("2024-01-01"), 366);
    let register = series("m", "electricity", Kind::Register);
    let scale = series("s", "raw_coal", Kind::Event);
    let of_day = |nth: i32, more: i64| {
        let of = first.plus(nth);
        let registers: Vec<(i64, String)> = (0..12)
            .map(|n| {
                (
                    at(of, 2 * n),
                    (i64::from(nth) * 24 + 2 * n + more).to_string(),
                )
            })
            .collect();
        let registers: Vec<(i64, &str)> = registers.iter().map(|(i, v)| (*i, v.as_str())).collect();
        let events = [(at(of, 9), "31.46"), (at(of, 15), "28.9")];
        let of_both = [
            (register.clone(), &registers[..]),
            (scale.clone(), &events[..]),
        ];
        (of, rows("e", &of_both))
    };
    let days: Vec<_> = (0..all).map(|nth| of_day(nth, 0)).collect();
    world.seal(PARK, &days, 1, With::Totals).await;
    let again: Vec<_> = (10..14).map(|nth| of_day(nth, 1)).collect();
    world.seal(PARK, &again, 2, With::Totals).await;
}

fn periods() -> Vec<pb::period::Period> {
    vec![
        year(2024),
        pb::period::Period::Month("2024-01".to_owned()),
        pb::period::Period::Month("2024-07".to_owned()),
        days("2024-01-12", "2024-03-05"),
        days("2024-12-31", "2024-12-31"),
    ]
}

async fn answers(world: &mut World) -> Vec<pb::Figure> {
    let mut answers = Vec::new();
    for period in periods() {
        let mut figure = world.energy(NAME, period).await;
        // The moment of the question.
        figure.as_of = None;
        answers.push(figure);
    }
    answers
}

#[tokio::test]
async fn months_that_are_rolled_up_make_the_answers_that_totals_make() {
    let mut world = World::new().await;
    year_of_two_meters(&world).await;
    let by_rollups = answers(&mut world).await;
    assert_eq!(value(&by_rollups[1].components[0].amount), "744");
    let files = std::fs::read_dir(rollups(&world)).expect("a folder");
    let files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    let files: Vec<&PathBuf> = files.iter().filter(|path| path.is_file()).collect();
    assert_eq!(files.len(), 12);
    // A file that is damaged, and then none at all: totals say the same.
    let whole = std::fs::read(files[3]).expect("readable");
    std::fs::write(files[3], &whole[..whole.len() / 2]).expect("written");
    let mut other = world.another().await;
    assert_eq!(answers(&mut other).await, by_rollups);
    other.stop().await;
    std::fs::remove_dir_all(rollups(&world)).expect("removed");
    let mut other = world.another().await;
    assert_eq!(answers(&mut other).await, by_rollups);
    other.stop().await;
    world.stop().await;
}
