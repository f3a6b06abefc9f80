//! Assembles the services of a process, starts them in order and stops them in reverse.
//!
//! It binds the addresses and opens the log before any service runs, so that a start that cannot succeed fails before
//! it has an effect. Order of start: lake, log, processor, query, ingest; a stop drains ingest first, so that all
//! acknowledged readings are in the log when the processor flushes.

mod gateway_grants;
mod gauges;
mod processing;
mod roles;
mod waiting;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use greenpark_archive::lake::Lake;
use greenpark_ingest::{MqttListener, Pipeline, Receipts, Subscriber, listen::BindError};
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

use self::{
    gateway_grants::Follower as GrantsFollower,
    gauges::Gauges,
    processing::{AtEnd, Newest, Processing},
    waiting::Watched,
};
use crate::{
    log::Log,
    settings::{LogKind, Settings},
};

pub use self::{gateway_grants::FollowedGrants, roles::Roles};

/// The longest that a query waits for the processor to commit records that are already in the log.
const FRESH_WAIT: Duration = Duration::from_secs(5);

/// The running services of a process.
#[derive(Debug)]
pub struct RunningServices {
    services: Services,
    /// The address that gateways connect to, if ingest runs here.
    pub mqtt: Option<SocketAddr>,
    /// The address of the query service, if it runs here.
    pub grpc: Option<SocketAddr>,
    /// The recorded grants of gateways, if the listener goes by them.
    pub gateway_grants: Option<FollowedGrants>,
}

/// The services before they run: addresses are bound, the log and the lake are open.
#[derive(Default)]
struct Bound {
    watched: Watched,
    processing: Option<Processing>,
    dead_letter_archiver: Option<DeadLetterArchiver>,
    query: Option<(greenpark_query::QueryService, TcpListener)>,
    listener: Option<MqttListener>,
    gateway_grants: Option<GrantsFollower>,
    subscriber: Option<Subscriber>,
}

/// The metrics of the process and of each service.
struct ProcessMetrics {
    gauges: Gauges,
    ingest: Option<greenpark_ingest::IngestMetrics>,
    processor: Option<greenpark_processor::ProcessorMetrics>,
    query: Option<greenpark_query::QueryMetrics>,
}

impl ProcessMetrics {
    /// Registers the metrics of the process and of the services of `roles`.
    fn register(settings: &Settings, roles: Roles, registry: &mut Registry) -> Self {
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

/// Starts the services of `roles`.
///
/// # Errors
/// An address is in use, the lake or the log cannot be opened, or the settings do not fit the roles.
pub async fn start(settings: &Settings, roles: Roles) -> anyhow::Result<RunningServices> {
    if roles != Roles::All && roles != Roles::Query && settings.log.kind == LogKind::Embedded {
        let mistake = "log.kind: one service alone needs the log in Kafka: set kind = \"kafka\" under \
                       [log], or run `greenpark up`";
        bail!(Mistakes(vec![mistake.to_owned()]));
    }
    refuse_open_access(settings, roles)?;
    let mut services = Services::new(settings.process.grace.0);
    match Box::pin(start_all(settings, roles, &mut services)).await {
        Ok((mqtt, grpc, gateway_grants)) => Ok(RunningServices {
            services,
            mqtt,
            grpc,
            gateway_grants,
        }),
        Err(error) => {
            // The caller needs the first error, not those of the stop.
            let _stopped = services.stop().await;
            Err(error)
        }
    }
}

/// Starts the services of `roles`, adds them to `services`, and returns the addresses of ingest and of the query service,
/// and the grants that ingest follows.
async fn start_all(
    settings: &Settings,
    roles: Roles,
    services: &mut Services,
) -> anyhow::Result<(
    Option<SocketAddr>,
    Option<SocketAddr>,
    Option<FollowedGrants>,
)> {
    let health = Health::default();
    // The process is not ready until every part has been started.
    let starting = health.part("start");
    let mut registry = Registry::default();
    let metrics = ProcessMetrics::register(settings, roles, &mut registry);
    let grpc = match roles.answers() {
        true => Some(listen(settings.query.address, "--grpc").await?),
        false => None,
    };
    // The health endpoint starts first, so that it can report the dependency that a start waits for.
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
    let gateway_grants = bound.gateway_grants.as_ref().map(GrantsFollower::followed);
    run(bound, services, &health);
    starting.ready();
    Ok((mqtt, grpc, gateway_grants))
}

/// Refuses services that the network reaches but that do not authenticate or authorize their clients.
fn refuse_open_access(settings: &Settings, roles: Roles) -> Result<(), Mistakes> {
    let (query, listen) = (&settings.query, &settings.listen);
    let mut mistakes = Vec::new();
    if roles.answers() && !query.address.ip().is_loopback() && !query.authenticates() && !query.open
    {
        mistakes.push(format!(
            "query.grants: at {} whoever reaches the query service could read and declare everything; let callers \
             prove who they are (query.tls.client_ca, query.tokens or query.jwt) and grant them roles (query.administrators \
             and `greenpark grant`, or [[query.grants]] with token_sha256 for single tokens), or listen at 127.0.0.1 (query.address, --grpc), \
             or write query.open = true to have it so",
            query.address
        ));
    }
    if roles.ingests() && !listen.address.ip().is_loopback() && listen.access.is_none() {
        mistakes.push(format!(
            "listen.access: at {} whoever reaches the listener could publish for any park and enterprise; name a file \
             that says who may publish for whom (listen.access.file), or let grants say it (listen.access.grants), \
             and how clients prove their names (listen.users or listen.tls.client_ca), or listen at 127.0.0.1 (listen.address, --mqtt)",
            listen.address
        ));
    }
    if roles.answers() && query.open {
        tracing::warn!(
            address = %query.address,
            "the query service is open: whoever reaches it may read and declare everything"
        );
    }
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(Mistakes(mistakes)),
    }
}

/// Opens the log and the lake of `roles`, binds the addresses and creates the services.
async fn bind(
    settings: &Settings,
    roles: Roles,
    (process_metrics, grpc): (ProcessMetrics, Option<TcpListener>),
    health: &Health,
) -> anyhow::Result<Bound> {
    let mut bound = Bound::default();
    let log = match roles.ingests() || roles.processes() {
        true => Some(waiting::open_log(settings, health).await?),
        false => None,
    };
    let follows_grants = roles.ingests() && settings.listen.follows_grants();
    let lake = match roles.processes() || roles.answers() || follows_grants {
        true => Some(waiting::open_lake(settings, health).await?),
        false => None,
    };
    bound.watched = Watched {
        log: log.clone(),
        lake: lake.clone(),
        gauges: process_metrics.gauges,
    };
    let mut receipts = None;
    if let (Some(log), Some(metrics)) = (&log, process_metrics.ingest) {
        let pipeline = Pipeline::new(&settings.decode, log.writer(), clock::system(), metrics)
            .with_held_bytes_max(settings.ingest.held_bytes());
        receipts = Some(pipeline.receipts().clone());
        if let Some(subscribe) = &settings.subscribe {
            bound.subscriber = Some(Subscriber::new(subscribe.clone(), pipeline.clone())?);
        }
        let listen = settings.listen.clone();
        let bind = match lake.as_ref().filter(|_| follows_grants) {
            None => MqttListener::bind(listen, pipeline).await,
            Some(lake) => {
                let (follower, grants) = GrantsFollower::of(lake).await?;
                bound.gateway_grants = Some(follower);
                MqttListener::bind_with(listen, pipeline, grants).await
            }
        };
        bound.listener = Some(bind.map_err(|error| match error {
            BindError::Address { address, cause } => bind_error(address, &cause, "--mqtt"),
            other => other.into(),
        })?);
    }
    if let Some(lake) = lake {
        let mut barrier = None;
        if let (Some(log), Some(metrics)) = (&log, process_metrics.processor) {
            let dead_letter_archiver = dead_letter_archiver(settings, log, lake.clone())?;
            bound.dead_letter_archiver = Some(dead_letter_archiver.with_metrics(metrics.clone()));
            let processing = processing(settings, (log, &lake), metrics, receipts)?;
            barrier = Some(processing.newest());
            bound.processing = Some(processing);
        }
        if let (Some(socket), Some(metrics)) = (grpc, process_metrics.query) {
            let now = clock::system();
            let mut service =
                greenpark_query::QueryService::new(lake, settings.published_query(), now);
            if let Some(barrier) = barrier {
                service = service.with_barrier(read_barrier(barrier));
            }
            bound.query = Some((service.with_metrics(metrics), socket));
        }
    }
    Ok(bound)
}

/// Creates the processor. If ingest runs in this process too, `receipts` are its own, and a processor that fails is
/// restarted.
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
    let now = clock::system();
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
    let now = clock::system();
    Ok(DeadLetterArchiver::new(
        reader,
        lake,
        &settings.dead_letters,
        now,
    ))
}

/// Lets a query wait up to [`FRESH_WAIT`] until the processor of this process has caught up with the log.
fn read_barrier(newest: Newest) -> greenpark_query::BooksBarrier {
    Arc::new(move || {
        let newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        let barrier = newest.clone();
        Box::pin(async move { barrier.catch_up(FRESH_WAIT).await })
    })
}

/// Sends receipts to gateways that number their messages, for the numbers that the processor of this process has
/// archived.
fn archive_observer(receipts: Receipts) -> greenpark_processor::ArchiveObserver {
    Arc::new(move |archived| {
        let gateway = (archived.park, archived.enterprise, archived.gateway);
        receipts.archived(gateway, archived.epoch, archived.numbers);
    })
}

/// Runs the services in the order of a start.
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
    if let Some(follower) = bound.gateway_grants {
        services.start("gateway-grants", |shutdown| async move {
            follower.run(shutdown).await;
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
    /// Waits until a service ends without a stop, which is a failure, and returns its name.
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

/// Formats a bind error in one line that names the option to change.
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
