//! The house rules of the source: size, docs and names. Each test lists every breach at once.

use std::{fs, path::Path, process::Command};

use greenpark_tests_tidy::{
    rooms::Rooms,
    source::{File, files},
    workspace::Workspace,
};

/// Lines a file may have.
const FILE_LINES_MAX: usize = 500;
/// Lines a function may have.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines a crate root and a binary's root may have.
const LIB_LINES_MAX: usize = 80;
const MAIN_LINES_MAX: usize = 40;
/// Folders of the crates beside the services.
const CONTRACTS_AND_SHELL: [&str; 13] = [
    "proto",
    "proto/model",
    "proto/settings",
    "proto/log",
    "proto/log/embedded",
    "proto/log/kafka",
    "proto/archive",
    "deploy/runtime",
    "deploy/console",
    "deploy/client",
    "deploy/gateway",
    "deploy/doctor",
    "deploy/greenpark",
];

fn tree() -> Vec<File> {
    let files = files(&Workspace::read().root);
    assert!(files.len() > 40, "only {} files were found", files.len());
    files
}

fn breaches(rule: impl Fn(&File) -> Vec<String>) {
    let found: Vec<String> = tree().iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn files_are_short() {
    breaches(|file| {
        let lines = file.text.lines().count();
        let name = file.path.file_name().and_then(|n| n.to_str());
        let is_root = file
            .path
            .parent()
            .is_some_and(|folder| folder.ends_with("src"));
        let most = match name {
            Some("lib.rs") if is_root => LIB_LINES_MAX,
            Some("main.rs") if is_root => MAIN_LINES_MAX,
            _ => FILE_LINES_MAX,
        };
        let long = lines > most;
        long.then(|| format!("{}: {lines} lines, at most {most}", file.path.display()))
            .into_iter()
            .collect()
    });
}

#[test]
fn functions_are_short() {
    breaches(|file| {
        let long = file
            .functions()
            .into_iter()
            .filter(|f| f.lines > FUNCTION_LINES_MAX);
        long.map(|f| {
            format!(
                "{}: fn {} has {} lines",
                file.path.display(),
                f.name,
                f.lines
            )
        })
        .collect()
    });
}

#[test]
fn every_file_opens_with_what_it_promises() {
    breaches(|file| {
        let silent = !file.text.starts_with("//!");
        silent
            .then(|| format!("{}: no //! at its head", file.path.display()))
            .into_iter()
            .collect()
    });
}

#[test]
fn no_file_is_a_drawer() {
    breaches(|file| {
        let drawer = ["util", "utils", "helper", "helpers", "common", "misc"];
        let stem = file
            .path
            .file_stem()
            .and_then(|s| s.to_str())
            .unwrap_or_default();
        let found = drawer.contains(&stem);
        found
            .then(|| format!("{}: name it after what it holds", file.path.display()))
            .into_iter()
            .collect()
    });
}

#[test]
fn no_test_sleeps_and_none_is_ignored() {
    let banned = [
        concat!("#[ign", "ore"),
        concat!("thread::sl", "eep("),
        concat!("time::sl", "eep("),
    ];
    breaches(|file| {
        if !file.is_test() {
            return Vec::new();
        }
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| banned.iter().any(|b| line.contains(b)))
            .map(|(n, line)| format!("{}:{}: {}", file.path.display(), n + 1, line.trim()))
            .collect()
    });
}

#[test]
fn lints_are_silenced_with_a_reason() {
    breaches(|file| {
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| line.trim_start().starts_with(concat!("#[al", "low(")))
            .filter(|(n, _)| {
                let attribute = file.text.lines().skip(*n).take(10).collect::<String>();
                !attribute
                    .split(")]")
                    .next()
                    .is_some_and(|a| a.contains("reason = "))
            })
            .map(|(n, _)| {
                format!(
                    "{}:{}: silenced without a reason",
                    file.path.display(),
                    n + 1
                )
            })
            .collect()
    });
}

/// Files outside tests in which `words` stand.
fn files_with(folder: &str, words: &str) -> Vec<String> {
    let files = tree().into_iter();
    let of_folder = files.filter(|file| file.path.starts_with(folder) && !file.is_test());
    of_folder
        .filter(|file| file.text.contains(words))
        .map(|file| file.path.display().to_string())
        .collect()
}

#[test]
fn one_file_releases_acknowledgements_and_one_stores_offsets() {
    let released = files_with("ingest/src", "Released::by(");
    assert_eq!(released, ["ingest/src/pipeline.rs"]);
    let stored = files_with("processor/src", "reader.commit(");
    assert_eq!(stored, ["processor/src/group.rs"]);
    let receipts = files_with("proto/log", "Receipt {");
    assert_eq!(receipts, ["proto/log/src/append.rs"]);
}

#[test]
fn rooms_of_a_crate_form_no_circle() {
    let (workspace, files) = (Workspace::read(), tree());
    let mut circles = Vec::new();
    for package in ["ingest", "processor", "query"]
        .into_iter()
        .chain(CONTRACTS_AND_SHELL)
    {
        assert!(workspace.root.join(package).is_dir(), "{package} is gone");
        let src = Path::new(package).join("src");
        if let Some(circle) = Rooms::of(&src, &files).circle() {
            circles.push(format!("{package}: {}", circle.join(" -> ")));
        }
    }
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn the_ledgers_mutations_apply() {
    let root = Workspace::read().root;
    let folder = root.join("tests/ledger/mutations");
    let patches: Vec<_> = fs::read_dir(&folder)
        .expect("mutations are kept there")
        .map(|entry| entry.expect("a folder is read").path())
        .collect();
    assert!(!patches.is_empty(), "{} is empty", folder.display());
    for patch in patches {
        let mut git = Command::new("git");
        let checked = git.args(["apply", "--check"]).arg(&patch);
        let output = checked.current_dir(&root).output().expect("git runs");
        assert!(
            output.status.success(),
            "{} was made for another code: {}",
            patch.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
