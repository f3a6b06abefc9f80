//! Copies that are taken, and parts that are restored from them, lost or damaged.
//!
//! Everything stands still meanwhile, as an operator would have it, and what the parts that are left hold is noted
//! before anything goes on. A lake that does not know its log any more refuses it, and is told to adopt it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, ensure};
use tokio::runtime::Runtime;

use crate::{
    ask,
    gateway::{Valve, WHOLE},
    losses::{Losses, Records},
    plan::{self, LINES, Plan},
    schedule::Restore,
    site::{PARTITIONS, Site},
    survivors::Survivors,
    wait,
};

/// How long a part may take to say that it is ready, that it refuses its log, or what it has set aside.
const SAYS: Duration = Duration::from_secs(90);
/// How long other gateways may take to get something acknowledged while a park is set aside.
const GOES_ON: Duration = Duration::from_secs(30);
/// How long a file of readings is given to be needed, for it is only when its day is sealed.
const IF_NEEDED: Duration = Duration::from_secs(15);
/// What a processor says of a log that is not its lake's.
const REFUSAL: &str = "greenpark log adopt";

/// What restores are made of and held against.
#[derive(Debug)]
pub struct Operator<'a> {
    /// What is sent.
    pub plan: Plan,
    /// The record of each gateway.
    pub records: &'a Records,
    /// What gateways share.
    pub valve: &'a Valve,
    /// What was lost so far.
    pub losses: Losses,
    /// How often a log was refused and adopted.
    pub adopted: u32,
    /// For the lake's tables.
    pub runtime: &'a Runtime,
    /// Groups so far.
    groups: u32,
    /// Looks into Kafka so far.
    looks: u32,
}

impl<'a> Operator<'a> {
    /// One that nothing was lost on.
    #[must_use]
    pub fn new(plan: Plan, records: &'a Records, valve: &'a Valve, runtime: &'a Runtime) -> Self {
        Self {
            plan,
            records,
            valve,
            losses: Losses::default(),
            adopted: 0,
            runtime,
            groups: 0,
            looks: 0,
        }
    }

    /// Takes a copy of the lake while it is written to, and one of the log while it stands still.
    ///
    /// # Errors
    /// The lake cannot be copied.
    pub fn copy(&mut self, site: &mut Site) -> anyhow::Result<()> {
        site.ensure(None)?;
        let backup = site.copies().join("backup");
        site.command(&["backup", &backup.display().to_string()])?;
        site.halt()?;
        let log = site.copies().join("log");
        remove(&log)?;
        site.with_log_at_rest(|place| copy_folder(place, &log))?;
        site.ensure(None)
    }

    /// Restores, loses or damages a part, and goes on when the lake has what is left, or reads it.
    ///
    /// # Errors
    /// What must be said is not, or a part does not go on.
    pub fn restore(&mut self, site: &mut Site, what: Restore) -> anyhow::Result<&'static str> {
        site.ensure(None)?;
        site.halt()?;
        let mut repair = None;
        match what {
            Restore::Lake => self.restore_lake(site)?,
            Restore::Log => {
                let copy = site.copies().join("log");
                if !copy.exists() {
                    return Ok(": no copy");
                }
                site.with_log_at_rest(|place| {
                    remove(place)?;
                    copy_folder(&copy, place)
                })?;
            }
            Restore::LogLost => site.lose_log()?,
            Restore::Entry | Restore::Messages => {
                let table = match what {
                    Restore::Messages => "/messages/",
                    _ => "/readings/",
                };
                let Some(path) = newest(&site.lake_folder(), |path| {
                    path.contains(table) && path.contains("/_delta_log/") && path.ends_with(".json")
                })?
                else {
                    return Ok(": no entry");
                };
                // What the entry named is read from the log again, or gone.
                let whole = fs::read(&path)?;
                fs::remove_file(&path)?;
                self.note_losses(site)?;
                fs::write(&path, &whole[..whole.len() / 2])?;
                repair = Some((path, None));
            }
            Restore::HotFile => {
                let is_file = |path: &str| path.contains("/readings/day=");
                let is_hot = |path: &str| is_file(path) && path.contains("/hot");
                let folder = site.lake_folder();
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
                site.set_group(&format!("ledger-{}", self.groups))?;
            }
        }
        if let Some((path, whole)) = repair {
            return self.set_aside(site, &path, whole);
        }
        self.note_losses(site)?;
        self.go_on(site)
    }

    fn restore_lake(&mut self, site: &mut Site) -> anyhow::Result<()> {
        let backup = site.copies().join("backup");
        if !backup.join("manifest.json").exists() {
            return Ok(());
        }
        remove(&site.lake_folder())?;
        site.command(&["restore", &backup.display().to_string(), "--without-log"])?;
        Ok(())
    }

    /// Notes what nothing holds any more of what gateways were told is safe.
    fn note_losses(&mut self, site: &Site) -> anyhow::Result<()> {
        let mut left = Survivors::default();
        self.runtime.block_on(left.add_lake(&site.lake()))?;
        match site.kafka {
            Some(kafka) => {
                self.looks += 1;
                let looked = left.add_kafka(kafka, PARTITIONS, self.looks);
                self.runtime.block_on(looked)?;
            }
            None if site.log().exists() => {
                let copy = site.copies().join("look");
                remove(&copy)?;
                copy_folder(&site.log(), &copy)?;
                self.runtime.block_on(left.add_embedded(&copy))?;
                remove(&copy)?;
            }
            None => {}
        }
        self.losses.take(self.plan, self.records, &left);
        Ok(())
    }

    /// Starts everything; if the lake refuses the log, lets it adopt that.
    fn go_on(&mut self, site: &mut Site) -> anyhow::Result<&'static str> {
        let part = site.reads_log();
        let heard = site.part(part)?.said()?.len();
        site.start_all()?;
        let refused = wait::until(site.begins_within(), || {
            // What ends by itself is started again, as a service manager does.
            let _ = site.start_all();
            let said = site.part(part).ok()?.said().ok()?;
            said[heard.min(said.len())..]
                .contains(REFUSAL)
                .then_some(())
        });
        let mut how = "";
        if refused.is_some() {
            site.halt()?;
            site.command(&["log", "adopt", "--yes"])?;
            self.adopted += 1;
            how = ": refused and adopted";
        }
        self.becomes_ready(site)?;
        Ok(how)
    }

    fn becomes_ready(&self, site: &mut Site) -> anyhow::Result<()> {
        let ready = wait::until(SAYS, || {
            let _ = site.start_all();
            site.is_ready().then_some(())
        });
        ensure!(ready.is_some(), "not ready: {:?}", site.readiness());
        Ok(())
    }

    /// A park whose file at `path` is damaged is set aside and the other goes on, until the file is whole or gone.
    fn set_aside(
        &mut self,
        site: &mut Site,
        path: &Path,
        whole: Option<Vec<u8>>,
    ) -> anyhow::Result<&'static str> {
        let lake = site.lake_folder();
        let park = path.strip_prefix(&lake)?.iter().next();
        let park = park.context("a park")?.to_string_lossy().into_owned();
        site.start_all()?;
        let patience = if whole.is_some() { IF_NEEDED } else { SAYS };
        let told = wait::until(patience, || {
            let _ = site.start_all();
            site.readiness().filter(|said| said.contains(&park))
        });
        let mut how = ": set aside";
        match told {
            Some(_) => self.others_go_on(site, &park)?,
            // A sealed file is read when its day is sealed anew; nobody may have needed this one.
            None if whole.is_some() => how = ": not met",
            None => anyhow::bail!("{park} is not set aside for {}", path.display()),
        }
        match whole {
            Some(whole) => fs::write(path, whole)?,
            None => fs::remove_file(path)?,
        }
        self.becomes_ready(site)
            .with_context(|| format!("{park} does not go on once it is whole"))?;
        Ok(how)
    }

    /// Gateways get their acknowledgements, and the other park's figures are told.
    fn others_go_on(&mut self, site: &mut Site, park: &str) -> anyhow::Result<()> {
        let acknowledged = || {
            let acknowledged = &self.valve.acknowledged;
            acknowledged.load(Ordering::Relaxed)
        };
        let before = acknowledged();
        let is_over = || {
            let open = self.valve.open.load(Ordering::Relaxed);
            open >= WHOLE
        };
        let on = wait::until(GOES_ON, || {
            (acknowledged() > before || is_over()).then_some(())
        });
        ensure!(
            on.is_some(),
            "nothing is acknowledged while {park} is set aside"
        );
        let other = (0..LINES).find(|line| plan::park(*line) != park);
        let other = other.context("another park")?;
        let name = format!(
            "parks/{}/enterprises/{}",
            plan::park(other),
            plan::enterprise(other)
        );
        let told = wait::until(GOES_ON, || {
            let answer = ask::electricity(site.grpc, &name, 2025);
            self.runtime.block_on(answer).ok()
        });
        ensure!(
            told.is_some(),
            "{name} is not answered while {park} is set aside"
        );
        Ok(())
    }
}

/// Removes a folder, if it is there.
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
        let place = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &place)?,
            false => drop(fs::copy(entry.path(), place)?),
        }
    }
    Ok(())
}

/// The file below `folder` that was written last, of those whose path `is_wanted`.
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
