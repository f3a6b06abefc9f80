//! The whole process killed with SIGKILL ten times while a sender resends what was not acknowledged: the
//! figure is the sum of what the sender has, exactly, and no reading is there twice.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const KILLS: u32 = 10;
/// How long each life of the process lasts.
const LIFE: Duration = Duration::from_millis(700);
const READINGS: u64 = 40_000;
/// Readings a second: slow enough for every kill to fall into the replay.
const SPEED: &str = "2500";
const MAP: &str = r#"
park = "killed"
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

/// The binary's place in this test.
struct Place {
    folder: TempDir,
    mqtt: String,
    grpc: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Both ports are held until both are known, so that they differ.
        let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [mqtt, grpc] = held.map(|l| l.local_addr().expect("bound").to_string());
        Self { folder, mqtt, grpc }
    }

    fn path(&self, name: &str) -> String {
        self.folder
            .path()
            .join(name)
            .to_str()
            .expect("text")
            .to_owned()
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_greenpark"))
            .args(["up", "--data", &self.path("data")])
            .args(["--mqtt", &self.mqtt, "--grpc", &self.grpc])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts")
    }

    /// Replays the file; its output comes when it ends.
    fn replay(&self) -> mpsc::Receiver<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
        command
            .args([
                "replay",
                &self.path("readings.csv"),
                "--map",
                &self.path("map.toml"),
            ])
            .args(["--speed", SPEED, "--connections", "3", "--mqtt", &self.mqtt]);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(command.output().expect("the replay runs")));
        end
    }

    /// What the service says of 2025, if it answers.
    fn ask(&self) -> Option<serde_json::Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_greenpark"))
            .args([
                "intensity",
                "parks/killed/enterprises/works",
                "--period",
                "2025",
            ])
            .args(["--format", "json", "--grpc", &self.grpc])
            .output()
            .expect("the client runs");
        serde_json::from_slice(&output.stdout).ok()
    }
}

/// Writes a minute's readings, each with another value, and returns their sum in thousandths.
fn write_readings(folder: &Path) -> u64 {
    let (mut csv, mut sum) = (String::from("at,kwh\n"), 0);
    for reading in 0..READINGS {
        let (day, minute) = (reading / 1_440 + 1, reading % 1_440);
        let (hour, minute) = (minute / 60, minute % 60);
        let value = reading * 31 % 99_991 + 1;
        sum += value;
        let (whole, thousandths) = (value / 1_000, value % 1_000);
        writeln!(
            csv,
            "2025-01-{day:02} {hour:02}:{minute:02},{whole}.{thousandths:03}"
        )
        .expect("a string");
    }
    fs::write(folder.join("readings.csv"), csv).expect("written");
    fs::write(folder.join("map.toml"), MAP).expect("written");
    sum
}

/// The figure in an answer, whether it stands alone or in a list.
fn find<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map
            .get(key)
            .or_else(|| map.values().find_map(|inner| find(inner, key))),
        serde_json::Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

#[test]
fn killed_ten_times_during_a_replay_the_figure_is_exact() {
    let place = Place::new();
    let thousandths = write_readings(place.folder.path());
    let mut process = place.start();
    let replay = place.replay();
    for kill in 0..KILLS {
        let early = replay.recv_timeout(LIFE);
        assert!(
            early.is_err(),
            "the replay ended before kill {kill}: {early:?}"
        );
        process.kill().expect("it runs");
        process.wait().expect("it was ours");
        process = place.start();
    }
    let output = replay
        .recv_timeout(Duration::from_secs(120))
        .expect("the replay ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let expected = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    let expected = expected
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = place.ask().unwrap_or_default();
        let received = find(&answer, "received")
            .map(ToString::to_string)
            .unwrap_or_default();
        let open = find(&answer, "open_days")
            .map(ToString::to_string)
            .unwrap_or_default();
        let amount = find(&answer, "components")
            .and_then(|c| find(c, "value"))
            .cloned();
        let all = received.trim_matches('"') == READINGS.to_string();
        if all && matches!(open.as_str(), "" | "0") {
            assert_eq!(
                amount.as_ref().and_then(|a| a.as_str()),
                Some(expected.as_str())
            );
            break;
        }
        assert!(Instant::now() < deadline, "not all was stored: {answer}");
    }
    process.kill().expect("it runs");
    process.wait().expect("it was ours");
}
