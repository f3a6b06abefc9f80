//! EMQX Neuron's uploads: a group of tags of a south node, in the values, tags or ECP format.
//!
//! A tag that Neuron could not read has an error code and no value: it is missing, and never zero.
//! The device is the south node; a map names a tag, or `group/tag`.

use std::borrow::Cow;

use greenpark_model::reading::Flag;

use super::{
    mapped::{check, when},
    pointer,
    sink::{Beside, Sample, Sink, Value, When},
};
use crate::{
    decode::{fault::Fault, json_scanner::Token, time::foreign},
    settings::TimeUnit,
};

/// The common part of an upload's tags.
struct Upload<'a> {
    node: Cow<'a, str>,
    group: Cow<'a, str>,
    at: Option<Result<i64, Fault>>,
}

/// Decodes the values format of `text` into `sink`; an error refuses the payload as a whole.
pub(super) fn values(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    let (upload, body) = upload(text, sink)?;
    match pointer::member(body, "values") {
        Some(Token::Object(values)) => {
            let beside = |tag: &str| pointer::member_text(values, tag);
            pointer::each(values, |tag, token| {
                upload.add(tag, Value::of(&token), &beside, sink);
            });
        }
        _ => return Err("\"values\" is missing or no object: not Neuron's values format".into()),
    }
    if let Some(Token::Object(errors)) = pointer::member(body, "errors") {
        pointer::each(errors, |tag, _| {
            upload.add(tag, Value::Missing, &|_| None, sink);
        });
    }
    Ok(())
}

/// Decodes the tags format or the ECP format of `text` into `sink`.
pub(super) fn tags(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    let (upload, body) = upload(text, sink)?;
    let Some(Token::Array(tags)) = pointer::member(body, "tags") else {
        return Err("\"tags\" is missing or no array: not Neuron's tags or ECP format".into());
    };
    let beside = |name: &str| tag_value(tags, name);
    pointer::each(tags, |_, token| {
        let Token::Object(tag) = token else {
            return sink.refuse_element(format!("a tag is {}, not an object", token.describe()));
        };
        let Some(Token::Text(name)) = pointer::member(tag, "name") else {
            return sink.refuse_element("a tag has no name".to_owned());
        };
        let failed = pointer::member(tag, "error").is_some_and(|code| code != Token::Number("0"));
        let value = pointer::member(tag, "value").filter(|_| !failed);
        upload.add(
            &name,
            value.as_ref().map_or(Value::Missing, Value::of),
            &beside,
            sink,
        );
    });
    Ok(())
}

/// Returns the value of the tag `name`, as text.
fn tag_value(tags: &str, name: &str) -> Option<String> {
    let mut found = None;
    pointer::each(tags, |_, token| {
        if let Token::Object(tag) = token
            && pointer::member_text(tag, "name").as_deref() == Some(name)
        {
            found = pointer::member_text(tag, "value");
        }
    });
    found
}

fn upload<'a>(text: &'a str, sink: &Sink<'_>) -> Result<(Upload<'a>, &'a str), String> {
    check(text)?;
    let Some(Token::Object(body)) = pointer::token(text) else {
        return Err("the payload is no JSON object".to_owned());
    };
    let name = |key: &str| match pointer::member(body, key) {
        Some(Token::Text(name)) => name,
        _ => Cow::Borrowed(""),
    };
    let at = pointer::member(body, "timestamp");
    let upload = Upload {
        node: name("node"),
        group: name("group"),
        at: at.map(|token| foreign::of_token(&token, TimeUnit::Ms, sink.timing)),
    };
    Ok((upload, body))
}

impl Upload<'_> {
    fn add(&self, tag: &str, value: Value<'_>, beside: Beside<'_>, sink: &mut Sink<'_>) {
        let when: When<'_> = when(self.at.as_ref());
        sink.add(Sample {
            device: &self.node,
            group: &self.group,
            field: tag,
            value,
            when,
            flag: Flag::Normal,
            beside,
        });
    }
}
