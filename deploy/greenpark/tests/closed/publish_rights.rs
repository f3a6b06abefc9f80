//! Who may publish for whom: every role and every wrong credential, on every kind of target, in MQTT 3.1.1 and MQTT 5.
//!
//! Method: `greenpark up` is closed on both ports, its administrator grants over gRPC, clients write MQTT by hand, and an
//! extract shows what was stored. A role without a row fails the test.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::ValueEnum as _;
use greenpark_client::access::Role;
use greenpark_tests_load::mqtt;

use crate::site::{Site, Tls, greenpark, refused, within, works};

const E: &str = "parks/demo/enterprises/e";

/// A client, the grants that it has, and whether it may publish for its own enterprise under its own name.
struct Caller {
    name: &'static str,
    /// Roles, what they are on, and further arguments of `grant`.
    grants: &'static [(&'static str, &'static str, &'static [&'static str])],
    may_publish: bool,
}

const CALLERS: [Caller; 9] = [
    Caller {
        name: "gw-own",
        grants: &[("gateway", E, &[])],
        may_publish: true,
    },
    Caller {
        name: "gw-ended",
        grants: &[(
            "gateway",
            E,
            &["--from", "2020-01-01", "--to", "2020-12-31"],
        )],
        may_publish: false,
    },
    Caller {
        name: "gw-coming",
        grants: &[("gateway", E, &["--from", "2999-01-01"])],
        may_publish: false,
    },
    Caller {
        name: "gw-elsewhere",
        grants: &[("gateway", "parks/other/enterprises/e", &[])],
        may_publish: false,
    },
    Caller {
        name: "works",
        grants: &[("enterprise", E, &[])],
        may_publish: false,
    },
    Caller {
        name: "office",
        grants: &[("operator", "parks/demo", &[])],
        may_publish: false,
    },
    Caller {
        name: "visitor",
        grants: &[("auditor", "parks/-", &[])],
        may_publish: false,
    },
    Caller {
        name: "chief",
        grants: &[("administrator", "parks/demo", &[])],
        may_publish: false,
    },
    Caller {
        name: "nobody",
        grants: &[],
        may_publish: false,
    },
];

/// Parks, enterprises and gateways of topics; `None` is the client's own name.
const TARGETS: [(&str, &str, Option<&str>); 6] = [
    ("demo", "e", None),
    ("demo", "e", Some("gw-other")),
    ("demo", "f", None),
    ("demo", "absent", None),
    ("other", "e", None),
    ("absent", "e", None),
];

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// No CONNACK, or one that refuses.
    NoConnection,
    Acknowledged,
    /// By a code of PUBACK (MQTT 5), or by the end of the connection.
    Refused,
}

/// Publishes one reading, whose instant is `case` minutes after midnight.
fn publish(
    site: &Site,
    own: Option<(&Path, &str)>,
    (version, case): (u8, usize),
    topic: &str,
) -> Told {
    let client = own.map_or("stranger", |(_, name)| name);
    let connected = site.handshake(own).and_then(|mut tls| {
        tls.write_all(&connect(client, version))?;
        match packet(&mut tls)? {
            (0x20, body) if body[1] == 0 => Ok(tls),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    });
    let Ok(mut tls) = connected else {
        return Told::NoConnection;
    };
    let (hour, minute) = (case / 60, case % 60);
    let reading = format!(
        r#"{{"meter":"{client}","quantity":"electricity","at":"2026-03-01T{hour:02}:{minute:02}:00Z","value":1}}"#,
    );
    let mut packets = Vec::new();
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    let payload = [properties, reading.as_bytes()].concat();
    mqtt::publish(&mut packets, topic, (1, false), &payload);
    let answer = tls.write_all(&packets).and_then(|()| packet(&mut tls));
    match answer {
        Ok((0x40, body)) if body.get(2).is_none_or(|reason| *reason < 0x80) => Told::Acknowledged,
        _ => Told::Refused,
    }
}

fn connect(client: &str, version: u8) -> Vec<u8> {
    let mut connect = mqtt::connect(client);
    if version == 5 {
        connect[1] += 1;
        connect[8] = 5;
        // The length of the properties, before the client id.
        connect.insert(12, 0);
    }
    connect
}

/// Reads a packet of fewer than 128 bytes.
fn packet(tls: &mut Tls) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    tls.read_exact(&mut head)?;
    let mut body = vec![0; usize::from(head[1])];
    tls.read_exact(&mut body)?;
    Ok((head[0], body))
}

/// A site with the grants of all callers, after the listener has read them.
fn granted() -> Site {
    let names: Vec<&str> = CALLERS.iter().map(|caller| caller.name).collect();
    let others = ["gw-lost", "gw-revoked", "gw-last"];
    let site = Site::start(&[], &[&names[..], &others].concat(), "required", "");
    let grant = |name: &str, role: &str, on: &str, more: &[&str]| {
        let caller = format!("certificate:{name}");
        site.grant_for(&[&["grant", &caller, "--role", role, "--on", on][..], more].concat());
    };
    for caller in &CALLERS {
        for (role, on, more) in caller.grants {
            grant(caller.name, role, on, more);
        }
    }
    for name in ["gw-lost", "gw-revoked", "gw-last"] {
        grant(name, "gateway", E, &[]);
    }
    site.grant("revoke", "certificate:gw-revoked", "gateway", E);
    site.pki(&["--revoke", "gw-lost"]);
    let tls = PathBuf::from(site.path("tls"));
    let told = |name: &str| publish(&site, Some((&tls, name)), (4, 0), &topic("demo", "e", name));
    // The grants are read in their order, and the revocation list at the same interval.
    within(|| told("gw-last") == Told::Acknowledged);
    within(|| told("gw-revoked") == Told::Refused);
    within(|| told("gw-lost") == Told::NoConnection);
    site
}

fn topic(park: &str, enterprise: &str, gateway: &str) -> String {
    format!("park/{park}/{enterprise}/{gateway}/up/readings")
}

/// The meters in an extract of `enterprise`, each named after its client.
fn stored(site: &Site, enterprise: &str) -> BTreeSet<String> {
    let file = site.path("readings.csv");
    let range = ["--from", "2026-03-01", "--to", "2026-03-01", "-o", &file];
    works(&site.ask(
        "visitor",
        &[&["extract", "--enterprise", enterprise][..], &range].concat(),
    ));
    let text = fs::read_to_string(file).expect("readable");
    let mut lines = text.lines();
    let mut header = lines.next().expect("a header").split(',');
    let meter = header.position(|column| column == "meter").expect("meters");
    let meters = lines.map(|line| line.split(',').nth(meter).expect("a cell").to_owned());
    meters.collect()
}

#[test]
fn a_gateway_publishes_under_its_own_name_for_its_enterprise_and_nobody_else_does() {
    let site = granted();
    let tls = PathBuf::from(site.path("tls"));
    let mut wrong = Vec::new();
    let mut cases = 0;
    for caller in &CALLERS {
        for (park, enterprise, gateway) in TARGETS {
            for version in [4, 5] {
                let topic = topic(park, enterprise, gateway.unwrap_or(caller.name));
                let is_own = (park, enterprise, gateway) == ("demo", "e", None);
                let is_elsewhere = caller.name == "gw-elsewhere"
                    && (park, enterprise, gateway) == ("other", "e", None);
                let expected = match caller.may_publish && is_own || is_elsewhere {
                    true => Told::Acknowledged,
                    false => Told::Refused,
                };
                let own = Some((tls.as_path(), caller.name));
                let told = publish(&site, own, (version, cases), &topic);
                if told != expected {
                    wrong.push((caller.name, topic, version, told));
                }
                cases += 1;
            }
        }
    }
    // Without a certificate, with one of another authority, and with a revoked one nobody connects.
    let foreign = PathBuf::from(site.path("foreign"));
    let made = greenpark()
        .args(["pki", "--gateway", "gw-own", "--out"])
        .arg(&foreign)
        .output();
    works(&made.expect("the binary runs"));
    let strangers = [
        None,
        Some((foreign.as_path(), "gw-own")),
        Some((tls.as_path(), "gw-lost")),
    ];
    for own in strangers {
        for version in [4, 5] {
            let topic = topic("demo", "e", own.map_or("gw-own", |(_, name)| name));
            let told = publish(&site, own, (version, cases), &topic);
            if told != Told::NoConnection {
                wrong.push(("a stranger", topic, version, told));
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(cases, CALLERS.len() * TARGETS.len() * 2 + 6);
    // What was refused was not stored.
    let stored_of = |enterprise: &str| stored(&site, enterprise).into_iter().collect::<Vec<_>>();
    assert_eq!(stored_of(E), ["gw-last", "gw-own"]);
    assert_eq!(stored_of("parks/other/enterprises/e"), ["gw-elsewhere"]);
    for enterprise in ["f", "absent"] {
        let name = format!("parks/demo/enterprises/{enterprise}");
        let asked = site.ask("visitor", &["intensity", &name, "--period", "2026"]);
        refused(&asked, "not found");
    }
}

#[test]
fn every_role_has_a_row() {
    let rows = CALLERS.iter().flat_map(|caller| caller.grants);
    let rows: BTreeSet<&str> = rows.map(|(role, _, _)| *role).collect();
    for role in Role::value_variants() {
        let value = role.to_possible_value().expect("it has a name");
        assert!(rows.contains(value.get_name()), "{role:?} has no row");
    }
}
