//! A replay authenticates to a park that requires it; a refused replay reports what to do.
//!
//! Method: an endpoint over the log in memory, with the certificates of `greenpark pki` and the users of
//! `greenpark passwd`; the binary replays to it, correctly or with one mistake at a time. Refused readings never reach
//! the log.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Output, Stdio},
    time::Duration,
};

use greenpark_ingest::{
    ClientCertificate, DecodeSettings, IngestMetrics, ListenSettings, MqttListener, Pipeline,
    TlsSettings, UsersSettings,
};
use greenpark_log::{Topic, memory::MemoryLog};
use greenpark_model::{clock::Clock, day::Instant};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use greenpark_tests_load::minutes::{Minutes, ReplayedMeter};
use tempfile::TempDir;
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

const READINGS: usize = 1_000;
/// Its gateway is `replay`, and so is the user that may publish for it.
const METER: ReplayedMeter = ReplayedMeter {
    park: "guarded",
    enterprise: "works",
    kind: "interval",
    batch: 7,
};

/// An endpoint that requires TLS, and a certificate or a password as configured.
struct Endpoint {
    folder: TempDir,
    minutes: Minutes,
    log: MemoryLog,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Endpoint {
    async fn start(client_certificate: ClientCertificate) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for out in ["tls", "other"] {
            let out = path(out);
            let out = out.to_str().expect("text");
            let names = ["--server", "127.0.0.1", "--gateway", "replay"];
            done(&[&["pki", "--out", out][..], &names].concat(), "");
        }
        let users = path("users");
        for (name, secret) in [("replay", "right"), ("other", "its own")] {
            let users = users.to_str().expect("text");
            done(&["passwd", users, name, "--iterations", "100"], secret);
        }
        fs::write(path("right"), "right\n").expect("written");
        fs::write(path("wrong"), "wrong\n").expect("written");
        fs::write(path("its-own"), "its own").expect("written");
        let settings = ListenSettings {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: Some(TlsSettings {
                certificate: path("tls/server.pem"),
                key: path("tls/server.key"),
                client_ca: Some(path("tls/ca.pem")),
                client_certificate: Some(client_certificate),
                client_crl: None,
            }),
            users: Some(UsersSettings { file: users }),
            ..ListenSettings::default()
        };
        let log = MemoryLog::new(1, clock::system());
        let pipeline = Pipeline::new(
            &DecodeSettings::default(),
            log.writer(),
            Clock::new(|| Instant::from_millis(1_795_392_000_000)),
            IngestMetrics::default(),
        );
        let listener = MqttListener::bind(settings, pipeline)
            .await
            .expect("a port");
        let address = listener.local_addr();
        let serving = tokio::spawn(listener.run(std::future::pending()));
        let minutes = Minutes::write(folder.path(), METER, READINGS as u64);
        Self {
            folder,
            minutes,
            log,
            address,
            serving,
        }
    }

    /// Replays with these words behind; in them `DIR` is the folder and `ADDR` the endpoint's address.
    async fn replay(&self, words: &str, password: Option<&str>) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
        command.arg("replay").arg(&self.minutes.file);
        command.arg("--map").arg(&self.minutes.map);
        let folder = self.folder.path().to_str().expect("text");
        let words = words.replace("DIR", folder);
        let words = words.replace("ADDR", &self.address.to_string());
        command.args(words.split(' '));
        command.env_remove("GREENPARK_PASSWORD");
        if let Some(password) = password {
            command.env("GREENPARK_PASSWORD", password);
        }
        let run = spawn_blocking(move || command.output().expect("the replay runs"));
        // What is refused is not tried again for a minute.
        let output = timeout(Duration::from_secs(30), run).await;
        let output = output.expect("it ends at once").expect("no panic");
        (output.status.success(), output_text(&output))
    }

    fn logged(&self) -> usize {
        let entries = self.log.entries(Topic::Readings).into_iter();
        let records = entries.map(|entry| entry.record.expect("a record of ours"));
        let batches = records.map(|record| reading_batch::decode(&record.payload));
        batches.map(|batch| batch.expect("a batch").len()).sum()
    }
}

/// Returns the standard output and the standard error of a command.
fn output_text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Runs a command that must succeed.
fn done(arguments: &[&str], input: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("greenpark runs");
    let mut stdin = child.stdin.take().expect("piped");
    // One that wants no input may have closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output_text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_logs_in_with_a_password_and_goes_on_after_what_is_there() {
    let endpoint = Endpoint::start(ClientCertificate::Optional).await;
    let words = "--mqtt mqtts://ADDR --ca DIR/tls/ca.pem --connections 3 --user replay";
    let (well, text) = endpoint.replay(words, Some("right")).await;
    assert!(well && text.contains("acknowledged 1000,"), "{text}");
    assert_eq!(endpoint.logged(), READINGS);
    // The receipt is asked for in the same way.
    let words = format!("{words} --password-file DIR/right");
    let (well, text) = endpoint.replay(&words, None).await;
    assert!(well && text.contains("sent 0,"), "{text}");
    assert_eq!(endpoint.logged(), READINGS);
    endpoint.serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_logs_in_with_a_certificate_and_a_password() {
    let endpoint = Endpoint::start(ClientCertificate::Required).await;
    let own = "--cert DIR/tls/replay.pem --key DIR/tls/replay.key";
    let words = format!("--mqtt ADDR --ca DIR/tls/ca.pem {own} --user replay --client-id r1");
    let (well, text) = endpoint.replay(&words, Some("right")).await;
    assert!(well && text.contains("acknowledged 1000,"), "{text}");
    assert_eq!(endpoint.logged(), READINGS);
    for own in [
        "",
        " --cert DIR/other/replay.pem --key DIR/other/replay.key",
    ] {
        let words = format!("--mqtt ADDR --ca DIR/tls/ca.pem{own} --user replay --all");
        let (well, text) = endpoint.replay(&words, Some("right")).await;
        assert!(!well && text.contains("give --cert FILE"), "{text}");
    }
    assert_eq!(endpoint.logged(), READINGS);
    endpoint.serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_refused_says_what_to_do() {
    let endpoint = Endpoint::start(ClientCertificate::Optional).await;
    let tls = "--mqtt mqtts://ADDR --ca DIR/tls/ca.pem";
    for (words, advice) in [
        (tls.to_owned(), "log in: --user NAME"),
        (
            format!("{tls} --user replay --password-file DIR/wrong"),
            "the password is another",
        ),
        (
            format!("{tls} --user nobody --password-file DIR/right"),
            "the user is not known there",
        ),
        (
            format!("{tls} --user other --password-file DIR/its-own"),
            "may not publish for the park, enterprise and gateway",
        ),
        (
            "--mqtt mqtts://ADDR --ca DIR/other/ca.pem".to_owned(),
            "--ca must hold the authority",
        ),
        ("--mqtt ADDR".to_owned(), "write mqtts:// in --mqtt"),
    ] {
        let (well, text) = endpoint.replay(&words, None).await;
        assert!(!well && text.contains(advice), "{words}: {text}");
        assert!(!text.contains("its own"), "a password is shown: {text}");
    }
    assert_eq!(endpoint.logged(), 0);
    endpoint.serving.abort();
}
