//! Goal: no target fails on its corpus or on inputs made from it. Method: each file, and 20,000 inputs.

use greenpark_tests_fuzz::{corpus, mutate::Mutator, targets::TARGETS};

#[test]
fn no_target_fails_on_its_corpus_or_near_it() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        corpus.iter().for_each(|input| target(input));
        let mut mutator = Mutator::new(7);
        for _ in 0..20_000 {
            target(mutator.make(&corpus));
        }
    }
}
