//! Goal: a process that is stopped, or whose disk was full, loses nothing and needs no repair. Method: the real binary
//! under a sender that resends unacknowledged readings; the test restarts it whenever it ends, as systemd does, and
//! examines the result with `greenpark doctor`.

mod place;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use place::{Place, READINGS, command, number};
use serde_json::Value;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What the doctor says of the data of a process that has ended.
fn doctor(place: &Place) -> Value {
    let mut command = command("doctor");
    command.arg("--data").arg(&place.data);
    let output = command.args(["--output", "json"]).output();
    let output = output.expect("the doctor runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// How many readings the books hold; none while the service is away.
fn stored(place: &Place) -> u64 {
    number(&place.figure(), "received").unwrap_or(0)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().expect("checks").iter();
    let found = checks.find(|check| check["check"] == name);
    found.expect("it is checked")
}

/// Waits for a condition, at the pace of its looks.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let (_open, pace) = mpsc::channel::<()>();
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        let _ = pace.recv_timeout(LOOK);
    }
}

#[cfg(unix)]
fn terminate(process: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_child(process);
    kill_process(pid, Signal::TERM).expect("it runs");
}

#[cfg(unix)]
#[test]
fn told_to_stop_under_load_it_drains_and_ends_well() {
    let place = Place::new();
    let mut process = place.start();
    let replay = place.replay("8000");
    until("the first readings", || stored(&place) > 0);
    terminate(&process);
    let mut ended = None;
    until("the end", || {
        ended = process.try_wait().expect("its state");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
    let report = doctor(&place);
    // What the processor had not read yet waits in the log.
    assert_eq!(check(&report, "file")["verdict"], "ok", "{report:#}");
    assert_eq!(report["faults"], 0, "{report:#}");
    let mut process = place.start();
    let output = replay.recv_timeout(PATIENCE).expect("the replay ends");
    assert!(output.status.success(), "{output:?}");
    until("every reading, once", || stored(&place) == READINGS);
    process.kill().expect("it runs");
    process.wait().expect("it was ours");
}

/// A small disk, taken away when it is dropped.
struct Disk<'a>(&'a Path);

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // One that is still in use is let go when its last user ends.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

impl<'a> Disk<'a> {
    /// Needs the right to mount.
    fn mount(at: &'a Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", "size=48m", "none"])
            .arg(at);
        let status = command.stderr(Stdio::null()).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        let _written = writeln!(
            io::stderr(),
            "left out: this user may not mount a small disk"
        );
        None
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("made");
        let bytes = vec![1; 4_096];
        while file.write_all(&bytes).is_ok() {}
    }
}

#[test]
fn a_disk_that_was_full_for_a_while_needs_no_operator() {
    let place = Place::new();
    let Some(disk) = Disk::mount(&place.data) else {
        return;
    };
    let mut process = place.start();
    let replay = place.replay("4000");
    until("the first readings", || stored(&place) > 0);
    disk.fill();
    // The log or the lake finds it first; whoever cannot go on ends.
    let (mut ends, began) = (0, Instant::now());
    let mut again = |process: &mut Child| {
        if process.try_wait().expect("its state").is_some() {
            ends += 1;
            *process = place.start();
        }
    };
    until("some seconds without room", || {
        again(&mut process);
        began.elapsed() > Duration::from_secs(4)
    });
    assert!(stored(&place) < READINGS && replay.try_recv().is_err());
    fs::remove_file(disk.filler()).expect("there");
    let mut output = None;
    until("the replay's end", || {
        again(&mut process);
        output = replay.try_recv().ok();
        output.is_some()
    });
    let output = output.expect("it ended");
    assert!(output.status.success(), "{output:?}");
    until("every reading, once", || {
        again(&mut process);
        stored(&place) == READINGS
    });
    process.kill().expect("it runs");
    process.wait().expect("it was ours");
    let report = doctor(&place);
    for name in ["books", "files", "digests", "position"] {
        assert_eq!(check(&report, name)["verdict"], "ok", "{report:#}");
    }
    assert!(ends < 100, "it ended {ends} times");
}
