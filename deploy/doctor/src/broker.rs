//! A broker, by what it does with a session, publishes and topics of our own, as its subscriber meets it.
//!
//! The topics lie where ingest does not read, the sessions are removed again, and nothing is retained.

mod advice;
mod link;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use greenpark_ingest::SubscribeSettings;
use greenpark_model::limits::PACKET_BYTES_MAX;
use rumqttc::v5::mqttbytes::{
    QoS,
    v5::{ConnAckProperties, Publish, SubscribeReasonCode},
};

use self::link::{Link, Start};
use crate::report::{Findings, Outcome, said};

/// Messages that an absent subscriber is sent: more than the thousand that brokers queue by default.
const QUEUED: usize = 1_500;
/// How long nothing may come before nothing more is expected.
const QUIET: Duration = Duration::from_millis(1_500);
/// How long a message of the largest size may take.
const SIZE_WAIT: Duration = Duration::from_secs(5);
/// Below so many unacknowledged messages a handful of gateways is held up.
const WINDOW_FAULT: usize = 16;
/// Below so many, a park of thousands of meters is.
const WINDOW_WARNING: usize = 1_000;
/// Below so many, a gateway on a slow line is: at 100 ms a round, ten messages are a hundred a second.
const PUBLISH_WINDOW_WARNING: u16 = 10;
/// Milliseconds until a message is acknowledged: the subscriber's linger and an append.
const ROUND_MS: usize = 20;
/// A session that is kept for less does not outlast a restart of a machine.
const EXPIRY_FAULT_S: u32 = 3_600;
/// Messages for two members of a shared subscription.
const SHARED: usize = 20;
/// Bytes of a packet of the largest size that are not its payload.
const SIZE_SLACK: usize = 256;

/// The checks behind CONNECT, in their order.
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

/// One examination: who connects, and on which topics.
struct Broker<'a> {
    settings: &'a SubscribeSettings,
    client_id: String,
    topics: String,
    findings: &'a mut Findings,
}

/// Checks the broker of `settings`; `unique` tells this run from others.
pub async fn check(settings: &SubscribeSettings, unique: &str, findings: &mut Findings) {
    let client_id = format!("greenpark-doctor-{unique}");
    let places = [format!("park/_doctor/{unique}"), format!("{client_id}/own")];
    let read = |topics: &String| {
        let topic = format!("{topics}/queue");
        let filters = settings.filters.iter();
        filters
            .map(|f| plain(f))
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

/// A filter without the group that shares it.
fn plain(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/");
    shared
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

/// Whether `filter` takes `topic`.
fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (name, Some(level)) if name == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
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

    /// Runs one step; a connection lost in it is its finding.
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

    /// What CONNACK grants of what was asked for.
    fn granted(&mut self, properties: Option<&ConnAckProperties>) {
        let asked = self.settings.session_expiry.as_secs();
        let asked = u32::try_from(asked).unwrap_or(u32::MAX);
        let granted = properties.and_then(|p| p.session_expiry_interval);
        let granted = granted.unwrap_or(asked).min(asked);
        let told = |seconds: u32| said(i64::from(seconds) * 1_000);
        let seen = format!("asked for {}, granted {}", told(asked), told(granted));
        let verdict = match granted {
            _ if granted >= asked => Outcome::Ok,
            EXPIRY_FAULT_S.. => Outcome::Warning,
            _ => Outcome::Fault,
        };
        self.tell("session expiry", verdict, seen, advice::EXPIRY);
        let asked = self.settings.keep_alive.as_secs();
        let granted = properties.and_then(|p| p.server_keep_alive);
        let granted = granted.map_or(asked, u64::from);
        let seen = format!("asked for {asked} s, {granted} s it is");
        let verdict = match granted < asked {
            true => Outcome::Warning,
            false => Outcome::Ok,
        };
        self.tell("keep-alive", verdict, seen, advice::KEEP_ALIVE);
        // No word is the largest.
        let window = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let seen = format!("a gateway may have {window} messages unacknowledged");
        let verdict = match window {
            0..PUBLISH_WINDOW_WARNING => Outcome::Warning,
            _ => Outcome::Ok,
        };
        self.tell("publish window", verdict, seen, advice::PUBLISH_WINDOW);
    }

    /// Adds a finding, with its advice where it is not as it should be.
    fn tell(&mut self, name: &'static str, verdict: Outcome, seen: String, advice: advice::Advice) {
        match verdict {
            Outcome::Ok => self.findings.ok(name, seen, ""),
            verdict => self.findings.add(name, verdict, seen, advice),
        }
    }

    /// Whether the topics of the check may be used; the subscriber's own filters are asked for, too.
    async fn access(&mut self, mut link: Link) -> Result<bool, String> {
        const NAME: &str = "topic access";
        let own = self.topic("queue");
        let filters: Vec<String> = self
            .settings
            .filters
            .iter()
            .map(|f| plain(f).to_owned())
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

    /// Whether a message does not come through: Mosquitto grants every subscription, and then delivers
    /// nothing of a topic that its access list keeps.
    async fn delivery(&mut self, refused: &mut Vec<String>) -> Result<bool, String> {
        let topic = self.topic("access");
        let mut reader = self.open("-reader", Start::Clean).await?;
        reader.subscribe([topic.clone()]).await?;
        let mut publisher = self.open("-publisher", Start::Clean).await?;
        // Mosquitto answers a publish that it denies, or cuts the connection, by what it logs to.
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

    /// What an absent subscriber's session keeps, what is sent before it acknowledges, and whether that
    /// is sent again.
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
        self.tell("session", verdict, seen.to_owned(), advice::SESSION);
        let first = link.collect(QUEUED, QUIET).await?;
        // The connection breaks with all of them unacknowledged.
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
            self.tell("redelivery", verdict, seen, advice::REDELIVERY);
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
        self.tell("window", verdict, seen, advice::WINDOW);
    }

    /// A packet of the largest size that ingest takes.
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

    /// What a shared subscription does with a member that is away.
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
            self.tell(NAME, verdict, seen, advice::SHARED_LOST);
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
        self.tell(NAME, verdict, seen, advice);
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

    /// Ends the sessions of the check, with what they still hold.
    async fn clean_up(&self) {
        for member in ["", "-away", "-here"] {
            if let Ok(link) = self.open(member, Start::Clean).await {
                link.leave().await;
            }
        }
    }
}

/// The filters that were refused, or granted less than QoS 1.
fn refusals(filters: &[String], codes: &[SubscribeReasonCode]) -> Vec<String> {
    let answers = filters.iter().zip(codes);
    let refused = answers.filter_map(|(filter, code)| match code {
        SubscribeReasonCode::Success(QoS::AtMostOnce) => Some(format!("{filter}: only QoS 0")),
        SubscribeReasonCode::Success(_) => None,
        code => Some(format!("{filter}: {code:?}")),
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_what_mqtt_says() {
        for (filter, topic, takes) in [
            ("park/+/+/+/up/#", "park/_doctor/7/queue", false),
            ("park/+/+/+/up/#", "park/p/e/g/up/readings", true),
            ("park/#", "park/_doctor/7/queue", true),
            ("#", "a", true),
            ("a/+", "a", false),
            ("a", "a/b", false),
            ("a/#", "a", true),
        ] {
            assert_eq!(matches(filter, topic), takes, "{filter} {topic}");
        }
        assert_eq!(plain("$share/g/park/#"), "park/#");
        assert_eq!(plain("park/#"), "park/#");
    }
}
