//! Goal: instants and tickets are interpreted as the gateway meant them. Method: time stamps in the
//! forms that rules describe, counts in a wrong unit, and tickets, in every dialect.

use super::*;

#[test]
fn time_stamps_are_parsed_in_the_rules_format() {
    let map = r#""map":[{"field":"v","meter":"i","quantity":"electricity","kind":"interval"},
        {"field":"r","meter":"r","quantity":"electricity"}]"#;
    let end = r#""stamp":"end","interval":"15m","zone":"+08:00""#;
    let quarter = 900_000;
    let at = |text: &str| {
        text.parse::<greenpark_model::day::Instant>()
            .expect("an instant")
            .millis()
    };
    let new_year = at("2026-01-01T00:00:00+08:00");
    for (format, payload) in [
        ("mapped", r#"{"t":"2025-12-31 24:00:00","v":1,"r":2}"#),
        ("mapped", r#"{"t":"2026-01-01T00:00:00+08:00","v":1,"r":2}"#),
        ("mapped", r#"{"t":"2026/1/1 0:00","v":1,"r":2}"#),
        (
            "thingsboard",
            r#"{"ts":"2025-12-31T24:00:00+08:00","values":{"v":1,"r":2}}"#,
        ),
        (
            "neuron-values",
            r#"{"timestamp":1767196800000,"values":{"v":1,"r":2}}"#,
        ),
        (
            "telegraf",
            r#"{"fields":{"v":1,"r":2},"timestamp":1767196800}"#,
        ),
        ("influx", "m v=1,r=2 1767196800000000000"),
    ] {
        let place = if format == "mapped" {
            r#","at":"/t","others":"ignore""#
        } else {
            ""
        };
        let rule = format!(r#""format":"{format}"{place},{end},{map}"#);
        let (mut readings, _, _) = read(&rule, "t", payload);
        readings.sort();
        assert_eq!(
            readings,
            [
                flat("i", new_year - quarter, 1_000_000),
                flat("r", new_year, 2_000_000)
            ],
            "{format}: a register's stamp is its instant"
        );
    }
    let form = r#""format":"mapped","at":"/t","others":"ignore","time_format":"%Y%m%d%H%M%S","zone":"+08:00""#;
    for payload in [
        r#"{"t":20260101000000,"r":2}"#,
        r#"{"t":"20251231240000","r":2}"#,
    ] {
        let (readings, reasons, _) = read(&format!("{form},{map}"), "t", payload);
        assert_eq!(readings, [flat("r", new_year, 2_000_000)], "{reasons:?}");
    }
    let none = format!(r#""format":"mapped","at":"/t","others":"ignore",{map}"#);
    let (_, reasons, _) = read(&none, "t", r#"{"t":"2026-01-01 00:00:00","r":2}"#);
    assert!(reasons[0].contains("zone = \"+08:00\""), "{reasons:?}");
}

#[test]
fn native_intervals_may_be_stamped_with_their_ends() {
    let rule: DecoderRule = serde_json::from_str(
        r#"{"filter":"park/+/+/+/up/readings","format":"json","stamp":"end","interval":"1h","zone":"Asia/Shanghai"}"#,
    )
    .expect("a rule");
    let payload = r#"[{"meter":"i","quantity":"electricity","kind":"interval","at":"2026-01-01 24:00:00","value":1},
        {"meter":"r","quantity":"electricity","at":"2026-01-01T24:00:00+08:00","value":2}]"#;
    let (readings, reasons, _) = with(&rule, "park/p/e/g/up/readings", payload);
    let end = "2026-01-02T00:00:00+08:00"
        .parse::<greenpark_model::day::Instant>()
        .expect("an instant")
        .millis();
    let expected = [
        flat("i", end - 3_600_000, 1_000_000),
        flat("r", end, 2_000_000),
    ];
    assert_eq!(readings, expected, "{reasons:?}");
}

#[test]
fn a_count_in_another_unit_of_time_is_refused_with_that_cause() {
    let map = r#""map":[{"field":"v","meter":"m","quantity":"electricity"}]"#;
    for (format, payload, words) in [
        (
            "telegraf",
            r#"{"fields":{"v":1},"timestamp":1789794453948}"#,
            "milliseconds where seconds are meant",
        ),
        (
            "thingsboard",
            r#"{"ts":1789794453,"values":{"v":1}}"#,
            "seconds where milliseconds are meant",
        ),
        (
            "neuron-values",
            r#"{"timestamp":1789794453948000,"values":{"v":1}}"#,
            "microseconds where milliseconds",
        ),
        (
            "influx",
            "m v=1 1789794453",
            "seconds where nanoseconds are meant",
        ),
        (
            "thingsboard",
            r#"{"ts":45992.25,"values":{"v":1}}"#,
            "Excel (2025-12-01)",
        ),
    ] {
        let (readings, reasons, _) = read(&format!(r#""format":"{format}",{map}"#), "t", payload);
        assert!(
            readings.is_empty() && reasons[0].contains(words),
            "{format}: {reasons:?}"
        );
    }
}

#[test]
fn a_field_of_a_map_may_be_the_ticket_of_an_event() {
    let map = r#""map":[{"field":"net","meter":"scale","quantity":"raw_coal","kind":"event","unit":"kg","ticket":"no"}]"#;
    let at = "1700000000000";
    for (format, payload) in [
        (
            "mapped",
            format!(r#"{{"t":{at},"net":31460,"no":"WB-17"}}"#),
        ),
        (
            "thingsboard",
            format!(r#"{{"ts":{at},"values":{{"no":"WB-17","net":31460}}}}"#),
        ),
        (
            "neuron-values",
            format!(r#"{{"timestamp":{at},"values":{{"net":31460,"no":"WB-17"}}}}"#),
        ),
        (
            "neuron-tags",
            format!(
                r#"{{"timestamp":{at},"tags":[{{"name":"net","value":31460}},{{"name":"no","value":"WB-17"}}]}}"#
            ),
        ),
        (
            "telegraf",
            r#"{"fields":{"net":31460,"no":"WB-17"},"timestamp":1700000000}"#.to_owned(),
        ),
        (
            "telegraf",
            r#"{"fields":{"net":31460},"tags":{"no":"WB-17"},"timestamp":1700000000}"#.to_owned(),
        ),
        ("influx", format!("s net=31460,no=\"WB-17\" {at}000000")),
        ("influx", format!("s,no=WB-17 net=31460 {at}000000")),
    ] {
        let place = if format == "mapped" {
            r#","at":"/t","others":"ignore""#
        } else {
            ""
        };
        let rule = format!(
            r#"{{"filter":"t","park":"p","enterprise":"e","gateway":"g","format":"{format}"{place},{map}}}"#
        );
        let rule: DecoderRule = serde_json::from_str(&rule).expect("a rule");
        let mut decoder = Decoder::of_rule(&rule, "t").expect("a decoder");
        let counts = decoder.decode(payload.as_bytes(), NOW);
        assert_eq!(
            (counts.accepted, counts.refused),
            (1, 0),
            "{format}: {:?}",
            decoder.outcome().1
        );
        assert_eq!(decoder.tickets(), [(0, "WB-17".to_owned())], "{format}");
        let wrong = payload.replace("WB-17", "none");
        let counts = decoder.decode(wrong.as_bytes(), NOW);
        assert_eq!((counts.accepted, counts.refused), (0, 1), "{format}");
        assert!(decoder.outcome().1[0].contains("no digit"), "{format}");
    }
}

#[test]
fn events_of_one_instant_in_one_message_are_distinguished_by_position() {
    let mut decoder = Decoder::new(crate::PayloadFormat::Json);
    let event = |value: &str, unit: &str, more: &str| {
        format!(
            r#"{{"meter":"scale","quantity":"raw_coal","kind":"event","at":1700000000000,"value":{value},"unit":"{unit}"{more}}}"#
        )
    };
    let other = r#"{"meter":"e","quantity":"electricity","at":1700000000000,"value":1}"#.to_owned();
    let list = [
        event("31.46", "t", ""),
        other.clone(),
        event("28900", "kg", ""),
        event("31.46", "t", r#","ticket":"A1""#),
        other,
        event("31.46", "t", ""),
        event("28.9", "t", "").replace("1700000000000", "1700000000001"),
    ];
    let payload = format!("[{}]", list.join(","));
    for _again in 0..2 {
        assert_eq!(decoder.decode(payload.as_bytes(), NOW).accepted, 7);
        let tickets = decoder.tickets();
        let expected = [(2, "#2"), (3, "A1"), (5, "#3")].map(|(row, text)| (row, text.to_owned()));
        assert_eq!(tickets, expected, "the same message has the same tickets");
    }
}
