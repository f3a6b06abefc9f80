//! One connection to the broker: an epoch.

use std::{
    future::Future,
    pin::Pin,
    str,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures::future::OptionFuture;
use greenpark_model::numbers::Numbered;
use rumqttc::v5::{
    AsyncClient, Event, EventLoop, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{
            Filter, Packet, Publish, PublishProperties, RetainForwardRule, SubAck,
            SubscribeReasonCode,
        },
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
    time::{self, Instant, Sleep},
};
use tracing::{error, info};

use super::{backlog::Backlog, state::State};
use crate::{
    acks::Released,
    batch::BatchAccumulator,
    decode::dialects::sparkplug,
    limits::{HAND_OFF_KIB_MAX, HAND_OFF_SLACK, PACKET_IDS},
    mqtt::{self, UserProperties},
    pipeline::{Append, Pipeline},
    settings::SubscribeSettings,
};

/// How an epoch ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// By the shutdown.
    Drained,
    /// The connection is lost, or was given up.
    Lost {
        /// The reason.
        reason: String,
        /// The log had accepted messages of it. Acceptance by the broker is not enough: if every
        /// append fails, the pauses between attempts must grow.
        worked: bool,
        /// The broker had accepted it, so the broker was not the cause.
        accepted: bool,
    },
}

/// An event from the polling task.
enum BrokerEvent {
    Connected {
        session_present: bool,
    },
    Publish(IncomingPublish),
    /// The broker granted a SUBSCRIBE.
    Subscribed,
    Refused(String),
    /// The polling task has ended.
    Ended,
}

/// A publish on its way to the accumulator, with its share of the hand-off's budget.
struct IncomingPublish {
    topic: Bytes,
    payload: Bytes,
    qos: u8,
    packet_id: u16,
    numbered: Option<Numbered>,
    retain: bool,
    replay: bool,
    _room: Option<OwnedSemaphorePermit>,
}

/// Polls the client, and does nothing else.
struct Poller {
    events: EventLoop,
    to: mpsc::Sender<BrokerEvent>,
    budget: Arc<Semaphore>,
    keep_alive: Duration,
    pipeline: Pipeline,
    ended: Arc<OnceLock<String>>,
}

/// One connection to the broker; see the module.
pub(super) struct Session<'a> {
    settings: &'a SubscribeSettings,
    pipeline: &'a Pipeline,
    client: AsyncClient,
    broker_events: mpsc::Receiver<BrokerEvent>,
    /// The reason why the polling task has ended. It is set before the event arrives, and a client
    /// whose polling task has ended accepts nothing more.
    ended: Arc<OnceLock<String>>,
    poller: AbortHandle,
    accumulator: BatchAccumulator,
    backlog: Backlog,
    /// The append under way; there is only one, so that records and acknowledgements keep the order
    /// of arrival.
    append: Option<Append>,
    linger: Pin<Box<Sleep>>,
    linger_until: Option<Instant>,
    worked: bool,
    accepted: bool,
    /// Publishes the Sparkplug host STATE, if configured.
    state: Option<State>,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

impl Poller {
    async fn run(mut self) {
        // rumqttc pings once per keep-alive and does not bound its writes: without this a dead peer
        // would block us until TCP gives up.
        let silence = self.keep_alive * 2;
        loop {
            let event = match time::timeout(silence, self.events.poll()).await {
                Err(_) => self.end("no word from the broker for two keep-alives".to_owned()),
                Ok(Err(error)) => self.end(error.to_string()),
                Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                    match self.wait_for_room(publish).await {
                        Some(event) => event,
                        None => continue,
                    }
                }
                Ok(Ok(Event::Incoming(Packet::ConnAck(connack)))) => BrokerEvent::Connected {
                    session_present: connack.session_present,
                },
                Ok(Ok(Event::Incoming(Packet::SubAck(suback)))) => match refusals(&suback) {
                    Some(refused) => BrokerEvent::Refused(refused),
                    None => BrokerEvent::Subscribed,
                },
                // After our DISCONNECT too: the broker closes when it has read all before it. If we
                // closed first, a packet of it on the way to us would make TCP reset the connection,
                // and acknowledgements that it has not read would be lost.
                Ok(Ok(_)) => continue,
            };
            let last = matches!(event, BrokerEvent::Ended);
            if self.to.send(event).await.is_err() || last {
                return;
            }
        }
    }

    fn end(&self, reason: String) -> BrokerEvent {
        // The first reason is kept.
        let _ = self.ended.set(reason);
        BrokerEvent::Ended
    }

    /// Waits for room for a publish, but never so long that a ping would be late: then the
    /// connection is given up, and the broker keeps the messages. A message of QoS 0 is dropped
    /// instead.
    async fn wait_for_room(&mut self, publish: Publish) -> Option<BrokerEvent> {
        let kib = u32::try_from(publish.payload.len() / 1024).unwrap_or(u32::MAX) + 1;
        let kib = kib.min(HAND_OFF_KIB_MAX);
        let budget = Arc::clone(&self.budget);
        let room = if publish.qos == QoS::AtMostOnce {
            let place = self.to.capacity() >= HAND_OFF_SLACK / 2;
            let room = budget.try_acquire_many_owned(kib).ok().filter(|_| place);
            if room.is_none() {
                self.pipeline.metrics().dropped_qos0.inc();
                return None;
            }
            Ok(room)
        } else {
            let room = time::timeout(self.keep_alive / 2, budget.acquire_many_owned(kib)).await;
            room.map(Result::ok)
        };
        match room {
            Ok(room) => {
                let Publish {
                    topic,
                    payload,
                    qos,
                    pkid: packet_id,
                    properties,
                    retain,
                    ..
                } = publish;
                let qos = qos as u8;
                let properties = properties.map(|properties| user_properties(&properties));
                let properties = properties.unwrap_or_default();
                Some(BrokerEvent::Publish(IncomingPublish {
                    topic,
                    payload,
                    qos,
                    packet_id,
                    numbered: properties.numbered(),
                    retain,
                    replay: properties.is_replay(),
                    _room: room,
                }))
            }
            Err(_) => Some(self.end("the log is too slow for what the broker sends".to_owned())),
        }
    }
}

impl<'a> Session<'a> {
    /// Begins an epoch.
    pub(super) fn open(
        settings: &'a SubscribeSettings,
        pipeline: &'a Pipeline,
        mut options: MqttOptions,
    ) -> Self {
        let host = settings.sparkplug_host.as_deref();
        let state = host.map(|host| State::new(host, pipeline.now_ms()));
        if let Some(state) = &state {
            options.set_last_will(state.will());
        }
        let capacity = usize::from(settings.receive_maximum) + HAND_OFF_SLACK;
        let keep_alive = options.keep_alive();
        // An acknowledgement that finds no room would end the session, and a broker that sends more
        // than its receive maximum, as Mosquitto does when it resumes a session, would be resumed
        // forever. Each packet id is acknowledged once.
        let (client, events) = AsyncClient::new(options, PACKET_IDS + HAND_OFF_SLACK);
        let (to, broker_events) = mpsc::channel(capacity);
        let budget = Arc::new(Semaphore::new(HAND_OFF_KIB_MAX as usize));
        let ended = Arc::default();
        let poller = Poller {
            events,
            to,
            budget,
            keep_alive,
            pipeline: pipeline.clone(),
            ended: Arc::clone(&ended),
        };
        Self {
            settings,
            pipeline,
            client,
            broker_events,
            ended,
            poller: tokio::spawn(poller.run()).abort_handle(),
            accumulator: pipeline.accumulator(),
            backlog: Backlog::new(),
            append: None,
            linger: Box::pin(time::sleep(Duration::ZERO)),
            linger_until: None,
            worked: false,
            accepted: false,
            state,
        }
    }

    /// Receives until the connection is lost or `shutdown` resolves.
    pub(super) async fn run<S: Future<Output = ()>>(
        mut self,
        mut shutdown: Pin<&mut S>,
    ) -> Outcome {
        loop {
            self.append_due();
            let lingering = self.linger_until.is_some() && self.append.is_none();
            let receiving = !self.accumulator.is_full();
            let step = tokio::select! {
                biased;
                () = shutdown.as_mut() => {
                    // Unacknowledged messages are delivered again.
                    let _ = time::timeout(self.settings.drain_grace, self.drain()).await;
                    return Outcome::Drained;
                }
                Some(done) = OptionFuture::from(self.append.as_mut()) => match done {
                    Ok(released) => {
                        self.append = None;
                        self.worked = true;
                        self.acknowledge(&released)
                    }
                    Err(error) => {
                        error!(error = &error as &dyn std::error::Error, "append failed; the broker will send again");
                        Err("an append failed".to_owned())
                    }
                },
                event = self.broker_events.recv(), if receiving => self.receive(event),
                () = &mut self.linger, if lingering => Ok(()),
            };
            if let Err(reason) = step {
                return Outcome::Lost {
                    reason: self.cause(reason),
                    worked: self.worked,
                    accepted: self.accepted,
                };
            }
        }
    }

    /// Returns the reason why the session ends: the polling task's, or else `reason`.
    fn cause(&self, reason: String) -> String {
        self.ended.get().cloned().unwrap_or(reason)
    }

    /// Handles an event and all that wait behind it. `None` means that the polling task has
    /// panicked.
    fn receive(&mut self, first: Option<BrokerEvent>) -> Result<(), String> {
        let now_ms = self.pipeline.now_ms();
        let mut next = Some(first.ok_or("the polling task has ended without a word")?);
        while let Some(event) = next {
            self.handle(event, now_ms)?;
            if self.accumulator.is_full() {
                break;
            }
            next = self.broker_events.try_recv().ok();
        }
        self.accumulator.update_reservation();
        self.request_births(now_ms)
    }

    /// Sends rebirth requests to Sparkplug nodes without a known birth, with QoS 0 as the standard
    /// requires.
    fn request_births(&mut self, now_ms: i64) -> Result<(), String> {
        for topic in self.accumulator.take_rebirth_requests() {
            info!(topic, "asking a sparkplug node for its birth");
            let sent =
                self.client
                    .try_publish(topic, QoS::AtMostOnce, false, sparkplug::rebirth(now_ms));
            sent.map_err(|e| e.to_string())?;
            self.pipeline.metrics().rebirths_asked.inc();
        }
        Ok(())
    }

    fn handle(&mut self, event: BrokerEvent, now_ms: i64) -> Result<(), String> {
        match event {
            BrokerEvent::Publish(incoming) => {
                let publish = mqtt::Publish {
                    // A topic that is not UTF-8 never matches the grammar.
                    topic: str::from_utf8(&incoming.topic).unwrap_or_default(),
                    payload: &incoming.payload,
                    qos: incoming.qos,
                    packet_id: incoming.packet_id,
                    numbered: incoming.numbered,
                    retain: incoming.retain,
                    replay: incoming.replay,
                    ..mqtt::Publish::default()
                };
                if self.backlog.receive(incoming.qos) {
                    self.accumulator.add_queued(publish, now_ms);
                } else {
                    self.accumulator.add(publish, now_ms);
                }
            }
            BrokerEvent::Connected { session_present } => {
                self.accepted = true;
                let (broker, client_id) = (&self.settings.broker, &self.settings.client_id);
                info!(
                    broker,
                    client_id, session_present, "connected to the broker"
                );
                self.backlog.begin(session_present);
                self.subscribe()?;
                self.publish_state(true)?;
            }
            BrokerEvent::Subscribed => self.backlog.answer(),
            BrokerEvent::Refused(filters) => {
                self.accepted = false;
                error!(
                    filters,
                    "the broker refused a subscription; check its access rules"
                );
                return Err("a subscription was refused".to_owned());
            }
            BrokerEvent::Ended => return Err("the polling task has ended".to_owned()),
        }
        Ok(())
    }

    /// Subscribes to the filters of the settings. The broker sends retained messages once, for a
    /// new subscription, and only those have the retain flag: a live message comes without it, even
    /// if it was published with it.
    fn subscribe(&self) -> Result<(), String> {
        let filters = self.settings.filters.iter().map(|filter| Filter {
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
            ..Filter::new(filter, QoS::AtLeastOnce)
        });
        let sent = self.client.try_subscribe_many(filters);
        sent.map_err(|e| e.to_string())
    }

    fn publish_state(&self, online: bool) -> Result<(), String> {
        match &self.state {
            Some(state) => state.publish(&self.client, online),
            None => Ok(()),
        }
    }

    /// Hands acknowledgements to the polling task, in order.
    fn acknowledge(&mut self, released: &Released) -> Result<(), String> {
        for ack in released.iter() {
            let qos = if ack.qos == 2 {
                QoS::ExactlyOnce
            } else {
                QoS::AtLeastOnce
            };
            let mut publish = Publish::new("", qos, "", None);
            publish.pkid = ack.packet_id;
            self.client.try_ack(&publish).map_err(|e| e.to_string())?;
        }
        let count = released.iter().count() as u64;
        match self.backlog.acknowledge(count) {
            true => self.subscribe(),
            false => Ok(()),
        }
    }

    fn append_due(&mut self) {
        if self.accumulator.is_empty() || self.append.is_some() {
            return;
        }
        let now = Instant::now();
        let until = *self.linger_until.get_or_insert_with(|| {
            let until = now + self.settings.linger;
            self.linger.as_mut().reset(until);
            until
        });
        if self.accumulator.is_ready() || now >= until {
            self.append = Some(self.pipeline.append(self.accumulator.seal()));
            self.linger_until = None;
        }
    }

    /// Appends the open batch, acknowledges it, disconnects, and waits until the broker has closed
    /// the connection; the session stays at the broker.
    async fn drain(&mut self) {
        while self.append.is_some() || !self.accumulator.is_empty() {
            let append = self.append.take();
            let append = append.unwrap_or_else(|| self.pipeline.append(self.accumulator.seal()));
            let Ok(released) = append.await else { return };
            if self.acknowledge(&released).is_err() {
                return;
            }
        }
        if self.publish_state(false).is_err() || self.client.try_disconnect().is_err() {
            return;
        }
        while let Some(event) = self.broker_events.recv().await {
            if matches!(event, BrokerEvent::Ended) {
                return;
            }
        }
    }
}

/// Evaluates the user properties of a publish.
fn user_properties(properties: &PublishProperties) -> UserProperties {
    let mut found = UserProperties::default();
    for (name, value) in &properties.user_properties {
        found.read(name, value);
    }
    found
}

/// Returns the error codes of a SUBACK, if it has any.
fn refusals(suback: &SubAck) -> Option<String> {
    let refused = |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
    let codes: Vec<_> = suback
        .return_codes
        .iter()
        .filter(refused)
        .map(|c| format!("{c:?}"))
        .collect();
    (!codes.is_empty()).then(|| codes.join(", "))
}

#[cfg(test)]
mod tests;
