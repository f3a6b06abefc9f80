//! Checks of a broker with a session, publishes and topics of the doctor's own, from the subscriber's side.
//!
//! Ingest does not read the topics, the sessions are removed again, and nothing is retained.

mod advice;
mod filter;
mod link;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use greenpark_ingest::SubscribeSettings;
use greenpark_model::limits::PACKET_BYTES_MAX;
use rumqttc::v5::mqttbytes::{
    QoS,
    v5::{ConnAckProperties, Publish, SubscribeReasonCode},
};

use self::{
    filter::{matches, without_group},
    link::{Link, Start},
};
use crate::report::{Findings, Outcome, duration_text};

/// Messages sent to an absent subscriber: more than the thousand that brokers queue by default.
const QUEUED: usize = 1_500;
/// The silence after which no more messages are expected.
const QUIET: Duration = Duration::from_millis(1_500);
/// The longest wait for a message of the largest size.
const SIZE_WAIT: Duration = Duration::from_secs(5);
/// A smaller window holds up a handful of gateways.
const WINDOW_FAULT: usize = 16;
/// A smaller window holds up a park of thousands of meters.
const WINDOW_WARNING: usize = 1_000;
/// A smaller window holds up a gateway on a slow line: at 100 ms a round trip, ten messages are a hundred a second.
const PUBLISH_WINDOW_WARNING: u16 = 10;
/// Milliseconds until ingest acknowledges a message: the subscriber's linger and an append.
const ROUND_MS: usize = 20;
/// A session with a shorter expiry does not outlast the restart of a machine.
const EXPIRY_FAULT_S: u32 = 3_600;
/// Messages published to two members of a shared subscription.
const SHARED: usize = 20;
/// Bytes of the largest packet beside its payload.
const SIZE_SLACK: usize = 256;

/// The checks after CONNECT, in order.
const BEHIND: [&str; 12] = [
    "session expiry",
    "keep-alive",
    "publish window",
    "topic access",
    "session",
    "queue",
    "window",
    "redelivery",
    "message size",
    "shared subscription",
    "anonymous access",
    "restart",
];

/// One examination: its client ids and topics.
struct Broker<'a> {
    settings: &'a SubscribeSettings,
    client_id: String,
    topics: String,
    findings: &'a mut Findings,
}

/// Checks the broker of `settings`; `unique` distinguishes this run from others.
pub async fn check(settings: &SubscribeSettings, unique: &str, findings: &mut Findings) {
    let client_id = format!("greenpark-doctor-{unique}");
    let places = [format!("park/_doctor/{unique}"), format!("{client_id}/own")];
    let read = |topics: &String| {
        let topic = format!("{topics}/queue");
        let filters = settings.filters.iter();
        filters
            .map(|f| without_group(f))
            .any(|filter| matches(filter, &topic))
    };
    let Some(topics) = places.into_iter().find(|topics| !read(topics)) else {
        let why = "subscribe.filters take every topic, so what is tried would become dead letters";
        return findings.left_out("connect", why, "name the gateways' topics: park/+/+/+/up/#");
    };
    let mut broker = Broker {
        settings,
        client_id,
        topics,
        findings,
    };
    broker.examine().await;
}

fn numbered(count: usize) -> impl Iterator<Item = Bytes> {
    (0..count).map(|number| format!("greenpark doctor, message {number}").into())
}

fn payloads(publishes: &[Publish]) -> BTreeSet<Bytes> {
    publishes.iter().map(|one| one.payload.clone()).collect()
}

impl Broker<'_> {
    async fn examine(&mut self) {
        let link = match self.open("", Start::Session).await {
            Ok(link) => link,
            Err(why) => {
                let seen = format!("{}: {why}", self.settings.broker);
                self.findings
                    .add("connect", Outcome::Fault, seen, advice::CONNECT);
                for name in BEHIND {
                    self.findings.left_out(name, "there is no connection", "");
                }
                return;
            }
        };
        let seen = format!("{} speaks MQTT 5", self.settings.broker);
        self.findings.ok("connect", seen, "");
        let granted = link.connack.properties.clone();
        self.granted(granted.as_ref());
        match self.access(link).await {
            Ok(true) => {
                self.step("queue", Self::session).await;
                self.step("message size", Self::size).await;
                self.step("shared subscription", Self::shared).await;
            }
            Ok(false) => {
                for name in &BEHIND[4..10] {
                    let why = "the topics of the check are refused";
                    self.findings.left_out(name, why, advice::ACCESS[1]);
                }
            }
            Err(why) => self.lost("topic access", &why),
        }
        self.anonymous().await;
        let why = "a restart of the broker cannot be tried from here";
        self.findings.left_out("restart", why, advice::RESTART);
        self.clean_up().await;
    }

    /// Runs one step; a lost connection becomes its finding.
    async fn step<'b>(
        &'b mut self,
        name: &'static str,
        step: impl AsyncFnOnce(&mut Self) -> Result<(), String>,
    ) {
        if let Err(why) = step(self).await {
            self.lost(name, &why);
        }
    }

    fn lost(&mut self, name: &'static str, why: &str) {
        let means = "the broker did not do what a subscriber needs of it";
        let change = "look into the broker's log at this time";
        let seen = format!("the connection was lost: {why}");
        self.findings
            .add(name, Outcome::Fault, seen, [means, change]);
    }

    async fn open(&self, member: &str, start: Start) -> Result<Link, String> {
        Link::open(self.settings, &format!("{}{member}", self.client_id), start).await
    }

    fn topic(&self, of: &str) -> String {
        format!("{}/{of}", self.topics)
    }

    /// Checks the limits in CONNACK against the requested ones.
    fn granted(&mut self, properties: Option<&ConnAckProperties>) {
        let requested = self.settings.session_expiry.as_secs();
        let requested = u32::try_from(requested).unwrap_or(u32::MAX);
        let granted = properties.and_then(|p| p.session_expiry_interval);
        let granted = granted.unwrap_or(requested).min(requested);
        let as_text = |seconds: u32| duration_text(i64::from(seconds) * 1_000);
        let seen = format!(
            "asked for {}, granted {}",
            as_text(requested),
            as_text(granted)
        );
        let verdict = match granted {
            _ if granted >= requested => Outcome::Ok,
            EXPIRY_FAULT_S.. => Outcome::Warning,
            _ => Outcome::Fault,
        };
        self.report("session expiry", verdict, seen, advice::EXPIRY);
        let requested = self.settings.keep_alive.as_secs();
        let granted = properties.and_then(|p| p.server_keep_alive);
        let granted = granted.map_or(requested, u64::from);
        let seen = format!("asked for {requested} s, {granted} s it is");
        let verdict = match granted < requested {
            true => Outcome::Warning,
            false => Outcome::Ok,
        };
        self.report("keep-alive", verdict, seen, advice::KEEP_ALIVE);
        // Without the property, the maximum applies.
        let window = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let seen = format!("a gateway may have {window} messages unacknowledged");
        let verdict = match window {
            0..PUBLISH_WINDOW_WARNING => Outcome::Warning,
            _ => Outcome::Ok,
        };
        self.report("publish window", verdict, seen, advice::PUBLISH_WINDOW);
    }

    /// Adds a finding, with advice unless it is ok.
    fn report(
        &mut self,
        name: &'static str,
        verdict: Outcome,
        seen: String,
        advice: advice::Advice,
    ) {
        match verdict {
            Outcome::Ok => self.findings.ok(name, seen, ""),
            verdict => self.findings.add(name, verdict, seen, advice),
        }
    }

    /// Checks access to the topics of the check, and to the subscriber's own filters.
    async fn access(&mut self, mut link: Link) -> Result<bool, String> {
        const NAME: &str = "topic access";
        let own = self.topic("queue");
        let filters: Vec<String> = self
            .settings
            .filters
            .iter()
            .map(|f| without_group(f).to_owned())
            .collect();
        let codes = link.subscribe([own.clone()]).await?;
        link.leave().await;
        let mut refused = refusals(std::slice::from_ref(&own), &codes);
        let mut other = self.open("-reader", Start::Clean).await?;
        let codes = other.subscribe(filters.clone()).await?;
        other.leave().await;
        let own_is_refused = !refused.is_empty();
        refused.extend(refusals(&filters, &codes));
        let own_is_refused = own_is_refused || self.delivery(&mut refused).await?;
        if refused.is_empty() {
            let seen = format!("{} and {} are granted", filters.join(", "), self.topics);
            self.findings.ok(NAME, seen, "");
        } else {
            self.findings
                .add(NAME, Outcome::Fault, refused.join("; "), advice::ACCESS);
        }
        Ok(!own_is_refused)
    }

    /// Returns true if a message does not come through: Mosquitto grants every subscription, but delivers nothing of a topic
    /// that its access list denies.
    async fn delivery(&mut self, refused: &mut Vec<String>) -> Result<bool, String> {
        let topic = self.topic("access");
        let mut reader = self.open("-reader", Start::Clean).await?;
        reader.subscribe([topic.clone()]).await?;
        let mut publisher = self.open("-publisher", Start::Clean).await?;
        // Mosquitto answers a denied publish or closes the connection, depending on its log destination.
        let denied = match publisher.publish(&topic, numbered(1)).await {
            Ok(acked) => acked.refused.first().map(|reason| format!("{reason:?}")),
            Err(why) => Some(why),
        };
        if let Some(why) = denied {
            refused.push(format!("publish to {topic}: {why}"));
            return Ok(true);
        }
        publisher.leave().await;
        let came = reader.collect(1, QUIET).await?;
        reader.leave().await;
        if came.is_empty() {
            refused.push(format!(
                "{topic}: granted, and a message published there does not come"
            ));
        }
        Ok(came.is_empty())
    }

    /// Checks what an absent subscriber's session keeps, how much is sent before an acknowledgement, and that it is resent.
    async fn session(&mut self) -> Result<(), String> {
        let mut publisher = self.open("-publisher", Start::Clean).await?;
        let acked = publisher
            .publish(&self.topic("queue"), numbered(QUEUED))
            .await?;
        publisher.leave().await;
        let mut link = self.open("", Start::Session).await?;
        let present = link.connack.session_present;
        let seen = match present {
            true => "it is there after a reconnect",
            false => "it is gone after a reconnect",
        };
        let verdict = if present { Outcome::Ok } else { Outcome::Fault };
        self.report("session", verdict, seen.to_owned(), advice::SESSION);
        let first = link.collect(QUEUED, QUIET).await?;
        // The connection is cut with all of them unacknowledged.
        drop(link);
        let mut link = self.open("", Start::Session).await?;
        let second = link.collect(first.len(), QUIET).await?;
        for publish in &second {
            link.acknowledge(publish)?;
        }
        let rest = link.receive(QUEUED, QUIET).await?;
        link.leave().await;
        let (first, second) = (payloads(&first), payloads(&second));
        let all = payloads(&rest).len() + second.len();
        self.queue(all, acked.taken);
        self.window(first.len(), all);
        let again = first.intersection(&second).count();
        let seen = format!(
            "of {} unacknowledged messages {again} came again",
            first.len()
        );
        if first.is_empty() {
            self.findings.left_out("redelivery", "no message came", "");
        } else {
            let verdict = if again == first.len() {
                Outcome::Ok
            } else {
                Outcome::Fault
            };
            self.report("redelivery", verdict, seen, advice::REDELIVERY);
        }
        Ok(())
    }

    fn queue(&mut self, came: usize, taken: usize) {
        let seen =
            format!("of {taken} messages acknowledged while the subscriber was away, {came} came");
        if came >= taken {
            let means = "more than brokers queue by default; how many more was not tried";
            self.findings.ok("queue", seen, means);
        } else {
            self.findings
                .add("queue", Outcome::Fault, seen, advice::QUEUE);
        }
    }

    fn window(&mut self, window: usize, all: usize) {
        if window == 0 {
            return self.findings.left_out("window", "no message came", "");
        }
        if window >= all {
            let seen = format!("all {all} come before one is acknowledged");
            return self.findings.ok("window", seen, "");
        }
        let rate = window * 1_000 / ROUND_MS;
        let seen = format!(
            "{window} messages come before one is acknowledged: some {rate} a second at most"
        );
        let verdict = match window {
            0..WINDOW_FAULT => Outcome::Fault,
            WINDOW_FAULT..WINDOW_WARNING => Outcome::Warning,
            _ => Outcome::Ok,
        };
        self.report("window", verdict, seen, advice::WINDOW);
    }

    /// Sends a packet of the largest size that ingest accepts.
    async fn size(&mut self) -> Result<(), String> {
        const NAME: &str = "message size";
        let topic = self.topic("size");
        let mut reader = self.open("-reader", Start::Clean).await?;
        reader.subscribe([topic.clone()]).await?;
        let mut publisher = self.open("-publisher", Start::Clean).await?;
        let payload = Bytes::from(vec![b'x'; PACKET_BYTES_MAX - SIZE_SLACK]);
        let size = payload.len();
        let refused = match publisher.publish(&topic, [payload]).await {
            Ok(acked) => acked.refused.first().map(|reason| format!("{reason:?}")),
            Err(why) => Some(why),
        };
        let came = reader.collect(1, SIZE_WAIT).await.unwrap_or_default();
        let whole = came.first().is_some_and(|one| one.payload.len() == size);
        if whole {
            self.findings.ok(NAME, "a message of 1 MiB passes", "");
        } else {
            let why = refused.unwrap_or_else(|| "it was acknowledged and did not come".to_owned());
            let seen = format!("a message of 1 MiB does not pass: {why}");
            self.findings.add(NAME, Outcome::Fault, seen, advice::SIZE);
        }
        Ok(())
    }

    /// Checks what a shared subscription does while a member is away.
    async fn shared(&mut self) -> Result<(), String> {
        const NAME: &str = "shared subscription";
        let topic = self.topic("shared");
        let shared = format!("$share/{}/{topic}", self.client_id);
        let uses = self
            .settings
            .filters
            .iter()
            .any(|filter| filter.starts_with("$share/"));
        let mut away = self.open("-away", Start::Session).await?;
        let mut here = self.open("-here", Start::Session).await?;
        let mut codes = away.subscribe([shared.clone()]).await?;
        codes.extend(here.subscribe([shared.clone()]).await?);
        away.leave().await;
        if codes
            .iter()
            .any(|code| !matches!(code, SubscribeReasonCode::Success(_)))
        {
            here.leave().await;
            let seen = format!("refused: {:?}", codes[0]);
            let verdict = if uses { Outcome::Fault } else { Outcome::Ok };
            self.report(NAME, verdict, seen, advice::SHARED_LOST);
            return Ok(());
        }
        let mut publisher = self.open("-publisher", Start::Clean).await?;
        let acked = publisher.publish(&topic, numbered(SHARED)).await?;
        publisher.leave().await;
        let at_once = here.receive(SHARED, QUIET).await?.len();
        here.leave().await;
        let mut back = self.open("-away", Start::Session).await?;
        let later = back.receive(SHARED, QUIET).await?.len();
        back.leave().await;
        let seen = format!(
            "of {} messages {at_once} went to the member that was there, {later} waited for the one away{}",
            acked.taken,
            if uses { "" } else { "; the settings use none" }
        );
        let (verdict, advice) = match (at_once + later < acked.taken, later) {
            _ if !uses => (Outcome::Ok, advice::SHARED),
            (true, _) => (Outcome::Fault, advice::SHARED_LOST),
            (false, 0) => (Outcome::Ok, advice::SHARED),
            (false, _) => (Outcome::Warning, advice::SHARED),
        };
        self.report(NAME, verdict, seen, advice);
        Ok(())
    }

    async fn anonymous(&mut self) {
        const NAME: &str = "anonymous access";
        let nobody = SubscribeSettings {
            username: None,
            password_file: None,
            ..self.settings.clone()
        };
        let client_id = format!("{}-nobody", self.client_id);
        match Link::open(&nobody, &client_id, Start::Clean).await {
            Ok(link) => {
                link.leave().await;
                let seen = "a client without a name and password is accepted";
                self.findings
                    .add(NAME, Outcome::Warning, seen, advice::ANONYMOUS);
            }
            Err(why) => {
                let seen = format!("a client without a name and password is refused ({why})");
                self.findings.ok(NAME, seen, "");
            }
        }
    }

    /// Ends the sessions of the check and drops their messages.
    async fn clean_up(&self) {
        for member in ["", "-away", "-here"] {
            if let Ok(link) = self.open(member, Start::Clean).await {
                link.leave().await;
            }
        }
    }
}

/// Returns the filters that were refused, or granted less than QoS 1.
fn refusals(filters: &[String], codes: &[SubscribeReasonCode]) -> Vec<String> {
    let answers = filters.iter().zip(codes);
    let refused = answers.filter_map(|(filter, code)| match code {
        SubscribeReasonCode::Success(QoS::AtMostOnce) => Some(format!("{filter}: only QoS 0")),
        SubscribeReasonCode::Success(_) => None,
        code => Some(format!("{filter}: {code:?}")),
    });
    refused.collect()
}
