//! A lake, a service over it and clients; and readings made by rules that tests can foretell.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use greenpark_archive::{
    book::{Change, NewFile},
    builder::RowsBuilder,
    columns::{FileFacts, encode_readings},
    file::FileKind,
    lake::Lake,
    rows::{ReadingRows, SeriesKey},
    totals::TotalsRow,
};
use greenpark_model::{
    amount::Amount,
    clock::Clock,
    day::{CivilDay, Instant},
    fold::{MeterProfile, fold_day},
    id::{EnterpriseId, MeterId, ParkId},
    log_position::Partition,
    reading::{Flag, Kind, Series},
};
use greenpark_proto::query::v1::{
    self as pb, indicators_client::IndicatorsClient, readings_client::ReadingsClient,
    registry_client::RegistryClient,
};
use greenpark_query::{QueryMetrics, QueryService, QuerySettings};
use greenpark_runtime::clock;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::transport::Channel;

/// The park of every test that needs only one.
pub(crate) const PARK: &str = "p";

/// A served lake.
pub(crate) struct World {
    pub(crate) lake: Lake,
    pub(crate) indicators: IndicatorsClient<Channel>,
    pub(crate) registry: RegistryClient<Channel>,
    pub(crate) readings: ReadingsClient<Channel>,
    pub(crate) channel: Channel,
    /// Where the service listens.
    pub(crate) address: std::net::SocketAddr,
    now: Arc<AtomicI64>,
    /// What the service counts.
    pub(crate) metrics: Registry,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    folder: tempfile::TempDir,
}

pub(crate) fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

pub(crate) fn enterprise(id: &str) -> EnterpriseId {
    EnterpriseId::new(id).expect("an id")
}

pub(crate) fn micro(text: &str) -> i64 {
    text.parse::<Amount>().expect("a decimal").micro()
}

pub(crate) fn series(meter: &str, quantity: &str, kind: Kind) -> Series {
    let meter = MeterId::new(meter).expect("an id");
    Series {
        meter,
        quantity: quantity.parse().expect("a quantity"),
        kind,
    }
}

/// Readings of one series as (UTC milliseconds, decimal text).
pub(crate) type Values<'a> = &'a [(i64, &'a str)];

/// Rows of one enterprise.
pub(crate) fn rows(id: &str, of: &[(Series, Values<'_>)]) -> ReadingRows {
    let mut builder = RowsBuilder::new();
    for (series, values) in of {
        let key = builder.key(&SeriesKey {
            enterprise: enterprise(id),
            series: series.clone(),
        });
        for (instant, value) in *values {
            builder.push(key, *instant, micro(value), Flag::Normal.code());
        }
    }
    builder.finish().rows
}

/// The instant `hours` after the start of `day`.
pub(crate) fn at(day: CivilDay, hours: i64) -> i64 {
    day.start().millis() + hours * 3_600_000
}

/// Whether a sealed file comes with its totals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    Totals,
    NoTotals,
    /// Totals that its readings do not prove.
    WrongTotals,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(QuerySettings::default()).await
    }

    pub(crate) async fn with(settings: QuerySettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_str().expect("a path in UTF-8");
        let lake = Lake::open(root, clock::system()).await.expect("a lake");
        let now = Arc::new(AtomicI64::new(at(day("2026-11-23"), 12)));
        Self::serve(lake, now, folder, settings).await
    }

    /// Another service over the same lake, whose folder this world keeps.
    pub(crate) async fn another(&self) -> Self {
        self.another_with(QuerySettings::default()).await
    }

    /// Another service with `settings` over the same lake, whose folder this world keeps.
    pub(crate) async fn another_with(&self, settings: QuerySettings) -> Self {
        let root = self.folder.path().to_str().expect("a path in UTF-8");
        let lake = Lake::open(root, clock::system()).await.expect("a lake");
        let folder = tempfile::tempdir().expect("a folder");
        Self::serve(lake, Arc::clone(&self.now), folder, settings).await
    }

    pub(crate) async fn serve(
        lake: Lake,
        now: Arc<AtomicI64>,
        folder: tempfile::TempDir,
        settings: QuerySettings,
    ) -> Self {
        let clock = Arc::clone(&now);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let clock = Clock::new(move || Instant::from_millis(clock.load(Ordering::SeqCst)));
        let mut metrics = Registry::default();
        let is_plain = settings.tls.is_none();
        let service = QueryService::new(lake.clone(), settings, clock);
        let service = service.with_metrics(QueryMetrics::new(&mut metrics));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            // Dropping the sender stops the service as well.
            let shutdown = async { drop(stopped.await) };
            service.serve(listener, shutdown).await.expect("served");
        });
        let channel = Channel::from_shared(format!("http://{address}")).expect("valid");
        // Tests of TLS connect by themselves.
        let channel = match is_plain {
            true => channel.connect().await.expect("a connection"),
            false => channel.connect_lazy(),
        };
        Self {
            lake,
            indicators: IndicatorsClient::new(channel.clone()),
            registry: RegistryClient::new(channel.clone()),
            readings: ReadingsClient::new(channel.clone()),
            channel,
            address,
            now,
            metrics,
            stop: Some(stop),
            serving,
            folder,
        }
    }

    /// Stops the service and waits until it has; returns the folder of its lake.
    pub(crate) async fn stop(mut self) -> tempfile::TempDir {
        drop(self.stop.take());
        drop((self.indicators, self.registry, self.readings, self.channel));
        self.serving.await.expect("stopped in order");
        self.folder
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Moves the clock.
    pub(crate) fn set_now(&self, day: CivilDay, hours: i64) {
        self.now.store(at(day, hours), Ordering::SeqCst);
    }

    /// Sets the clock to the one that commits are told by, once it has gone on.
    pub(crate) fn go_on(&self) {
        let system = || clock::now().millis();
        let then = self.now.load(Ordering::SeqCst).max(system());
        while system() <= then {
            std::hint::spin_loop();
        }
        self.now.store(system(), Ordering::SeqCst);
    }

    /// The service's clock.
    pub(crate) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || Instant::from_millis(now.load(Ordering::SeqCst)))
    }

    /// Files of the lake whose name has `part`.
    fn files_named(&self, part: &str) -> Vec<std::path::PathBuf> {
        let (mut folders, mut found) = (vec![self.folder.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path
                    .file_name()
                    .is_some_and(|n| n.to_string_lossy().contains(part))
                {
                    found.push(path);
                }
            }
        }
        found
    }

    /// What a writer does some time after hot files were sealed.
    pub(crate) fn delete_hot_files(&self) {
        let hot = self.files_named("hot.p");
        assert!(!hot.is_empty());
        for path in hot {
            std::fs::remove_file(path).expect("removed");
        }
    }

    /// Changes a byte of one sealed file.
    pub(crate) fn damage_a_sealed_file(&self) {
        let sealed = self.files_named(".r1.");
        let path = sealed.first().expect("a sealed file");
        let mut bytes = std::fs::read(path).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).expect("written");
    }

    /// Publishes sealed files of `revision`, removing those of earlier ones and the days' hot files.
    pub(crate) async fn seal(
        &self,
        park: &str,
        days: &[(CivilDay, ReadingRows)],
        revision: u32,
        with: With,
    ) {
        let park = ParkId::new(park).expect("an id");
        let year = days[0].0.year();
        let mut book = self.lake.book(&park, year).await.expect("a book");
        let mut change = Change::default();
        for (day, rows) in days {
            let whose = rows.keys[0].enterprise.clone();
            let old = book.day_files(*day).filter(|file| {
                file.is_hot()
                    || file
                        .sealed()
                        .is_some_and(|(enterprise, _)| *enterprise == whose)
            });
            change.remove.extend(old.cloned());
            let kind = FileKind::Sealed {
                enterprise: whose,
                revision,
            };
            let file = new_file(&park, *day, kind, rows);
            if with != With::NoTotals {
                let mut totals = totals(*day, rows, revision, file.encoded.sha256);
                if with == With::WrongTotals {
                    for row in &mut totals {
                        let last = row.fold.last.as_mut().expect("a register");
                        let more = last.register.micro() + 1_000_000;
                        last.register = Amount::from_micro(more).expect("small");
                        row.fold.within += Amount::from_micro(1_000_000).expect("small").into();
                    }
                }
                change.totals.extend(totals);
            }
            change.add.push(file);
        }
        let _published = book.publish(change).await.expect("published");
        // So that what is sealed again is in no rollup yet.
        if revision == 1 {
            crate::rollups::roll_up(&self.lake, &mut book).await;
        }
    }

    /// Publishes hot files.
    pub(crate) async fn hot(&self, park: &str, day: CivilDay, offset: u64, rows: &ReadingRows) {
        let park = ParkId::new(park).expect("an id");
        let mut book = self.lake.book(&park, day.year()).await.expect("a book");
        let kind = FileKind::Hot {
            partition: Partition::FIRST,
            offset,
        };
        let change = Change {
            add: vec![new_file(&park, day, kind, rows)],
            ..Change::default()
        };
        let _published = book.publish(change).await.expect("published");
    }

    pub(crate) async fn energy(&mut self, name: &str, period: pb::period::Period) -> pb::Figure {
        let request = get(name, period);
        self.indicators
            .get_energy_intensity(request)
            .await
            .expect("a figure")
            .into_inner()
    }

    pub(crate) async fn register_enterprise(&mut self, park: &str, id: &str, above: bool) {
        let enterprise = pb::Enterprise {
            name: format!("parks/{park}/enterprises/{id}"),
            title: id.to_owned(),
            industry: "C31".to_owned(),
            above_designated_size: above,
            valid_from: "2018-01-01".to_owned(),
            ..pb::Enterprise::default()
        };
        let request = pb::RegisterEnterpriseRequest {
            enterprise: Some(enterprise),
            recorded_by: "test".to_owned(),
            evidence: String::new(),
        };
        self.registry
            .register_enterprise(request)
            .await
            .expect("registered");
    }

    pub(crate) async fn register_meter(&mut self, meter: pb::Meter) {
        let request = pb::RegisterMeterRequest {
            meter: Some(meter),
            recorded_by: "test".to_owned(),
            evidence: String::new(),
        };
        let registered = self.registry.register_meter(request).await;
        let _registered = registered.expect("registered");
    }

    pub(crate) async fn declare(&mut self, park: &str, statistics: Vec<pb::Statistic>) {
        let request = pb::DeclareStatisticsRequest {
            parent: format!("parks/{park}"),
            statistics,
            recorded_by: "test".to_owned(),
            evidence: "form B204-1".to_owned(),
        };
        self.registry
            .declare_statistics(request)
            .await
            .expect("declared");
    }
}

pub(crate) fn new_file(
    park: &ParkId,
    day: CivilDay,
    kind: FileKind,
    rows: &ReadingRows,
) -> NewFile {
    let facts = FileFacts {
        park: park.clone(),
        day,
        kind: kind.clone(),
        offsets: None,
    };
    NewFile {
        day,
        kind,
        encoded: encode_readings(rows, &facts).expect("encoded"),
    }
}

pub(crate) fn totals(
    day: CivilDay,
    rows: &ReadingRows,
    revision: u32,
    sha256: [u8; 32],
) -> Vec<TotalsRow> {
    rows.spans()
        .map(|(key, span)| {
            let columns = rows.columns(span.clone());
            let conflicts = columns.superseded.iter().filter(|s| **s).count();
            TotalsRow {
                enterprise: key.enterprise.clone(),
                series: key.series.clone(),
                day,
                revision,
                sha256,
                rules: MeterProfile::default().rules(key.series.kind).into(),
                fold: fold_day(key.series.kind, &MeterProfile::default(), columns),
                duplicates: 0,
                conflicts: u32::try_from(conflicts).expect("few"),
                late: u32::try_from(rows.late_in(span).count()).expect("few"),
            }
        })
        .collect()
}

pub(crate) fn year(year: i32) -> pb::period::Period {
    pb::period::Period::Year(year)
}

pub(crate) fn days(first: &str, last: &str) -> pb::period::Period {
    pb::period::Period::Days(pb::Days {
        first: first.to_owned(),
        last: last.to_owned(),
    })
}

pub(crate) fn period(period: pb::period::Period) -> Option<pb::Period> {
    Some(pb::Period {
        period: Some(period),
    })
}

pub(crate) fn get(name: &str, of: pb::period::Period) -> pb::GetIndicatorRequest {
    pb::GetIndicatorRequest {
        name: name.to_owned(),
        period: period(of),
        ..pb::GetIndicatorRequest::default()
    }
}

/// Value added of `park`'s `id`, final and at prices of 2020.
pub(crate) fn value_added(
    park: &str,
    id: &str,
    of: pb::period::Period,
    amount: &str,
) -> pb::Statistic {
    pb::Statistic {
        enterprise: format!("parks/{park}/enterprises/{id}"),
        series: "value_added".to_owned(),
        period: period(of),
        amount: amount.to_owned(),
        price_base: "constant-2020".to_owned(),
        r#final: true,
        recorded_at: None,
    }
}

/// A decimal of a figure.
pub(crate) fn value(amount: &Option<pb::Amount>) -> &str {
    amount.as_ref().map_or("", |amount| amount.value.as_str())
}

/// Days of `id` with one interval reading a day at noon.
pub(crate) fn daily(
    id: &str,
    of: &Series,
    first: CivilDay,
    values: &[String],
) -> Vec<(CivilDay, ReadingRows)> {
    let days = (0..).map(|n| first.plus(n));
    days.zip(values)
        .map(|(day, value)| (day, rows(id, &[(of.clone(), &[(at(day, 12), value)])])))
        .collect()
}

/// The first instant of `day` on the wire.
pub(crate) fn timestamp_of(day: CivilDay) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: day.start().millis() / 1_000,
        nanos: 0,
    }
}

/// The sha256 of `bytes` in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One day of an enterprise with an amount of each quantity.
pub(crate) fn one_day(id: &str, of: CivilDay, amounts: &[(&str, &str)]) -> (CivilDay, ReadingRows) {
    let values: Vec<(Series, [(i64, &str); 1])> = amounts
        .iter()
        .map(|(quantity, amount)| {
            let meter = quantity.replace('.', "-");
            (
                series(&meter, quantity, Kind::Interval),
                [(at(of, 12), *amount)],
            )
        })
        .collect();
    let values: Vec<(Series, Values<'_>)> = values
        .iter()
        .map(|(series, values)| (series.clone(), values.as_slice()))
        .collect();
    (of, rows(id, &values))
}
