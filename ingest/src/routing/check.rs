//! Checks of the decoder rules, which report every mistake at once.

use std::time::Duration;

use super::rule_origin::RuleOrigin;
use crate::{
    decode::dialects::mapping::Mapping,
    settings::{DecodeSettings, DecoderRule, Encoding, Others, PayloadFormat},
    topic::{Filter, GRAMMAR},
};

impl DecodeSettings {
    /// Appends a sentence to `problems` for every mistake.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.rules.is_empty() {
            problems.push(
                "decode.rules: is empty, so nothing could be read; leave it out for the default"
                    .into(),
            );
        }
        if self.late_max < Duration::from_secs(3_600) {
            problems.push(
                "decode.late_max: must be at least 1h, or readings that a gateway buffers would be late"
                    .into(),
            );
        }
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check(&format!("decode.rules[{index}]"), problems);
        }
    }
}

impl DecoderRule {
    /// Appends a sentence to `problems` for every mistake; `place` is the name of the rule.
    fn check(&self, place: &str, problems: &mut Vec<String>) {
        let mut wrong = |field: &str, reason: String| {
            problems.push(format!("{place}.{field}: {reason}"));
        };
        match Filter::parse(&self.filter) {
            Err(reason) => wrong("filter", reason),
            Ok(filter) if !self.names_sender() && !filter.reaches_grammar() => wrong(
                "filter",
                format!(
                    "its topics are not {GRAMMAR}, so they name nobody; give park, enterprise and gateway, with a \
                     level such as {{1}}, {{user}} or {{client}} where clients share the rule"
                ),
            ),
            Ok(_) => {}
        }
        RuleOrigin::of(self, &mut wrong);
        self.stamps(&mut wrong);
        self.check_keys(&mut wrong);
        if !self.format.is_native() {
            if self.map.is_empty() && self.others == Others::Refuse {
                wrong(
                    "map",
                    "is empty, so every field would be a dead letter; name the fields".into(),
                );
            }
            let mapping = Mapping::of(self, &mut wrong);
            if self.stamp.is_some() && !mapping.has_intervals() {
                wrong(
                    "stamp",
                    "only intervals have two ends, and no entry of the map is of kind interval"
                        .into(),
                );
            }
        }
    }

    fn names_sender(&self) -> bool {
        [&self.park, &self.enterprise, &self.gateway]
            .iter()
            .any(|text| text.is_some())
    }

    /// Reports every key that the format does not use.
    fn check_keys(&self, wrong: &mut impl FnMut(&str, String)) {
        let (mapped, native) = (
            self.format == PayloadFormat::Mapped,
            self.format.is_native(),
        );
        let tagged = matches!(self.format, PayloadFormat::Influx | PayloadFormat::Telegraf);
        let texts = !matches!(
            self.format,
            PayloadFormat::Protobuf | PayloadFormat::Sparkplug
        );
        let keys = [
            ("fields", self.fields.is_some(), mapped),
            ("value", self.value.is_some(), mapped),
            ("time", self.time.is_some(), mapped),
            ("at", self.at.is_some(), mapped),
            ("device", self.device.is_some(), mapped || tagged),
            ("at_unit", self.at_unit.is_some(), mapped || tagged),
            ("encoding", self.encoding != Encoding::Utf8, texts),
            ("zone", self.zone.is_some(), texts),
            ("time_format", self.time_format.is_some(), texts),
            ("prints_24_as", self.prints_24_as.is_some(), texts),
            ("others", self.others == Others::Ignore, !native),
            ("map", !self.map.is_empty(), !native),
        ];
        for (key, given, useful) in keys {
            if given && !useful {
                wrong(key, "has no meaning for this format".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_rule_is_reported_with_its_place() {
        let rule = r#"{"filter":"a/#/b","format":"mapped","park":"p","gateway":"{x}","fields":"params",
            "at":"/*/time","map":[{"field":"E","meter":"a b","quantity":"power","kind":"counter"},
            {"field":"E","meter":"{device}","quantity":"electricity","unit":"m3"},
            {"field":"F","meter":"m","quantity":"electricity"},
            {"field":"F","meter":"n","quantity":"electricity","device":"d"}]}"#;
        let rule: DecoderRule = serde_json::from_str(rule).expect("a rule");
        let mut problems = Vec::new();
        rule.check("decode.rules[3]", &mut problems);
        for place in [
            "filter:",
            "enterprise:",
            "gateway:",
            "fields:",
            "at:",
            "map[0].meter:",
            "map[0].quantity:",
            "map[0].kind:",
            "map[1].unit:",
            "map[3].field:",
        ] {
            let named = format!("decode.rules[3].{place}");
            assert!(
                problems.iter().any(|p| p.starts_with(&named)),
                "{place} {problems:#?}"
            );
        }
        problems.clear();
        let native =
            r#"{"filter":"park/#","format":"json","others":"ignore","at":"/t","device":"d"}"#;
        let rule: DecoderRule = serde_json::from_str(native).expect("a rule");
        rule.check("r", &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    fn problems(rule: &str) -> Vec<String> {
        let rule: DecoderRule = serde_json::from_str(rule).expect("a rule");
        let mut problems = Vec::new();
        rule.check("r", &mut problems);
        problems
    }

    #[test]
    fn a_rule_without_a_sender_is_reported_with_advice() {
        for filter in [
            "v1/devices/me/telemetry",
            "a/#",
            "park/+/+/+/down/x",
            "park/p/e/g/up",
        ] {
            let found = problems(&format!(r#"{{"filter":"{filter}","format":"json"}}"#));
            assert!(
                found[0].starts_with("r.filter: ") && found[0].contains("{user}"),
                "{found:?}"
            );
        }
        for filter in [
            "#",
            "+/#",
            "park/#",
            "park/p/+/+/up/readings",
            "park/+/+/+/+/a/b",
            "+/+/+/+/+/+",
        ] {
            let found = problems(&format!(r#"{{"filter":"{filter}","format":"json"}}"#));
            assert!(found.is_empty(), "{filter}: {found:?}");
        }
        let named =
            r#"{"filter":"t","format":"json","park":"p","enterprise":"e","gateway":"{user}"}"#;
        assert_eq!(problems(named), Vec::<String>::new());
    }

    #[test]
    fn time_stamps_and_encodings_are_checked_with_their_rule() {
        let rule = |more: &str| {
            problems(&format!(
                r#"{{"filter":"park/#","format":"thingsboard",{more},
                "map":[{{"field":"v","meter":"m","quantity":"electricity","kind":"interval"}}]}}"#
            ))
        };
        let all = r#""stamp":"end","interval":"15m","zone":"+08:00","time_format":"%Y%m%d%H%M%S","encoding":"gbk""#;
        assert_eq!(rule(all), Vec::<String>::new());
        for (more, place) in [
            (r#""stamp":"end""#, "r.interval: "),
            (r#""interval":"15m""#, "r.interval: "),
            (r#""zone":"8""#, "r.zone: "),
            (r#""time_format":"""#, "r.time_format: "),
            (r#""prints_24_as":"24""#, "r.prints_24_as: "),
        ] {
            let found = rule(more);
            assert!(found.len() == 1 && found[0].starts_with(place), "{found:?}");
        }
        let register = r#"{"filter":"park/#","format":"influx","stamp":"end","interval":"1h",
            "map":[{"field":"v","meter":"m","quantity":"electricity","ticket":"no"}]}"#;
        let found = problems(register);
        assert!(
            found.iter().any(|p| p.starts_with("r.stamp: ")),
            "{found:?}"
        );
        assert!(
            found.iter().any(|p| p.starts_with("r.map[0].ticket: ")),
            "{found:?}"
        );
        let sparkplug = r#"{"filter":"park/#","format":"sparkplug","others":"ignore","encoding":"gbk","zone":"Z"}"#;
        assert_eq!(problems(sparkplug).len(), 2);
    }
}
