//! The dependencies that a start waits for and that are watched while services run: the log, the lake and the clock.
//!
//! An unreachable dependency is expected back; until then `/readyz` names it, and it is logged once.

use std::time::Duration;

use anyhow::Context;
use greenpark_archive::lake::Lake;
use greenpark_log::OpenError;
use greenpark_model::limits::FUTURE_MS_MAX;
use greenpark_runtime::{
    clock,
    health::{Health, HealthPart},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::gauges::Gauges;
use crate::{
    log::Log,
    settings::{LogKind, Settings},
};

/// The pause between two attempts to reach a dependency.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause between two checks of a reachable dependency.
const LOOK: Duration = Duration::from_secs(5);
/// Checks between two measurements of the lag in Kafka (one minute), which query the brokers and read a record of each
/// partition.
const LOOKS_TO_A_LAG: u32 = 12;
/// Checks between two measurements of the lake's size (ten minutes), which list every file.
const LOOKS_TO_A_LISTING: u32 = 120;
/// The first check that lists, half a minute after the start, when the first queries are answered.
const LISTING_LOOK: u32 = 6;

/// Logs once that a part is away, and once that it is back.
struct PartReport {
    part: HealthPart,
    name: &'static str,
    away: bool,
}

impl PartReport {
    fn of(health: &Health, name: &'static str) -> Self {
        Self {
            part: health.part(name),
            name,
            away: false,
        }
    }

    fn away(&mut self, reason: &str) {
        self.part.unready(reason);
        if !std::mem::replace(&mut self.away, true) {
            warn!(part = self.name, reason, "waiting until it is back");
        }
    }

    fn there(&mut self) {
        self.part.ready();
        if std::mem::take(&mut self.away) {
            info!(part = self.name, "it is back");
        }
    }
}

/// Opens the log and waits for its cluster as long as necessary.
///
/// # Errors
/// The log is reachable but unusable: waiting would not help.
pub(super) async fn open_log(settings: &Settings, health: &Health) -> anyhow::Result<Log> {
    let mut report = PartReport::of(health, "log");
    loop {
        let away = match Log::open(settings).await {
            Ok(log) => {
                report.there();
                return Ok(log);
            }
            Err(error) => error,
        };
        let passes = settings.log.kind == LogKind::Kafka
            && away
                .downcast_ref::<OpenError>()
                .is_some_and(OpenError::is_away);
        if !passes {
            return Err(away);
        }
        report.away(&format!("{away:#}"));
        tokio::time::sleep(PAUSE).await;
    }
}

/// Opens the lake, waits for it as long as necessary, and waits until this machine's clock has passed the lake's newest
/// commit: before it, live readings would seem to come from the future.
///
/// # Errors
/// The root is not a valid location of a lake.
pub(super) async fn open_lake(settings: &Settings, health: &Health) -> anyhow::Result<Lake> {
    let root = &settings.lake.root;
    let lake = Lake::open(root, clock::system())
        .await
        .with_context(|| format!("open the lake at {root}"))?
        .with_log_bounds(settings.lake.log_bounds());
    let (mut of_lake, mut of_clock) = (
        PartReport::of(health, "lake"),
        PartReport::of(health, "clock"),
    );
    loop {
        let now = clock::now();
        match lake.newest_commit().await {
            Err(error) => of_lake.away(&format!("{:#}", anyhow::Error::from(error))),
            Ok(newest) => {
                of_lake.there();
                let Some(newest) =
                    newest.filter(|at| at.millis() > now.millis().saturating_add(FUTURE_MS_MAX))
                else {
                    of_clock.there();
                    return Ok(lake);
                };
                let reason = format!(
                    "it says {now}, and the lake was last written at {newest}: set this machine's clock"
                );
                of_clock.away(&reason);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The dependencies that are watched while services run.
#[derive(Default)]
pub(super) struct Watched {
    pub(super) log: Option<Log>,
    pub(super) lake: Option<Lake>,
    pub(super) gauges: Gauges,
}

/// Checks the log and the lake of a process until `shutdown`.
pub(super) async fn look(watched: Watched, health: Health, shutdown: CancellationToken) {
    let Watched { log, lake, gauges } = watched;
    let mut of_log = log.map(|log| (log, PartReport::of(&health, "log")));
    let mut of_lake = lake.map(|lake| (lake, PartReport::of(&health, "lake")));
    let mut looks = 0u32;
    let mut asking: Option<JoinHandle<()>> = None;
    loop {
        if let Some((log, report)) = &mut of_log {
            match log.trouble().await {
                None => report.there(),
                Some(reason) => report.away(&reason),
            }
            match log {
                Log::Embedded(_) => gauges.look_at_log(log).await,
                Log::Kafka(_) => {
                    let is_asked = asking.as_ref().is_some_and(|asking| !asking.is_finished());
                    if looks.is_multiple_of(LOOKS_TO_A_LAG) && !is_asked {
                        let (log, gauges) = (log.clone(), gauges.clone());
                        let check = async move { gauges.look_at_log(&log).await };
                        asking = Some(tokio::spawn(check));
                    }
                }
            }
        }
        gauges.look_at_disks();
        if let Some((lake, report)) = &mut of_lake {
            match reach(lake, &gauges).await {
                Ok(()) => report.there(),
                Err(error) => report.away(&format!("{error:#}")),
            }
        }
        if let Some((lake, _)) = &of_lake
            && looks % LOOKS_TO_A_LISTING == LISTING_LOOK
        {
            let (lake, gauges) = (lake.clone(), gauges.clone());
            tokio::spawn(async move { gauges.look_at_lake(&lake).await });
        }
        looks = looks.wrapping_add(1);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Lists the parks of a lake; fails if the lake is in a folder that is missing.
async fn reach(lake: &Lake, gauges: &Gauges) -> anyhow::Result<()> {
    if let Some(folder) = gauges.folder("lake") {
        let found = std::fs::metadata(folder);
        found.with_context(|| format!("look at the lake's folder {}", folder.display()))?;
    }
    lake.parks().await?;
    Ok(())
}
