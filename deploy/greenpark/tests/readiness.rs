//! Goal: a start waits for a missing dependency, names it in `/readyz` and continues by itself (FAULTS C7, C8). Method:
//! the real binary without its Kafka, with a lake whose newest commit is of tomorrow, and with a lake that is moved away.

mod place;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use greenpark_tests_load::ports;
use place::{Place, command, number};

const PATIENCE: Duration = Duration::from_secs(60);

/// Requests `/readyz`; the answer is empty while nothing listens.
fn readiness(health: SocketAddr) -> String {
    let request = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(health)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    request().unwrap_or_default()
}

/// Waits until the answer of `/readyz` passes `is_so`.
fn until(health: SocketAddr, what: &str, is_so: impl Fn(&str) -> bool) {
    let began = Instant::now();
    loop {
        let answer = readiness(health);
        if is_so(&answer) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {answer}");
        std::thread::yield_now();
    }
}

fn is_ready(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200")
}

fn waits_for(answer: &str, part: &str) -> bool {
    answer.starts_with("HTTP/1.1 503") && answer.contains(&format!("{part}: "))
}

/// Ends a process as a service manager does, and says whether it left in order.
fn stopped(mut process: Child) -> bool {
    let pid = process.id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(
        kill.args(["-TERM", &pid])
            .status()
            .expect("kill runs")
            .success()
    );
    process.wait().expect("it was ours").success()
}

fn up(place: &Place, health: SocketAddr) -> Child {
    let mut command = place.up();
    command.env("GREENPARK__PROCESS__HEALTH", health.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the binary starts")
}

/// The newest log entry of a readings table below `folder`.
fn newest_entry(folder: &Path) -> PathBuf {
    let (mut folders, mut entries) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let within = path.to_string_lossy().contains("readings/_delta_log/");
            match path.is_dir() {
                true => folders.push(path),
                false if within && path.extension().is_some_and(|e| e == "json") => {
                    entries.push(path);
                }
                false => {}
            }
        }
    }
    entries.into_iter().max().expect("a table")
}

/// An entry of Delta with the instant at which it was made one day later.
fn of_tomorrow(entry: &str) -> String {
    let lines = entry.lines().map(|line| {
        let mut action: serde_json::Value = serde_json::from_str(line).expect("an action");
        if let Some(at) = action.pointer_mut("/commitInfo/timestamp") {
            *at = (at.as_i64().expect("an instant") + 86_400_000).into();
        }
        action.to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_start_without_its_kafka_waits_and_can_be_stopped() {
    let [health, kafka, mqtt] = ports::free();
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command("up");
    command.arg("--data").arg(folder.path());
    command.args(["--mqtt", &mqtt.to_string(), "--grpc", "127.0.0.1:0"]);
    command.env("GREENPARK__PROCESS__HEALTH", health.to_string());
    command.env("GREENPARK__LOG__KIND", "kafka");
    command.env("GREENPARK__KAFKA__BROKERS", kafka.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn().expect("the binary starts");
    until(health, "it waits for Kafka", |answer| {
        waits_for(answer, "log") && answer.contains("connect to Kafka")
    });
    assert!(stopped(process), "it left in order");
}

#[test]
fn a_clock_behind_the_lake_and_a_lake_that_is_away_are_named_until_they_are_right() {
    let place = Place::new();
    let [health] = ports::free();
    let process = place.start();
    let sent = place
        .replay("max")
        .recv_timeout(PATIENCE)
        .expect("the replay ends");
    assert!(sent.status.success());
    let began = Instant::now();
    while number(&place.figure(), "received").unwrap_or(0) == 0 {
        assert!(began.elapsed() < PATIENCE, "readings come");
    }
    assert!(stopped(process), "it left in order");
    let process = up(&place, health);
    until(health, "all is there", is_ready);
    let (lake, away) = (place.data.join("lake"), place.data.join("away"));
    fs::rename(&lake, &away).expect("moved");
    until(health, "the lake is away", |answer| {
        waits_for(answer, "lake")
    });
    fs::rename(&away, &lake).expect("moved back");
    until(health, "the lake is back", is_ready);
    assert!(stopped(process), "it left in order");

    let entry = newest_entry(&lake);
    let text = fs::read_to_string(&entry).expect("an entry");
    fs::write(&entry, of_tomorrow(&text)).expect("written");
    let process = up(&place, health);
    until(health, "the clock is behind", |answer| {
        waits_for(answer, "clock") && answer.contains("set this machine's clock")
    });
    assert!(stopped(process), "it left in order");
    fs::write(&entry, text).expect("written");
    let process = up(&place, health);
    until(health, "the clock is right", is_ready);
    assert!(stopped(process), "it left in order");
}
