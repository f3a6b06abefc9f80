//! Gauges of a process's log and disks, beside the metrics of its services.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use greenpark_archive::lake::Lake;
use greenpark_runtime::clock;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tracing::debug;

use super::roles::Roles;
use crate::{
    log::Log,
    settings::{LogKind, Settings},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    place: &'static str,
}

/// Gauges of the log and the disks. Clones share their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauges {
    records_behind: Gauge,
    oldest_unread_seconds: Gauge,
    log_bytes: Gauge,
    disk_free_bytes: Family<Place, Gauge>,
    disk_size_bytes: Family<Place, Gauge>,
    lake_bytes: Gauge,
    lake_files: Gauge,
    lake_entries: Gauge,
    /// The processor's group in the log, if this process can measure its lag.
    group: Option<String>,
    /// The folders on this machine.
    folders: BTreeMap<&'static str, PathBuf>,
}

impl Gauges {
    /// Registers the gauges of the log and the disks of `settings` in `registry`; those of Kafka only if the processor runs
    /// here.
    pub(super) fn of(settings: &Settings, roles: Roles, registry: &mut Registry) -> Self {
        let mut folders = BTreeMap::new();
        if settings.log.kind == LogKind::Embedded {
            folders.insert("log", settings.embedded_log.folder.clone());
        }
        // A lake on an object store has no local disk.
        if !settings.lake.root.contains("://") {
            folders.insert("lake", PathBuf::from(&settings.lake.root));
        }
        let measures_lag = settings.log.kind == LogKind::Embedded || roles.processes();
        let gauges = Self {
            group: measures_lag.then(|| settings.processor.group.clone()),
            folders,
            ..Self::default()
        };
        gauges.register(registry);
        gauges
    }

    fn register(&self, registry: &mut Registry) {
        if self.group.is_some() {
            let to = registry.sub_registry_with_prefix("greenpark_log");
            to.register(
                "records_behind",
                "Records that the processor has not committed",
                self.records_behind.clone(),
            );
            to.register(
                "oldest_unread_seconds",
                "Age of the oldest record that the processor has not committed; 0 where it has all",
                self.oldest_unread_seconds.clone(),
            );
        }
        if self.folders.contains_key("log") {
            let to = registry.sub_registry_with_prefix("greenpark_log");
            to.register("bytes", "Size of the log's file", self.log_bytes.clone());
        }
        if self.folders.contains_key("lake") {
            let to = registry.sub_registry_with_prefix("greenpark_lake");
            to.register(
                "bytes",
                "Size of all files of the lake",
                self.lake_bytes.clone(),
            );
            to.register("files", "Files of the lake", self.lake_files.clone());
            to.register(
                "entries",
                "Entries in the logs of the lake's tables",
                self.lake_entries.clone(),
            );
        }
        let to = registry.sub_registry_with_prefix("greenpark_disk");
        to.register(
            "free_bytes",
            "Room on the disk that a folder is on",
            self.disk_free_bytes.clone(),
        );
        to.register(
            "size_bytes",
            "Size of the disk that a folder is on",
            self.disk_size_bytes.clone(),
        );
    }

    /// Returns the folder of a location on this machine.
    pub(super) fn folder(&self, place: &str) -> Option<&Path> {
        self.folders.get(place).map(PathBuf::as_path)
    }

    /// Measures the processor's lag and the file of an embedded log. Kafka takes some seconds to answer.
    pub(super) async fn look_at_log(&self, log: &Log) {
        let Some(group) = &self.group else {
            return;
        };
        match log {
            Log::Embedded(log) => {
                if let Ok(oldest_ms) = log.oldest_unread_ms(group).await {
                    self.set_lag(log.backlog(group), oldest_ms);
                }
            }
            // `look` reports a log that cannot be reached.
            Log::Kafka(log) => {
                match log.lag(group).await {
                    // The age is unknown; the previous value is better than none.
                    Ok(lag) if lag.records > 0 && lag.oldest_ms.is_none() => {
                        self.records_behind.set(whole(lag.records));
                    }
                    Ok(lag) => self.set_lag(lag.records, lag.oldest_ms),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        debug!(error, "how far the processor is behind could not be asked");
                    }
                }
            }
        }
        let file = self.folder("log").map(|folder| folder.join("log.redb"));
        if let Some(Ok(found)) = file.map(std::fs::metadata) {
            self.log_bytes.set(whole(found.len()));
        }
    }

    fn set_lag(&self, records: u64, oldest_ms: Option<i64>) {
        self.records_behind.set(whole(records));
        let age_ms = oldest_ms.map_or(0, |at| clock::now().millis().saturating_sub(at));
        self.oldest_unread_seconds.set(age_ms.max(0) / 1_000);
    }

    /// Measures a lake on this machine. It lists every file, so it is called rarely.
    pub(super) async fn look_at_lake(&self, lake: &Lake) {
        if self.folder("lake").is_none() {
            return;
        }
        // `look` reports a lake that cannot be reached.
        let Ok(files) = lake.inventory().await else {
            return;
        };
        self.lake_bytes
            .set(whole(files.iter().map(|file| file.size).sum()));
        self.lake_files.set(whole(files.len() as u64));
        let entries = files.iter().filter(|file| file.is_entry()).count();
        self.lake_entries.set(whole(entries as u64));
    }

    /// Measures the free space.
    pub(super) fn look_at_disks(&self) {
        for (&place, folder) in &self.folders {
            if let Ok(found) = rustix::fs::statvfs(folder) {
                let of = Place { place };
                let bytes = |blocks: u64| whole(blocks.saturating_mul(found.f_frsize));
                let free = self.disk_free_bytes.get_or_create(&of);
                free.set(bytes(found.f_bavail));
                let size = self.disk_size_bytes.get_or_create(&of);
                size.set(bytes(found.f_blocks));
            }
        }
    }
}

fn whole(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}
