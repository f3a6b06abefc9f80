//! Telegraf's JSON: one metric, or a batch under `metrics`. A map names a field, or `name/field`; the
//! device is the tag that the rule names.

use std::borrow::Cow;

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

/// Decodes `text` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    check(text)?;
    let Some(Token::Object(body)) = pointer::token(text) else {
        return Err("the payload is no JSON object".to_owned());
    };
    match pointer::member(body, "metrics") {
        Some(Token::Array(metrics)) => pointer::each(metrics, |_, token| match token {
            Token::Object(inner) => {
                if let Err(reason) = metric(inner, sink) {
                    sink.refuse_element(reason);
                }
            }
            other => {
                sink.refuse_element(format!("a metric is {}, not an object", other.describe()))
            }
        }),
        _ => metric(body, sink)?,
    }
    Ok(())
}

fn metric(body: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    let Some(Token::Object(fields)) = pointer::member(body, "fields") else {
        return Err("a metric has no \"fields\"".to_owned());
    };
    let text = |token: Option<Token<'_>>| match token {
        Some(Token::Text(text)) => text.into_owned(),
        _ => String::new(),
    };
    let name = match pointer::member(body, "name") {
        Some(Token::Text(name)) => name,
        _ => Cow::Borrowed(""),
    };
    let tags = match pointer::member(body, "tags") {
        Some(Token::Object(tags)) => tags,
        _ => "",
    };
    let device = sink.mapping.device_tag();
    let device = text(device.and_then(|tag| pointer::member(tags, tag)));
    // A ticket is a text, which some plugins write as a tag.
    let beside =
        |key: &str| pointer::member_text(fields, key).or_else(|| pointer::member_text(tags, key));
    let unit = sink.mapping.unit_or(TimeUnit::S);
    let at = pointer::member(body, "timestamp")
        .map(|token| foreign::of_token(&token, unit, sink.timing));
    pointer::each(fields, |field, token| {
        sink.add(Sample {
            device: &device,
            group: &name,
            field,
            value: Value::of(&token),
            when: when(at.as_ref()),
            flag: Flag::Normal,
            beside: &beside,
        });
    });
    Ok(())
}
