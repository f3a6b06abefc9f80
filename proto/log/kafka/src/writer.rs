//! The producer: one completion per append, counted down by the delivery reports.
//!
//! librdkafka's own queue is made larger than our window, so that waiting happens in our window, in
//! order and without polling. A producer that reports a fatal error is replaced at the next append.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use futures::{FutureExt, future::BoxFuture};
use rdkafka::{
    ClientConfig, ClientContext,
    error::KafkaError,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tracing::{debug, error, info, warn};

use super::{KafkaSettings, trouble::Troubles, wire};
use greenpark_log::{
    append::DurableLog,
    error::{AppendError, OpenError},
    inflight::{self, Held, Window},
    partition,
    record::{Record, Topic},
};

/// One call of append, until its last record is settled.
pub(crate) struct Call {
    left: AtomicUsize,
    settled: Mutex<Settled>,
    _held: Held,
}

#[derive(Default)]
struct Settled {
    done: Option<oneshot::Sender<Result<(), AppendError>>>,
    error: Option<KafkaError>,
}

impl Call {
    /// Counts `records` of the call as settled; the last one answers the caller.
    fn settle(&self, records: usize, error: Option<KafkaError>) {
        if error.is_some() {
            self.settled
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .error = error;
        }
        if self.left.fetch_sub(records, Ordering::AcqRel) != records {
            return;
        }
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match settled.error.take() {
            Some(error) => Err(AppendError::Write(Box::new(error))),
            None => Ok(()),
        };
        if let Some(done) = settled.done.take() {
            // A caller that has gone needs no answer.
            let _gone = done.send(result);
        }
    }
}

/// What librdkafka reports to.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    fatal: AtomicBool,
    troubles: Mutex<Troubles>,
    /// Whether there are troubles, so that a delivery need not lock to know.
    troubled: AtomicBool,
    /// Told at each delivery, for calls that met a full queue.
    delivered: Notify,
}

impl ClientContext for Reports {
    fn error(&self, cause: KafkaError, reason: &str) {
        if cause.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.fatal.store(true, Ordering::Release);
            error!(%cause, reason, "kafka producer failed and will be replaced");
            return;
        }
        let mut troubles = self.troubles();
        self.troubled.store(true, Ordering::Relaxed);
        if troubles.is_news(&cause, Instant::now()) {
            warn!(%cause, reason, "kafka producer in trouble");
        } else {
            debug!(%cause, reason, "kafka producer reports");
        }
    }
}

impl Reports {
    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record was delivered.
    fn works(&self) {
        if self.troubled.swap(false, Ordering::Relaxed) && self.troubles().end() {
            info!("kafka producer writes again");
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Call>;

    fn delivery(&self, result: &DeliveryResult<'_>, call: Arc<Call>) {
        let error = result.as_ref().err().map(|(error, _message)| error.clone());
        if let Some(code) = error.as_ref().and_then(KafkaError::rdkafka_error_code)
            && code == RDKafkaErrorCode::Fatal
        {
            self.fatal.store(true, Ordering::Release);
        }
        if error.is_none() {
            self.works();
        }
        call.settle(1, error);
        self.delivered.notify_waiters();
    }
}

type Producing = ThreadedProducer<Reports>;

/// Appends to Kafka.
pub(crate) struct KafkaWriter {
    settings: Arc<KafkaSettings>,
    names: [String; 2],
    producer: RwLock<Arc<Producing>>,
    window: Window,
}

impl fmt::Debug for KafkaWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaWriter")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl KafkaWriter {
    pub(crate) fn open(settings: Arc<KafkaSettings>) -> Result<Self, OpenError> {
        let producer = create(&settings).map_err(|error| settings.fault(error))?;
        let names = [
            settings.topic(Topic::Readings),
            settings.topic(Topic::DeadLetters),
        ];
        let window = Window::new(settings.inflight_bytes);
        Ok(Self {
            settings,
            names,
            producer: RwLock::new(Arc::new(producer)),
            window,
        })
    }

    /// The producer, a new one if the last has failed for good.
    fn producer(&self) -> Result<Arc<Producing>, AppendError> {
        let current = Arc::clone(&self.producer.read().unwrap_or_else(PoisonError::into_inner));
        if !has_failed(&current) {
            return Ok(current);
        }
        let mut guard = self
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if has_failed(&guard) {
            let fresh =
                create(&self.settings).map_err(|error| AppendError::Write(Box::new(error)))?;
            let failed = std::mem::replace(&mut *guard, Arc::new(fresh));
            drop(current);
            // To drop it waits for its thread, which nobody else should; without a thread it is dropped here.
            let _dropped = thread::Builder::new()
                .name("kafka-producer-end".to_owned())
                .spawn(move || drop(failed));
        }
        Ok(Arc::clone(&guard))
    }

    /// Hands the records over in order, as far as librdkafka takes them; says how many it took.
    fn send(
        &self,
        producer: &Producing,
        call: &Arc<Call>,
        topic: Topic,
        records: &[Record],
    ) -> Result<usize, KafkaError> {
        let name = match topic {
            Topic::Readings => &self.names[0],
            Topic::DeadLetters => &self.names[1],
        };
        for (index, record) in records.iter().enumerate() {
            let partition = partition::of(&record.park, self.settings.partitions);
            let message = BaseRecord::with_opaque_to(name, Arc::clone(call))
                .key(record.park.as_str())
                .payload(record.payload.as_ref())
                // OK because Kafka's partitions are counted in an i32.
                .partition(partition.get() as i32)
                .headers(wire::headers_of(&record.headers));
            match producer.send(message) {
                Ok(()) => {}
                Err((error, _message))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) =>
                {
                    return Ok(index);
                }
                Err((error, _message)) => {
                    call.settle(records.len() - index, Some(error.clone()));
                    return Err(error);
                }
            }
        }
        Ok(records.len())
    }

    /// Starts an append; what the queue does not take at once is in the answer.
    fn start(
        &self,
        topic: Topic,
        mut records: Vec<Record>,
        held: Held,
    ) -> Result<Started, AppendError> {
        let (done, settled) = oneshot::channel();
        let call = Arc::new(Call {
            left: AtomicUsize::new(records.len()),
            settled: Mutex::new(Settled {
                done: Some(done),
                error: None,
            }),
            _held: held,
        });
        let producer = self.producer()?;
        // The error reaches the caller through the call.
        let taken = self
            .send(&producer, &call, topic, &records)
            .unwrap_or(records.len());
        records.drain(..taken);
        let rest = (!records.is_empty()).then_some(Rest {
            producer,
            call,
            topic,
            records,
        });
        Ok(Started { settled, rest })
    }

    async fn finish(&self, started: Started) -> Result<(), AppendError> {
        if let Some(mut rest) = started.rest {
            while !rest.records.is_empty() {
                let delivered = rest.producer.context().delivered.notified();
                let mut delivered = std::pin::pin!(delivered);
                delivered.as_mut().enable();
                let sent = self.send(&rest.producer, &rest.call, rest.topic, &rest.records);
                let taken = sent.unwrap_or(rest.records.len());
                rest.records.drain(..taken);
                if !rest.records.is_empty() {
                    // Deliveries come at the latest when the delivery timeout is over.
                    delivered.await;
                }
            }
        }
        started.settled.await.unwrap_or(Err(AppendError::Closed))
    }
}

/// An append that has begun.
struct Started {
    settled: oneshot::Receiver<Result<(), AppendError>>,
    rest: Option<Rest>,
}

/// Records that met a full queue.
struct Rest {
    producer: Arc<Producing>,
    call: Arc<Call>,
    topic: Topic,
    records: Vec<Record>,
}

fn has_failed(producer: &Producing) -> bool {
    producer.context().fatal.load(Ordering::Acquire)
}

/// How every producer of ours is set up.
pub(crate) fn config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = settings.client();
    let kilobytes = (settings.inflight_bytes / 1024)
        .saturating_mul(2)
        .clamp(2_048, 2_097_151);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        // Room for the largest payload with its key and headers: the brokers' own default.
        .set("message.max.bytes", "1048588")
        .set("linger.ms", settings.linger.as_millis().to_string())
        .set(
            "delivery.timeout.ms",
            settings.delivery_timeout.as_millis().to_string(),
        )
        // Our window bounds what is under way, by bytes; a count would only get in its way.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", kilobytes.to_string())
        .set("batch.size", "1000000")
        .set("batch.num.messages", "100000");
    settings.with_properties(config)
}

fn create(settings: &KafkaSettings) -> Result<Producing, KafkaError> {
    config(settings).create_with_context(Reports::default())
}

impl DurableLog for KafkaWriter {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>> {
        let bytes = match inflight::weigh(&records) {
            Ok(bytes) => bytes,
            Err(error) => return futures::future::err(error).boxed(),
        };
        if records.is_empty() {
            return futures::future::ok(()).boxed();
        }
        if let Some(held) = self.window.try_enter(bytes) {
            let started = self.start(topic, records, held);
            return async move { self.finish(started?).await }.boxed();
        }
        let waiting = self.window.queue(bytes);
        async move {
            let held = waiting.enter().await?;
            let started = self.start(topic, records, held)?;
            self.finish(started).await
        }
        .boxed()
    }
}
