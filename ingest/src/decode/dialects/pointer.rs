//! JSON pointers (RFC 6901) with a star, and the locations of fields in a payload.

use crate::{
    decode::json_scanner::{Scanner, Token},
    settings::{DecoderRule, PayloadFormat},
};

/// A step of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// Every element of an array, or every member of an object.
    Any,
}

/// A location relative to the fields: the number of stars on its path, and the steps after the last
/// star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beside {
    pub(super) stars: usize,
    pub(super) steps: Vec<Step>,
}

/// The locations of the fields of a payload, their instants and their device.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) fields: Vec<Step>,
    pub(super) value: Option<String>,
    pub(super) time: Option<String>,
    pub(super) at: Option<Beside>,
    pub(super) device: Option<Beside>,
}

impl Shape {
    /// Parses the pointers of a rule; errors are reported to `wrong`.
    pub(super) fn of(rule: &DecoderRule, wrong: &mut impl FnMut(&str, String)) -> Self {
        if rule.format != PayloadFormat::Mapped {
            return Self::default();
        }
        let text = rule.fields.as_deref().unwrap_or_default();
        let fields = parse(text).unwrap_or_else(|reason| {
            wrong("fields", reason);
            Vec::new()
        });
        let mut place = |key: &str, text: &Option<String>| {
            let steps = parse(text.as_deref()?).and_then(|steps| beside(&fields, steps));
            steps.map_err(|reason| wrong(key, reason)).ok()
        };
        let (at, device) = (place("at", &rule.at), place("device", &rule.device));
        Self {
            fields,
            value: rule.value.clone(),
            time: rule.time.clone(),
            at,
            device,
        }
    }

    /// Returns the steps from the fields' object to a field of that name.
    pub(super) fn steps_of(field: &str) -> Vec<Step> {
        parse(&Self::path_of(field)).unwrap_or_default()
    }

    /// Returns the path of a field below the fields' object; a name without a slash is a member of
    /// it.
    pub(super) fn path_of(field: &str) -> String {
        if field.starts_with('/') {
            return field.to_owned();
        }
        let mut path = String::new();
        push_key(&mut path, field);
        path
    }
}

/// Appends `/key` to a path.
pub(super) fn push_key(path: &mut String, key: &str) {
    path.push('/');
    for part in key.chars() {
        match part {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

fn parse(text: &str) -> Result<Vec<Step>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text
        .strip_prefix('/')
        .ok_or_else(|| format!("'{text}' is no JSON pointer: it must begin with '/'"))?;
    let step = |part: &str| match part {
        "*" => Step::Any,
        key => Step::Key(key.replace("~1", "/").replace("~0", "~")),
    };
    Ok(rest.split('/').map(step).collect())
}

/// Splits a pointer at its last star, which must be a star of the fields' pointer.
fn beside(fields: &[Step], steps: Vec<Step>) -> Result<Beside, String> {
    let Some(last) = steps.iter().rposition(|step| *step == Step::Any) else {
        return Ok(Beside { stars: 0, steps });
    };
    if fields.get(..=last) != Some(&steps[..=last]) {
        return Err(
            "its '*' must be one of the pointer in fields, reached by the same steps".into(),
        );
    }
    let stars = steps.iter().filter(|step| **step == Step::Any).count();
    let steps = steps[last + 1..].to_vec();
    Ok(Beside { stars, steps })
}

/// Returns the token of a text that is known to be JSON.
pub(super) fn token(text: &str) -> Option<Token<'_>> {
    Scanner::new(text).value().ok()
}

/// Returns the member `key` of an object, or the element at index `key` of an array.
pub(super) fn member<'a>(text: &'a str, key: &str) -> Option<Token<'a>> {
    let mut found = None;
    each(text, |name, token| {
        if name == key && found.is_none() {
            found = Some(token);
        }
    });
    found
}

/// Returns the text of a scalar, for a ticket; for anything else, a description.
pub(super) fn text_of(token: Token<'_>) -> Option<String> {
    match token {
        Token::Null => None,
        Token::Text(text) => Some(text.into_owned()),
        Token::Number(digits) => Some(digits.to_owned()),
        other => Some(other.describe().to_owned()),
    }
}

/// Returns the text of the member `key` of an object.
pub(super) fn member_text(text: &str, key: &str) -> Option<String> {
    member(text, key).and_then(text_of)
}

/// Calls `on` for every member or element of a text that is known to be JSON.
pub(super) fn each<'a>(text: &'a str, mut on: impl FnMut(&str, Token<'a>)) {
    let mut scanner = Scanner::new(text);
    let mut index = 0usize;
    // OK to drop the result because the text was checked before.
    let _ = match scanner.peek() {
        Some(b'{') => scanner.object(|scanner, key| {
            on(&key, scanner.value()?);
            Ok(())
        }),
        Some(b'[') => scanner.array(|scanner| {
            on(&index.to_string(), scanner.value()?);
            index += 1;
            Ok(())
        }),
        _ => Ok(()),
    };
}

/// Follows `steps`, which have no star, from `text`.
pub(super) fn find<'a>(text: &'a str, steps: &[Step]) -> Option<Token<'a>> {
    let mut here = token(text)?;
    for step in steps {
        let (Token::Object(inner) | Token::Array(inner)) = here else {
            return None;
        };
        let Step::Key(key) = step else { return None };
        here = member(inner, key)?;
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_where_rfc_6901_says() {
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2," ":7,"m~n":8}"#;
        for (pointer, expected) in [
            ("/foo/0", Token::Text("bar".into())),
            ("/", Token::Number("0")),
            ("/a~1b", Token::Number("1")),
            ("/c%d", Token::Number("2")),
            ("/ ", Token::Number("7")),
            ("/m~0n", Token::Number("8")),
        ] {
            let steps = parse(pointer).expect("a pointer");
            assert_eq!(find(text, &steps), Some(expected), "{pointer}");
        }
        assert_eq!(find(text, &parse("/foo/2").expect("a pointer")), None);
        assert!(parse("foo").is_err());
    }
}
