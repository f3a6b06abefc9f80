//! The demonstration park as a newcomer meets it: closed, with certificates and sign-in files in its folder.
//!
//! Method: the binary runs the demo while its history still loads; every question is a command of the binary.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Output, Stdio},
};

use greenpark_tests_load::{
    minutes::{Minutes, ReplayedMeter},
    ports,
};
use tempfile::TempDir;

use crate::site::{PATIENCE, greenpark, refused, within, works};

struct Demo {
    folder: TempDir,
    mqtt: String,
    grpc: String,
    process: Child,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Demo {
    /// Starts it and waits until its registry is there.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [mqtt, grpc] = ports::free().map(|port| port.to_string());
        let process = greenpark()
            .args(["demo", "--mqtt", &mqtt, "--grpc", &grpc, "--data"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let demo = Self {
            folder,
            mqtt,
            grpc,
            process,
        };
        within(|| demo.is_registered());
        demo
    }

    fn is_registered(&self) -> bool {
        let steel = self.ask("jiangbei-steel", &["intensity", STEEL, "--period", "2024"]);
        steel.status.success()
    }

    fn access(&self, file: &str) -> PathBuf {
        self.folder.path().join("access").join(file)
    }

    /// Runs a command of one of the demo's people, who is named by the variable.
    fn ask(&self, who: &str, command: &[&str]) -> Output {
        let file = self.access(&format!("{who}.toml"));
        let mut run = greenpark();
        run.args(command).env("GREENPARK_AS", file);
        run.output().expect("the binary runs")
    }

    /// Publishes a reading for `enterprise` with the newcomer's certificate.
    fn publish(&self, enterprise: &'static str) -> Output {
        let meter = ReplayedMeter {
            park: "demo",
            enterprise,
            kind: "interval",
            batch: 1,
        };
        let minutes = Minutes::write(self.folder.path(), meter, 2);
        let map = meter.map().replace("\"replay\"", "\"my-gateway\"");
        fs::write(&minutes.map, map).expect("written");
        let port = self.mqtt.rsplit(':').next().expect("a port");
        let mut run = greenpark();
        run.arg("replay")
            .arg(minutes.file)
            .arg("--map")
            .arg(minutes.map);
        run.args(["--mqtt", &format!("localhost:{port}"), "--patience", "20"]);
        run.arg("--ca").arg(self.access("ca.pem"));
        run.arg("--cert").arg(self.access("my-gateway.pem"));
        run.arg("--key").arg(self.access("my-gateway.key"));
        run.output().expect("the binary runs")
    }
}

const STEEL: &str = "parks/demo/enterprises/jiangbei-steel";

#[test]
fn the_demo_is_closed_and_its_people_sign_in() {
    let demo = Demo::start();
    let question = ["intensity", "parks/demo", "--period", "2024"];
    works(&demo.ask("operator", &question));
    works(&demo.ask("auditor", &question));
    refused(&demo.ask("jiangbei-steel", &question), "not found");
    refused(&demo.ask("administrator", &question), "not allowed");
    works(&demo.ask("administrator", &["grants"]));
    refused(&demo.ask("auditor", &["grants"]), "not allowed");
    // A stranger is told what to do, and nothing of the park.
    let mut stranger = greenpark();
    stranger.args(question).args(["--grpc", &demo.grpc]);
    refused(&stranger.output().expect("the binary runs"), "sign in");
    // Arguments precede the sign-in file: another's certificate needs its key.
    let mut other = greenpark();
    other
        .args(question)
        .env("GREENPARK_AS", demo.access("jiangbei-steel.toml"));
    other.arg("--certificate").arg(demo.access("auditor.pem"));
    other.arg("--key").arg(demo.access("auditor.key"));
    works(&other.output().expect("the binary runs"));
}

#[test]
fn a_gateway_of_the_demo_proves_its_name() {
    let demo = Demo::start();
    // The listener reads the grants after they are recorded.
    within(|| demo.publish("my-works").status.success());
    refused(
        &demo.publish("jiangbei-steel"),
        "may not publish for the park",
    );
    // CONNECT of MQTT 3.1.1 without TLS has no CONNACK.
    let mut plain = TcpStream::connect(&demo.mqtt).expect("it listens");
    plain.set_read_timeout(Some(PATIENCE)).expect("set");
    let connect = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02gw";
    plain.write_all(connect).expect("sent");
    let mut answer = Vec::new();
    // A reset is an answer too.
    let _ = plain.read_to_end(&mut answer);
    assert_ne!(answer.first(), Some(&0x20), "{answer:?}");
}
