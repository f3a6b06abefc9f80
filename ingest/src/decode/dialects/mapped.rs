//! JSON with configurable field locations: Alink, Huawei IoTDA, Tuya, and other formats with their
//! fields in an object.
//!
//! The payload is checked once and then walked: no tree is built, and a field costs no allocation.
//! The fields are the members of the object at the rule's `fields`. A field that the map names is a
//! scalar, an object with the rule's member `value` and its own `time`, or an array of such
//! objects, which are its history; any other shape is refused. A field that the map does not name
//! may be an object or an array with nested fields, which are named by pointers.

use std::borrow::Cow;

use greenpark_model::{letter::LetterCode, reading::Flag};

use super::{
    pointer::{self, Beside, Shape, Step},
    sink::{Sample, Sink, Value, When},
};
use crate::{
    decode::{
        fault::Fault,
        json_scanner::{Scanner, Token},
        time::foreign,
    },
    settings::TimeUnit,
};

/// Checks that `text` is JSON.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut scanner = Scanner::new(text);
    let checked = scanner.value().and_then(|_| scanner.end());
    checked.map_err(|e| e.to_string())
}

/// Decodes `text` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(text: &str, sink: &mut Sink<'_>) -> Result<(), String> {
    check(text)?;
    let mapping = sink.mapping;
    let mut walk = Walk {
        shape: mapping.shape(),
        unit: mapping.unit_or(TimeUnit::Ms),
        sink,
        found: false,
        path: String::new(),
        around: vec![text],
        fields: "",
    };
    walk.descend(text, &mapping.shape().fields);
    if walk.found {
        return Ok(());
    }
    Err("the payload has no object where the rule's \"fields\" points".to_owned())
}

/// The name of an array element, for a refusal's text.
const ELEMENT: &str = "an element of its array";

struct Walk<'w, 's, 'a> {
    shape: &'w Shape,
    unit: TimeUnit,
    sink: &'w mut Sink<'s>,
    found: bool,
    path: String,
    /// The payload, and the element at every star of the path.
    around: Vec<&'a str>,
    /// The object whose members are the fields.
    fields: &'a str,
}

/// The kinds of members of an object of fields.
enum Member<'a> {
    /// A value, with its own instant if it has one.
    Value(Token<'a>, Option<Result<i64, Fault>>),
    /// An object without a value.
    Fields(&'a str),
}

impl<'s, 'a> Walk<'_, 's, 'a> {
    /// Follows `steps` from `text`, and decodes the fields at their end.
    fn descend(&mut self, text: &'a str, steps: &[Step]) {
        let Some((first, rest)) = steps.split_first() else {
            return self.decode_fields(text);
        };
        if *first != Step::Any {
            if let Some(token) = pointer::find(text, std::slice::from_ref(first)) {
                self.enter(token, rest);
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

    /// Continues with the target of a step; a scalar is refused, except null.
    fn enter(&mut self, token: Token<'a>, rest: &[Step]) {
        match token {
            Token::Object(inner) | Token::Array(inner) => self.descend(inner, rest),
            Token::Null => {}
            other => {
                self.found = true;
                self.sink.refuse_element(format!(
                    "the rule's \"fields\" points to {}, not to an object with the fields",
                    other.describe()
                ));
            }
        }
    }

    fn beside(&self, place: Option<&Beside>) -> Option<Token<'a>> {
        let place = place?;
        pointer::find(self.around.get(place.stars)?, &place.steps)
    }

    fn decode_fields(&mut self, text: &'a str) {
        self.found = true;
        self.fields = text;
        let device = match self.beside(self.shape.device.as_ref()) {
            Some(Token::Text(name)) => name,
            Some(Token::Number(digits)) => Cow::Borrowed(digits),
            _ => Cow::Borrowed(""),
        };
        let at = self.beside(self.shape.at.as_ref());
        let at = at.filter(|token| *token != Token::Null);
        let at = at.map(|token| foreign::of_token(&token, self.unit, self.sink.timing));
        self.path.clear();
        self.members(text, &device, when(at.as_ref()));
    }

    fn members(&mut self, text: &'a str, device: &str, at: When<'_>) {
        pointer::each(text, |key, token| {
            let length = self.path.len();
            pointer::push_key(&mut self.path, key);
            match token {
                Token::Object(inner) => match self.classify(inner) {
                    Member::Value(value, own) => self.add(device, &value, own.as_ref(), at),
                    Member::Fields(_) if self.is_named() => self.refuse(device, "it", &token),
                    Member::Fields(inner) => self.members(inner, device, at),
                },
                Token::Array(inner) if self.is_named() => self.history(inner, device, at),
                Token::Array(inner) => self.members(inner, device, at),
                scalar => self.add(device, &scalar, None, at),
            }
            self.path.truncate(length);
        });
    }

    fn is_named(&self) -> bool {
        self.sink.mapping.names(&self.path)
    }

    /// Decodes the elements of an array as the values of one field: each must have its own instant,
    /// unless there is only one.
    fn history(&mut self, text: &'a str, device: &str, at: When<'_>) {
        let mut count = 0usize;
        pointer::each(text, |_, _| count += 1);
        if count == 0 {
            // The sender marks the field as having no value.
            return self.add(device, &Token::Null, None, at);
        }
        pointer::each(text, |_, token| {
            let Token::Object(inner) = token else {
                return match token {
                    Token::Null | Token::NoNumber(_) => self.add(device, &token, None, at),
                    other => self.refuse(device, ELEMENT, &other),
                };
            };
            match self.classify(inner) {
                Member::Value(value, None) if count > 1 => {
                    let words = "an element of an array has no instant of its own, so nobody knows \
                                 which value was when";
                    let none = Err(Fault::new(LetterCode::BadInstant, words));
                    self.add(device, &value, Some(&none), at);
                }
                Member::Value(value, own) => self.add(device, &value, own.as_ref(), at),
                Member::Fields(_) => self.refuse(device, ELEMENT, &token),
            }
        });
    }

    /// Returns whether an object is the value of a field or contains nested fields.
    fn classify(&self, text: &'a str) -> Member<'a> {
        let value = self.shape.value.as_deref();
        let Some(value) = value.and_then(|value| pointer::member(text, value)) else {
            return Member::Fields(text);
        };
        let time = self.shape.time.as_deref();
        let time = time.and_then(|time| pointer::member(text, time));
        let time = time.filter(|token| *token != Token::Null);
        let own = time.map(|token| foreign::of_token(&token, self.unit, self.sink.timing));
        Member::Value(value, own)
    }

    fn add(
        &mut self,
        device: &str,
        value: &Token<'_>,
        own: Option<&Result<i64, Fault>>,
        at: When<'_>,
    ) {
        let when = own.map_or(at, |own| when(Some(own)));
        self.with_sample(device, Value::of(value), when, Sink::add);
    }

    /// Refuses a field that the map names and that has an unsupported shape.
    fn refuse(&mut self, device: &str, what: &str, token: &Token<'_>) {
        let wanted = match (what, self.shape.value.as_deref()) {
            (ELEMENT, Some(value)) => format!("an object with \"{value}\" and its instant"),
            (ELEMENT, None) => {
                "read, because the rule does not say which of its members is the value".into()
            }
            (_, Some(value)) => {
                format!("a number, an object with \"{value}\" or an array of such objects")
            }
            _ => "a number".to_owned(),
        };
        let reason = format!("{what} is {}, not {wanted}", token.describe());
        let fault = Fault::new(LetterCode::BadValue, reason);
        let refuse = |sink: &mut Sink<'s>, sample: Sample<'_>| sink.refuse(&sample, fault);
        self.with_sample(device, Value::Missing, When::Received, refuse);
    }

    fn with_sample(
        &mut self,
        device: &str,
        value: Value<'_>,
        when: When<'_>,
        on: impl FnOnce(&mut Sink<'s>, Sample<'_>),
    ) {
        let (fields, value_key) = (self.fields, self.shape.value.as_deref());
        let beside = |field: &str| {
            let found = pointer::find(fields, &Shape::steps_of(field))?;
            match (found, value_key) {
                (Token::Object(inner), Some(key)) => pointer::member_text(inner, key),
                (other, _) => pointer::text_of(other),
            }
        };
        let sample = Sample {
            device,
            group: "",
            field: &self.path,
            value,
            when,
            flag: Flag::Normal,
            beside: &beside,
        };
        on(self.sink, sample);
    }
}

/// Returns the instant of a field.
pub(super) fn when(at: Option<&Result<i64, Fault>>) -> When<'_> {
    match at {
        None => When::Received,
        Some(Ok(ms)) => When::At(*ms),
        Some(Err(fault)) => When::Wrong(fault.code, &fault.words),
    }
}
