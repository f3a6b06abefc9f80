//! The packets of a gateway that numbers its messages, and of the receipts it is told: MQTT 5.

use greenpark_model::numbers::Numbers;
use serde::Deserialize;

use crate::plan;

/// The epoch of every gateway.
pub const EPOCH: u64 = 7;

/// CONNECT of a gateway, with a clean start.
#[must_use]
pub fn connect(line: u64) -> Vec<u8> {
    let client = format!("ledger-{line}");
    // OK because the name has a dozen letters.
    let mut packet = vec![0x10, (13 + client.len()) as u8];
    packet.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0]);
    packet.extend_from_slice(&text(&client));
    packet
}

/// SUBSCRIBE to a gateway's receipts, at QoS 0.
#[must_use]
pub fn subscribe(line: u64, id: u16) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(&text(&plan::receipt_topic(line)));
    body.push(0);
    // OK because the topic has some dozens of letters.
    let mut packet = vec![0x82, body.len() as u8];
    packet.extend_from_slice(&body);
    packet
}

/// What stands behind the length of a gateway's PUBLISH at QoS 1.
#[must_use]
pub fn numbered(line: u64, id: u16, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut properties = Vec::new();
    for (name, value) in [("epoch", EPOCH), ("sequence", number)] {
        properties.push(0x26);
        properties.extend_from_slice(&text(name));
        properties.extend_from_slice(&text(&value.to_string()));
    }
    let mut body = text(&plan::topic(line));
    body.extend_from_slice(&id.to_be_bytes());
    // OK because two names and two numbers have at most 60 bytes.
    body.push(properties.len() as u8);
    body.extend_from_slice(&properties);
    body.extend_from_slice(payload);
    body
}

/// A text behind its length.
fn text(text: &str) -> Vec<u8> {
    // OK because topics and numbers are short.
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Which numbers of a gateway a receipt says are in the log; `published` is what stands behind the topic, as
/// the one PUBLISH that a gateway is sent has it. Nothing where it is of another epoch.
///
/// # Errors
/// It is no receipt.
pub fn stored(published: &[u8]) -> Result<Numbers, serde_json::Error> {
    #[derive(Deserialize)]
    struct Receipt {
        epoch: u64,
        stored: Stored,
    }
    #[derive(Deserialize)]
    struct Stored {
        #[serde(rename = "upTo")]
        up_to: u64,
        gaps: Vec<[u64; 2]>,
    }
    // Few properties come with a receipt: their length is one byte.
    let properties = published.first().map_or(0, |length| usize::from(*length));
    let json = published.get(1 + properties..).unwrap_or_default();
    let receipt: Receipt = serde_json::from_slice(json)?;
    let mut numbers = Numbers::default();
    if receipt.epoch != EPOCH {
        return Ok(numbers);
    }
    let mut next = 1;
    for [first, last] in receipt.stored.gaps {
        numbers.insert(next, first.saturating_sub(1));
        next = last.saturating_add(1);
    }
    numbers.insert(next, receipt.stored.up_to);
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_says_what_is_in_the_log() {
        let runs = |json: &str| {
            let published = [b"\x02\x24\x01", json.as_bytes()].concat();
            stored(&published).map(|numbers| numbers.runs().to_vec())
        };
        let receipt = r#"{"epoch":7,"stored":{"upTo":90,"gaps":[[1,2],[11,11]]},"at":2,"since":1}"#;
        assert_eq!(runs(receipt).expect("a receipt"), [(3, 10), (12, 90)]);
        let other = r#"{"epoch":6,"stored":{"upTo":90,"gaps":[]}}"#;
        assert_eq!(runs(other).expect("a receipt"), []);
        assert!(runs("?").is_err());
        assert!(stored(&[]).is_err());
    }
}
