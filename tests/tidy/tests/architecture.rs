//! The arrows of the architecture: services never see each other, contracts see only the model (the archive also
//! the formats of proofs), the model and proofs see nothing of ours, and each library is named by one crate.

use std::collections::BTreeSet;

use greenpark_tests_tidy::workspace::Workspace;

const SERVICES: [&str; 3] = ["greenpark-ingest", "greenpark-processor", "greenpark-query"];
const CONTRACTS: [&str; 3] = ["greenpark-proto", "greenpark-log", "greenpark-archive"];
const COMMANDS: [&str; 3] = ["greenpark-client", "greenpark-gateway", "greenpark-doctor"];

fn ours(dependencies: &BTreeSet<String>) -> BTreeSet<&str> {
    dependencies
        .iter()
        .map(String::as_str)
        .filter(|d| d.starts_with("greenpark"))
        .collect()
}

#[test]
fn services_do_not_see_each_other_nor_the_shell() {
    let workspace = Workspace::read();
    for service in SERVICES {
        let seen = workspace.closure(service);
        for other in SERVICES
            .iter()
            .chain(&["greenpark-runtime", "greenpark-console", "greenpark"])
            .chain(&COMMANDS)
        {
            assert!(
                *other == service || !seen.contains(*other),
                "{service} sees {other}"
            );
        }
    }
}

#[test]
fn contracts_see_only_the_model_and_the_model_nothing_of_ours() {
    let workspace = Workspace::read();
    for contract in CONTRACTS {
        let seen = workspace.closure(contract);
        let mut permitted = BTreeSet::from(["greenpark-model"]);
        if contract == "greenpark-archive" {
            // It stores the transparency log, whose formats are a leaf of their own.
            permitted.insert("greenpark-proof");
        }
        assert_eq!(ours(&seen), permitted, "{contract}");
    }
    assert!(ours(&workspace.closure("greenpark-proof")).is_empty());
    for log in ["greenpark-log-embedded", "greenpark-log-kafka"] {
        let seen = workspace.closure(log);
        let contract = BTreeSet::from(["greenpark-log", "greenpark-model"]);
        assert_eq!(ours(&seen), contract, "{log}");
    }
    assert!(ours(&workspace.closure("greenpark-model")).is_empty());
}

#[test]
fn the_model_does_no_io_and_serializes_nothing() {
    let seen = Workspace::read().closure("greenpark-model");
    for banned in ["tokio", "serde", "arrow", "bytes", "tracing"] {
        assert!(!seen.contains(banned), "the model sees {banned}");
    }
}

#[test]
fn each_of_our_large_libraries_is_named_by_one_crate() {
    let workspace = Workspace::read();
    for (library, owner) in [
        ("rdkafka", "greenpark-log-kafka"),
        ("redb", "greenpark-log-embedded"),
        ("deltalake-core", "greenpark-archive"),
        ("datafusion", "greenpark-query"),
    ] {
        for (package, dependencies) in &workspace.dependencies {
            let named = dependencies.contains(library);
            assert!(!named || package == owner, "{package} names {library}");
        }
    }
}

#[test]
fn ingest_compiles_without_datafusion_the_archive_and_any_log() {
    let seen = Workspace::read().closure("greenpark-ingest");
    for banned in [
        "datafusion",
        "greenpark-archive",
        "parquet",
        "rdkafka",
        "redb",
    ] {
        assert!(!seen.contains(banned), "ingest sees {banned}");
    }
}

#[test]
fn the_client_compiles_without_the_services_the_lake_and_the_log() {
    let seen = Workspace::read().closure("greenpark-client");
    for banned in [
        "datafusion",
        "rdkafka",
        "redb",
        "greenpark-archive",
        "greenpark-log",
        "greenpark-ingest",
        "greenpark-processor",
        "greenpark-query",
    ] {
        assert!(!seen.contains(banned), "the client sees {banned}");
    }
}

#[test]
fn commands_do_not_see_each_other() {
    let workspace = Workspace::read();
    for command in COMMANDS {
        let seen = workspace.closure(command);
        for other in COMMANDS {
            let is_other = other != command && seen.contains(other);
            assert!(!is_other, "{command} sees {other}");
        }
    }
}

#[test]
fn the_simulation_compiles_without_kafka_redb_and_datafusion() {
    let seen = Workspace::read().closure("greenpark-sim");
    for banned in [
        "rdkafka",
        "redb",
        "datafusion",
        "greenpark-query",
        "greenpark-runtime",
    ] {
        assert!(!seen.contains(banned), "the simulation sees {banned}");
    }
}

#[test]
fn nothing_sees_the_binary_or_the_tests() {
    let workspace = Workspace::read();
    let is_test = |package: &str| {
        let own = ["greenpark-sim", "greenpark-ledger"];
        package.starts_with("greenpark-tests") || own.contains(&package)
    };
    for (package, dependencies) in &workspace.dependencies {
        for dependency in dependencies.iter().filter(|_| !is_test(package)) {
            let shell = dependency == "greenpark" || is_test(dependency);
            assert!(!shell, "{package} sees {dependency}");
        }
    }
}

#[test]
fn what_tests_send_is_made_without_anything_of_ours() {
    let seen = Workspace::read().closure("greenpark-tests-load");
    assert_eq!(seen, BTreeSet::new());
}
