//! The undecodable payloads in the dead-letter topic and in the lake.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use greenpark_archive::{dead_letters::Payloads, lake::Lake};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_runtime::clock;

use crate::plan::{self, BURST, BURSTS, GATEWAYS};

/// Dead letters read at once.
const PAGE: usize = 10_000;

/// Reads the bytes of every dead letter of an embedded log, which no process may have open.
///
/// # Errors
/// The log cannot be read.
pub async fn embedded(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let log = EmbeddedLog::open(folder, LogFileSettings::default(), clock::system())?;
    let (mut bytes, mut next) = (Vec::new(), 0);
    loop {
        let page = log.dead_letters(next, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(bytes);
        };
        next = last.position.offset + 1;
        for entry in page {
            let record = entry.record.map_err(|e| anyhow::anyhow!("{e:?}"))?;
            bytes.extend_from_slice(&record.payload);
        }
    }
}

/// Reads the bytes of every dead letter in Kafka with its console consumer.
///
/// # Errors
/// The consumer cannot be run.
pub fn kafka(jars: &str, brokers: &str) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("java")
        .args([
            "-cp",
            jars,
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
        ])
        .args(["--bootstrap-server", brokers, "--from-beginning"])
        .args([
            "--topic",
            "greenpark.dead-letters.v1",
            "--timeout-ms",
            "15000",
        ])
        .output()?;
    // The consumer always ends with an error, because it reads until nothing more comes in time.
    ensure!(
        !output.stdout.is_empty(),
        "no dead letter was read from Kafka"
    );
    Ok(output.stdout)
}

/// The class path of the Kafka that the start script downloaded.
///
/// # Errors
/// It is not there.
pub fn jars(sources: &Path) -> anyhow::Result<String> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache
        .or_else(home)
        .context("HOME is not set")?
        .join("greenpark/kafka");
    let pom = fs::read_to_string(sources.join("deploy/kafka/pom.xml"))?;
    let version = pom
        .split("<kafka.version>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let version = version.context("the pom names no version")?;
    for entry in fs::read_dir(&cache)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&format!("{version}-")) {
            return Ok(format!("{}/*", path.display()));
        }
    }
    anyhow::bail!("no Kafka {version} in {}", cache.display())
}

/// The dead letters of a lake.
#[derive(Debug, Default)]
pub struct ArchivedDeadLetters {
    /// Gateway and number of the undecodable payloads among them.
    pub names: BTreeSet<(u64, u64)>,
    /// Ids of dead letters that are there more than once.
    pub duplicates: Vec<String>,
}

/// Reads the dead letters of a lake.
///
/// # Errors
/// The lake cannot be read.
pub async fn archived(lake: &str) -> anyhow::Result<ArchivedDeadLetters> {
    let lake = Lake::open(lake, clock::system()).await?;
    let mut archived = ArchivedDeadLetters::default();
    let mut seen = BTreeSet::new();
    for park in lake.letter_parks().await? {
        let mut table = lake.letters(&park);
        for file in table.files().await? {
            for dead_letter in table.read(&file, Payloads::Taken).await?.kept {
                if !seen.insert(dead_letter.id) {
                    archived
                        .duplicates
                        .push(format!("{park} {}", dead_letter.id));
                }
                archived.names.extend(names(&dead_letter.payload));
            }
        }
    }
    Ok(archived)
}

/// Gateway and number of the undecodable payloads in `bytes`.
#[must_use]
pub fn names(bytes: &[u8]) -> BTreeSet<(u64, u64)> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = BTreeSet::new();
    for part in text.split("poison-").skip(1) {
        let mut numbers = part.splitn(3, '-').map(str::parse::<u64>);
        if let (Some(Ok(gateway)), Some(Ok(nth))) = (numbers.next(), numbers.next()) {
            let sent = gateway < GATEWAYS && nth < BURST * BURSTS;
            if sent && part.starts_with(&plan::poison(gateway, nth)["poison-".len()..]) {
                found.insert((gateway, nth));
            }
        }
    }
    found
}
