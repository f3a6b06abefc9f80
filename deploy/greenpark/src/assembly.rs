//! Puts the services of a process together, starts them in order and stops them in reverse.
//!
//! Addresses are bound and the log is opened before anything runs, so that what cannot work says so
//! before it has done anything. Order of start: lake, log, processor, query, ingest; a stop drains
//! ingest first, so that everything acknowledged is in the log when the processor flushes it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use greenpark_archive::lake::Lake;
use greenpark_ingest::{MqttListener, Pipeline, Receipts, Subscriber, listen::BindError};
use greenpark_model::day::Instant;
use greenpark_processor::{DeadLetterArchiver, Processor, dead_letter_group};
use greenpark_runtime::{
    clock,
    endpoint::Endpoint,
    health::Health,
    process,
    services::{Services, StopError},
    settings::Mistakes,
};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::{
    gauges::Gauges,
    log::Log,
    processing::{AtEnd, Newest, Processing},
    settings::{LogKind, Settings},
    waiting::{self, Watched},
};

/// The longest that a question waits for what the processor has yet to publish.
const FRESH_WAIT: Duration = Duration::from_secs(5);

/// Which services a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// Every one.
    All,
    /// Ingest alone.
    Ingest,
    /// The processor alone.
    Processor,
    /// The query service alone.
    Query,
}

/// Services that run.
#[derive(Debug)]
pub struct RunningServices {
    services: Services,
    /// Where gateways connect, if ingest listens here.
    pub mqtt: Option<SocketAddr>,
    /// Where the query service listens, if it runs here.
    pub grpc: Option<SocketAddr>,
}

/// What was made before anything runs.
#[derive(Default)]
struct Bound {
    watched: Watched,
    processing: Option<Processing>,
    dead_letter_archiver: Option<DeadLetterArchiver>,
    query: Option<(greenpark_query::QueryService, TcpListener)>,
    listener: Option<MqttListener>,
    subscriber: Option<Subscriber>,
}

/// What the process and each service count into.
struct Counted {
    gauges: Gauges,
    ingest: Option<greenpark_ingest::IngestMetrics>,
    processor: Option<greenpark_processor::ProcessorMetrics>,
    query: Option<greenpark_query::QueryMetrics>,
}

impl Counted {
    /// Registers what the services of `roles` count.
    fn of(settings: &Settings, roles: Roles, registry: &mut Registry) -> Self {
        process::register(registry);
        Self {
            gauges: Gauges::of(settings, roles, registry),
            ingest: roles
                .ingests()
                .then(|| greenpark_ingest::IngestMetrics::new(registry)),
            processor: roles
                .processes()
                .then(|| greenpark_processor::ProcessorMetrics::register(registry)),
            query: roles
                .answers()
                .then(|| greenpark_query::QueryMetrics::new(registry)),
        }
    }
}

impl Roles {
    fn ingests(self) -> bool {
        matches!(self, Self::All | Self::Ingest)
    }

    pub(crate) fn processes(self) -> bool {
        matches!(self, Self::All | Self::Processor)
    }

    fn answers(self) -> bool {
        matches!(self, Self::All | Self::Query)
    }
}

/// Starts what `roles` names.
///
/// # Errors
/// An address is in use, the lake or the log cannot be opened, or the settings do not fit the roles.
pub async fn start(settings: &Settings, roles: Roles) -> anyhow::Result<RunningServices> {
    if roles != Roles::All && roles != Roles::Query && settings.log.kind == LogKind::Embedded {
        let mistake = "log.kind: one service alone needs the log in Kafka: set kind = \"kafka\" under \
                       [log], or run `greenpark up`";
        bail!(Mistakes(vec![mistake.to_owned()]));
    }
    refuse_strangers(settings, roles)?;
    let mut services = Services::new(settings.process.grace.0);
    match Box::pin(start_all(settings, roles, &mut services)).await {
        Ok((mqtt, grpc)) => Ok(RunningServices {
            services,
            mqtt,
            grpc,
        }),
        Err(error) => {
            // The caller needs the first error, not those of the stop.
            let _stopped = services.stop().await;
            Err(error)
        }
    }
}

/// Starts what `roles` names among `services`; returns where gateways connect and where the query service listens.
async fn start_all(
    settings: &Settings,
    roles: Roles,
    services: &mut Services,
) -> anyhow::Result<(Option<SocketAddr>, Option<SocketAddr>)> {
    let health = Health::default();
    // Not ready until all parts have been asked.
    let starting = health.part("start");
    let mut registry = Registry::default();
    let metrics = Counted::of(settings, roles, &mut registry);
    let grpc = match roles.answers() {
        true => Some(listen(settings.query.address, "--grpc").await?),
        false => None,
    };
    // First, so that it can be asked what a start waits for.
    if let Some(address) = settings.process.health {
        let endpoint = Endpoint::bind(address, Arc::new(registry), health.clone()).await;
        let endpoint = endpoint.map_err(|e| bind_error(address, &e, "health under [process]"))?;
        services.start("health", |shutdown| async move {
            Ok(endpoint.serve(shutdown).await?)
        });
    }
    let bound = bind(settings, roles, (metrics, grpc), &health).await?;
    let mqtt = bound.listener.as_ref().map(MqttListener::local_addr);
    let grpc = match &bound.query {
        Some((_, socket)) => Some(
            socket
                .local_addr()
                .context("ask the address of the query service")?,
        ),
        None => None,
    };
    run(bound, services, &health);
    starting.ready();
    Ok((mqtt, grpc))
}

/// Refuses services that the network reaches and that ask nobody who they are, or let everybody do everything.
fn refuse_strangers(settings: &Settings, roles: Roles) -> Result<(), Mistakes> {
    let (query, listen) = (&settings.query, &settings.listen);
    let mut mistakes = Vec::new();
    if roles.answers() && !query.address.ip().is_loopback() && query.grants.is_empty() {
        mistakes.push(format!(
            "query.grants: at {} whoever reaches the query service could read and declare everything; add a \
             [[query.grants]] with token_sha256 and names for each caller (and holder and declares = true for who \
             declares), or listen at 127.0.0.1 (query.address, --grpc)",
            query.address
        ));
    }
    if roles.ingests() && !listen.address.ip().is_loopback() && listen.access.is_none() {
        mistakes.push(format!(
            "listen.access: at {} whoever reaches the listener could publish for any park and enterprise; name a file \
             that says who may publish for whom (listen.access.file) and how clients prove their names (listen.users or \
             listen.tls.client_ca), or listen at 127.0.0.1 (listen.address, --mqtt)",
            listen.address
        ));
    }
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(Mistakes(mistakes)),
    }
}

async fn bind(
    settings: &Settings,
    roles: Roles,
    (counted, grpc): (Counted, Option<TcpListener>),
    health: &Health,
) -> anyhow::Result<Bound> {
    let mut bound = Bound::default();
    let log = match roles.ingests() || roles.processes() {
        true => Some(waiting::open_log(settings, health).await?),
        false => None,
    };
    let lake = match roles.processes() || roles.answers() {
        true => Some(waiting::open_lake(settings, health).await?),
        false => None,
    };
    bound.watched = Watched {
        log: log.clone(),
        lake: lake.clone(),
        gauges: counted.gauges,
    };
    let mut receipts = None;
    if let (Some(log), Some(metrics)) = (&log, counted.ingest) {
        let pipeline = Pipeline::new(
            &settings.decode,
            log.writer(),
            Arc::new(clock::now_ms),
            metrics,
        )
        .with_held_bytes_max(settings.ingest.held_bytes());
        receipts = Some(pipeline.receipts().clone());
        if let Some(subscribe) = &settings.subscribe {
            bound.subscriber = Some(Subscriber::new(subscribe.clone(), pipeline.clone())?);
        }
        let bind = MqttListener::bind(settings.listen.clone(), pipeline).await;
        bound.listener = Some(bind.map_err(|error| match error {
            BindError::Address { address, cause } => bind_error(address, &cause, "--mqtt"),
            other => other.into(),
        })?);
    }
    if let Some(lake) = lake {
        let mut barrier = None;
        if let (Some(log), Some(metrics)) = (&log, counted.processor) {
            let dead_letter_archiver = dead_letter_archiver(settings, log, lake.clone())?;
            bound.dead_letter_archiver = Some(dead_letter_archiver.with_metrics(metrics.clone()));
            let processing = processing(settings, (log, &lake), metrics, receipts)?;
            barrier = Some(processing.newest());
            bound.processing = Some(processing);
        }
        if let (Some(socket), Some(metrics)) = (grpc, counted.query) {
            let now = Arc::new(|| Instant(clock::now_ms()));
            let mut service = greenpark_query::QueryService::new(lake, settings.query.clone(), now);
            if let Some(barrier) = barrier {
                service = service.with_barrier(waiting_for(barrier));
            }
            bound.query = Some((service.with_metrics(metrics), socket));
        }
    }
    Ok(bound)
}

/// The processor, which is started again where ingest, whose `receipts` these are, runs beside it.
fn processing(
    settings: &Settings,
    (log, lake): (&Log, &Lake),
    metrics: greenpark_processor::ProcessorMetrics,
    receipts: Option<Receipts>,
) -> anyhow::Result<Processing> {
    let at_end = match receipts {
        Some(_) => AtEnd::StartAgain,
        None => AtEnd::Leave,
    };
    let (settings, log, lake) = (settings.clone(), log.clone(), lake.clone());
    let make = move || {
        let processor = processor(&settings, &log, lake.clone())?;
        let processor = processor.with_metrics(metrics.clone());
        Ok(match &receipts {
            Some(receipts) => processor.with_archive_observer(archive_observer(receipts.clone())),
            None => processor,
        })
    };
    Processing::new(Box::new(make), at_end)
}

fn processor(settings: &Settings, log: &Log, lake: Lake) -> anyhow::Result<Processor> {
    let reader = log.reader(&settings.processor.group)?;
    let now = greenpark_processor::ProcessorClock::new(|| Instant(clock::now_ms()));
    let (partitions, settings) = (settings.partitions(), settings.processor.clone());
    Ok(Processor::new(reader, partitions, lake, settings, now))
}

fn dead_letter_archiver(
    settings: &Settings,
    log: &Log,
    lake: Lake,
) -> anyhow::Result<DeadLetterArchiver> {
    let settings = &settings.processor;
    let reader = log.letter_reader(&dead_letter_group(&settings.group))?;
    let now = greenpark_processor::ProcessorClock::new(|| Instant(clock::now_ms()));
    Ok(DeadLetterArchiver::new(
        reader,
        lake,
        &settings.dead_letters,
        now,
    ))
}

/// A question waits a little for what the processor of this process has yet to publish.
fn waiting_for(newest: Newest) -> greenpark_query::BooksBarrier {
    Arc::new(move || {
        let newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        let barrier = newest.clone();
        Box::pin(async move { barrier.catch_up(FRESH_WAIT).await })
    })
}

/// Gateways that number are told what the processor of this process has published.
fn archive_observer(receipts: Receipts) -> greenpark_processor::ArchiveObserver {
    Arc::new(move |archived| {
        let gateway = (archived.park, archived.enterprise, archived.gateway);
        receipts.archived(gateway, archived.epoch, archived.numbers);
    })
}

fn run(bound: Bound, services: &mut Services, health: &Health) {
    let of_all = health.clone();
    services.start("watch", |shutdown| async move {
        waiting::look(bound.watched, of_all, shutdown).await;
        Ok(())
    });
    if let Some(processing) = bound.processing {
        let part = health.part("processor");
        services.start("processor", |shutdown| processing.run(part, shutdown));
    }
    if let Some(dead_letter_archiver) = bound.dead_letter_archiver {
        let part = health.part("dead-letters");
        services.start("dead-letters", |shutdown| async move {
            part.ready();
            let ended = dead_letter_archiver.run(shutdown.cancelled_owned()).await;
            part.unready("stopped");
            ended?;
            Ok(())
        });
    }
    if let Some((query, socket)) = bound.query {
        let part = health.part("query");
        services.start("query", |shutdown| async move {
            part.ready();
            let ended = query.serve(socket, shutdown.cancelled_owned()).await;
            part.unready("stopped");
            ended?;
            Ok(())
        });
    }
    if let Some(subscriber) = bound.subscriber {
        let part = health.part("subscriber");
        services.start("subscriber", |shutdown| async move {
            part.ready();
            subscriber.run(shutdown.cancelled_owned()).await;
            part.unready("stopped");
            Ok(())
        });
    }
    if let Some(listener) = bound.listener {
        let part = health.part("listener");
        services.start("listener", |shutdown| async move {
            part.ready();
            listener.run(shutdown.cancelled_owned()).await;
            part.unready("stopped");
            Ok(())
        });
    }
}

impl RunningServices {
    /// Waits until a service ends by itself, which it should not, and says which.
    pub async fn any_end(&mut self) -> &'static str {
        self.services.any_end().await
    }

    /// Stops and drains every service.
    ///
    /// # Errors
    /// A service failed, or did not drain in time.
    pub async fn stop(self) -> Result<(), StopError> {
        self.services.stop().await
    }
}

async fn listen(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| bind_error(address, &error, option))
}

/// One line that names the option to use.
fn bind_error(address: SocketAddr, error: &io::Error, option: &str) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        return anyhow::anyhow!("{address} is in use; choose another address with {option}");
    }
    anyhow::anyhow!("cannot listen on {address} ({error}); choose another address with {option}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_one_line_that_names_the_option() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let holder = TcpListener::bind(any).await.expect("port 0 is free");
        let address = holder.local_addr().expect("a bound address");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = Settings::load(None, []).expect("defaults have no mistakes");
        settings.lake.root = folder.path().join("lake").display().to_string();
        settings.embedded_log.folder = folder.path().join("log");

        (settings.query.address, settings.listen.address) = (address, any);
        let error = start(&settings, Roles::All)
            .await
            .expect_err("the port is held");
        assert_eq!(
            format!("{error:#}"),
            format!("{address} is in use; choose another address with --grpc")
        );

        (settings.query.address, settings.listen.address) = (any, address);
        let error = start(&settings, Roles::All)
            .await
            .expect_err("the port is held");
        assert_eq!(
            format!("{error:#}"),
            format!("{address} is in use; choose another address with --mqtt")
        );
    }

    #[tokio::test]
    async fn one_service_alone_asks_for_kafka() {
        let settings = Settings::load(None, []).expect("defaults have no mistakes");
        let error = start(&settings, Roles::Processor)
            .await
            .expect_err("the log is embedded");
        assert!(
            error.is::<Mistakes>(),
            "a mistake of the settings exits with 64"
        );
        assert!(error.to_string().contains("[log]"), "{error}");
    }
}
