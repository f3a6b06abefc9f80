//! A running park for tests.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use greenpark::{
    assembly::{self, Roles, RunningServices},
    node_args::NodeArgs,
    settings::Settings,
};
use greenpark_gateway::replay::{ReplayArgs, Speed, login::LoginArgs, replay};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A park that runs inside the test process.
#[derive(Debug)]
pub struct TestPark {
    folder: TempDir,
    settings: Settings,
    running: RunningServices,
}

/// The order and connections of a replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOrder {
    /// Number of connections.
    pub connections: u16,
    /// Seed for shuffling; `None` for the order of the file.
    pub shuffle: Option<u64>,
}

/// The order of the file over one connection.
pub const IN_ORDER: ReplayOrder = ReplayOrder {
    connections: 1,
    shuffle: None,
};
/// A shuffled order over ten connections.
pub const SHUFFLED: ReplayOrder = ReplayOrder {
    connections: 10,
    shuffle: Some(42),
};

impl TestPark {
    /// Starts a park with the embedded defaults.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a park with the embedded defaults after `change`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::load(None, []).expect("the defaults are right");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        settings.place(&NodeArgs {
            data: Some(folder.path().to_owned()),
            mqtt: Some(free),
            grpc: Some(free),
            config: None,
        });
        change(&mut settings);
        let running = assembly::start(&settings, Roles::All)
            .await
            .expect("started");
        Self {
            folder,
            settings,
            running,
        }
    }

    /// Changes the settings for the next start.
    #[must_use]
    pub fn change_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Stops the park and starts it again on the same folder.
    ///
    /// # Panics
    /// If it does not stop or start.
    pub async fn restart(self) -> Self {
        let Self {
            folder,
            settings,
            running,
        } = self;
        running.stop().await.expect("stopped in order");
        let running = assembly::start(&settings, Roles::All)
            .await
            .expect("started again");
        Self {
            folder,
            settings,
            running,
        }
    }

    /// Stops the park.
    ///
    /// # Panics
    /// If it does not stop in order.
    pub async fn stop(self) {
        self.running.stop().await.expect("stopped in order");
    }

    /// The address that gateways connect to.
    ///
    /// # Panics
    /// If ingest does not listen.
    #[must_use]
    pub fn mqtt(&self) -> String {
        self.running.mqtt.expect("ingest listens").to_string()
    }

    /// The address of the query service.
    ///
    /// # Panics
    /// If the query service does not listen.
    #[must_use]
    pub fn grpc(&self) -> String {
        self.running
            .grpc
            .expect("the query service listens")
            .to_string()
    }

    /// The folder of the lake.
    #[must_use]
    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// A folder for the files of a test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Replays `file` through `mqtt` and returns when everything is acknowledged.
///
/// # Panics
/// If something is not acknowledged.
pub async fn replay_to(mqtt: &str, file: &Path, map: &Path, order: ReplayOrder) {
    let args = ReplayArgs {
        all: false,
        file: file.to_owned(),
        map: map.to_owned(),
        speed: Speed::Max,
        connections: order.connections,
        shuffle: order.shuffle,
        inflight: 1_000,
        patience: 60,
        mqtt: mqtt.to_owned(),
        login: LoginArgs::default(),
    };
    replay(&args, CancellationToken::new())
        .await
        .expect("everything is acknowledged");
}
