//! ThingsBoard's device and gateway telemetry: `{key: value}`, `{ts, values}` and arrays of these,
//! grouped by device if a gateway sends them. `ts` counts milliseconds; without it the time of
//! arrival applies.

use greenpark_model::reading::Flag;

use super::{
    mapped::{check, when},
    pointer,
    sink::{Sample, Sink, Value},
};
use crate::{
    decode::{json_scanner::Token, time::foreign},
    settings::TimeUnit,
};

/// Decodes a device's `text` into `sink`; an error refuses the payload as a whole.
pub(super) fn device(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    check(text)?;
    let token = pointer::token(text);
    let token = token.ok_or("the payload is empty")?;
    entries(&token, "", sink);
    Ok(())
}

/// Decodes a gateway's `text` into `sink`; an error refuses the payload as a whole.
pub(super) fn gateway(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    check(text)?;
    match pointer::token(text) {
        Some(Token::Object(devices)) => {
            pointer::each(devices, |device, token| entries(&token, device, sink));
            Ok(())
        }
        _ => Err("the payload is no object with the devices' names as keys".to_owned()),
    }
}

fn entries(token: &Token<'_>, device: &str, sink: &mut Sink<'_>) {
    match token {
        Token::Array(list) => pointer::each(list, |_, token| entry(&token, device, sink)),
        other => entry(other, device, sink),
    }
}

fn entry(token: &Token<'_>, device: &str, sink: &mut Sink<'_>) {
    let Token::Object(entry) = token else {
        return sink.refuse_element(format!("an entry is {}, not an object", token.describe()));
    };
    let ts = pointer::member(entry, "ts");
    let (ts, values) = match pointer::member(entry, "values") {
        Some(Token::Object(values)) => (ts, values),
        Some(other) if ts.is_some() => {
            let other = other.describe();
            return sink.refuse_element(format!(
                "\"values\" is {other}, not an object with the keys"
            ));
        }
        _ => (None, *entry),
    };
    let ts = ts.map(|token| foreign::of_token(&token, TimeUnit::Ms, sink.timing));
    let beside = |key: &str| pointer::member_text(values, key);
    pointer::each(values, |field, token| {
        sink.add(Sample {
            device,
            group: "",
            field,
            value: Value::of(&token),
            when: when(ts.as_ref()),
            flag: Flag::Normal,
            beside: &beside,
        });
    });
}
