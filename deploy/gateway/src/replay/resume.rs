//! Resuming a replay: the gateway's receipt lists the messages that the log has.
//!
//! The messages of a replay are numbered in order, within an epoch that hashes everything that determines them: file,
//! mapping, cut and order. The same replay therefore has the same numbers, and another one has others. Without a receipt
//! everything is sent; repeats count once.

use std::{io, time::Duration};

use bytes::BytesMut;
use greenpark_model::numbers::{NUMBER_MAX, Numbers};
use rumqttc::v5::mqttbytes::{
    Error as CodecError, QoS,
    v5::{Disconnect, DisconnectReasonCode, Filter, Packet, PingReq, Subscribe},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{mapping::Mapping, rows::CsvRows};
use crate::publisher::{self, Stream, connect};

/// The largest packet with a receipt.
const RECEIPT_BYTES_MAX: u32 = 1 << 20;
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The used fields of a receipt (`ingest/schema/receipt.schema.json`).
#[derive(Debug, Deserialize)]
struct Receipt {
    #[serde(flatten)]
    latest: Epoch,
    #[serde(default)]
    earlier: Vec<Epoch>,
}

#[derive(Debug, Deserialize)]
struct Epoch {
    epoch: u64,
    stored: Extent,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extent {
    up_to: u64,
    gaps: Vec<(u64, u64)>,
}

/// Returns the epoch of a replay; never 0.
pub(super) fn epoch(rows: &CsvRows, mapping: &Mapping) -> u64 {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    text(&mapping.topic());
    for meter in rows.meters() {
        text(meter);
        // All fields of the heads of payloads.
        text(&format!("{:?}", mapping.head(meter)));
    }
    text(mapping.flag.as_str());
    text(&mapping.batch.to_string());
    for &row in rows.batches(usize::MAX).flatten() {
        let row = rows.row(row);
        hash.update(row.instant.to_be_bytes());
        hash.update([row.meter.len() as u8, row.value.len() as u8]);
        hash.update(row.meter);
        hash.update(row.value);
        if let Some(ticket) = row.ticket {
            hash.update([ticket.len() as u8]);
            hash.update(ticket);
        }
    }
    // Ties move the cuts, so a file with ties has other messages than the same rows without.
    for tie in rows.ties() {
        hash.update((tie.len() as u64).to_be_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) & NUMBER_MAX).max(1)
}

/// Returns the numbers of `epoch` that the log has; empty if the server does not answer for any reason.
pub(super) async fn stored(
    settings: &publisher::PublisherSettings,
    topic: &str,
    epoch: u64,
) -> Numbers {
    let receipt = timeout(PATIENCE, request_receipt(settings, topic)).await;
    let receipt = receipt.ok().and_then(Result::ok).flatten();
    receipt.map_or_else(Numbers::default, |receipt| receipt.stored(epoch))
}

impl Receipt {
    fn stored(self, epoch: u64) -> Numbers {
        let epochs = std::iter::once(self.latest).chain(self.earlier);
        let mut found = epochs.filter(|known| known.epoch == epoch);
        found.next().map_or_else(Numbers::default, |known| {
            let (mut numbers, mut next) = (Numbers::default(), 1);
            for (first, last) in known.stored.gaps {
                numbers.insert(next, first.saturating_sub(1));
                next = next.max(last.saturating_add(1));
            }
            numbers.insert(next, known.stored.up_to);
            numbers
        })
    }
}

/// Reads the retained receipt. A server that has one sends it before it answers the PINGREQ after SUBSCRIBE.
async fn request_receipt(
    settings: &publisher::PublisherSettings,
    topic: &str,
) -> io::Result<Option<Receipt>> {
    let Ok(accepted) = connect(settings).await? else {
        return Ok(None);
    };
    let mut stream = accepted.stream;
    let mut bytes = BytesMut::new();
    let filter = Filter::new(topic, QoS::AtMostOnce);
    let mut subscribe = Subscribe::new(filter, None);
    subscribe.pkid = 1;
    subscribe.write(&mut bytes).map_err(io::Error::other)?;
    PingReq::write(&mut bytes).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let receipt = read(&mut stream).await;
    bytes.clear();
    Disconnect::new(DisconnectReasonCode::NormalDisconnection)
        .write(&mut bytes)
        .map_err(io::Error::other)?;
    // It does not matter if DISCONNECT arrives.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    receipt
}

async fn read(stream: &mut Stream) -> io::Result<Option<Receipt>> {
    let mut bytes = BytesMut::new();
    let mut receipt = None;
    loop {
        match Packet::read(&mut bytes, Some(RECEIPT_BYTES_MAX)) {
            Ok(Packet::Publish(publish)) => {
                receipt = serde_json::from_slice(&publish.payload).ok();
            }
            Ok(Packet::PingResp(_)) => return Ok(receipt),
            Ok(_) => {}
            Err(CodecError::InsufficientBytes(_)) => {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(json: &str, epoch: u64) -> Vec<(u64, u64)> {
        let receipt: Receipt = serde_json::from_str(json).expect("a receipt");
        receipt.stored(epoch).runs().to_vec()
    }

    #[test]
    fn a_receipt_says_what_need_not_be_sent() {
        let receipt = r#"{"epoch":7,"stored":{"upTo":90,"gaps":[[1,2],[11,11],[40,50]]},
            "archived":{"upTo":5,"gaps":[]},"at":2,"since":1,
            "earlier":[{"epoch":6,"stored":{"upTo":3,"gaps":[]}}]}"#;
        assert_eq!(stored(receipt, 7), [(3, 10), (12, 39), (51, 90)]);
        assert_eq!(stored(receipt, 6), [(1, 3)]);
        assert_eq!(stored(receipt, 5), []);
    }

    #[test]
    fn gaps_out_of_order_never_claim_what_is_in_one() {
        let receipt = r#"{"epoch":7,"stored":{"upTo":9,"gaps":[[5,8],[2,3]]}}"#;
        let runs = stored(receipt, 7);
        assert!(
            !runs
                .iter()
                .any(|&(a, b)| (a..=b).any(|n| (5..=8).contains(&n)))
        );
    }
}
