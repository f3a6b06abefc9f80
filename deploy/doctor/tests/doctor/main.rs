//! Goal: the doctor names each fault of an archive, a log and a broker, says what to change, and
//! has nothing to say of good ones. Method: real folders and a real Mosquitto, made faulty one by one.

mod archive;
mod broker;
mod lake;
mod mosquitto;

use greenpark_doctor::report::{Check, Outcome, Report};

/// The check of this name.
fn check<'a>(report: &'a Report, part: &str, name: &str) -> &'a Check {
    let mut checks = report.checks.iter();
    let found = checks.find(|check| check.part == part && check.name == name);
    found.unwrap_or_else(|| panic!("no check {part}: {name} in {report:#?}"))
}

/// Asserts how a check came out and that its texts hold these words.
fn assert_check(report: &Report, name: (&str, &str), verdict: Outcome, words: &[&str]) {
    let check = check(report, name.0, name.1);
    assert_eq!(check.verdict, verdict, "{check:#?}");
    let text = format!("{} {} {}", check.seen, check.means, check.change);
    for word in words {
        assert!(text.contains(word), "'{word}' is not in {check:#?}");
    }
}
