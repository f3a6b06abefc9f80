//! `demo`: a park on this machine with its history since 2020, and its progress towards its targets.
//!
//! One gateway per enterprise publishes the history over MQTT, like any gateway (`greenpark_gateway::demo`). Everything
//! on the screen comes from the query service over gRPC. After a restart the demo requests the last instant of each meter
//! from the service and publishes only what is missing.
//!
//! It is a closed system (`access`): everybody, the demo itself too, proves a name and has a grant.

pub mod access;
mod completion;
mod registry;
mod verdict;

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use greenpark_client::connection::{ClientArgs, QueryConnection};
use greenpark_console::output::{self, line};
use greenpark_gateway::{
    demo::{history, live},
    publisher::login::Login,
};
use tokio_util::sync::CancellationToken;

use self::access::DemoAccess;
use crate::{
    assembly::{FollowedGrants, RunningServices},
    settings::Settings,
};

/// The addresses of the demo's own process, its lake, and how one signs in.
#[derive(Debug, Clone)]
struct DemoSite {
    mqtt: String,
    grpc: SocketAddr,
    lake: PathBuf,
    /// `None` if the settings say who may do what.
    access: Option<DemoAccess>,
    gateway_grants: Option<FollowedGrants>,
}

/// Loads the history, waits until it is stored, shows the verdict, and publishes live readings until `shutdown`; with
/// `until_verdict` it returns after the verdict. `access` closed the settings, if they were open.
///
/// # Errors
/// At once, if the services do not listen; later, if one of the steps fails.
pub fn run(
    settings: &Settings,
    running: &RunningServices,
    access: Option<DemoAccess>,
    until_verdict: bool,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let site = DemoSite {
        mqtt: running
            .mqtt
            .context("the demo needs the MQTT endpoint")?
            .to_string(),
        grpc: running.grpc.context("the demo needs the query service")?,
        lake: PathBuf::from(&settings.lake.root),
        access,
        gateway_grants: running.gateway_grants.clone(),
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
        live::run(&site.mqtt, &site.gateway_login()?, resume, shutdown).await
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
    site.admit().await.context("sign in")?;
    let service = QueryConnection::open(&site.client()).await?;
    registry::register(&service)
        .await
        .context("register the demo park")?;
    let latest = registry::latest(&service)
        .await
        .context("ask where the readings end")?;
    let loaded = history::load(&site.mqtt, &site.gateway_login()?, &latest)
        .await
        .context("load the history")?;
    completion::wait(&service, &loaded).await?;
    let progress = verdict::request(&service).await?;
    output::answer(&verdict::draw(&progress, &loaded, &Disk::of(&site.lake)))?;
    Ok(loaded.until)
}

impl DemoSite {
    /// Records the grants of a closed demo and says how to sign in.
    async fn admit(&self) -> anyhow::Result<()> {
        let Some(access) = &self.access else {
            return Ok(());
        };
        access.admit(self.grpc, self.gateway_grants.clone()).await?;
        line(&format!(
            "closed to strangers: sign in with --as {}",
            access.sign_in_file(access::OPERATOR).display()
        ));
        Ok(())
    }

    /// How the demo asks the service.
    fn client(&self) -> ClientArgs {
        match &self.access {
            Some(access) => ClientArgs::signed_in(access.sign_in_file(access::OPERATOR)),
            None => ClientArgs {
                grpc: Some(self.grpc.to_string()),
                ..ClientArgs::default()
            },
        }
    }

    /// How its gateways log in.
    fn gateway_login(&self) -> anyhow::Result<Login> {
        match &self.access {
            Some(access) => access.gateway_login(),
            None => Ok(Login::default()),
        }
    }
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
