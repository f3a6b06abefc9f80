//! Texts with placeholders: for levels of the topic, for the client that publishes, and for the
//! device that a payload names.

use greenpark_model::id::MeterId;

use crate::topic::Sender;

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Level(usize),
    Device,
    User,
    Client,
}

impl Template {
    /// Parses `gw-{3}`, `{user}`, `{client}` or `{device}`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("'{text}' has a '{{' without its '}}'"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match (name, name.parse()) {
                (_, Ok(level)) => Part::Level(level),
                ("device", _) => Part::Device,
                ("user", _) => Part::User,
                ("client", _) => Part::Client,
                _ => {
                    return Err(format!(
                        "'{{{name}}}' is neither a level of the topic, such as {{3}}, nor {{user}}, {{client}} or {{device}}"
                    ));
                }
            });
            rest = behind;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Refuses a text that cannot be an id whatever is filled in.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let sample = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            _ => "x".to_owned(),
        };
        let filled: String = self.0.iter().map(sample).collect();
        MeterId::new(&filled).map_err(|e| e.to_string())?;
        Ok(self)
    }

    /// Returns true if the text contains the device.
    pub(crate) fn has_device(&self) -> bool {
        self.0.contains(&Part::Device)
    }

    /// Returns true if the text contains the client that publishes.
    pub(crate) fn has_sender(&self) -> bool {
        self.0.contains(&Part::User) || self.0.contains(&Part::Client)
    }

    /// Returns true if the text contains a level for which `varies` holds.
    pub(crate) fn has_level(&self, varies: impl Fn(usize) -> bool) -> bool {
        let level = |part: &Part| matches!(part, Part::Level(level) if varies(*level));
        self.0.iter().any(level)
    }

    /// Returns the text, if it has no placeholders.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills in the levels of `topic` and the names of `sender`.
    pub(crate) fn at_topic(&self, topic: &str, sender: &Sender) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            let text = match part {
                Part::Device => {
                    parts.push(Part::Device);
                    continue;
                }
                Part::Text(text) => text,
                Part::User => sender.user()?,
                Part::Client => sender.client()?,
                Part::Level(level) => topic
                    .split('/')
                    .nth(*level)
                    .ok_or_else(|| format!("the topic has no level {{{level}}}"))?,
            };
            match parts.last_mut() {
                Some(Part::Text(before)) => before.push_str(text),
                _ => parts.push(Part::Text(text.to_owned())),
            }
        }
        Ok(Self(parts))
    }

    /// Writes the text to `out` with `device` filled in; all other placeholders are filled in
    /// before.
    pub(super) fn write(&self, device: &str, out: &mut String) {
        out.clear();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                _ => out.push_str(device),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in() {
        let template = Template::parse("gw-{1}.{device}").expect("a template");
        assert!(template.has_device() && template.fixed().is_none());
        let nobody = Sender::default();
        let at = template.at_topic("a/b/c", &nobody).expect("three levels");
        let mut out = String::new();
        at.write("d7", &mut out);
        assert_eq!(out, "gw-b.d7");
        assert!(template.at_topic("a", &nobody).is_err());
        for bad in ["{", "{x}", "a{1", "{User}", "{-1}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse("a b").expect("a text").checked().is_err());
        let template = Template::parse("{user}-{client}").expect("a template");
        assert!(template.has_sender() && !template.has_level(|_| true));
        let sender = Sender::new(Some("u1"), Some("c1"));
        let filled = template.at_topic("a", &sender).expect("both are known");
        assert_eq!(filled.fixed(), Some("u1-c1"));
        let reason = template.at_topic("a", &nobody).expect_err("nobody");
        assert!(reason.contains("user"), "{reason}");
    }
}
