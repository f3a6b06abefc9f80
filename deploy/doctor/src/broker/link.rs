//! A connection to the broker that performs one step at a time: it acknowledges nothing by itself and never reconnects.

use std::{mem, time::Duration};

use bytes::Bytes;
use greenpark_ingest::{SubscribeSettings, subscribe};
use rumqttc::{
    Outgoing,
    v5::{
        AsyncClient, Event, EventLoop,
        mqttbytes::{
            QoS,
            v5::{ConnAck, Filter, Packet, PubAckReason, Publish, SubscribeReasonCode},
        },
    },
};
use tokio::time::{Instant, timeout, timeout_at};

/// The longest wait for one answer of the broker.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest wait for all answers of one step.
const STEP: Duration = Duration::from_secs(60);

/// Publishes and acknowledgements that may be queued before one is sent.
const REQUESTS: usize = 8_192;

/// The session that a connection starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The previous session, if there is one; it persists.
    Session,
    /// A new session that ends with the connection.
    Clean,
}

/// The results of publishes.
#[derive(Debug, Default)]
pub(super) struct Acked {
    pub(super) taken: usize,
    pub(super) refused: Vec<PubAckReason>,
}

/// A connection to the broker under test.
pub(super) struct Link {
    client: AsyncClient,
    events: EventLoop,
    pub(super) connack: ConnAck,
    /// Messages that arrived while another answer was awaited.
    early: Vec<Publish>,
}

impl Link {
    /// Connects as `client_id`, otherwise like the subscriber of ingest.
    pub(super) async fn open(
        settings: &SubscribeSettings,
        client_id: &str,
        start: Start,
    ) -> Result<Self, String> {
        let mut options = subscribe::options(settings).map_err(|error| error.to_string())?;
        options.set_client_id(client_id.to_owned());
        if start == Start::Clean {
            options.set_clean_start(true);
            options.set_session_expiry_interval(Some(0));
        }
        let (client, mut events) = AsyncClient::new(options, REQUESTS);
        let greeting = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(connack))) => return Ok(connack),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        let connack = timeout(ANSWER, greeting).await;
        let connack = connack.map_err(|_| "no answer to CONNECT".to_owned())??;
        Ok(Self {
            client,
            events,
            connack,
            early: Vec::new(),
        })
    }

    async fn next(&mut self) -> Result<Event, String> {
        match timeout(ANSWER, self.events.poll()).await {
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                self.early.push(publish.clone());
                Ok(Event::Incoming(Packet::Publish(publish)))
            }
            Ok(event) => event.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no word for {ANSWER:?}")),
        }
    }

    /// Subscribes with QoS 1 and returns the broker's answers in order.
    pub(super) async fn subscribe(
        &mut self,
        filters: impl IntoIterator<Item = String>,
    ) -> Result<Vec<SubscribeReasonCode>, String> {
        let filters = filters.into_iter();
        let filters = filters.map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        let queued = self.client.try_subscribe_many(filters);
        queued.map_err(|error| error.to_string())?;
        loop {
            if let Event::Incoming(Packet::SubAck(suback)) = self.next().await? {
                return Ok(suback.return_codes);
            }
        }
    }

    /// Publishes with QoS 1 and waits for all answers.
    pub(super) async fn publish(
        &mut self,
        topic: &str,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<Acked, String> {
        let mut queued = 0;
        for payload in payloads {
            let client = &self.client;
            let sent = client.try_publish(topic, QoS::AtLeastOnce, false, payload);
            sent.map_err(|error| error.to_string())?;
            queued += 1;
        }
        let mut acked = Acked::default();
        let deadline = Instant::now() + STEP;
        while acked.taken + acked.refused.len() < queued {
            if Instant::now() > deadline {
                return Err(format!("{} of {queued} were acknowledged", acked.taken));
            }
            if let Event::Incoming(Packet::PubAck(puback)) = self.next().await? {
                match puback.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => acked.taken += 1,
                    reason => acked.refused.push(reason),
                }
            }
        }
        Ok(acked)
    }

    /// Receives messages until there are `most`, or none arrives for `quiet`. Acknowledges nothing.
    pub(super) async fn collect(
        &mut self,
        most: usize,
        quiet: Duration,
    ) -> Result<Vec<Publish>, String> {
        let mut came = mem::take(&mut self.early);
        let end = Instant::now() + STEP;
        let mut until = Instant::now() + quiet;
        while came.len() < most {
            let Ok(event) = timeout_at(until.min(end), self.events.poll()).await else {
                break;
            };
            let event = event.map_err(|error| error.to_string())?;
            if let Event::Incoming(Packet::Publish(publish)) = event {
                came.push(publish);
                until = Instant::now() + quiet;
            }
        }
        Ok(came)
    }

    /// Receives messages like `collect` and acknowledges each one.
    pub(super) async fn receive(
        &mut self,
        most: usize,
        quiet: Duration,
    ) -> Result<Vec<Publish>, String> {
        let mut came = Vec::new();
        while came.len() < most {
            let more = self.collect(1, quiet).await?;
            let Some(publish) = more.into_iter().next() else {
                break;
            };
            self.acknowledge(&publish)?;
            came.push(publish);
        }
        Ok(came)
    }

    /// Queues one acknowledgement; the next wait sends it.
    pub(super) fn acknowledge(&mut self, publish: &Publish) -> Result<(), String> {
        self.client
            .try_ack(publish)
            .map_err(|error| error.to_string())
    }

    /// Disconnects in order, after everything queued.
    pub(super) async fn leave(mut self) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        while let Ok(event) = self.next().await {
            if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                return;
            }
        }
    }
}
