//! Checks of the books against the log: every consumed offset is within the log's partitions.

use std::{collections::BTreeMap, path::Path, time::Duration};

use greenpark_archive::inspect::BookInspection;
use greenpark_log::{partition, record::Topic};
use greenpark_log_embedded::{EmbeddedLog, GroupProgress, LogFileSettings};
use greenpark_model::{clock::Clock, day::Instant, log_position::Partition};

use crate::{
    installation::Installation,
    report::{Findings, Outcome, chain},
};

/// The longest wait for the ends of an open log.
const WAIT: Duration = Duration::from_secs(1);

/// Checks the log on this machine, and the books against it.
pub async fn embedded(
    installation: &Installation,
    folder: &Path,
    settings: &LogFileSettings,
    (books, clock): (&[BookInspection], &Clock),
    findings: &mut Findings,
) {
    // Opening a missing log would create one.
    if !folder.join("log.redb").exists() {
        let why = format!("there is no log at {} yet", folder.display());
        findings.left_out("file", why, "");
        if books.iter().any(|book| !book.consumed.is_empty()) {
            let ends = Partition::all(settings.partitions).map(|partition| (partition, 0));
            compare(books, &ends.collect(), findings);
        }
        return;
    }
    let (folder, tuned, clock) = (folder.to_owned(), *settings, clock.clone());
    let opened =
        tokio::task::spawn_blocking(move || EmbeddedLog::open(&folder, tuned, clock)).await;
    let log = match opened {
        Ok(Ok(log)) => log,
        Ok(Err(error)) => return refused(&chain(&error), findings),
        Err(error) => return refused(&error.to_string(), findings),
    };
    let group = &installation.group;
    let mut reader = log.reader(group);
    let mut ends = BTreeMap::new();
    match reader.next(1, WAIT).await {
        Ok(delivered) => ends.extend(delivered.assigned.iter().map(|a| (a.partition, a.end))),
        Err(error) => return refused(&chain(&error), findings),
    }
    let waiting = log.backlog(group);
    let seen = format!("it opens; {waiting} records wait for the processor");
    findings.ok("file", seen, "");
    match log.groups() {
        Ok(known) => kept_for_others(&known, installation, findings),
        Err(error) => return refused(&chain(&error), findings),
    }
    compare(books, &ends, findings);
}

/// Reports other groups for which the log keeps records.
fn kept_for_others(known: &[GroupProgress], installation: &Installation, findings: &mut Findings) {
    let others = known
        .iter()
        .filter(|of| of.behind > 0 && !installation.owns(&of.group));
    let others: Vec<String> = others.map(describe_group).collect();
    if others.is_empty() {
        return findings.ok("groups", "nothing is kept for another group", "");
    }
    let means = "what a group has not read is never removed, so the log grows for as long as it does not read";
    let change =
        "start its reader, or stop greenpark and let it go with `greenpark log forget GROUP`";
    findings.add(
        "groups",
        Outcome::Warning,
        others.join("; "),
        [means, change],
    );
}

/// Describes how far a group is behind and when it was last active.
#[must_use]
pub fn describe_group(standing: &GroupProgress) -> String {
    let what = match standing.topic {
        Topic::Readings => "records",
        Topic::DeadLetters => "dead letters",
    };
    let seen = standing.seen_ms.map_or_else(
        || "before this release".to_owned(),
        |ms| format!("at {}", Instant::from_millis(ms)),
    );
    let GroupProgress { group, behind, .. } = standing;
    format!("{group} has {behind} {what} to read and was last there {seen}")
}

fn refused(why: &str, findings: &mut Findings) {
    if why.contains("another process") {
        let why = "another process has the log open, and checked this when it started";
        return findings.left_out("file", why, "stop `greenpark up` to check the log, too");
    }
    let means = "nothing can be acknowledged";
    let change = "do what the message says; the lake keeps what was published";
    findings.add("file", Outcome::Fault, why, [means, change]);
}

/// Compares what the books consumed with `ends`, the next offset of each partition.
pub fn compare(books: &[BookInspection], ends: &BTreeMap<Partition, u64>, findings: &mut Findings) {
    let count = u32::try_from(ends.len()).unwrap_or(u32::MAX);
    let (mut moved, mut ahead) = (Vec::new(), Vec::new());
    for book in books {
        let (park, year) = (&book.snapshot.park, book.snapshot.year);
        let home = partition::of(park, count);
        for consumed in &book.consumed {
            let from = consumed.partition;
            // Converts to offsets of the adopted log, if the lake adopted one.
            let next = consumed.next_offset.saturating_sub(consumed.shift);
            if from != home {
                moved.push(format!("{park} was in partition {from}, not {home}"));
                continue;
            }
            let end = ends.get(&from).copied().unwrap_or(0);
            if next > end {
                ahead.push(format!(
                    "{park} {year} has consumed partition {from} up to {next}, and the log ends at {end}"
                ));
            }
        }
    }
    moved.dedup();
    let seen = format!("{count} partitions");
    match moved.first() {
        None => findings.ok("partitions", seen, "every park is where its books left it"),
        Some(first) => {
            let means = "the count was changed after the lake had data: a park's records would be read twice or \
                         passed over";
            let change = "set kafka.partitions or embedded_log.partitions, and the topic, to the count that the \
                          lake was written with, or start a new lake";
            let seen = format!("{seen}; {first} ({} in all)", moved.len());
            findings.add("partitions", Outcome::Fault, seen, [means, change]);
        }
    }
    match ahead.first() {
        None => findings.ok("position", "no book is ahead of the log", ""),
        Some(first) => {
            let means = "it is not the log that the lake was written from: new records would be passed over, so the \
                         processor refuses";
            let change = "restore that log, or go on with this one by `greenpark log adopt`, which reads all that it holds";
            let seen = format!("{first} ({} in all)", ahead.len());
            findings.add("position", Outcome::Fault, seen, [means, change]);
        }
    }
}
