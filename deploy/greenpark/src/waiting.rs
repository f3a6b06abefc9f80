//! What a start waits for, and what is looked at while services run: the log, the lake and the clock.
//!
//! What is away comes back; until then `/readyz` names it, and it is logged once.

use std::time::Duration;

use anyhow::Context;
use greenpark_archive::lake::Lake;
use greenpark_log::OpenError;
use greenpark_model::{day::Instant, limits::FUTURE_MS_MAX};
use greenpark_runtime::{
    clock,
    health::{Health, HealthPart},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    gauges::Gauges,
    log::Log,
    settings::{LogKind, Settings},
};

/// Between two tries to reach what is away.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at what was there.
const LOOK: Duration = Duration::from_secs(5);
/// Looks from one at how far Kafka's group is behind to the next, a minute: brokers are asked, and a record of each
/// partition is read.
const LOOKS_TO_A_LAG: u32 = 12;
/// Looks from one at how large the lake is to the next, ten minutes: its every file is listed.
const LOOKS_TO_A_LISTING: u32 = 120;
/// The look of them that lists, half a minute after the start, when the first questions are answered.
const LISTING_LOOK: u32 = 6;

/// Says once that a part is away, and once that it is back.
struct Telling {
    part: HealthPart,
    name: &'static str,
    away: bool,
}

impl Telling {
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

/// Opens the log, however long its cluster is away.
///
/// # Errors
/// The log is there and cannot be used: what is wrong does not pass by itself.
pub(crate) async fn open_log(settings: &Settings, health: &Health) -> anyhow::Result<Log> {
    let mut telling = Telling::of(health, "log");
    loop {
        let away = match Log::open(settings).await {
            Ok(log) => {
                telling.there();
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
        telling.away(&format!("{away:#}"));
        tokio::time::sleep(PAUSE).await;
    }
}

/// Opens the lake, however long it is away, and waits until this machine's clock is not behind its newest commit:
/// behind it, live readings would seem to come from the future.
///
/// # Errors
/// What names the lake cannot be one.
pub(crate) async fn open_lake(settings: &Settings, health: &Health) -> anyhow::Result<Lake> {
    let root = &settings.lake.root;
    let lake = Lake::open(root)
        .await
        .with_context(|| format!("open the lake at {root}"))?
        .with_log_bounds(settings.lake.log_bounds());
    let (mut of_lake, mut of_clock) = (Telling::of(health, "lake"), Telling::of(health, "clock"));
    loop {
        let now = Instant(clock::now_ms());
        match lake.newest_commit().await {
            Err(error) => of_lake.away(&format!("{:#}", anyhow::Error::from(error))),
            Ok(newest) => {
                of_lake.there();
                let Some(newest) = newest.filter(|at| at.0 > now.0.saturating_add(FUTURE_MS_MAX))
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

/// What is looked at while services run.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) log: Option<Log>,
    pub(crate) lake: Option<Lake>,
    pub(crate) gauges: Gauges,
}

/// Looks at the log and the lake of a process until `shutdown`.
pub(crate) async fn look(watched: Watched, health: Health, shutdown: CancellationToken) {
    let Watched { log, lake, gauges } = watched;
    let mut of_log = log.map(|log| (log, Telling::of(&health, "log")));
    let mut of_lake = lake.map(|lake| (lake, Telling::of(&health, "lake")));
    let mut looks = 0u32;
    let mut asking: Option<JoinHandle<()>> = None;
    loop {
        if let Some((log, telling)) = &mut of_log {
            match log.trouble().await {
                None => telling.there(),
                Some(reason) => telling.away(&reason),
            }
            match log {
                Log::Embedded(_) => gauges.look_at_log(log).await,
                Log::Kafka(_) => {
                    let is_asked = asking.as_ref().is_some_and(|asking| !asking.is_finished());
                    if looks.is_multiple_of(LOOKS_TO_A_LAG) && !is_asked {
                        let (log, gauges) = (log.clone(), gauges.clone());
                        let ask = async move { gauges.look_at_log(&log).await };
                        asking = Some(tokio::spawn(ask));
                    }
                }
            }
        }
        gauges.look_at_disks();
        if let Some((lake, telling)) = &mut of_lake {
            match reach(lake, &gauges).await {
                Ok(()) => telling.there(),
                Err(error) => telling.away(&format!("{error:#}")),
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

/// Lists the parks of a lake whose folder, if it has one, is there.
async fn reach(lake: &Lake, gauges: &Gauges) -> anyhow::Result<()> {
    if let Some(folder) = gauges.folder("lake") {
        let found = std::fs::metadata(folder);
        found.with_context(|| format!("look at the lake's folder {}", folder.display()))?;
    }
    lake.parks().await?;
    Ok(())
}
