//! The MQTT 5 packets of a gateway that numbers its messages, and the receipts that it gets.

use greenpark_model::numbers::Numbers;
use serde::Deserialize;

use crate::plan;

/// The epoch of every gateway.
pub const EPOCH: u64 = 7;

/// The CONNECT packet of a gateway, with a clean start.
#[must_use]
pub fn connect(gateway: u64) -> Vec<u8> {
    let client = format!("ledger-{gateway}");
    // OK because the name has about a dozen letters.
    let mut packet = vec![0x10, (13 + client.len()) as u8];
    packet.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0]);
    packet.extend_from_slice(&text(&client));
    packet
}

/// The SUBSCRIBE packet for the receipts of a gateway, at QoS 0.
#[must_use]
pub fn subscribe(gateway: u64, id: u16) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(&text(&plan::receipt_topic(gateway)));
    body.push(0);
    // OK because the topic has a few dozen letters.
    let mut packet = vec![0x82, body.len() as u8];
    packet.extend_from_slice(&body);
    packet
}

/// The part of a gateway's PUBLISH at QoS 1 that follows the fixed header.
#[must_use]
pub fn publish_body(gateway: u64, id: u16, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut properties = Vec::new();
    for (name, value) in [("epoch", EPOCH), ("sequence", number)] {
        properties.push(0x26);
        properties.extend_from_slice(&text(name));
        properties.extend_from_slice(&text(&value.to_string()));
    }
    let mut body = text(&plan::topic(gateway));
    body.extend_from_slice(&id.to_be_bytes());
    // OK because two names and two numbers have at most 60 bytes.
    body.push(properties.len() as u8);
    body.extend_from_slice(&properties);
    body.extend_from_slice(payload);
    body
}

/// A UTF-8 string of MQTT: two bytes of length, then the text.
fn text(text: &str) -> Vec<u8> {
    // OK because topics and numbers are short.
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Parses a receipt and returns the message numbers that are in the log; none for another epoch. `published` is
/// the part of the receipt's PUBLISH that follows the topic.
///
/// # Errors
/// The payload is not a receipt.
pub fn parse_receipt(published: &[u8]) -> Result<Numbers, serde_json::Error> {
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
    // A receipt has few properties, so their length is one byte.
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
    fn a_receipt_names_the_messages_in_the_log() {
        let runs = |json: &str| {
            let published = [b"\x02\x24\x01", json.as_bytes()].concat();
            parse_receipt(&published).map(|numbers| numbers.runs().to_vec())
        };
        let receipt = r#"{"epoch":7,"stored":{"upTo":90,"gaps":[[1,2],[11,11]]},"at":2,"since":1}"#;
        assert_eq!(runs(receipt).expect("a receipt"), [(3, 10), (12, 90)]);
        let other = r#"{"epoch":6,"stored":{"upTo":90,"gaps":[]}}"#;
        assert_eq!(runs(other).expect("a receipt"), []);
        assert!(runs("?").is_err());
        assert!(parse_receipt(&[]).is_err());
    }
}
