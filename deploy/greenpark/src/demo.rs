//! `demo`: a park on this machine with its history since 2020, and its progress towards its targets.
//!
//! One gateway per enterprise publishes the history over MQTT, like any gateway (`greenpark_gateway::demo`). Everything
//! on the screen comes from the query service over gRPC. After a restart the demo requests the last instant of each meter
//! from the service and publishes only what is missing.

mod completion;
mod registry;
mod verdict;

use std::{
    future::Future,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use greenpark_client::connection::QueryConnection;
use greenpark_console::output::{self, line};
use greenpark_gateway::demo::{history, live};
use tokio_util::sync::CancellationToken;

use crate::{assembly::RunningServices, settings::Settings};

/// The addresses of the demo's own process, and its lake.
#[derive(Debug, Clone)]
struct DemoSite {
    mqtt: String,
    grpc: String,
    lake: PathBuf,
}

/// Loads the history, waits until it is stored, shows the verdict, and publishes live readings until `shutdown`; with
/// `until_verdict` it returns after the verdict.
///
/// # Errors
/// At once, if the services do not listen; later, if one of the steps fails.
pub fn run(
    settings: &Settings,
    running: &RunningServices,
    until_verdict: bool,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let site = DemoSite {
        mqtt: running
            .mqtt
            .context("the demo needs the MQTT endpoint")?
            .to_string(),
        grpc: running
            .grpc
            .context("the demo needs the query service")?
            .to_string(),
        lake: PathBuf::from(&settings.lake.root),
    };
    Ok(async move {
        let resume = tokio::select! {
            shown = show(&site) => shown?,
            () = shutdown.cancelled(), if until_verdict => bail!("stopped before the verdict"),
            () = shutdown.cancelled() => return Ok(()),
        };
        if until_verdict {
            return Ok(());
        }
        live::run(&site.mqtt, &site.grpc, resume, shutdown).await
    })
}

/// Runs every step up to the verdict and returns the instant up to which readings were sent.
async fn show(site: &DemoSite) -> anyhow::Result<i64> {
    line(&format!(
        "Greenpark: MQTT at {}, gRPC at {}, lake in {}",
        site.mqtt,
        site.grpc,
        site.lake.display()
    ));
    let service = QueryConnection::connect(&site.grpc).await?;
    registry::register(&service)
        .await
        .context("register the demo park")?;
    let latest = registry::latest(&service)
        .await
        .context("ask where the readings end")?;
    let loaded = history::load(&site.mqtt, &latest)
        .await
        .context("load the history")?;
    completion::wait(&service, &loaded).await?;
    let progress = verdict::request(&service).await?;
    output::answer(&verdict::draw(&progress, &loaded, &Disk::of(&site.lake)))?;
    Ok(loaded.until)
}

/// The size of the lake on disk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Disk {
    files: u64,
    bytes: u64,
}

impl Disk {
    /// Counts the Parquet files under `folder`; unreadable entries are left out.
    fn of(folder: &Path) -> Self {
        let mut disk = Self::default();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    let inner = Self::of(&path);
                    disk.files += inner.files;
                    disk.bytes += inner.bytes;
                }
                Ok(metadata) if path.extension().is_some_and(|e| e == "parquet") => {
                    disk.files += 1;
                    disk.bytes += metadata.len();
                }
                _ => {}
            }
        }
        disk
    }
}
