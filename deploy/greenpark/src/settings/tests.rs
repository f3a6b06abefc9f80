//! The shipped sample has the defaults, printed settings can be read back, and all mistakes are reported at once.

use std::io::Write;

use super::*;

fn load(text: &str) -> Result<Settings, Mistakes> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room on the disk");
    Settings::load(Some(file.path()), [])
}

#[test]
fn the_sample_file_is_the_default() {
    let sample = load(include_str!("../../greenpark.toml")).expect("the sample has no mistakes");
    let default = Settings::load(None, []).expect("defaults have no mistakes");
    assert_eq!(
        sample.to_toml().expect("TOML"),
        default.to_toml().expect("TOML")
    );
}

#[test]
fn printed_settings_are_read_back() {
    let settings =
        load("[subscribe]\nbroker = \"broker:1883\"\n[process]\nhealth = \"127.0.0.1:9090\"\n")
            .expect("no mistakes");
    let printed = settings.to_toml().expect("TOML");
    let again = load(&printed).expect("own text is read");
    assert_eq!(again.to_toml().expect("TOML"), printed);
    assert!(again.subscribe.is_some() && again.process.health.is_some());
}

#[test]
fn mistakes_of_every_section_come_at_once() {
    let text = "[listen]\naddress = \"nowhere\"\nconnections_max = 0\n[embedded_log]\npartitions = 0\n\
                linger = \"soon\"\n[kafka]\nbrokers = \"broker\"\n[log]\nkind = \"rabbit\"\n[quory]\n";
    let mistakes = load(text).expect_err("mistakes").0;
    for name in [
        "listen.address",
        "listen.connections_max",
        "embedded_log.partitions",
        "embedded_log.linger",
        "kafka.brokers",
        "log.kind",
        "quory",
    ] {
        assert!(
            mistakes.iter().any(|m| m.contains(name)),
            "{name} is not in {mistakes:#?}"
        );
    }
}

#[test]
fn the_command_line_wins() {
    let mut settings = Settings::load(None, []).expect("defaults have no mistakes");
    let place = NodeArgs {
        data: Some("/var/lib/greenpark".into()),
        mqtt: Some(SocketAddr::from(([0, 0, 0, 0], 1884))),
        ..NodeArgs::default()
    };
    settings.place(&place);
    assert_eq!(settings.lake.root, "/var/lib/greenpark/lake");
    assert_eq!(
        settings.embedded_log.folder,
        Path::new("/var/lib/greenpark/log")
    );
    assert_eq!(settings.listen.address.port(), 1884);
    assert_eq!(settings.query.address.port(), 50_051);
}

#[test]
fn the_sample_and_the_print_name_the_keys_of_identity() {
    let sample = include_str!("../../greenpark.toml");
    let start = sample.find("# [listen.tls]").expect("the sample names it");
    let end = sample.find("[processor]").expect("what stands behind");
    // The sample's own lines, uncommented.
    let lines = sample[start..end].lines();
    let text: String = lines
        .map(|line| format!("{}\n", line.trim_start_matches("# ")))
        .collect();
    let printed = load(&text).expect("no mistakes").to_toml().expect("TOML");
    for key in [
        "[listen.tls]",
        "certificate = \"tls/server.pem\"",
        "key = ",
        "client_ca = ",
        "client_certificate = \"required\"",
        "[listen.users]",
        "[listen.access]",
        "certificate_file = ",
        "key_file = ",
    ] {
        assert!(printed.contains(key), "{key} is not in\n{printed}");
    }
    let mistakes = load("[listen.tls]\nclient_certificate = \"optional\"\n[listen.access]\n");
    let mistakes = mistakes.expect_err("mistakes").0;
    for name in [
        "tls.certificate",
        "tls.key",
        "client_certificate",
        "access.file",
        "listen.access:",
    ] {
        assert!(
            mistakes.iter().any(|m| m.contains(name)),
            "{name}: {mistakes:#?}"
        );
    }
}
