//! Names, passwords and the access list, without a socket.

use std::process::Command;

use super::{
    access_list::AccessList,
    password::{self, Users},
};
use crate::{routing::Routes, settings::DecodeSettings, topic::Sender};

#[test]
fn a_password_is_valid_for_its_user_only() {
    let line = |name, password| password::line(name, password, 10).expect("a line");
    let text = format!(
        "# gateways\n\n{}\n{}\n",
        line("gw1", b"one"),
        line("gw2", b"two")
    );
    let users = Users::parse(&text).expect("a password file");
    assert!(users.verify("gw1", b"one") && users.verify("gw2", b"two"));
    for (name, password) in [
        ("gw1", &b"two"[..]),
        ("gw1", b""),
        ("gw3", b"one"),
        ("", b""),
    ] {
        assert!(!users.verify(name, password), "{name}");
    }
    assert!(!format!("{users:?}").contains("gw1"));
}

#[test]
fn a_password_file_of_mosquitto_works_unchanged() {
    // Written by mosquitto_passwd 2.0.11 for the password "secret".
    let known = "gw1:$7$101$Gw/wjIVvevndGzKl$yoHQcXhkYJJR6u8JIGYZkFP766vh3qfrCG+kSf4qT4CEn6Jzn2I2mpY+AhwE2yydqM1RamXzKCywH+djIlxhiw==\n";
    let users = Users::parse(known).expect("a password file");
    assert!(users.verify("gw1", b"secret") && !users.verify("gw1", b"Secret"));
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("users");
    let mut command = Command::new("mosquitto_passwd");
    let made = command
        .args(["-c", "-b"])
        .arg(&file)
        .args(["gw2", "geheim"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("left out: no mosquitto_passwd on this machine");
        return;
    }
    let users = Users::parse(&std::fs::read_to_string(file).expect("written")).expect("a file");
    assert!(users.verify("gw2", b"geheim") && !users.verify("gw2", b"secret"));
}

#[test]
fn an_invalid_password_file_is_refused_with_the_line() {
    let good = password::line("gw1", b"one", 10).expect("a line");
    for (wrong, word) in [
        ("gw2", "name:hash"),
        (":$7$10$c2FsdHNhbHQ=$aGFzaA==", "name:hash"),
        ("gw2:one", "greenpark passwd"),
        ("gw2:$6$c2FsdHNhbHQ=$aGFzaA==", "greenpark passwd"),
        ("gw2:$7$0$c2FsdHNhbHQ=$aGFzaA==", "iterations"),
        ("gw2:$7$9999999$c2FsdHNhbHQ=$aGFzaA==", "iterations"),
        ("gw2:$7$10$c2FsdHNhbHQ=$aGFzaA==", "64"),
        (good.as_str(), "before"),
    ] {
        let error = Users::parse(&format!("{good}\n{wrong}\n"))
            .expect_err("wrong")
            .to_string();
        assert!(
            error.contains("line 2") && error.contains(word),
            "{wrong}: {error}"
        );
    }
    for (name, password) in [
        ("", &b"x"[..]),
        ("a:b", b"x"),
        ("a\nb", b"x"),
        ("#a", b"x"),
        ("a", b""),
    ] {
        assert!(password::line(name, password, 10).is_err(), "{name:?}");
    }
}

#[test]
fn an_access_list_binds_a_name_to_its_gateways() {
    let list = "client_id = \"%u\"\n[[rule]]\nusers = [\"*\"]\npublish = [\"p1/+/%u\"]\n\
                [[rule]]\nusers = [\"bridge\"]\npublish = [\"p2/e1/+\", \"p3/%u-works/g1\"]\n";
    let access = AccessList::parse(list).expect("an access list");
    let routes = Routes::new(&DecodeSettings::default());
    let nobody = Sender::default();
    let may = |name: &str, topic: &str| {
        let origin = routes.resolve(topic, &nobody).origin;
        access.grant(name, [].iter()).covers(&origin)
    };
    for (name, topic, expected) in [
        ("g1", "park/p1/e1/g1/up/readings", true),
        ("g1", "park/p1/e2/g1/up/anything", true),
        ("g1", "park/p1/e1/g2/up/readings", false),
        ("g1", "park/p1/e1/G1/up/readings", false),
        ("g1", "park/p2/e1/g1/up/readings", false),
        ("bridge", "park/p2/e1/g9/up/readings", true),
        ("bridge", "park/p2/e2/g9/up/readings", false),
        ("bridge", "park/p3/bridge-works/g1/up/readings", true),
        ("+", "park/p1/e1/g1/up/readings", false),
        ("_unknown", "sensors/1", false),
    ] {
        assert_eq!(may(name, topic), expected, "{name} {topic}");
    }
    assert!(access.admits_client_id("g1", "g1") && !access.admits_client_id("g1", "g2"));
    let grant = access.grant("g1", [].iter());
    assert!(grant.covers_filter("park/p1/e1/g1/down/#"));
    for foreign in [
        "park/p1/e1/g2/down/#",
        "park/p1/+/g1/down/#",
        "park/p1/e1/g1/up/#",
        "#",
    ] {
        assert!(!grant.covers_filter(foreign), "{foreign}");
    }
}

#[test]
fn an_invalid_access_list_is_refused() {
    for wrong in [
        "",
        "[[rule]]\nusers = [\"*\"]\npublish = [\"p1/+\"]\n",
        "[[rule]]\nusers = [\"*\"]\npublish = [\"p1/+/%c\"]\n",
        "[[rule]]\nusers = [\"*\"]\npublish = [\"p1/#/g1\"]\n",
        "[[rule]]\nusers = [\"*\"]\npublish = [\"p1/a+/g1\"]\n",
        "[[rule]]\nusers = [\"gw*\"]\npublish = [\"p1/e1/g1\"]\n",
        "[[rule]]\nuser = [\"*\"]\npublish = [\"p1/e1/g1\"]\n",
    ] {
        assert!(AccessList::parse(wrong).is_err(), "{wrong}");
    }
}
