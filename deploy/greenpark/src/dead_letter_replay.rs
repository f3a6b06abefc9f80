//! `dead-letters replay`: publishes refused payloads again on their topics and records the replay.
//!
//! A dead letter of one reading in a list is replayed as that reading alone; otherwise its whole payload is, once for all
//! dead letters that share it: the readings accepted before have the same identity and count once. A truncated payload is
//! not replayed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use greenpark_client::{
    connection::{ClientArgs, QueryConnection, refusal},
    dead_letters::{LetterFilterArgs, filter, stream},
};
use greenpark_console::{
    output::{answer, line},
    sheet::Sheet,
};
use greenpark_gateway::{
    publisher::{self, GatewayError, OutgoingMessage, Tally},
    replay::login::{self, LoginArgs},
};
use greenpark_ingest::decode::cut_reading;
use greenpark_proto::query::v1 as api;
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

/// Arguments of `dead-letters replay`.
#[derive(Debug, Clone, Args)]
pub struct ResendArgs {
    /// Which; those that were sent again before are passed over.
    #[command(flatten)]
    pub filter: LetterFilterArgs,
    /// One dead letter by its name instead; several may be given.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["gateway", "reason", "from", "to", "unreplayed"])]
    pub letter: Vec<String>,
    /// Those that were sent again before, too.
    #[arg(long)]
    pub again: bool,
    /// Where the rule of a topic names who sends, send as this user what another gateway sent; it is refused otherwise.
    #[arg(long)]
    pub as_user: bool,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Who sends them again.
    #[arg(long, value_name = "WHO", required_unless_present = "dry_run")]
    pub recorded_by: Option<String>,
    /// Why, such as the number of a ticket.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub evidence: String,
    /// The MQTT server: HOST:PORT, or mqtts://HOST:PORT with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// Seconds to go on trying when the server does not answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
    /// Who it is there; the user must be allowed to publish on the letters' topics.
    #[command(flatten)]
    pub login: LoginArgs,
    /// Where dead letters are asked.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Dead letters of one batch; their replay is recorded after each batch.
const BATCH: usize = 500;
/// Bytes of a batch.
const BATCH_BYTES: usize = 16 << 20;
/// Messages in flight.
const INFLIGHT: u16 = 100;
/// Reasons of skipped dead letters that are printed, at most.
const SKIPPED_SHOWN: usize = 20;

/// The advice if a server accepts the user and refuses the message.
const OF_ANOTHER: &str = "this user may not publish on the letter's topic, or the rule of the topic names who sends \
    ({user}, {client}) and this is not the gateway that the letter came from: log in as that gateway with --user and \
    --client-id, or say --as-user if what it sent is this user's from now on";

/// A message that replays one or more dead letters.
#[derive(Debug)]
struct Resend {
    topic: String,
    payload: Bytes,
    /// `whole`, or `reading 3`.
    part: String,
    readings: u32,
    /// The gateway that sent it first, as `park/enterprise/gateway`, if the topic named one.
    of: Option<String>,
    letters: Vec<String>,
}

/// The messages to send, and the skipped dead letters with the reason.
#[derive(Debug, Default)]
struct Plan {
    sends: Vec<Resend>,
    skipped: Vec<(String, String)>,
    by_content: HashMap<[u8; 32], usize>,
    bytes: usize,
    letters: usize,
}

impl Plan {
    /// Adds a dead letter, unless it cannot be sent, or was replayed before without `again`.
    fn add(&mut self, letter: api::DeadLetterEntry, again: bool) {
        if let Some(reason) = unfit(&letter, again) {
            self.skipped.push((letter.name, reason));
            return;
        }
        self.letters += 1;
        let of = gateway_of(&letter);
        let cut = letter.index.filter(|_| letter.readings == 1);
        let cut = cut.and_then(|index| Some((index, cut_reading(&letter.payload, index)?)));
        let (payload, part) = match cut {
            Some((index, reading)) => (Bytes::copy_from_slice(reading), format!("reading {index}")),
            None => (letter.payload, "whole".to_owned()),
        };
        let mut digest = Sha256::new();
        for part in [
            letter.topic.as_bytes(),
            of.as_deref().unwrap_or_default().as_bytes(),
        ] {
            digest.update(part);
            digest.update([0]);
        }
        digest.update(&payload);
        let content: [u8; 32] = digest.finalize().into();
        let readings = u32::try_from(letter.readings).unwrap_or(u32::MAX);
        if let Some(&known) = self.by_content.get(&content) {
            let known = &mut self.sends[known];
            known.readings = known.readings.saturating_add(readings);
            known.letters.push(letter.name);
            return;
        }
        self.by_content.insert(content, self.sends.len());
        self.bytes += payload.len();
        self.sends.push(Resend {
            topic: letter.topic,
            payload,
            part,
            readings,
            of,
            letters: vec![letter.name],
        });
    }

    fn is_full(&self) -> bool {
        self.letters >= BATCH || self.bytes >= BATCH_BYTES
    }
}

/// Returns the gateway of a dead letter; `None` if its topic named none.
fn gateway_of(letter: &api::DeadLetterEntry) -> Option<String> {
    let mut parts = letter.name.split('/');
    let (_, park, _, enterprise) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let of = [park, enterprise, &letter.gateway];
    // An id with this prefix stands for an unknown one.
    let is_known = of.iter().all(|id| !id.is_empty() && !id.starts_with('_'));
    is_known.then(|| of.join("/"))
}

/// Returns the reason why a dead letter cannot be sent.
fn unfit(letter: &api::DeadLetterEntry, again: bool) -> Option<String> {
    if letter.truncated {
        let kept = letter.payload_bytes;
        return Some(format!(
            "the letter holds {kept} bytes and not the whole payload; send it from the gateway"
        ));
    }
    if letter.topic.is_empty() || letter.topic.contains(['+', '#', '\0']) {
        return Some("its topic cannot be published on".to_owned());
    }
    match letter.replays.last() {
        Some(before) if !again => {
            let by = &before.recorded_by;
            Some(format!(
                "it was sent again before, by {by}; with --again it is sent once more"
            ))
        }
        _ => None,
    }
}

/// Replays dead letters.
///
/// # Errors
/// The arguments are wrong, a named dead letter cannot be sent, or a service refuses or does not answer; the error names
/// what was recorded before.
pub async fn replay(args: &ResendArgs) -> anyhow::Result<()> {
    let place = login::ServerArgs {
        mqtt: &args.mqtt,
        login: &args.login,
        connections: 1,
        inflight: INFLIGHT,
        patience: args.patience,
    };
    let mut server = login::server(&place, std::env::var(login::PASSWORD).ok())?;
    if server.client_id.is_empty() {
        server.client_id = format!("greenpark-dead-letters-{}", std::process::id());
    }
    if let Some(warning) = login::warning(&server).filter(|_| !args.dry_run) {
        line(&warning);
    }
    let service = QueryConnection::open(&args.client).await?;
    let mut sent = Sent::default();
    if args.letter.is_empty() {
        let mut letters = stream(&service, filter(&args.filter)?).await?;
        let mut plan = Plan::default();
        while let Some(letter) = letters.message().await.map_err(refusal)? {
            plan.add(letter, args.again);
            if plan.is_full() {
                sent.carry_out(args, &service, &server, std::mem::take(&mut plan))
                    .await?;
            }
        }
        sent.carry_out(args, &service, &server, plan).await?;
    } else {
        let plan = named(args, &service).await?;
        sent.carry_out(args, &service, &server, plan).await?;
    }
    sent.report(args)
}

/// Plans the named dead letters: each of them can be sent, or none is.
async fn named(args: &ResendArgs, service: &QueryConnection) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    for name in &args.letter {
        let request = api::GetDeadLetterRequest { name: name.clone() };
        let answer = service.dead_letters().get_dead_letter(request).await;
        plan.add(answer.map_err(refusal)?.into_inner(), args.again);
    }
    if let Some((name, reason)) = plan.skipped.first() {
        bail!("{name} is not sent: {reason}");
    }
    Ok(plan)
}

/// The result so far.
#[derive(Debug, Default)]
struct Sent {
    messages: usize,
    letters: usize,
    whole: usize,
    readings: u64,
    skipped: Vec<(String, String)>,
    planned: Vec<Resend>,
}

impl Sent {
    /// Sends a plan and records it; a dry run only keeps it for the report.
    async fn carry_out(
        &mut self,
        args: &ResendArgs,
        service: &QueryConnection,
        server: &publisher::PublisherSettings,
        plan: Plan,
    ) -> anyhow::Result<()> {
        self.skipped.extend(plan.skipped);
        let names = || {
            plan.sends
                .iter()
                .flat_map(|send| send.letters.iter().cloned())
        };
        let (messages, letters) = (plan.sends.len(), names().count());
        if messages > 0 && !args.dry_run {
            publish(server, &plan.sends, args.as_user)
                .await
                .with_context(|| {
                    format!("{} letter(s) were sent and recorded before", self.letters)
                })?;
            let request = api::RecordDeadLetterReplayRequest {
                names: names().collect(),
                recorded_by: args.recorded_by.clone().unwrap_or_default(),
                evidence: args.evidence.clone(),
            };
            let recorded = service
                .dead_letters()
                .record_dead_letter_replay(request)
                .await;
            recorded.map_err(refusal).with_context(|| {
                format!("{letters} letter(s) were sent, and that they were is not recorded")
            })?;
        }
        self.messages += messages;
        self.letters += letters;
        let whole = plan.sends.iter().filter(|send| send.part == "whole");
        self.whole += whole.count();
        self.readings += plan
            .sends
            .iter()
            .map(|send| u64::from(send.readings))
            .sum::<u64>();
        if args.dry_run {
            self.planned.extend(plan.sends);
        }
        Ok(())
    }

    fn report(&self, args: &ResendArgs) -> anyhow::Result<()> {
        if args.dry_run {
            planned(&self.planned, &self.skipped).print(args.client.format)?;
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, reason) in &self.skipped {
            *reasons.entry(reason).or_default() += 1;
        }
        for (reason, count) in reasons.iter().take(SKIPPED_SHOWN) {
            line(&format!("{count} letter(s) not sent: {reason}"));
        }
        if self.whole > 0 {
            line("of whole payloads, what was accepted before is a duplicate and counts once");
        }
        if !args.dry_run {
            let (messages, letters, readings) = (self.messages, self.letters, self.readings);
            answer(&format!(
                "sent {messages} message(s) for {letters} dead letter(s), which refused {readings} reading(s); \
                 not sent {}\n",
                self.skipped.len()
            ))?;
        }
        Ok(())
    }
}

/// Publishes messages and returns when the server has acknowledged all. With `as_user` they are the user's own; otherwise
/// they name the gateway that sent them first.
async fn publish(
    server: &publisher::PublisherSettings,
    sends: &[Resend],
    as_user: bool,
) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::channel(sends.len());
    for send in sends {
        let message = OutgoingMessage {
            topic: Arc::from(send.topic.as_str()),
            payload: send.payload.clone(),
            readings: send.readings,
            numbered: None,
            replay_of: send.of.clone().filter(|_| !as_user),
        };
        let room = sender.try_send(message).is_ok();
        debug_assert!(room, "the channel has room for all");
    }
    drop(sender);
    let tally = Arc::new(Tally::default());
    // An MQTT server may be slow to accept a large payload, and the publisher has its own patience.
    let longest = server
        .patience
        .saturating_mul(10)
        .max(Duration::from_secs(60));
    let published = publisher::publish(server.clone(), receiver, tally);
    match tokio::time::timeout(longest, published).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let advice = match &error {
                GatewayError::Message {
                    reason: PubAckReason::NotAuthorized,
                    ..
                } => Some(OF_ANOTHER.to_owned()),
                _ => login::advice(&error, &server.login).map(str::to_owned),
            };
            let error = anyhow::Error::from(error);
            Err(match advice {
                Some(advice) => error.context(advice),
                None => error,
            })
        }
        Err(_) => bail!("{} does not acknowledge", server.address),
    }
}

/// Formats the plan of a dry run.
fn planned(sends: &[Resend], skipped: &[(String, String)]) -> Sheet {
    let planned_json = sends.iter().map(|send| {
        json!({
            "topic": send.topic,
            "part": send.part,
            "bytes": send.payload.len(),
            "letters": send.letters,
        })
    });
    let not = skipped
        .iter()
        .map(|(name, reason)| json!({ "name": name, "reason": reason }));
    let all = json!({
        "sends": planned_json.collect::<Vec<Value>>(),
        "skipped": not.collect::<Vec<Value>>(),
    });
    let mut sheet = Sheet::new(&["letter", "topic", "part", "bytes", "more"], &[3, 4], all);
    for send in sends {
        sheet.push(vec![
            send.letters.first().cloned().unwrap_or_default(),
            send.topic.clone(),
            send.part.clone(),
            send.payload.len().to_string(),
            (send.letters.len() - 1).to_string(),
        ]);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: u32, payload: &str, index: Option<u32>) -> api::DeadLetterEntry {
        api::DeadLetterEntry {
            name: format!("parks/p/enterprises/e/deadLetters/0-{offset}"),
            topic: "park/p/e/g/up/readings".to_owned(),
            payload: payload.to_owned().into(),
            payload_bytes: payload.len() as u64,
            index,
            readings: 1,
            ..api::DeadLetterEntry::default()
        }
    }

    #[test]
    fn a_reading_is_cut_out_and_a_payload_of_several_letters_is_sent_once() {
        let good = r#"{"meter":"m1","quantity":"electricity","at":1,"value":1}"#;
        let bad = r#"{"meter":"m2", "quantity":"electrcity","at":1,"value":2.50}"#;
        let list = format!("[{good}, {bad}]");
        let columns = r#"{"series":[{"meter":"m1"},{"meter":"m2"}]}"#;
        let mut plan = Plan::default();
        plan.add(letter(1, &list, Some(1)), false);
        plan.add(letter(2, columns, Some(0)), false);
        plan.add(letter(3, columns, Some(1)), false);
        plan.add(letter(4, "[", None), false);
        let sends: Vec<_> = plan
            .sends
            .iter()
            .map(|send| (&*send.payload, send.part.as_str(), send.letters.len()))
            .collect();
        assert_eq!(
            sends,
            [
                (bad.as_bytes(), "reading 1", 1),
                (columns.as_bytes(), "whole", 2),
                (&b"["[..], "whole", 1),
            ]
        );
        assert!(plan.skipped.is_empty());
    }

    #[test]
    fn what_cannot_be_sent_is_passed_over_with_a_reason() {
        let mut plan = Plan::default();
        let mut cut = letter(1, "{", None);
        cut.truncated = true;
        plan.add(cut, false);
        let mut before = letter(2, "{", None);
        before.replays.push(api::DeadLetterReplay {
            recorded_by: "li".to_owned(),
            ..api::DeadLetterReplay::default()
        });
        plan.add(before.clone(), false);
        let mut wild = letter(3, "{", None);
        wild.topic = "a/+".to_owned();
        plan.add(wild, false);
        assert!(plan.sends.is_empty());
        let reasons: Vec<&str> = plan.skipped.iter().map(|(_, reason)| &**reason).collect();
        assert!(reasons[0].contains("not the whole payload"), "{reasons:?}");
        assert!(
            reasons[1].contains("by li") && reasons[1].contains("--again"),
            "{reasons:?}"
        );
        assert!(reasons[2].contains("topic"), "{reasons:?}");
        plan.add(before, true);
        assert_eq!(plan.sends.len(), 1);
    }
}
