//! The strongest test of scopes: a caller with grants on S gets from a lake the same bytes, for every method that reads,
//! as from a lake that holds S and nothing else.
//!
//! Method: lakes of three enterprises and two parks are generated, each with a choice of readings, registrations and
//! declarations; every request of the matrix is sent to both services.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicI64},
};

use bytes::Bytes;
use greenpark_archive::{lake::Lake, rows::ReadingRows};
use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proto::query::v1 as pb;
use greenpark_query::{QuerySettings, settings::Grant};
use greenpark_runtime::clock;
use object_store::memory::InMemory;
use tonic::Code;

use crate::{
    access_matrix::call,
    access_requests::{Needs, READS, Target},
    fixture::*,
};

const LAKES: u64 = 200;

/// All enterprises of the larger lake.
const PLACES: [(&str, &str); 4] = [("p", "e"), ("p", "f"), ("p", "g"), ("q", "e")];

/// The grants that lakes are asked with.
const SCOPES: [&[&str]; 6] = [
    &["parks/p/enterprises/e"],
    &["parks/p/enterprises/f"],
    &["parks/p/enterprises/e", "parks/p/enterprises/f"],
    &["parks/p/enterprises/e", "parks/q/enterprises/e"],
    &["parks/p"],
    &["parks/q"],
];

/// Where a meter may have a stretch of readings: in years that others have books of, and in years of its own.
const STRETCHES: [&str; 6] = [
    "2020-07-01",
    "2022-03-01",
    "2023-04-29",
    "2023-12-29",
    "2024-04-29",
    "2025-01-02",
];

/// Numbers that follow from a seed.
struct Draws(u64);

impl Draws {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What a lake holds of one enterprise.
struct Holding {
    park: &'static str,
    enterprise: &'static str,
    days: Vec<(CivilDay, ReadingRows)>,
    is_registered: bool,
    has_meter: bool,
    value_added: Option<u64>,
}

impl Holding {
    /// A holding with readings of a few days here and there.
    fn draw((park, enterprise): (&'static str, &'static str), draws: &mut Draws) -> Self {
        let series = [
            series("m", "electricity", Kind::Interval),
            series("m", "electricity", Kind::Register),
            series("w", "fresh_water", Kind::Interval),
            series("g", "fly_ash.generated", Kind::Event),
        ];
        let series = &series[usize::try_from(draws.below(4)).expect("small")];
        let mut days = Vec::new();
        let mut value = 0;
        for first in STRETCHES {
            if draws.below(3) > 0 {
                continue;
            }
            let first = day(first).plus(i32::try_from(draws.below(4)).expect("small"));
            let values: Vec<String> = (0..=draws.below(4))
                .map(|_| {
                    value += 10 + draws.below(9);
                    value.to_string()
                })
                .collect();
            days.extend(daily(enterprise, series, first, &values));
        }
        Self {
            park,
            enterprise,
            days,
            is_registered: draws.below(2) == 0,
            has_meter: draws.below(3) == 0,
            value_added: Some(draws.below(900) + 1).filter(|_| draws.below(3) > 0),
        }
    }

    fn is_in(&self, scope: &[&str]) -> bool {
        let park = format!("parks/{}", self.park);
        let own = format!("{park}/enterprises/{}", self.enterprise);
        scope.iter().any(|name| **name == park || **name == own)
    }

    /// Records what is registered and declared of it.
    async fn record(&self, world: &mut World) {
        if self.is_registered {
            world
                .register_enterprise(self.park, self.enterprise, true)
                .await;
        }
        if self.has_meter {
            let name = format!(
                "parks/{}/enterprises/{}/meters/m",
                self.park, self.enterprise
            );
            world
                .register_meter(pb::Meter {
                    name,
                    quantity: "electricity".to_owned(),
                    kind: "register".to_owned(),
                    multiplier: "2".to_owned(),
                    counted: true,
                    valid_from: "2020-01-01".to_owned(),
                    ..pb::Meter::default()
                })
                .await;
        }
        if let Some(value) = self.value_added {
            let value = value_added(self.park, self.enterprise, year(2024), &value.to_string());
            world.declare(self.park, vec![value]).await;
        }
    }
}

/// A service with grants on `scope` over a lake of `holdings`.
async fn served(holdings: &[&Holding], scope: &[&str]) -> World {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let serve = |settings: QuerySettings| {
        let now = Arc::new(AtomicI64::new(at(day("2026-11-23"), 12)));
        let folder = tempfile::tempdir().expect("a folder");
        World::serve(lake.clone(), now, folder, settings)
    };
    let mut filling = serve(QuerySettings::default()).await;
    for holding in holdings {
        holding.record(&mut filling).await;
    }
    for park in ["p", "q"] {
        for year in 2020..=2025 {
            let of_park = holdings.iter().filter(|holding| holding.park == park);
            let days = of_park.flat_map(|holding| holding.days.clone());
            let days: Vec<_> = days.filter(|(day, _)| day.year() == year).collect();
            if !days.is_empty() {
                filling.seal(park, &days, 1, With::Totals).await;
            }
        }
    }
    filling.stop().await;
    let grant = Grant {
        token_sha256: sha256(b"ana"),
        names: scope.iter().map(|name| (*name).to_owned()).collect(),
        holder: "ana".to_owned(),
        declares: false,
    };
    serve(QuerySettings {
        grants: vec![grant],
        access_log: false,
        ..QuerySettings::default()
    })
    .await
}

/// The messages of an answer, or its refusal.
type Answer = Result<Vec<Bytes>, (Code, String, Bytes)>;

/// The answers to every request of the matrix that reads, each with its method.
async fn answers(world: &World) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for (method, needs, _, make) in READS {
        if *needs != Needs::Read || method.starts_with("Proofs/") {
            continue;
        }
        for (park, enterprise) in [("p", "e"), ("p", "f"), ("q", "e"), ("z", "z")] {
            let request = make(&Target { park, enterprise });
            let answer = call(&world.channel, method, Some("ana"), request).await;
            let answer = answer.map_err(|status| {
                let details = Bytes::copy_from_slice(status.details());
                (status.code(), status.message().to_owned(), details)
            });
            answers.push((format!("{method} {park}/{enterprise}"), answer));
        }
    }
    answers
}

/// The texts that only one of two answers has.
fn difference(whole: &Answer, only: &Answer) -> String {
    let texts = |answer: &Answer| -> BTreeSet<String> {
        let bytes = match answer {
            Ok(messages) => messages.concat(),
            Err((code, text, _)) => format!("{code:?} {text}").into_bytes(),
        };
        let words = bytes.split(|byte| !(b' '..=b'~').contains(byte));
        words
            .filter(|word| word.len() > 8)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    };
    let (whole, only) = (texts(whole), texts(only));
    format!("whole: {:#?}\nonly: {:#?}", &whole - &only, &only - &whole)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_answers_as_a_lake_that_holds_nothing_else() {
    let mut answered = 0;
    // The first difference of each method.
    let mut differing: BTreeMap<String, String> = BTreeMap::new();
    for seed in 0..LAKES {
        let mut draws = Draws(seed);
        let holdings = PLACES.map(|place| Holding::draw(place, &mut draws));
        let scope = SCOPES[usize::try_from(draws.below(6)).expect("small")];
        let whole: Vec<&Holding> = holdings.iter().collect();
        let only: Vec<&Holding> = holdings.iter().filter(|h| h.is_in(scope)).collect();
        let (whole, only) = tokio::join!(served(&whole, scope), served(&only, scope));
        let (of_whole, of_only) = tokio::join!(answers(&whole), answers(&only));
        for (whole, only) in of_whole.iter().zip(&of_only) {
            answered += usize::from(only.1.is_ok());
            if whole != only {
                let method = whole.0.split(' ').next().unwrap_or_default().to_owned();
                differing.entry(method).or_insert_with(|| {
                    let difference = difference(&whole.1, &only.1);
                    format!("lake {seed}, scope {scope:?}: {}\n{difference}", whole.0)
                });
            }
        }
        tokio::join!(whole.stop(), only.stop());
    }
    let differing: Vec<String> = differing.into_values().collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(answered > 5_000, "{answered} answers that are no refusals");
}
