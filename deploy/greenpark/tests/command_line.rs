//! The binary as a script sees it: exit codes, standard output and standard error.

use std::{
    io::Write,
    net::TcpListener,
    process::{Command, Output},
};

use tempfile::{NamedTempFile, TempDir};

fn greenpark(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    command.env_remove("RUST_LOG").args(arguments);
    command.output().expect("the binary runs")
}

/// Returns the standard error of a command.
fn stderr_text(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn file(suffix: &str, text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new()
        .suffix(suffix)
        .tempfile()
        .expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room on the disk");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a temporary path is text")
}

#[test]
fn wrong_settings_are_told_all_at_once_with_exit_code_64() {
    let settings = file(
        ".toml",
        "[listen]\naddress = \"x\"\nlingr = \"1s\"\n[lok]\n[kafka]\npartitions = 0\n",
    );
    for command in [&["config", "check"][..], &["up"], &["demo"], &["ingest"]] {
        let output = greenpark(&[command, &["--config", path(&settings)]].concat());
        assert_eq!(output.status.code(), Some(64), "{command:?}");
        assert!(output.stdout.is_empty());
        for name in ["listen.address", "listen.lingr", "lok", "kafka.partitions"] {
            assert!(
                stderr_text(&output).contains(name),
                "{name} is not in {}",
                stderr_text(&output)
            );
        }
    }
}

#[test]
fn settings_are_printed_with_overrides_of_the_environment() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    let output = command
        .env("GREENPARK__LISTEN__LINGER", "7ms")
        .args(["config", "print"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).expect("text");
    assert!(printed.contains("linger = \"7ms\""), "{printed}");
    let again = greenpark(&[
        "config",
        "check",
        "--config",
        path(&file(".toml", &printed)),
    ]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr_text(&again));
}

#[test]
fn a_wrong_argument_is_exit_code_64_and_help_is_0() {
    assert_eq!(greenpark(&["--no-such-option"]).status.code(), Some(64));
    assert_eq!(greenpark(&["replay"]).status.code(), Some(64));
    assert_eq!(greenpark(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_port_in_use_is_one_line_that_names_the_option() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let held = holder.local_addr().expect("a bound address").to_string();
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().to_str().expect("a temporary path is text");
    for (option, other) in [("--mqtt", "--grpc"), ("--grpc", "--mqtt")] {
        for command in ["demo", "up"] {
            let output = greenpark(&[command, "--data", data, option, &held, other, "127.0.0.1:0"]);
            assert_eq!(output.status.code(), Some(1));
            let expected =
                format!("greenpark: {held} is in use; choose another address with {option}\n");
            assert!(
                stderr_text(&output).ends_with(&expected),
                "{}",
                stderr_text(&output)
            );
            assert!(output.stdout.is_empty());
        }
    }
}

#[test]
fn a_query_service_that_the_network_reaches_asks_who_calls() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().to_str().expect("text");
    let open = ["up", "--data", data, "--mqtt", "127.0.0.1:0"];
    let output = greenpark(&[&open[..], &["--grpc", "0.0.0.0:0"]].concat());
    assert_eq!(output.status.code(), Some(64));
    let errors = stderr_text(&output);
    assert!(
        errors.contains("query.grants") && errors.contains("token_sha256"),
        "{errors}"
    );
    assert!(!folder.path().join("lake").exists(), "nothing was made");
}

#[test]
fn a_listener_that_the_network_reaches_has_a_list_of_who_may_publish_for_whom() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().to_str().expect("text");
    for address in ["0.0.0.0:0", "[::]:0"] {
        // Every mistake at once.
        let output = greenpark(&["up", "--data", data, "--mqtt", address, "--grpc", address]);
        assert_eq!(output.status.code(), Some(64));
        let errors = stderr_text(&output);
        for part in ["listen.access", "listen.users", "query.grants"] {
            assert!(errors.contains(part), "{errors}");
        }
        assert!(!folder.path().join("lake").exists(), "nothing was made");
    }
}

#[test]
fn a_client_without_a_service_says_what_to_do() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address = holder.local_addr().expect("a bound address").to_string();
    drop(holder);
    for command in [&["progress"][..], &["intensity", "--period", "2025"]] {
        let output = greenpark(&[command, &["--grpc", &address]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert!(
            stderr_text(&output).contains("--grpc"),
            "{}",
            stderr_text(&output)
        );
    }
}

#[test]
fn a_replay_that_nobody_acknowledges_fails_and_still_reports() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address = holder.local_addr().expect("a bound address").to_string();
    drop(holder);
    let csv = file(".csv", "t,v\n2026-01-01 00:00,1.5\n");
    let map = file(
        ".toml",
        "park = \"p\"\nenterprise = \"e\"\ngateway = \"g\"\nmeter = \"m\"\nquantity = \"electricity\"\n\
         kind = \"interval\"\n[columns]\ninstant = \"t\"\nvalue = \"v\"\n[time]\nformat = \"%Y-%m-%d %H:%M\"\n\
         offset = \"+08:00\"\n",
    );
    let arguments = [
        "replay",
        path(&csv),
        "--map",
        path(&map),
        "--mqtt",
        &address,
        "--patience",
        "0",
    ];
    let output = greenpark(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let answer = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(
        answer.starts_with("sent 0, acknowledged 0, seconds "),
        "{answer}"
    );
    assert!(
        stderr_text(&output).contains("1 of 1 readings are not acknowledged"),
        "{}",
        stderr_text(&output)
    );
}

#[test]
fn a_wrong_mapping_is_exit_code_64() {
    let csv = file(".csv", "t,v\n");
    let map = file(".toml", "park = \"p q\"\n");
    let output = greenpark(&["replay", path(&csv), "--map", path(&map)]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        stderr_text(&output).contains("park") && stderr_text(&output).contains("quantity"),
        "{}",
        stderr_text(&output)
    );
}

#[test]
fn an_import_with_bad_lines_names_each_and_writes_nothing() {
    let lines = "enterprise,title,industry,above_designated_size,valid_from,valid_to\n\
                 a/b,x,C31,true,2020-01-01,\nsteel,x,C31,perhaps,2020-01-01,\n";
    let csv = file(".csv", lines);
    let output = greenpark(&[
        "import",
        "--park",
        "p",
        "--enterprises",
        path(&csv),
        "--recorded-by",
        "me",
        "--evidence",
        "form",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr_text(&output);
    assert!(
        text.contains(".csv:2: enterprise") && text.contains(".csv:3: above_designated_size"),
        "{text}"
    );
    assert!(text.contains("nothing was written"), "{text}");
}

#[test]
fn dead_letters_are_not_sent_again_by_nobody_nor_asked_of_no_time() {
    let output = greenpark(&["dead-letters", "replay", "parks/p"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        stderr_text(&output).contains("--recorded-by"),
        "{}",
        stderr_text(&output)
    );
    let output = greenpark(&["dead-letters", "list", "parks/p", "--from", "March"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr_text(&output).contains("--from March"),
        "{}",
        stderr_text(&output)
    );
    let output = greenpark(&["dead-letters", "--help"]);
    let help = String::from_utf8(output.stdout).expect("text");
    for command in ["list", "show", "export", "replay"] {
        assert!(help.contains(command), "{help}");
    }
}
