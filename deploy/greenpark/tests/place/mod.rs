//! A process of the whole with a folder and ports of its own, and the readings that are replayed to it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use greenpark_tests_load::{
    minutes::{Minutes, ReplayedMeter},
    ports,
};
use serde_json::Value;
use tempfile::TempDir;

/// Readings that are replayed.
pub(crate) const READINGS: u64 = 40_000;

const METER: ReplayedMeter = ReplayedMeter {
    park: "place",
    enterprise: "works",
    kind: "interval",
    batch: 1,
};

/// Where a process keeps its data, and where it listens.
pub(crate) struct Place {
    pub(crate) data: PathBuf,
    pub(crate) minutes: Minutes,
    mqtt: String,
    grpc: String,
    _folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        let [mqtt, grpc] = ports::free().map(|port| port.to_string());
        Self {
            data,
            minutes: Minutes::write(folder.path(), METER, READINGS),
            mqtt,
            grpc,
            _folder: folder,
        }
    }

    /// The command that runs the whole here.
    pub(crate) fn up(&self) -> Command {
        let mut command = command("up");
        command.arg("--data").arg(&self.data);
        command.args(["--mqtt", &self.mqtt, "--grpc", &self.grpc]);
        command
    }

    pub(crate) fn start(&self) -> Child {
        let mut command = self.up();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary starts")
    }

    /// Replays every reading, so many a second; the output comes when it ends.
    pub(crate) fn replay(&self, speed: &str) -> Receiver<Output> {
        let mut command = command("replay");
        command.arg(&self.minutes.file);
        command.arg("--map").arg(&self.minutes.map);
        command.args(["--speed", speed, "--connections", "3", "--mqtt", &self.mqtt]);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(command.output().expect("the replay runs")));
        end
    }

    /// What the service says of 2025; nothing while it is away.
    pub(crate) fn figure(&self) -> Value {
        let mut command = command("intensity");
        command.args(["parks/place/enterprises/works", "--period", "2025"]);
        command.args(["--format", "json", "--grpc", &self.grpc]);
        let output = command.output().expect("the client runs");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

/// A command of the binary.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    command.arg(name);
    command
}

/// Returns the number of a key anywhere in an answer, or `None`.
pub(crate) fn number(answer: &Value, key: &str) -> Option<u64> {
    let text = find(answer, key)?.to_string();
    text.trim_matches('"').parse().ok()
}

/// Returns the first value of a key anywhere in an answer.
pub(crate) fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map
            .get(key)
            .or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}
