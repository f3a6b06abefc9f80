//! Checks of a lake: each book opens, its files exist and are intact, days are sealed in time, and the clocks agree.
//! The checks change nothing in the lake.

use std::{collections::BTreeSet, path::PathBuf};

use greenpark_archive::{
    error::LakeReadError,
    inspect::{Astray, BookInspection},
    lake::Lake,
};
use greenpark_model::{clock::Clock, day::Instant, id::ParkId};

use crate::{
    disk,
    installation::Installation,
    report::{Findings, Outcome, chain, duration_text},
};

/// Sealed files whose digest is checked, at most.
const SAMPLED: usize = 32;
/// The longest delay of a seal after a day's grace: late rows may postpone it by ten minutes, and a busy processor by as
/// much again.
const SEAL_MS_MAX: i64 = 20 * 60 * 1_000;
/// How far a writer's clock may be ahead of ours.
const SKEW_MS_MAX: i64 = 5_000;
/// No correct clock is earlier: 2026-01-01T00:00Z is before the first release.
const NOW_MS_MIN: i64 = 1_767_225_600_000;
/// Items that a finding lists one by one.
const TOLD: usize = 3;

const RESTORE: &str = "restore them from a copy of the lake; a file's name holds the start of its sha256. What the log \
                       still holds is made again by moving the book away and starting the processor with a new \
                       processor.group";

/// Returns the folder of a lake, if it is in one.
fn folder(root: &str) -> Option<PathBuf> {
    match root.split_once("://") {
        Some(("file", path)) => Some(path.into()),
        Some(_) => None,
        None => Some(root.into()),
    }
}

/// Checks the lake of `installation` by `clock` and returns its books for further checks.
pub async fn check(
    installation: &Installation,
    clock: &Clock,
    findings: &mut Findings,
) -> Vec<BookInspection> {
    let now = clock.now();
    let root = &installation.lake_root;
    if let Some(folder) = folder(root) {
        disk::check(&folder, findings);
        if !folder.is_dir() {
            let why = format!("there is no lake at {root} yet");
            for name in ["books", "files", "digests", "sealing"] {
                findings.left_out(name, why.clone(), "");
            }
            clocks(&[], now, findings);
            return Vec::new();
        }
    } else {
        findings.left_out("folder", format!("{root} is no folder"), "");
    }
    let lake = match Lake::open(root, clock.clone()).await {
        Ok(lake) => lake,
        Err(error) => {
            let means = "nothing can be published or asked";
            let seen = chain(&error);
            findings.add("books", Outcome::Fault, seen, [means, "check lake.root"]);
            return Vec::new();
        }
    };
    let books = books(&lake, findings).await;
    files(&lake, &books, findings).await;
    digests(&lake, &books, findings).await;
    sealing(&books, installation, now, findings);
    clocks(&books, now, findings);
    books
}

async fn books(lake: &Lake, findings: &mut Findings) -> Vec<BookInspection> {
    let (mut books, mut broken) = (Vec::new(), Vec::new());
    let (mut past, mut cleaned) = (Vec::new(), Vec::new());
    let parks = match lake.parks().await {
        Ok(parks) => parks,
        Err(error) => {
            broken.push(chain(&error));
            Vec::new()
        }
    };
    for park in &parks {
        let years = lake.years(park).await.unwrap_or_else(|error| {
            broken.push(chain(&error));
            Vec::new()
        });
        for year in years {
            match lake.inspect(park, year).await {
                Ok(found) => books.extend(found),
                Err(error) => broken.push(format!("{park} {year}: {}", chain(&error))),
            }
            if let Err(error) = lake.check_past(park, year).await {
                let of = match error {
                    LakeReadError::Cleaned { .. } => &mut cleaned,
                    _ => &mut past,
                };
                of.push(format!("{park} {year}: {}", chain(&error)));
            }
        }
    }
    let named: usize = books.iter().map(|book| book.snapshot.files.len()).sum();
    let whole = format!(
        "{} books of {} parks open, with {named} files of readings",
        books.len(),
        parks.len()
    );
    match broken.first() {
        None => findings.ok("books", whole, ""),
        Some(_) => {
            let means = "its park is set aside, and questions about it are refused";
            let change = "restore the named file or table of _delta_log from a copy; a last entry that is empty or \
                          cut short is read again from the log once it is gone: move it away while no processor runs, and with \
                          it the checkpoint of its number, if there is one, and _last_checkpoint";
            let seen = format!("{}; {whole}", first_few(&broken));
            findings.add("books", Outcome::Fault, seen, [means, change]);
        }
    }
    if !past.is_empty() {
        let means = "questions of what a book was at an earlier instant are refused; those of now are not touched";
        findings.add(
            "history",
            Outcome::Fault,
            first_few(&past),
            [means, RESTORE],
        );
    }
    if !cleaned.is_empty() {
        let means = "questions of what a book was before that entry are refused; later ones and those of now are not touched";
        let change = "restore the entries from a copy of the lake, if there is one; keep other programs from cleaning the logs \
                      of the lake, greenpark packs them itself";
        findings.add(
            "history",
            Outcome::Warning,
            first_few(&cleaned),
            [means, change],
        );
    }
    books
}

/// Lists the first few items and counts the rest.
fn first_few(all: &[String]) -> String {
    let mut text = all
        .iter()
        .take(TOLD)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if all.len() > TOLD {
        text.push_str(&format!("; and {} more", all.len() - TOLD));
    }
    text
}

async fn files(lake: &Lake, books: &[BookInspection], findings: &mut Findings) {
    let mut astray = Vec::new();
    let mut count = 0;
    for BookInspection { snapshot, .. } in books {
        count += snapshot.files.len();
        count += snapshot.totals_files.len() + snapshot.rollups_files.len();
        match lake.astray(snapshot).await {
            Ok(found) => astray.extend(found.iter().map(ToString::to_string)),
            Err(error) => astray.push(chain(&error)),
        }
    }
    let mut take = |checked: Result<(usize, Vec<Astray>), LakeReadError>| match checked {
        Ok((named, found)) => {
            count += named;
            astray.extend(found.iter().map(ToString::to_string));
        }
        Err(error) => astray.push(chain(&error)),
    };
    let parks: BTreeSet<&ParkId> = books.iter().map(|book| &book.snapshot.park).collect();
    for park in parks {
        take(lake.astray_messages(park).await);
    }
    match lake.letter_parks().await {
        Ok(parks) => {
            for park in parks {
                take(lake.astray_letters(&park).await);
            }
        }
        Err(error) => take(Err(error)),
    }
    take(lake.astray_access_log().await);
    if astray.is_empty() {
        let seen = format!("all {count} that the books name are there, with their size");
        return findings.ok("files", seen, "");
    }
    let means = "what they held is missing from every answer, or the answer is refused";
    let seen = format!("of {count}: {}", first_few(&astray));
    findings.add("files", Outcome::Fault, seen, [means, RESTORE]);
}

async fn digests(lake: &Lake, books: &[BookInspection], findings: &mut Findings) {
    let (hot, sealed): (Vec<_>, Vec<_>) = books
        .iter()
        .flat_map(|book| {
            book.snapshot
                .files
                .iter()
                .map(|file| (&book.snapshot, file))
        })
        .partition(|(_, file)| file.is_hot());
    let step = sealed.len().div_ceil(SAMPLED).max(1);
    let (mut read, mut damaged) = (0, Vec::new());
    // Reads every hot file, because a damaged one blocks its day; of sealed files an even sample, newest first.
    let sampled = sealed.iter().rev().step_by(step);
    for (snapshot, file) in hot.iter().chain(sampled) {
        // The check `files` reports missing files.
        let Ok(origin) = lake.origin(snapshot, file).await else {
            continue;
        };
        read += 1;
        if !origin.intact {
            damaged.push(origin.path);
        }
    }
    let all = hot.len() + sealed.len();
    let seen = format!("{read} of {all} files were read");
    if damaged.is_empty() {
        let means = "their sha256 is the one that their names tell";
        return findings.ok("digests", seen, means);
    }
    let means = "a published file never changes: another program wrote to it, or the disk lost it";
    let seen = format!("{seen}; changed: {}", first_few(&damaged));
    findings.add("digests", Outcome::Fault, seen, [means, RESTORE]);
}

fn sealing(
    books: &[BookInspection],
    installation: &Installation,
    now: Instant,
    findings: &mut Findings,
) {
    let grace = i64::try_from(installation.grace.as_millis()).unwrap_or(i64::MAX);
    let due = now
        .millis()
        .saturating_sub(grace)
        .saturating_sub(SEAL_MS_MAX);
    let mut overdue = Vec::new();
    for book in books {
        // A processor that loads a history writes hot files of old days all the time.
        let busy = book.committed_at.millis() > now.millis() - SEAL_MS_MAX;
        let files = book.snapshot.files.iter().filter(|file| file.is_hot());
        let late = files.filter(|file| !busy && file.day.end().millis() < due);
        overdue.extend(late.map(|file| format!("{} {}", book.snapshot.park, file.day)));
    }
    overdue.sort_unstable();
    overdue.dedup();
    if overdue.is_empty() {
        return findings.ok("sealing", "no day is overdue", "");
    }
    let means = "the days are asked from hot files, with no totals, and their files pile up";
    let change = "start the processor (`greenpark up` or `greenpark processor`) on this lake, and look into its log \
                  for why it stops";
    findings.add(
        "sealing",
        Outcome::Warning,
        first_few(&overdue),
        [means, change],
    );
}

fn clocks(books: &[BookInspection], now: Instant, findings: &mut Findings) {
    const NAME: &str = "clock";
    let change = "synchronise the clock: systemd-timesyncd or chrony (timedatectl set-ntp true)";
    if now.millis() < NOW_MS_MIN {
        let seen = format!("it is {} here", now.day());
        let means = "readings of today would be refused as of the future, and days never seal";
        return findings.add(NAME, Outcome::Fault, seen, [means, change]);
    }
    let newest = books.iter().map(|book| book.committed_at).max();
    match newest.map(|newest| newest.millis() - now.millis()) {
        None => findings.ok(NAME, format!("it is {} here", now.day()), ""),
        Some(ahead) if ahead > SKEW_MS_MAX => {
            let seen = format!(
                "the newest commit was made {} from now",
                duration_text(ahead)
            );
            let means = "this clock, or the one of the processor that wrote it, is wrong; answers as of an instant \
                         and the closing of days follow it";
            findings.add(NAME, Outcome::Fault, seen, [means, change]);
        }
        Some(ahead) => {
            let seen = format!(
                "the newest commit was made {} ago",
                duration_text(ahead.min(0))
            );
            findings.ok(NAME, seen, "");
        }
    }
}
