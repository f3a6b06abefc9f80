//! `log groups` and `log forget`: who keeps the embedded log from being trimmed.

use anyhow::{Context, ensure};
use greenpark_log::{
    embedded::{EmbeddedLog, Standing},
    record::Topic,
};
use greenpark_model::day::Instant;
use greenpark_processor::letter_group;

use crate::{
    gauge::line,
    settings::{LogKind, Settings},
};

/// Tells every group, what it has not read and when it was last there.
///
/// # Errors
/// The log is none of this machine, is open elsewhere, or cannot be read.
pub async fn list(settings: &Settings) -> anyhow::Result<()> {
    let log = open(settings).await?;
    let groups = log.groups().context("read the log")?;
    if groups.is_empty() {
        line("no group has read the log yet");
    }
    for standing in &groups {
        line(&told(standing, settings));
    }
    Ok(())
}

/// Lets go of `group` and of its reader of dead letters.
///
/// # Errors
/// The settings name the group, there is none of this name, or the log is none of this machine, is open elsewhere or
/// cannot be written.
pub async fn forget(group: &str, settings: &Settings) -> anyhow::Result<()> {
    let of_settings = &settings.processor.group;
    ensure!(
        group != of_settings && group != letter_group(of_settings),
        "{group} is the group of the settings (processor.group = \"{of_settings}\"), which would begin again at the \
         first record: set another name first, or forget another group"
    );
    let known = open(settings).await?.groups().context("read the log")?;
    let names: Vec<&str> = known.iter().map(|of| of.group.as_str()).collect();
    ensure!(
        names.contains(&group),
        "the log knows no group {group}; it knows {}",
        names.join(", ")
    );
    let section = &settings.embedded_log;
    for name in [group, &letter_group(group)] {
        let (folder, tuned, name) = (section.folder.clone(), section.to_log(), name.to_owned());
        let forgotten =
            tokio::task::spawn_blocking(move || EmbeddedLog::forget(&folder, tuned, &name));
        forgotten.await.context("write the log")??;
    }
    line(&format!(
        "{group} is forgotten: what only it had not read goes as new records come, and a reader of this name would \
         begin at the first record that is kept"
    ));
    Ok(())
}

/// One line about a group.
fn told(standing: &Standing, settings: &Settings) -> String {
    let what = match standing.topic {
        Topic::Readings => "records",
        Topic::DeadLetters => "dead letters",
    };
    let seen = standing.seen_ms.map_or_else(
        || "last there before this release".to_owned(),
        |ms| format!("last there at {}", Instant(ms)),
    );
    let Standing { group, behind, .. } = standing;
    let of_settings = &settings.processor.group;
    let whose = match *group == *of_settings || *group == letter_group(of_settings) {
        true => "the group of the settings",
        false => "not the group of the settings",
    };
    format!("{group}: {behind} {what} to read, {seen}; {whose}")
}

async fn open(settings: &Settings) -> anyhow::Result<EmbeddedLog> {
    ensure!(
        settings.log.kind == LogKind::Embedded,
        "the log is Kafka's, which keeps records by time and not for groups: see kafka-consumer-groups.sh --list and \
         --delete"
    );
    let section = &settings.embedded_log;
    let file = section.folder.join("log.redb");
    // To open a log that is not there would make one.
    ensure!(
        file.exists(),
        "there is no log at {}; say where it is with --data or embedded_log.folder",
        section.folder.display()
    );
    let (folder, tuned) = (section.folder.clone(), section.to_log());
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&folder, tuned)).await;
    opened.context("open the log")?.map_err(Into::into)
}
