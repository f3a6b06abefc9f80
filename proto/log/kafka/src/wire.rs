//! A record as a Kafka message: the key is the park, the value is the payload, the rest is headers.
//!
//! ```text
//! enterprise, gateway   their ids
//! epoch, sequence       decimal digits, absent where 0
//! content-type          as ContentType::as_str
//! ```

use bytes::Bytes;
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    log_position::Partition,
};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
};

use greenpark_log::record::{ContentType, Entry, Headers, Position, Record};

const ENTERPRISE: &str = "enterprise";
const GATEWAY: &str = "gateway";
const EPOCH: &str = "epoch";
const SEQUENCE: &str = "sequence";
const CONTENT_TYPE: &str = "content-type";

/// The headers of a record.
pub(crate) fn headers_of(headers: &Headers) -> OwnedHeaders {
    let text = |key, value| Header {
        key,
        value: Some(value),
    };
    let mut out = OwnedHeaders::new_with_capacity(5)
        .insert(text(ENTERPRISE, headers.enterprise.as_str()))
        .insert(text(GATEWAY, headers.gateway.as_str()))
        .insert(text(CONTENT_TYPE, headers.content_type.as_str()));
    for (key, number) in [(EPOCH, headers.epoch), (SEQUENCE, headers.sequence)] {
        if number != 0 {
            out = out.insert(Header {
                key,
                value: Some(number.to_string().as_str()),
            });
        }
    }
    out
}

/// The entry of a message; one that is no record of ours says why.
pub(crate) fn entry_of(message: &BorrowedMessage<'_>) -> Entry {
    let position = Position {
        // OK because Kafka's partitions and offsets are never negative.
        partition: Partition::new(u32::try_from(message.partition()).unwrap_or(0)),
        offset: u64::try_from(message.offset()).unwrap_or(0),
    };
    let appended_ms = message.timestamp().to_millis().unwrap_or(0);
    Entry {
        position,
        appended_ms,
        record: record_of(message),
    }
}

fn record_of(message: &BorrowedMessage<'_>) -> Result<Record, String> {
    let key = message
        .key()
        .ok_or("the message has no key; it must be the park")?;
    let park = ParkId::new(text(key, "key")?).map_err(|error| format!("key: {error}"))?;
    let payload = message.payload().ok_or("the message has no value")?;
    let (mut enterprise, mut gateway, mut content_type) = (None, None, None);
    let (mut epoch, mut sequence) = (0, 0);
    for header in message
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter())
    {
        let value = header.value.unwrap_or_default();
        let fault = |error: &dyn std::fmt::Display| format!("header {}: {error}", header.key);
        match header.key {
            ENTERPRISE => {
                let id = EnterpriseId::new(text(value, ENTERPRISE)?);
                enterprise = Some(id.map_err(|error| fault(&error))?);
            }
            GATEWAY => {
                let id = GatewayId::new(text(value, GATEWAY)?);
                gateway = Some(id.map_err(|error| fault(&error))?);
            }
            CONTENT_TYPE => {
                let value = text(value, CONTENT_TYPE)?;
                let unknown = || fault(&format_args!("'{value}' is not known"));
                content_type = Some(ContentType::from_header(value).ok_or_else(unknown)?);
            }
            EPOCH => epoch = number(value, EPOCH)?,
            SEQUENCE => sequence = number(value, SEQUENCE)?,
            // Others may add headers of their own, for tracing and the like.
            _ => {}
        }
    }
    let missing = |name: &str| format!("the message has no header {name}");
    let headers = Headers {
        enterprise: enterprise.ok_or_else(|| missing(ENTERPRISE))?,
        gateway: gateway.ok_or_else(|| missing(GATEWAY))?,
        epoch,
        sequence,
        content_type: content_type.ok_or_else(|| missing(CONTENT_TYPE))?,
    };
    Ok(Record {
        park,
        headers,
        payload: Bytes::copy_from_slice(payload),
    })
}

fn text<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str, String> {
    str::from_utf8(bytes).map_err(|_not_text| format!("{name} is not UTF-8 text"))
}

fn number(bytes: &[u8], name: &str) -> Result<u64, String> {
    let digits = text(bytes, name)?;
    digits
        .parse()
        .map_err(|_not_a_number| format!("header {name}: '{digits}' is not a number"))
}
