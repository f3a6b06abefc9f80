//! A closed service as its people use it: an administrator grants, an operator works, an auditor reads, and each is
//! stopped where the grants end.
//!
//! Method: `greenpark pki` makes the certificates, `greenpark up` runs the whole with TLS, and every step is a command
//! of the binary.

use std::{fs, process::Output};

use sha2::{Digest as _, Sha256};

use crate::site::{Site, refused, within, works};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn digest(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A site of the park's office, which has a token, and a visitor.
fn start() -> Site {
    let office = format!(
        "[[query.tokens]]\nname = \"office\"\nsha256 = \"{}\"\n",
        digest("open sesame")
    );
    let site = Site::start(&["visitor"], &[], "optional", &office);
    fs::write(site.path("token"), "open sesame\n").expect("written");
    site
}

/// Runs a command with the token of the park's office.
fn as_office(site: &Site, command: &[&str]) -> Output {
    let mut run = site.command(command);
    run.args(["--token-file", &site.path("token")]);
    run.output().expect("the binary runs")
}

const SCORE: [&str; 2] = ["progress", "parks/demo"];

#[test]
fn grants_decide_who_works_and_who_reads() {
    let site = start();
    // Nobody has anything yet, and the administrator sees no data.
    refused(
        &as_office(&site, &SCORE),
        "no grant of yours permits to read",
    );
    refused(&site.ask("li", &SCORE), "no grant of yours permits to read");
    let grant = |caller: &str, role: &str| {
        let why = ["--why", "decree 12"];
        let named = ["grant", caller, "--role", role, "--on", "parks/demo"];
        site.ask("li", &[&named[..], &why].concat())
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
    works(&as_office(&site, &import));
    refused(
        &site.ask("visitor", &import),
        "no grant of yours permits to register",
    );
    works(&site.ask("visitor", &["quality", "parks/demo", "--period", "2025"]));
    refused(
        &site.ask("visitor", &["progress", "parks/other"]),
        "that a grant of yours covers",
    );
    let revoked = site.ask(
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
        &site.ask("visitor", &["quality", "parks/demo", "--period", "2025"]),
        "no grant of yours permits to read",
    );
    let listed = site.ask("li", &["grants", "--format", "csv"]);
    let listed = text(&listed.stdout);
    assert!(
        listed.contains("token:office,operator,parks/demo"),
        "{listed}"
    );
    assert!(!listed.contains("visitor"), "{listed}");
}

#[test]
fn a_revoked_certificate_is_refused_without_a_restart() {
    let site = start();
    assert!(site.ask("visitor", &["whoami"]).status.success());
    site.pki(&["--revoke", "visitor"]);
    within(|| !site.ask("visitor", &["whoami"]).status.success());
    assert!(site.ask("li", &["whoami"]).status.success(), "others go on");
}
