//! `greenpark pki` and `greenpark passwd` make files that the listener accepts.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use greenpark_ingest::password::Users;
use tempfile::TempDir;

fn greenpark(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("greenpark runs");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that wants no input may have closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn certificates_are_made_once_and_keys_are_their_owners() {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("tls");
    let place = out.to_str().expect("a path");
    let first = [
        "pki",
        "--out",
        place,
        "--server",
        "localhost",
        "--server",
        "127.0.0.1",
        "--gateway",
        "gw1",
    ];
    let made = greenpark(&first, "");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let printed = String::from_utf8(made.stdout).expect("text");
    assert!(
        printed.contains("[listen.tls]") && printed.contains("client_ca"),
        "{printed}"
    );
    for key in ["ca.key", "server.key", "gw1.key"] {
        assert_eq!(mode(&out.join(key)), 0o600, "{key}");
    }
    let before = fs::read(out.join("gw1.key")).expect("there");
    assert!(!greenpark(&first, "").status.success());
    assert_eq!(fs::read(out.join("gw1.key")).expect("there"), before);
    // A gateway that comes later is signed by the same authority.
    let authority = fs::read(out.join("ca.pem")).expect("there");
    assert!(
        greenpark(&["pki", "--out", place, "--gateway", "gw2"], "")
            .status
            .success()
    );
    assert_eq!(fs::read(out.join("ca.pem")).expect("there"), authority);
    let verified = Command::new("openssl")
        .args([
            "verify",
            // As Python's default context does from 3.13 on, and whoever goes by RFC 5280 to the letter.
            "-x509_strict",
            "-CAfile",
            "ca.pem",
            "server.pem",
            "gw1.pem",
            "gw2.pem",
        ])
        .current_dir(&out)
        .output();
    match verified {
        Ok(verified) => assert!(verified.status.success(), "{verified:?}"),
        Err(_) => eprintln!("left out: no openssl on this machine"),
    }
    assert!(
        !greenpark(&["pki", "--out", place, "--gateway", "a/b"], "")
            .status
            .success()
    );
}

#[test]
fn a_revoked_certificate_is_in_the_list_of_its_authority() {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("tls");
    let place = out.to_str().expect("a path");
    let made = ["pki", "--out", place, "--gateway", "gw1", "--caller", "gw2"];
    assert!(greenpark(&made, "").status.success());
    let revoked = greenpark(&["pki", "--out", place, "--revoke", "gw1"], "");
    assert!(revoked.status.success(), "{revoked:?}");
    let checked = |certificate: &str| {
        let checks = [
            "verify",
            "-crl_check",
            "-CAfile",
            "ca.pem",
            "-CRLfile",
            "crl.pem",
        ];
        let mut openssl = Command::new("openssl");
        openssl.args(checks).arg(certificate).current_dir(&out);
        openssl.output().map(|checked| checked.status.success())
    };
    if let (Ok(gw1), Ok(gw2)) = (checked("gw1.pem"), checked("gw2.pem")) {
        assert!(!gw1 && gw2, "the list revokes one of the two");
    }
    let unknown = greenpark(&["pki", "--out", place, "--revoke", "gw9"], "");
    assert!(!unknown.status.success(), "there is no such certificate");
}

#[test]
fn a_password_is_added_and_replaced() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("users");
    let place = file.to_str().expect("a path");
    let users = || Users::parse(&fs::read_to_string(&file).expect("there")).expect("a file");
    assert!(
        greenpark(&["passwd", place, "gw1"], "one\n")
            .status
            .success()
    );
    assert!(
        greenpark(&["passwd", place, "gw2"], "two\n")
            .status
            .success()
    );
    assert!(users().verify("gw1", b"one") && users().verify("gw2", b"two"));
    assert!(
        greenpark(&["passwd", place, "gw1"], "new\n")
            .status
            .success()
    );
    assert!(users().verify("gw1", b"new") && !users().verify("gw1", b"one"));
    assert!(users().verify("gw2", b"two"));
    assert_eq!(mode(&file), 0o600);
    assert!(!greenpark(&["passwd", place, "gw3"], "\n").status.success());
    assert!(!greenpark(&["passwd", place, "a:b"], "x\n").status.success());
}
