//! `log groups` and `log forget`: the groups that keep the embedded log from being trimmed.

use anyhow::{Context, ensure};
use greenpark_console::output::line;
use greenpark_doctor::position::describe_group;
use greenpark_log_embedded::EmbeddedLog;
use greenpark_processor::dead_letter_group;
use greenpark_runtime::clock;

use crate::settings::{LogKind, Settings};

/// Lists every group with its lag and its last activity.
///
/// # Errors
/// The log is in Kafka, another process has it open, or it cannot be read.
pub async fn list(settings: &Settings) -> anyhow::Result<()> {
    let log = open(settings).await?;
    let groups = log.groups().context("read the log")?;
    if groups.is_empty() {
        line("no group has read the log yet");
    }
    for standing in &groups {
        let owner = match is_own(&standing.group, settings) {
            true => "the group of the settings",
            false => "not the group of the settings",
        };
        line(&format!("{}; {owner}", describe_group(standing)));
    }
    Ok(())
}

/// Lets go of `group` and of its reader of dead letters.
///
/// # Errors
/// The settings name the group, no group has this name, the log is in Kafka, another process has it open, or it cannot
/// be written.
pub async fn forget(group: &str, settings: &Settings) -> anyhow::Result<()> {
    ensure!(
        !is_own(group, settings),
        "{group} is the group of the settings (processor.group = \"{}\"), which would begin again at the \
         first record: set another name first, or forget another group",
        settings.processor.group
    );
    let known = open(settings).await?.groups().context("read the log")?;
    let names: Vec<&str> = known.iter().map(|of| of.group.as_str()).collect();
    ensure!(
        names.contains(&group),
        "the log knows no group {group}; it knows {}",
        names.join(", ")
    );
    let section = &settings.embedded_log;
    for name in [group, &dead_letter_group(group)] {
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

/// Whether a group is that of the settings, or its reader of dead letters.
fn is_own(group: &str, settings: &Settings) -> bool {
    let own = &settings.processor.group;
    group == own || group == dead_letter_group(own)
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
    let opened =
        tokio::task::spawn_blocking(move || EmbeddedLog::open(&folder, tuned, clock::system()))
            .await;
    opened.context("open the log")?.map_err(Into::into)
}
