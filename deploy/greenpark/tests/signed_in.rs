//! A closed service as its people use it: an administrator grants, an operator works, an auditor reads, and each is
//! stopped where the grants end.
//!
//! Method: `greenpark pki` makes the certificates, `greenpark up` runs the whole with TLS, and every step is a command
//! of the binary.

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use greenpark_tests_load::ports;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// A running service with its folder.
struct Site {
    folder: TempDir,
    grpc: String,
    process: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        // The process may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn greenpark() -> Command {
    Command::new(env!("CARGO_BIN_EXE_greenpark"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn digest(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let made = greenpark()
            .args(["pki", "--out", &path("tls"), "--server", "localhost"])
            .args(["--caller", "li", "--caller", "visitor"])
            .output();
        let made = made.expect("the binary runs");
        assert!(made.status.success(), "{}", text(&made.stderr));
        let [mqtt, grpc] = ports::free().map(|port| port.to_string());
        let grpc = grpc.replace("127.0.0.1", "localhost");
        let settings = format!(
            "[query]\nadministrators = [\"certificate:li\"]\n[query.tls]\ncertificate = {:?}\nkey = {:?}\n\
             client_ca = {:?}\nclient_crl = {:?}\nclient_certificate = \"optional\"\n\
             [[query.tokens]]\nname = \"office\"\nsha256 = \"{}\"\n",
            path("tls/server.pem"),
            path("tls/server.key"),
            path("tls/ca.pem"),
            path("tls/crl.pem"),
            digest("open sesame")
        );
        fs::write(path("greenpark.toml"), settings).expect("written");
        fs::write(path("token"), "open sesame\n").expect("written");
        let port = grpc.rsplit(':').next().expect("a port");
        let process = greenpark()
            .args(["up", "--config", &path("greenpark.toml")])
            .args(["--data", &path("data"), "--mqtt", &mqtt])
            .args(["--grpc", &format!("127.0.0.1:{port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = process.expect("the binary starts");
        let site = Self {
            folder,
            grpc,
            process,
        };
        let begun = Instant::now();
        while !site.as_office(&["whoami"]).status.success() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "it is up within a minute"
            );
        }
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a command with the certificate of `name`.
    fn as_certificate(&self, name: &str, command: &[&str]) -> Output {
        let output = greenpark()
            .args(command)
            .args(["--grpc", &self.grpc, "--ca", &self.path("tls/ca.pem")])
            .args(["--certificate", &self.path(&format!("tls/{name}.pem"))])
            .args(["--key", &self.path(&format!("tls/{name}.key"))])
            .output();
        output.expect("the binary runs")
    }

    /// Runs a command with the token of the park's office.
    fn as_office(&self, command: &[&str]) -> Output {
        let output = greenpark()
            .args(command)
            .args(["--grpc", &self.grpc, "--ca", &self.path("tls/ca.pem")])
            .args(["--token-file", &self.path("token")])
            .output();
        output.expect("the binary runs")
    }
}

fn works(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn refused(output: &Output, reason: &str) {
    let errors = text(&output.stderr);
    assert!(
        !output.status.success() && errors.contains(reason),
        "{errors}"
    );
}

const SCORE: [&str; 2] = ["progress", "parks/demo"];

#[test]
fn grants_decide_who_works_and_who_reads() {
    let site = Site::start();
    // Nobody has anything yet, and the administrator sees no data.
    refused(&site.as_office(&SCORE), "no grant of yours permits to read");
    refused(
        &site.as_certificate("li", &SCORE),
        "no grant of yours permits to read",
    );
    let grant = |caller: &str, role: &str| {
        let why = ["--why", "decree 12"];
        let named = ["grant", caller, "--role", role, "--on", "parks/demo"];
        site.as_certificate("li", &[&named[..], &why].concat())
    };
    works(&grant("token:office", "operator"));
    works(&grant("certificate:visitor", "auditor"));
    // The office registers; the auditor reads it and registers nothing.
    let enterprises = fs::write(
        site.path("enterprises.csv"),
        "enterprise,title,industry,above_designated_size,valid_from,valid_to\nsteel-01,Steel,C31,true,2020-01-01,\n",
    );
    enterprises.expect("written");
    let file = site.path("enterprises.csv");
    let by = ["--recorded-by", "wang", "--evidence", "a licence"];
    let import = [
        &["import", "--park", "demo", "--enterprises", &file][..],
        &by,
    ]
    .concat();
    works(&site.as_office(&import));
    refused(
        &site.as_certificate("visitor", &import),
        "no grant of yours permits to register",
    );
    works(&site.as_certificate("visitor", &["quality", "parks/demo", "--period", "2025"]));
    refused(
        &site.as_certificate("visitor", &["progress", "parks/other"]),
        "that a grant of yours covers",
    );
    let revoked = site.as_certificate(
        "li",
        &[
            "revoke",
            "certificate:visitor",
            "--role",
            "auditor",
            "--on",
            "parks/demo",
            "--why",
            "over",
        ],
    );
    works(&revoked);
    refused(
        &site.as_certificate("visitor", &["quality", "parks/demo", "--period", "2025"]),
        "no grant of yours permits to read",
    );
    let listed = site.as_certificate("li", &["grants", "--format", "csv"]);
    let listed = text(&listed.stdout);
    assert!(
        listed.contains("token:office,operator,parks/demo"),
        "{listed}"
    );
    assert!(!listed.contains("visitor"), "{listed}");
}

#[test]
fn a_revoked_certificate_is_refused_without_a_restart() {
    let site = Site::start();
    assert!(site.as_certificate("visitor", &["whoami"]).status.success());
    let revoked = greenpark()
        .args(["pki", "--out", &site.path("tls"), "--revoke", "visitor"])
        .output();
    assert!(revoked.expect("the binary runs").status.success());
    let begun = Instant::now();
    while site.as_certificate("visitor", &["whoami"]).status.success() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it is refused within a minute"
        );
    }
    assert!(
        site.as_certificate("li", &["whoami"]).status.success(),
        "others go on"
    );
}
