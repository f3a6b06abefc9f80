//! Topic filters of the subscriber: their shared group, and the topics that they match.

/// Strips the group of a shared subscription from a filter.
pub(super) fn without_group(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/");
    shared
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

/// Returns true if `filter` matches `topic`. A wildcard as the first level matches no topic that begins with `$`
/// (MQTT 5, 4.7.2).
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (name, Some(level)) if name == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_the_topics_that_mqtt_says() {
        for (filter, topic, expected) in [
            ("park/+/+/+/up/#", "park/_doctor/7/queue", false),
            ("park/+/+/+/up/#", "park/p/e/g/up/readings", true),
            ("park/#", "park/_doctor/7/queue", true),
            ("#", "a", true),
            ("a/+", "a", false),
            ("a", "a/b", false),
            ("a/#", "a", true),
            ("#", "$SYS/broker/uptime", false),
            ("+/broker/uptime", "$SYS/broker/uptime", false),
            ("$SYS/#", "$SYS/broker/uptime", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
        assert_eq!(without_group("$share/g/park/#"), "park/#");
        assert_eq!(without_group("park/#"), "park/#");
    }
}
