//! `greenpark-fuzz TARGET COUNT [SEED]`: feeds inputs to a target, and prints the first one on which it fails.

use std::{env, io::Write as _, panic, process::ExitCode};

use greenpark_tests_fuzz::{corpus, mutate::Mutator, targets::TARGETS};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|text| text.parse::<u64>().ok());
    let seed = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    let mut out = std::io::stdout();
    let (Some((_, target)), Some(count)) = (found, count) else {
        let names: Vec<_> = TARGETS.iter().map(|(target, _)| *target).collect();
        _ = writeln!(
            out,
            "greenpark-fuzz TARGET COUNT [SEED]; targets: {}",
            names.join(" ")
        );
        return ExitCode::from(64);
    };
    let (corpus, mut mutator) = (corpus(&name), Mutator::new(seed));
    for at in 0..count {
        let input = mutator.make(&corpus);
        if panic::catch_unwind(|| target(input)).is_err() {
            _ = writeln!(
                out,
                "{name}: seed {seed}, input {at}: {:?}",
                input.escape_ascii().to_string()
            );
            return ExitCode::FAILURE;
        }
    }
    _ = writeln!(out, "{name}: {count} inputs from seed {seed}, no failure");
    ExitCode::SUCCESS
}
