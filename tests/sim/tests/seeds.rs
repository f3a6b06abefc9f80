//! Goal: no seed breaks a promise, and a seed always gives the same run. Method: fixed seeds, a fresh seed,
//! every run that once broke a promise, and the same seeds again in another order.

use std::time::{SystemTime, UNIX_EPOCH};

use greenpark_sim::{RunOutcome, generate, reproductions, run, run_seed, shrink};

/// Number of ops in a run.
const STEPS: usize = 80;

fn run_unbroken(seed: u64) -> RunOutcome {
    match run_seed(seed, STEPS) {
        Ok(outcome) => outcome,
        Err(failed) => {
            let few = shrink(&generate(seed, STEPS));
            panic!("seed {seed}: {failed}\nas few ops as break it: {few:#?}")
        }
    }
}

#[test]
fn fixed_seeds_break_no_promise() {
    let outcomes: Vec<RunOutcome> = (1..=300).map(run_unbroken).collect();
    let acknowledged: usize = outcomes.iter().map(|of| of.readings.acknowledged).sum();
    assert!(
        acknowledged > 5_000,
        "only {acknowledged} readings were acknowledged"
    );
    let messages: u64 = outcomes.iter().map(|outcome| outcome.messages).sum();
    assert!(messages > 500, "only {messages} messages were numbered");
}

#[test]
fn a_fresh_seed_breaks_no_promise() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = since.expect("a clock after 1970").as_secs();
    eprintln!("fresh seed {seed}: cargo run --release -p greenpark-sim -- --seed {seed}");
    run_unbroken(seed);
}

#[test]
fn reproductions_break_no_promise() {
    for reproduction in reproductions::ALL {
        if let Err(failed) = run(reproduction.ops) {
            panic!("{}: {failed}\n{}", reproduction.name, failed.trace);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run_whatever_ran_before() {
    let seeds = 400..440;
    let first: Vec<RunOutcome> = seeds.clone().map(run_unbroken).collect();
    let mut again: Vec<RunOutcome> = seeds.clone().rev().map(run_unbroken).collect();
    again.reverse();
    for (seed, (one, other)) in seeds.zip(first.iter().zip(&again)) {
        assert_eq!(
            one.trace_digest, other.trace_digest,
            "seed {seed} ran differently"
        );
        assert_eq!(
            one.lake_digest, other.lake_digest,
            "seed {seed} left a different lake"
        );
    }
    let lakes: std::collections::BTreeSet<&str> =
        first.iter().map(|of| of.lake_digest.as_str()).collect();
    assert!(
        lakes.len() > 30,
        "the seeds made only {} different lakes",
        lakes.len()
    );
}
