//! MQTT topic filters.

/// An MQTT topic filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter(String);

impl Filter {
    /// Parses `text` by the rules of MQTT.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 65_535 || text.contains('\0') {
            return Err(format!(
                "'{text}' is no topic filter: it is empty, too long or has a NUL"
            ));
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let wild = level.contains(['+', '#']);
            if wild && level.len() > 1 {
                return Err(format!(
                    "'{text}' is no topic filter: '+' and '#' must stand alone in their level"
                ));
            }
            if level == "#" && levels.peek().is_some() {
                return Err(format!(
                    "'{text}' is no topic filter: '#' must be the last level"
                ));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns true if `topic` matches, by section 4.7 of the standard.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let (mut filter, mut levels) = (self.0.split('/'), topic.split('/'));
        loop {
            match (filter.next(), levels.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }

    /// Returns true if the level at `index` differs from topic to topic.
    pub(crate) fn varies(&self, index: usize) -> bool {
        let mut levels = self.0.split('/');
        let fixed = |level: &str| !matches!(level, "+" | "#");
        match levels.nth(index) {
            Some(level) => !fixed(level),
            None => self.0.ends_with('#'),
        }
    }

    /// Returns true if the filter can match a topic that identifies its sender:
    /// `park/{park}/{enterprise}/{gateway}/up/{stream}`.
    pub(crate) fn reaches_grammar(&self) -> bool {
        let mut levels = self.0.split('/');
        for wanted in [Some("park"), None, None, None, Some("up"), None] {
            match (levels.next(), wanted) {
                (Some("#"), _) => return true,
                (Some("+"), _) | (Some(_), None) => {}
                (Some(level), Some(wanted)) if level == wanted => {}
                _ => return false,
            }
        }
        true
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        let matches = |filter, topic| Filter::parse(filter).expect("a filter").matches(topic);
        assert!(matches("sport/#", "sport"));
        assert!(matches("sport/#", "sport/tennis/player1"));
        assert!(matches("+/tennis/#", "sport/tennis"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
        assert!(!matches("#", "$SYS/x"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        for bad in ["", "sport+", "a/#/b", "#b", "a\0"] {
            assert!(Filter::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_level_varies_where_a_wildcard_is() {
        let varies = |filter, index| Filter::parse(filter).expect("a filter").varies(index);
        assert!(varies("a/+/b", 1) && !varies("a/+/b", 0) && !varies("a/+/b", 2));
        assert!(!varies("a/b", 7) && varies("a/#", 7) && varies("a/#", 1));
    }
}
