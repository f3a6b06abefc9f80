//! Goal: no seed breaks a promise, and one seed is one run. Method: fixed seeds, one that nobody has seen,
//! every run that once broke something, and the same seeds again in another order.

use std::time::{SystemTime, UNIX_EPOCH};

use greenpark_sim::{Outcome, generate, reproductions, run, run_seed, shrink};

/// Ops of a run.
const STEPS: usize = 80;

fn hold(seed: u64) -> Outcome {
    match run_seed(seed, STEPS) {
        Ok(outcome) => outcome,
        Err(broken) => {
            let few = shrink(&generate(seed, STEPS));
            panic!("seed {seed}: {broken}\nas few ops as break it: {few:#?}")
        }
    }
}

#[test]
fn fixed_seeds_break_no_promise() {
    let outcomes: Vec<Outcome> = (1..=300).map(hold).collect();
    let acked: usize = outcomes.iter().map(|outcome| outcome.readings.1).sum();
    assert!(acked > 5_000, "only {acked} readings were acknowledged");
    let messages: u64 = outcomes.iter().map(|outcome| outcome.messages).sum();
    assert!(messages > 500, "only {messages} messages were numbered");
}

#[test]
fn a_fresh_seed_breaks_no_promise() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = since.expect("a clock after 1970").as_secs();
    eprintln!("fresh seed {seed}: cargo run --release -p greenpark-sim -- --seed {seed}");
    hold(seed);
}

#[test]
fn what_once_broke_a_promise_breaks_none() {
    for reproduction in reproductions::ALL {
        if let Err(broken) = run(reproduction.ops) {
            panic!("{}: {broken}\n{}", reproduction.name, broken.lines);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run_whatever_ran_before() {
    let seeds = 400..440;
    let first: Vec<Outcome> = seeds.clone().map(hold).collect();
    let mut again: Vec<Outcome> = seeds.clone().rev().map(hold).collect();
    again.reverse();
    for (seed, (one, other)) in seeds.zip(first.iter().zip(&again)) {
        assert_eq!(one.trace, other.trace, "seed {seed} ran otherwise");
        assert_eq!(one.lake, other.lake, "seed {seed} left another lake");
    }
    let lakes: std::collections::BTreeSet<&str> =
        first.iter().map(|outcome| outcome.lake.as_str()).collect();
    assert!(lakes.len() > 30, "seeds make {} lakes only", lakes.len());
}
