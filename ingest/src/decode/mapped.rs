//! JSON whose places a rule names: Alink, Huawei IoTDA, Tuya, and whatever else has its fields in an
//! object.
//!
//! The payload is checked once and then walked: no tree is built, and a field costs no allocation. The
//! fields are the members of the object at the rule's `fields`; a field that is an object is its member
//! `value`, with the instant of its member `time`, or else an object with fields of its own, whose
//! names are pointers.

use std::{borrow::Cow, str};

use greenpark_model::reading::Flag;

use super::{
    moment,
    pointer::{self, Beside, Shape, Step},
    scan::{Scanner, Token},
    sink::{Sample, Sink, Value, When},
};
use crate::settings::TimeUnit;

/// Checks that `payload` is JSON.
pub(super) fn text(payload: &[u8]) -> Result<&str, String> {
    let text = str::from_utf8(payload)
        .map_err(|e| format!("not JSON: not UTF-8 at byte {}", e.valid_up_to()))?;
    let mut scanner = Scanner::new(text);
    let checked = scanner.value().and_then(|_| scanner.end());
    checked.map_err(|e| e.to_string())?;
    Ok(text)
}

/// Decodes `payload` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(payload: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
    let text = text(payload)?;
    let mapping = sink.mapping;
    let mut walk = Walk {
        shape: mapping.shape(),
        unit: mapping.unit_or(TimeUnit::Ms),
        sink,
        found: false,
        path: String::new(),
        around: vec![text],
    };
    walk.descend(text, &mapping.shape().fields);
    if walk.found {
        return Ok(());
    }
    Err("the payload has no object where the rule's \"fields\" points".to_owned())
}

struct Walk<'w, 's, 'a> {
    shape: &'w Shape,
    unit: TimeUnit,
    sink: &'w mut Sink<'s>,
    found: bool,
    path: String,
    /// The payload, and the element of every star on the way.
    around: Vec<&'a str>,
}

impl<'a> Walk<'_, '_, 'a> {
    /// Goes on by `steps` from `text`, and takes the fields where they end.
    fn descend(&mut self, text: &'a str, steps: &[Step]) {
        let Some((first, rest)) = steps.split_first() else {
            return self.fields(text);
        };
        if *first != Step::Any {
            if let Some(Token::Object(inner) | Token::Array(inner)) =
                pointer::find(text, std::slice::from_ref(first))
            {
                self.descend(inner, rest);
            }
            return;
        }
        pointer::each(text, |_, token| {
            if let Token::Object(inner) | Token::Array(inner) = token {
                self.around.push(inner);
                self.descend(inner, rest);
                self.around.pop();
            }
        });
    }

    fn beside(&self, place: Option<&Beside>) -> Option<Token<'a>> {
        let place = place?;
        pointer::find(self.around.get(place.stars)?, &place.steps)
    }

    fn fields(&mut self, text: &'a str) {
        self.found = true;
        let device = match self.beside(self.shape.device.as_ref()) {
            Some(Token::Text(name)) => name,
            Some(Token::Number(digits)) => Cow::Borrowed(digits),
            _ => Cow::Borrowed(""),
        };
        let at = self.beside(self.shape.at.as_ref());
        let at = at.filter(|token| *token != Token::Null);
        let at = at.map(|token| moment::of_token(&token, self.unit));
        self.path.clear();
        self.members(text, &device, when(at.as_ref()));
    }

    fn members(&mut self, text: &'a str, device: &str, at: When<'_>) {
        pointer::each(text, |key, token| {
            let length = self.path.len();
            pointer::push_key(&mut self.path, key);
            match token {
                Token::Object(inner) => match self.valued(inner) {
                    Some((value, own)) => self.put(
                        device,
                        &value,
                        own.as_ref().map_or(at, |own| when(Some(own))),
                    ),
                    None => self.members(inner, device, at),
                },
                Token::Array(inner) => self.members(inner, device, at),
                scalar => self.put(device, &scalar, at),
            }
            self.path.truncate(length);
        });
    }

    /// The value of a field that is an object, and its instant if it has one.
    fn valued(&self, text: &'a str) -> Option<(Token<'a>, Option<Result<i64, String>>)> {
        let value = pointer::member(text, self.shape.value.as_deref()?)?;
        let time = self.shape.time.as_deref();
        let time = time.and_then(|time| pointer::member(text, time));
        let time = time.filter(|token| *token != Token::Null);
        Some((value, time.map(|token| moment::of_token(&token, self.unit))))
    }

    fn put(&mut self, device: &str, value: &Token<'_>, when: When<'_>) {
        self.sink.put(Sample {
            device,
            group: "",
            field: &self.path,
            value: Value::of(value),
            when,
            flag: Flag::Normal,
        });
    }
}

/// The instant of a field, from what its place held.
pub(super) fn when(at: Option<&Result<i64, String>>) -> When<'_> {
    match at {
        None => When::Received,
        Some(Ok(ms)) => When::At(*ms),
        Some(Err(reason)) => When::Wrong(reason),
    }
}
