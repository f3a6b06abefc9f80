//! The operator: copies the lake and the log, and restores, loses or damages them.
//!
//! All processes are stopped meanwhile, as an operator would do it. Before they start again, the operator notes
//! which messages nothing holds any more. A lake that no longer knows its log refuses it; then the operator runs
//! the command that adopts it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, ensure};
use tokio::runtime::Runtime;

use crate::{
    gateway::{LoadControl, WHOLE},
    installation::{PARTITIONS, TestInstallation},
    losses::{DeliveryRecords, Losses},
    plan::{self, GATEWAYS, LoadPlan},
    query,
    schedule::Restore,
    survivors::Survivors,
    wait,
};

/// How long a process may take to report that it is ready, or which park it has set aside.
const STATUS_WAIT: Duration = Duration::from_secs(90);
/// How long gateways may take to get a message acknowledged while a park is set aside.
const PROGRESS_WAIT: Duration = Duration::from_secs(30);
/// How long to wait until a damaged readings file is read; a sealed file is read only when its day is sealed again.
const FILE_READ_WAIT: Duration = Duration::from_secs(15);
/// Part of the message with which a processor refuses a log that is not the log of its lake.
const REFUSAL: &str = "greenpark log adopt";

/// Performs restores, and keeps account of losses.
#[derive(Debug)]
pub struct Operator<'a> {
    /// The readings of the run.
    pub plan: LoadPlan,
    /// The messages of each gateway, and which of them are acknowledged.
    pub records: &'a DeliveryRecords,
    /// The shared state of the gateways.
    pub control: &'a LoadControl,
    /// Messages lost so far.
    pub losses: Losses,
    /// Number of times that a log was refused and adopted.
    pub adopted: u32,
    /// Runtime for reading the tables of the lake.
    pub runtime: &'a Runtime,
    /// Number of consumer groups so far.
    groups: u32,
    /// Number of times that Kafka was read so far.
    kafka_reads: u32,
}

impl<'a> Operator<'a> {
    /// An operator without losses.
    #[must_use]
    pub fn new(
        plan: LoadPlan,
        records: &'a DeliveryRecords,
        control: &'a LoadControl,
        runtime: &'a Runtime,
    ) -> Self {
        Self {
            plan,
            records,
            control,
            losses: Losses::default(),
            adopted: 0,
            runtime,
            groups: 0,
            kafka_reads: 0,
        }
    }

    /// Copies the lake while it is written to, and the log while all processes are stopped.
    ///
    /// # Errors
    /// The lake cannot be copied.
    pub fn copy(&mut self, installation: &mut TestInstallation) -> anyhow::Result<()> {
        installation.ensure(None)?;
        let backup = installation.copies().join("backup");
        installation.command(&["backup", &backup.display().to_string()])?;
        installation.halt()?;
        let log = installation.copies().join("log");
        remove(&log)?;
        installation.with_log_at_rest(|path| copy_folder(path, &log))?;
        installation.ensure(None)
    }

    /// Restores, loses or damages the lake or the log, and starts all processes again.
    ///
    /// # Errors
    /// A process does not report the expected state, or does not continue.
    pub fn restore(
        &mut self,
        installation: &mut TestInstallation,
        what: Restore,
    ) -> anyhow::Result<&'static str> {
        installation.ensure(None)?;
        installation.halt()?;
        let mut repair = None;
        match what {
            Restore::Lake => self.restore_lake(installation)?,
            Restore::Log => {
                let copy = installation.copies().join("log");
                if !copy.exists() {
                    return Ok(": no copy");
                }
                installation.with_log_at_rest(|path| {
                    remove(path)?;
                    copy_folder(&copy, path)
                })?;
            }
            Restore::LogLost => installation.lose_log()?,
            Restore::Entry | Restore::Messages => {
                let table = match what {
                    Restore::Messages => "/messages/",
                    _ => "/readings/",
                };
                let Some(path) = newest(&installation.lake_folder(), |path| {
                    path.contains(table) && path.contains("/_delta_log/") && path.ends_with(".json")
                })?
                else {
                    return Ok(": no entry");
                };
                // The records behind the entry are read from the log again, or they are lost.
                let whole = fs::read(&path)?;
                fs::remove_file(&path)?;
                self.note_losses(installation)?;
                fs::write(&path, &whole[..whole.len() / 2])?;
                repair = Some((path, None));
            }
            Restore::HotFile => {
                let is_file = |path: &str| path.contains("/readings/day=");
                let is_hot = |path: &str| is_file(path) && path.contains("/hot");
                let folder = installation.lake_folder();
                let path = match newest(&folder, is_hot)? {
                    Some(path) => Some(path),
                    None => newest(&folder, is_file)?,
                };
                let Some(path) = path else {
                    return Ok(": no file");
                };
                let whole = fs::read(&path)?;
                fs::write(&path, &whole[..whole.len() / 2])?;
                repair = Some((path, Some(whole)));
            }
            Restore::Group => {
                self.groups += 1;
                installation.set_group(&format!("ledger-{}", self.groups))?;
            }
        }
        if let Some((path, whole)) = repair {
            return self.expect_set_aside(installation, &path, whole);
        }
        self.note_losses(installation)?;
        self.resume(installation)
    }

    fn restore_lake(&mut self, installation: &mut TestInstallation) -> anyhow::Result<()> {
        let backup = installation.copies().join("backup");
        if !backup.join("manifest.json").exists() {
            return Ok(());
        }
        remove(&installation.lake_folder())?;
        installation.command(&["restore", &backup.display().to_string(), "--without-log"])?;
        Ok(())
    }

    /// Notes which acknowledged messages nothing holds any more.
    fn note_losses(&mut self, installation: &TestInstallation) -> anyhow::Result<()> {
        let mut left = Survivors::default();
        self.runtime.block_on(left.add_lake(&installation.lake()))?;
        match installation.kafka {
            Some(kafka) => {
                self.kafka_reads += 1;
                let read = left.add_kafka(kafka, PARTITIONS, self.kafka_reads);
                self.runtime.block_on(read)?;
            }
            None if installation.log().exists() => {
                let copy = installation.copies().join("look");
                remove(&copy)?;
                copy_folder(&installation.log(), &copy)?;
                self.runtime.block_on(left.add_embedded(&copy))?;
                remove(&copy)?;
            }
            None => {}
        }
        self.losses.note(self.plan, self.records, &left);
        Ok(())
    }

    /// Starts all processes. If the lake refuses the log, adopts the log first.
    fn resume(&mut self, installation: &mut TestInstallation) -> anyhow::Result<&'static str> {
        let role = installation.log_reader();
        let output_before = installation.process(role)?.output()?.len();
        installation.start_all()?;
        let refused = wait::until(installation.assignment_wait(), || {
            // Processes that end by themselves are started again, as a service manager does.
            let _ = installation.start_all();
            let output = installation.process(role).ok()?.output().ok()?;
            output[output_before.min(output.len())..]
                .contains(REFUSAL)
                .then_some(())
        });
        let mut note = "";
        if refused.is_some() {
            installation.halt()?;
            installation.command(&["log", "adopt", "--yes"])?;
            self.adopted += 1;
            note = ": refused and adopted";
        }
        self.wait_ready(installation)?;
        Ok(note)
    }

    fn wait_ready(&self, installation: &mut TestInstallation) -> anyhow::Result<()> {
        let ready = wait::until(STATUS_WAIT, || {
            let _ = installation.start_all();
            installation.is_ready().then_some(())
        });
        ensure!(ready.is_some(), "not ready: {:?}", installation.readiness());
        Ok(())
    }

    /// Checks that the park of the damaged file at `path` is set aside while the other park continues. Then makes
    /// the file whole again, or removes it, and waits until everything is ready.
    fn expect_set_aside(
        &mut self,
        installation: &mut TestInstallation,
        path: &Path,
        whole: Option<Vec<u8>>,
    ) -> anyhow::Result<&'static str> {
        let lake = installation.lake_folder();
        let park = path.strip_prefix(&lake)?.iter().next();
        let park = park.context("a park")?.to_string_lossy().into_owned();
        installation.start_all()?;
        let patience = match whole.is_some() {
            true => FILE_READ_WAIT,
            false => STATUS_WAIT,
        };
        let report = wait::until(patience, || {
            let _ = installation.start_all();
            let report = installation.readiness();
            report.filter(|report| report.contains(&park))
        });
        let mut note = ": set aside";
        match report {
            Some(_) => self.expect_others_continue(installation, &park)?,
            // A sealed file is read only when its day is sealed again, so it may not have been read.
            None if whole.is_some() => note = ": not met",
            None => anyhow::bail!("{park} is not set aside for {}", path.display()),
        }
        match whole {
            Some(whole) => fs::write(path, whole)?,
            None => fs::remove_file(path)?,
        }
        self.wait_ready(installation)
            .with_context(|| format!("{park} does not go on once it is whole"))?;
        Ok(note)
    }

    /// Checks that gateways get acknowledgements, and that the other park is answered.
    fn expect_others_continue(
        &mut self,
        installation: &mut TestInstallation,
        park: &str,
    ) -> anyhow::Result<()> {
        let acknowledged = || {
            let acknowledged = &self.control.acknowledged;
            acknowledged.load(Ordering::Relaxed)
        };
        let before = acknowledged();
        let is_over = || {
            let permitted = self.control.permitted.load(Ordering::Relaxed);
            permitted >= WHOLE
        };
        let progress = wait::until(PROGRESS_WAIT, || {
            (acknowledged() > before || is_over()).then_some(())
        });
        ensure!(
            progress.is_some(),
            "nothing is acknowledged while {park} is set aside"
        );
        let other = (0..GATEWAYS).find(|gateway| plan::park(*gateway) != park);
        let other = other.context("another park")?;
        let name = format!(
            "parks/{}/enterprises/{}",
            plan::park(other),
            plan::enterprise(other)
        );
        let answered = wait::until(PROGRESS_WAIT, || {
            let answer = query::electricity(installation.grpc, &name, 2025);
            self.runtime.block_on(answer).ok()
        });
        ensure!(
            answered.is_some(),
            "{name} is not answered while {park} is set aside"
        );
        Ok(())
    }
}

/// Removes a folder if it exists.
pub(crate) fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let path = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &path)?,
            false => drop(fs::copy(entry.path(), path)?),
        }
    }
    Ok(())
}

/// The newest file below `folder` whose path `is_wanted`.
fn newest(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<Option<PathBuf>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(&is_wanted) {
                let written = entry
                    .metadata()?
                    .modified()
                    .unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((written, path));
            }
        }
    }
    Ok(found.into_iter().max().map(|(_, path)| path))
}
