//! Goal: a backup is whole, or the previous one stays; a restore is whole, or nothing; and the processor reads records
//! newer than the backup again from the log (FAULTS C2). Method: the real binary over folders, a backup while readings
//! stream in, and SIGKILL at the renames of a backup and of a restore, if strace is installed.

mod place;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use place::{Place, READINGS, command, find, number};

/// Slow enough for a backup to fall into the replay.
const SPEED: &str = "8000";
const PATIENCE: Duration = Duration::from_secs(120);

fn backup(folder: &Path, data: &Path) -> Command {
    let mut backup = command("backup");
    backup.arg(folder).arg("--data").arg(data);
    backup
}

fn restore(folder: &Path, data: &Path) -> Command {
    let mut restore = command("restore");
    restore.arg(folder).arg("--data").arg(data);
    restore
}

fn run(mut command: Command) -> Output {
    command.output().expect("the binary runs")
}

/// Returns the standard error of a command.
fn stderr_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(command: Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", stderr_text(&output));
    stderr_text(&output)
}

fn refused(command: Command) -> String {
    let output = run(command);
    assert_eq!(output.status.code(), Some(1), "{}", stderr_text(&output));
    stderr_text(&output)
}

/// The command, killed at its `nth` rename; nothing where there is no strace.
fn killed_at(nth: u32, of: &Command) -> Option<Output> {
    let renames = "rename,renameat,renameat2";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
    strace.arg(format!("trace={renames}")).arg("-e");
    strace.arg(format!("inject={renames}:signal=KILL:when={nth}"));
    strace.arg(of.get_program()).args(of.get_args());
    strace.output().ok()
}

fn end(mut process: Child) {
    process.kill().expect("it runs");
    process.wait().expect("it was ours");
}

/// Waits until all readings are stored and sealed, and returns what they sum to.
fn settled(place: &Place) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = place.figure();
        let stored = number(&answer, "received") == Some(READINGS);
        if stored && number(&answer, "open_days").unwrap_or(0) == 0 {
            let amount = find(&answer, "components").and_then(|c| find(c, "value"));
            let amount = amount.and_then(|amount| amount.as_str());
            return amount.expect("an amount").to_owned();
        }
        assert!(Instant::now() < deadline, "not all was stored: {answer}");
    }
}

/// A place with all readings stored and sealed, at rest.
fn filled() -> Place {
    let place = Place::new();
    let process = place.start();
    let replay = place.replay("max");
    let sent = replay.recv_timeout(PATIENCE).expect("the replay ends");
    assert!(sent.status.success(), "{}", stderr_text(&sent));
    settled(&place);
    end(process);
    place
}

/// Every file of a folder with its bytes, by its path.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let within = path.strip_prefix(folder).expect("in the folder").to_owned();
                found.push((within, fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_came_after_a_backup_is_read_again_from_the_log() {
    let mut place = Place::new();
    let kept = tempfile::tempdir().expect("a folder");
    let (hot, whole) = (kept.path().join("hot"), kept.path().join("whole"));
    let process = place.start();
    let replay = place.replay(SPEED);
    let began = Instant::now();
    while number(&place.figure(), "received").unwrap_or(0) < READINGS / 10 {
        assert!(began.elapsed() < PATIENCE, "readings come");
    }
    // While readings stream in: the lake alone, for the log is open.
    let report = succeeds(backup(&hot, &place.data));
    assert!(report.contains("open in another process"), "{report}");
    assert!(
        replay.try_recv().is_err(),
        "the backup fell into the replay"
    );
    let sent = replay.recv_timeout(PATIENCE).expect("the replay ends");
    assert!(sent.status.success(), "{}", stderr_text(&sent));
    let expected = settled(&place);
    assert_eq!(expected, place.minutes.kwh());
    end(process);
    // The next one takes the rest, and the log.
    succeeds(backup(&whole, &place.data));

    // The lake of the first backup and the log as it is: the hole is read again.
    let first = place.data.clone();
    let again = kept.path().join("again");
    fs::create_dir_all(again.join("log")).expect("a folder");
    fs::copy(first.join("log/log.redb"), again.join("log/log.redb")).expect("a log");
    let report = refused(restore(&whole, &again));
    assert!(report.contains("--without-log"), "{report}");
    let mut without_log = restore(&hot, &again);
    without_log.arg("--without-log");
    succeeds(without_log);
    place.data = again;
    let process = place.start();
    assert_eq!(settled(&place), expected);
    end(process);

    // Lake and log of the last backup.
    let both = kept.path().join("both");
    succeeds(restore(&whole, &both));
    place.data = both;
    let process = place.start();
    assert_eq!(settled(&place), expected);
    end(process);
}

#[test]
fn a_killed_backup_leaves_the_one_before_and_a_killed_restore_is_done_again() {
    let place = filled();
    let kept = tempfile::tempdir().expect("a folder");
    let lake = contents(&place.data.join("lake"));
    let bare = |lake: &[(PathBuf, Vec<u8>)]| -> Vec<(PathBuf, Vec<u8>)> {
        let hint = |path: &Path| {
            path.ends_with("_last_checkpoint") || path.ends_with("transparency/checkpoint")
        };
        lake.iter()
            .filter(|(path, _)| !hint(path))
            .cloned()
            .collect()
    };
    let lake = bare(&lake);

    // Killed at its first file, in the middle, and at its manifest, which is the last.
    let folder = kept.path().join("backup");
    let renames = u32::try_from(lake.len()).expect("few") + 1;
    for nth in [1, renames / 2, renames] {
        let Some(output) = killed_at(nth, &backup(&folder, &place.data)) else {
            return eprintln!("not tried: there is no strace");
        };
        assert!(
            !output.status.success(),
            "it was killed at {nth} of {renames}"
        );
        let report = refused(restore(&folder, &kept.path().join("nothing")));
        assert!(report.contains("no whole backup"), "{nth}: {report}");
    }
    succeeds(backup(&folder, &place.data));
    let report = succeeds(backup(&folder, &place.data));
    assert!(report.contains("0 MiB of them new"), "{report}");
    // Killed at the manifest of a later one: the one before stands.
    let output = killed_at(1, &backup(&folder, &place.data)).expect("there is strace");
    assert!(!output.status.success());

    let data = kept.path().join("restored");
    for nth in [1, renames / 2, renames, renames + 1] {
        let output = killed_at(nth, &restore(&folder, &data)).expect("there is strace");
        assert!(!output.status.success(), "it was killed at {nth}");
        assert!(!data.join("lake").exists(), "{nth}: half a lake");
    }
    succeeds(restore(&folder, &data));
    assert!(contents(&data.join("lake")) == lake, "another lake");
    // Nothing is written over.
    let report = refused(restore(&folder, &data));
    assert!(report.contains("there is a lake at"), "{report}");
    assert!(contents(&data.join("lake")) == lake, "another lake");
}

#[test]
fn a_changed_backup_is_refused_with_the_name_of_its_file() {
    let place = filled();
    let kept = tempfile::tempdir().expect("a folder");
    let folder = kept.path().join("backup");
    succeeds(backup(&folder, &place.data));
    let data = kept.path().join("restored");

    let (name, bytes) = contents(&folder.join("lake")).pop().expect("files");
    let file = folder.join("lake").join(&name);
    let mut changed = bytes.clone();
    changed[0] ^= 1;
    fs::write(&file, changed).expect("written");
    let report = refused(restore(&folder, &data));
    assert!(report.contains(&name.display().to_string()), "{report}");
    fs::remove_file(&file).expect("it was there");
    let report = refused(restore(&folder, &data));
    assert!(report.contains(&name.display().to_string()), "{report}");
    fs::write(&file, bytes).expect("written");

    let manifest = folder.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    for wrong in [&text[..text.len() / 2], "{}", ""] {
        fs::write(&manifest, wrong).expect("written");
        let report = refused(restore(&folder, &data));
        assert!(report.contains("manifest.json"), "{report}");
    }
    assert!(!data.join("lake").exists());
    fs::write(&manifest, text).expect("written");
    succeeds(restore(&folder, &data));
}
