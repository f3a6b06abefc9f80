//! A persistent session at an MQTT 5 broker, acknowledged when the log has it.
//!
//! The session is rumqttc's, with manual acknowledgements: its polling task does nothing else, so that
//! pings stay on time; the publishes go through a bounded hand-off to a gather, and acknowledgements go
//! back in the order of arrival. Each connection is an epoch with a client of its own, so that an
//! acknowledgement of one epoch cannot go out in the next. When an append fails the connection is dropped
//! and opened again, and the broker redelivers. Receipts for gateways that number what they send go out by
//! a client of their own, so that nothing waits for them.

mod backlog;
mod receipts;
mod session;
mod state;

use std::{fs, future::Future, io, path::PathBuf, pin::pin, time::Duration};

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

/// The subscriber cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings are wrong; `check` names what.
    #[error("subscribe.broker '{0}' is not host:port")]
    Broker(String),
    /// A file that the settings name.
    #[error("read {path}, which the subscribe settings name")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        cause: io::Error,
    },
}

/// A session at a broker, which receives when it is run.
#[derive(Debug)]
pub struct Subscriber {
    settings: SubscribeSettings,
    pipeline: Pipeline,
    options: MqttOptions,
}

/// The longest pause where the broker is there and the log is not: an append has waited for the log before it
/// failed, and a log that is back should not find us asleep. What the broker sends again each time is its
/// window.
const LOG_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The first pause before connecting again.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

impl Subscriber {
    /// Takes checked settings; publishes will go into `pipeline`. Connects only when it is run.
    ///
    /// # Errors
    /// [`OpenError`] if a file of the settings cannot be read.
    pub fn new(settings: SubscribeSettings, pipeline: Pipeline) -> Result<Self, OpenError> {
        let options = options(&settings)?;
        Ok(Self {
            settings,
            pipeline,
            options,
        })
    }

    /// Receives until `shutdown` resolves; then waits, for at most the settings' `drain_grace`, until what
    /// was received is in the log and acknowledged. The session stays at the broker.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let mut failures = 0;
        // Dropped at the end, and its task with it.
        let mut beside = JoinSet::new();
        beside.spawn(receipts::publish(
            self.pipeline.clone(),
            self.options.clone(),
            self.settings.backoff_max,
        ));
        loop {
            let session = Session::open(&self.settings, &self.pipeline, self.options.clone());
            match session.run(shutdown.as_mut()).await {
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
                        () = shutdown.as_mut() => break,
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

    /// Doubles with every failure, up to the settings' maximum, less up to half of it by the clock's
    /// milliseconds, so that many of us do not return in step.
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

/// How the session of `settings` connects; whoever checks a broker connects in the same way.
///
/// # Errors
/// [`OpenError`] if the broker has no address or a file of the settings cannot be read.
pub fn options(settings: &SubscribeSettings) -> Result<MqttOptions, OpenError> {
    let broker = || OpenError::Broker(settings.broker.clone());
    let (host, port) = settings.address().ok_or_else(broker)?;
    let mut options = MqttOptions::new(&settings.client_id, host, port);
    // rumqttc asserts at least 5 s, which the settings' check asks for, too.
    options.set_keep_alive(settings.keep_alive.max(Duration::from_secs(5)));
    options.set_clean_start(false);
    options.set_manual_acks(true);
    // Room for every acknowledgement that can be owed, so that giving one never waits.
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

fn read(path: &PathBuf) -> Result<Vec<u8>, OpenError> {
    fs::read(path).map_err(|cause| OpenError::File {
        path: path.clone(),
        cause,
    })
}

#[cfg(test)]
mod tests;
