//! What a process does when it is told to stop, and after its disk was full: nothing is lost and nobody
//! has to mend anything. Method: the real binary under a sender that sends again what is not acknowledged,
//! started again whenever it ends, as systemd does; what rests is looked at by `greenpark doctor`.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const READINGS: u64 = 40_000;
const MAP: &str = r#"
park = "recovers"
enterprise = "works"
gateway = "g1"
meter = "main"
quantity = "electricity"
kind = "interval"
unit = "kWh"
[columns]
instant = "at"
value = "kwh"
[time]
format = "%Y-%m-%d %H:%M"
offset = "+08:00"
stamp = "start"
"#;
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Where a process keeps its data, and where it listens.
struct Place {
    folder: TempDir,
    data: PathBuf,
    mqtt: String,
    grpc: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Both ports are held until both are known, so that they differ.
        let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [mqtt, grpc] = held.map(|l| l.local_addr().expect("bound").to_string());
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        let mut csv = String::from("at,kwh\n");
        for reading in 0..READINGS {
            let (day, minute) = (reading / 1_440 + 1, reading % 1_440);
            let (hour, minute) = (minute / 60, minute % 60);
            let value = reading % 991;
            writeln!(csv, "2025-01-{day:02} {hour:02}:{minute:02},{value}").expect("a string");
        }
        fs::write(folder.path().join("rows.csv"), csv).expect("written");
        fs::write(folder.path().join("map.toml"), MAP).expect("written");
        Self {
            folder,
            data,
            mqtt,
            grpc,
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
        command.arg(name);
        command
    }

    fn start(&self) -> Child {
        let mut command = self.command("up");
        command.arg("--data").arg(&self.data);
        command.args(["--mqtt", &self.mqtt, "--grpc", &self.grpc]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary starts")
    }

    /// Replays every reading; the output comes when it ends.
    fn replay(&self, speed: &str) -> Receiver<Output> {
        let mut command = self.command("replay");
        command.arg(self.folder.path().join("rows.csv"));
        command
            .arg("--map")
            .arg(self.folder.path().join("map.toml"));
        command.args(["--speed", speed, "--connections", "3", "--mqtt", &self.mqtt]);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(command.output().expect("the replay runs")));
        end
    }

    /// What the doctor says of the data of a process that has ended.
    fn doctor(&self) -> Value {
        let mut command = self.command("doctor");
        command.arg("--data").arg(&self.data);
        let output = command.args(["--output", "json"]).output();
        let output = output.expect("the doctor runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// How many readings the books hold; none while the service is away.
    fn stored(&self) -> u64 {
        let mut command = self.command("intensity");
        command.args(["parks/recovers/enterprises/works", "--period", "2025"]);
        let output = command
            .args(["--format", "json", "--grpc", &self.grpc])
            .output();
        let output = output.expect("the client runs");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let received = find(&answer, "received").cloned().unwrap_or_default();
        let text = received.to_string();
        text.trim_matches('"').parse().unwrap_or(0)
    }
}

/// The first value of this key, wherever it stands.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map
            .get(key)
            .or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
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
    until("the first readings", || place.stored() > 0);
    terminate(&process);
    let mut ended = None;
    until("the end", || {
        ended = process.try_wait().expect("its state");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
    let report = place.doctor();
    // What the processor had not read yet waits in the log.
    assert_eq!(check(&report, "file")["verdict"], "ok", "{report:#}");
    assert_eq!(report["faults"], 0, "{report:#}");
    let mut process = place.start();
    let output = replay.recv_timeout(PATIENCE).expect("the replay ends");
    assert!(output.status.success(), "{output:?}");
    until("every reading, once", || place.stored() == READINGS);
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
    until("the first readings", || place.stored() > 0);
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
    assert!(place.stored() < READINGS && replay.try_recv().is_err());
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
        place.stored() == READINGS
    });
    process.kill().expect("it runs");
    process.wait().expect("it was ours");
    let report = place.doctor();
    for name in ["books", "files", "digests", "position"] {
        assert_eq!(check(&report, name)["verdict"], "ok", "{report:#}");
    }
    assert!(ends < 100, "it ended {ends} times");
}
