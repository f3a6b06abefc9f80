//! A persistent session at an MQTT 5 broker; messages are acknowledged when the log has them.
//!
//! The session uses rumqttc with manual acknowledgements. Its polling task does nothing else, so
//! that pings stay on time. Publishes pass through a bounded hand-off to an accumulator, and
//! acknowledgements go back in the order of arrival. Each connection is an epoch with a client of
//! its own, so that an acknowledgement of one epoch cannot be sent in the next. After a failed
//! append the connection is dropped and opened again, and the broker redelivers. A client of its
//! own publishes receipts for gateways that number their messages, so that nothing waits for them.

mod backlog;
mod receipts;
mod session;
mod state;

use std::{fs, future::Future, io, path::PathBuf, pin::Pin, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use rumqttc::{
    Transport,
    v5::{MqttOptions, mqttbytes::v5::ConnectProperties},
};
use tokio::{task::JoinSet, time};
use tracing::{info, warn};

use self::session::{Outcome, Session};
use crate::{
    limits::{HAND_OFF_SLACK, SUBSCRIBED_PACKET_BYTES_MAX},
    pipeline::Pipeline,
    settings::SubscribeSettings,
};

/// The error of starting the subscriber.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The broker's address is invalid.
    #[error("subscribe.broker '{0}' is not host:port")]
    Broker(String),
    /// A file of the settings cannot be read.
    #[error("read {path}, which the subscribe settings name")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
}

/// A session at a broker; [`Subscriber::run`] receives its messages.
#[derive(Debug)]
pub struct Subscriber {
    settings: SubscribeSettings,
    pipeline: Pipeline,
    options: MqttOptions,
}

/// The longest pause if the broker is available and the log is not: an append has waited for the
/// log before it failed, and a recovered log should not find us paused. The broker resends its
/// window each time.
const LOG_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The first pause before connecting again.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

impl Subscriber {
    /// Creates a subscriber from checked settings; publishes go into `pipeline`. It connects only
    /// when it is run.
    ///
    /// # Errors
    /// [`SubscribeError`] if a file of the settings cannot be read.
    pub fn new(settings: SubscribeSettings, pipeline: Pipeline) -> Result<Self, SubscribeError> {
        let options = options(&settings)?;
        Ok(Self {
            settings,
            pipeline,
            options,
        })
    }

    /// Receives until `shutdown` resolves; then waits, for at most the settings' `drain_grace`,
    /// until all received messages are in the log and acknowledged. The session stays at the
    /// broker.
    pub fn run<'a>(self, shutdown: impl Future<Output = ()> + Send + 'a) -> BoxFuture<'a, ()> {
        // Boxed here, so that this crate compiles the future, and not every crate that awaits it.
        self.run_until(shutdown.boxed()).boxed()
    }

    async fn run_until(self, mut shutdown: BoxFuture<'_, ()>) {
        let mut failures = 0;
        // Dropping it at the end stops its task.
        let mut beside = JoinSet::new();
        beside.spawn(receipts::publish(
            self.pipeline.clone(),
            self.options.clone(),
            self.settings.backoff_max,
        ));
        loop {
            let session = Session::open(&self.settings, &self.pipeline, self.options.clone());
            match session.run(Pin::new(&mut shutdown)).await {
                Outcome::Drained => break,
                Outcome::Lost {
                    reason,
                    worked,
                    accepted,
                } => {
                    failures = if worked { 0 } else { failures + 1 };
                    let mut pause = self.pause(failures);
                    if accepted {
                        pause = pause.min(LOG_PAUSE_MAX);
                    }
                    self.pipeline.metrics().reconnects.inc();
                    let (broker, pause_ms) = (&self.settings.broker, pause.as_millis());
                    warn!(
                        broker,
                        reason, pause_ms, "lost the session's connection; it will be opened again"
                    );
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = time::sleep(pause) => {}
                    }
                }
            }
        }
        info!(
            broker = self.settings.broker,
            "stopped receiving from the broker"
        );
    }

    /// Returns the pause after `failures`: it doubles with every failure, up to the settings'
    /// maximum, less up to half of it by the clock's milliseconds, so that several processes do not
    /// reconnect in step.
    fn pause(&self, failures: u32) -> Duration {
        let whole = BACKOFF_MIN * 2u32.saturating_pow(failures.min(12));
        let whole = whole.min(self.settings.backoff_max);
        let mixed = self
            .pipeline
            .now_ms()
            .cast_unsigned()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            >> 54;
        // OK because ten bits are below 1,024.
        let less = u32::try_from(mixed).unwrap_or(0);
        whole - whole / 2 * less / 1024
    }
}

/// Returns the connection options of `settings`; a check of the broker uses the same.
///
/// # Errors
/// [`SubscribeError`] if the broker has no address or a file of the settings cannot be read.
pub fn options(settings: &SubscribeSettings) -> Result<MqttOptions, SubscribeError> {
    let broker = || SubscribeError::Broker(settings.broker.clone());
    let (host, port) = settings.address().ok_or_else(broker)?;
    let mut options = MqttOptions::new(&settings.client_id, host, port);
    // rumqttc asserts at least 5 s, which the settings' check requires too.
    options.set_keep_alive(settings.keep_alive.max(Duration::from_secs(5)));
    options.set_clean_start(false);
    options.set_manual_acks(true);
    // Room for every acknowledgement that can be owed, so that sending one never waits.
    options.set_request_channel_capacity(usize::from(settings.receive_maximum) + HAND_OFF_SLACK);
    let mut properties = ConnectProperties::new();
    let expiry_s = settings.session_expiry.as_secs();
    properties.session_expiry_interval = Some(u32::try_from(expiry_s).unwrap_or(u32::MAX));
    properties.receive_maximum = Some(settings.receive_maximum);
    properties.max_packet_size = Some(SUBSCRIBED_PACKET_BYTES_MAX);
    options.set_connect_properties(properties);
    if let Some(username) = &settings.username {
        let password = match &settings.password_file {
            Some(path) => String::from_utf8_lossy(&read(path)?).trim_end().to_owned(),
            None => String::new(),
        };
        options.set_credentials(username, password);
    }
    if let Some(path) = &settings.ca_file {
        let own = settings
            .certificate_file
            .as_ref()
            .zip(settings.key_file.as_ref());
        let own = own.map(|(certificate, key)| Ok((read(certificate)?, read(key)?)));
        options.set_transport(Transport::tls(read(path)?, own.transpose()?, None));
    }
    Ok(options)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, SubscribeError> {
    fs::read(path).map_err(|cause| SubscribeError::File {
        path: path.clone(),
        cause,
    })
}

#[cfg(test)]
mod tests;
