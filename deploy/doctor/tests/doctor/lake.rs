//! A lake and a log, small and sound, to be spoilt.

use std::{fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use greenpark_archive::{
    book::{Change, Consumed, NewFile},
    builder::RowsBuilder,
    columns::{FileFacts, encode_readings},
    file::FileKind,
    lake::Lake,
    rows::SeriesKey,
};
use greenpark_doctor::{
    examine,
    installation::{Installation, InstalledLog},
    report::Report,
};
use greenpark_log::{ContentType, Headers, Record, Topic};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::{
    clock::Clock,
    day::{CivilDay, Instant},
    id::{EnterpriseId, GatewayId, MeterId, ParkId},
    log_position::Partition,
    quantity::{Medium, Quantity},
    reading::{Flag, Kind, Series},
};
use greenpark_runtime::clock;
use tempfile::TempDir;

/// Records in the log of a sound place.
pub(crate) const RECORDS: u64 = 5;

/// The day of the sealed file of a sound place.
pub(crate) const SEALED: &str = "2026-03-01";

/// A folder with a lake and a log.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) installation: Installation,
}

pub(crate) fn park() -> ParkId {
    ParkId::new("east").expect("an id")
}

fn enterprise() -> EnterpriseId {
    EnterpriseId::new("steel").expect("an id")
}

/// A file of a day of registers.
fn file(day: CivilDay, kind: FileKind) -> NewFile {
    let key = SeriesKey {
        enterprise: enterprise(),
        series: Series {
            meter: MeterId::new("main").expect("an id"),
            quantity: Quantity::consumed(Medium::Electricity),
            kind: Kind::Register,
        },
    };
    let mut builder = RowsBuilder::new();
    let index = builder.key(&key);
    for hour in 0..24 {
        let instant = day.start().millis() + hour * 3_600_000;
        builder.push(index, instant, 1_000_000 * hour, Flag::Normal.code());
    }
    let facts = FileFacts {
        park: park(),
        day,
        kind: kind.clone(),
        offsets: None,
    };
    let encoded = encode_readings(&builder.finish().rows, &facts).expect("sound rows");
    NewFile { day, kind, encoded }
}

impl Place {
    /// An installation in a folder of its own, with nothing in it.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let installation = Installation {
            lake_root: folder.path().join("lake").display().to_string(),
            grace: Duration::from_secs(3_600),
            group: "greenpark".to_owned(),
            dead_letter_group: "greenpark-letters".to_owned(),
            log: InstalledLog::Embedded {
                folder: folder.path().join("log"),
                settings: LogFileSettings::default(),
            },
            subscribe: None,
        };
        Self {
            folder,
            installation,
        }
    }

    /// The folder of the log.
    pub(crate) fn log_folder(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Opens the log as the installation does.
    pub(crate) fn open_log(&self) -> EmbeddedLog {
        let InstalledLog::Embedded { folder, settings } = &self.installation.log else {
            panic!("the log is embedded");
        };
        EmbeddedLog::open(folder, *settings, clock::system()).expect("it opens")
    }

    /// Changes the count of partitions in the settings.
    pub(crate) fn set_partitions(&mut self, count: u32) {
        if let InstalledLog::Embedded { settings, .. } = &mut self.installation.log {
            settings.partitions = count;
        }
    }

    /// A log of [`RECORDS`] records, and a book that has consumed all of them.
    pub(crate) async fn sound() -> Self {
        let place = Self::empty();
        place.append(RECORDS).await;
        let day: CivilDay = SEALED.parse().expect("a day");
        let kind = FileKind::Sealed {
            enterprise: enterprise(),
            revision: 1,
        };
        place
            .publish(file(day, kind), Partition::FIRST, RECORDS)
            .await;
        place
    }

    /// Appends records to the log.
    pub(crate) async fn append(&self, many: u64) {
        let log = self.open_log();
        for sequence in 0..many {
            let record = Record {
                park: park(),
                headers: Headers {
                    enterprise: enterprise(),
                    gateway: GatewayId::new("gw").expect("an id"),
                    epoch: 1,
                    sequence,
                    content_type: ContentType::ReadingBatch,
                },
                payload: Bytes::from_static(b"payload"),
            };
            let receipt = log.writer().append(Topic::Readings, vec![record]).await;
            assert_eq!(receipt.expect("it appends").records(), 1);
        }
    }

    async fn publish(&self, file: NewFile, partition: Partition, next_offset: u64) {
        let lake = Lake::open(&self.installation.lake_root, clock::system())
            .await
            .expect("a lake");
        let book = lake.book(&park(), file.day.year()).await;
        let change = Change {
            add: vec![file],
            consumed: Some(Consumed::up_to(partition, next_offset)),
            ..Change::default()
        };
        let published = book.expect("a book").publish(change).await;
        let _ = published.expect("published");
    }

    /// Publishes a hot file of `day` that brings the book to `next_offset` of `partition`.
    pub(crate) async fn publish_hot(&self, day: &str, partition: Partition, next_offset: u64) {
        let offset = next_offset - 1;
        let kind = FileKind::Hot { partition, offset };
        let day = day.parse().expect("a day");
        self.publish(file(day, kind), partition, next_offset).await;
    }

    /// The folder of the book's readings.
    pub(crate) fn readings(&self) -> PathBuf {
        self.folder.path().join("lake/east/2026/readings")
    }

    /// The sealed file.
    pub(crate) fn sealed_file(&self) -> PathBuf {
        let day = self.readings().join(format!("day={SEALED}"));
        let mut entries = fs::read_dir(day).expect("a folder");
        entries.next().expect("a file").expect("listed").path()
    }

    /// What the doctor says now.
    pub(crate) async fn examined(&self) -> Report {
        self.examined_in(Duration::ZERO).await
    }

    /// What the doctor will say after so long.
    pub(crate) async fn examined_in(&self, later: Duration) -> Report {
        let later = i64::try_from(later.as_millis()).expect("a short time");
        let clock = Clock::new(move || Instant::from_millis(clock::now().millis() + later));
        examine(&self.installation, &clock).await
    }
}
