//! Goal: non-standard payloads are decoded as meant, or refused with advice. Method: one payload
//! for each oddity, in every dialect that can have it.

use super::*;

/// Payloads of each JSON dialect with one field that is `nan` beside one that is a number.
fn with_no_number(word: &str) -> Vec<(&'static str, &'static str, String)> {
    vec![
        (
            "thingsboard",
            "t",
            format!(r#"{{"total":1204.5,"phase2":{word}}}"#),
        ),
        (
            "thingsboard",
            "t",
            format!(r#"[{{"ts":1700000000000,"values":{{"phase2":{word},"total":1204.5}}}}]"#),
        ),
        (
            "thingsboard-gateway",
            "t",
            format!(
                r#"{{"d":[{{"ts":1700000000000,"values":{{"total":1204.5,"phase2":{word}}}}}]}}"#
            ),
        ),
        (
            "neuron-values",
            "t",
            format!(r#"{{"timestamp":1700000000000,"values":{{"total":1204.5,"phase2":{word}}}}}"#),
        ),
        (
            "neuron-tags",
            "t",
            format!(
                r#"{{"timestamp":1700000000000,"tags":[{{"name":"total","value":1204.5}},{{"name":"phase2","value":{word}}}]}}"#
            ),
        ),
        (
            "telegraf",
            "t",
            format!(r#"{{"fields":{{"total":1204.5,"phase2":{word}}},"timestamp":1700000000}}"#),
        ),
        (
            "mapped",
            "t",
            format!(r#"{{"total":1204.5,"phase2":{word}}}"#),
        ),
    ]
}

#[test]
fn a_field_that_is_not_a_number_is_missing_and_the_others_count() {
    let map = r#""map":[{"field":"total","meter":"m","quantity":"electricity"},
        {"field":"phase2","meter":"p","quantity":"electricity"}]"#;
    for word in [
        "nan", "NaN", "inf", "-nan", "-inf", "Infinity", "1.#QNAN", "\"NaN\"", "null",
    ] {
        for (format, topic, payload) in with_no_number(word) {
            let rule = format!(r#""format":"{format}",{map}"#);
            let (readings, reasons, passed) = read(&rule, topic, &payload);
            assert_eq!(readings.len(), 1, "{payload}: {reasons:?}");
            assert_eq!(
                (readings[0].0.as_str(), readings[0].2),
                ("m", 1_204_500_000)
            );
            assert_eq!((reasons.len(), passed), (0, [0, 1]), "{payload}");
        }
    }
    let influx = format!(r#""format":"influx",{map}"#);
    let (readings, _, passed) = read(
        &influx,
        "t",
        "m total=1204.5,phase2=nan 1700000000000000000",
    );
    assert_eq!((readings.len(), passed), (1, [0, 1]));
}

/// help.aliyun.com, "批量上报": each property is an array of its values.
#[test]
fn an_array_of_values_is_the_history_of_a_field() {
    let payload = r#"{"id":"1","version":"1.0","params":{"properties":{
        "Power":[{"value":1.5,"time":1524448722000},{"value":"2.5","time":1524448723000},{"value":null,"time":1}],
        "WF":[{"value":3}],"Empty":[],"Other":[{"value":9,"time":1524448722000}]}}}"#;
    let rule = r#""format":"mapped","fields":"/params/properties","value":"value","time":"time","others":"ignore",
        "map":[{"field":"Power","meter":"p","quantity":"electricity"},
               {"field":"WF","meter":"w","quantity":"electricity"},
               {"field":"Empty","meter":"x","quantity":"electricity"}]"#;
    let (readings, reasons, passed) = read(rule, "t", payload);
    let at = 1_524_448_722_000;
    let expected = [
        flat("p", at, 1_500_000),
        flat("p", at + 1000, 2_500_000),
        flat("w", NOW, 3_000_000),
    ];
    assert_eq!(readings, expected, "{reasons:?}");
    assert_eq!((reasons.len(), passed), (0, [1, 2]));
}

#[test]
fn a_named_field_of_another_shape_is_refused_in_every_dialect() {
    let map = r#""others":"ignore","map":[{"field":"v","meter":"m","quantity":"electricity"}]"#;
    let valued = format!(r#""format":"mapped","value":"value","time":"time",{map}"#);
    let bare = format!(r#""format":"mapped",{map}"#);
    let rule = |format: &str| format!(r#""format":"{format}",{map}"#);
    for (rule, payload, words) in [
        (
            valued.clone(),
            r#"{"v":{"val":1}}"#,
            "it is an object, not a number",
        ),
        (
            valued.clone(),
            r#"{"v":[1,2]}"#,
            "an element of its array is a number, not an object with \"value\"",
        ),
        (
            valued.clone(),
            r#"{"v":[{"value":1},{"value":2}]}"#,
            "no instant of its own",
        ),
        (
            valued.clone(),
            r#"{"v":[[{"value":1,"time":1700000000000}]]}"#,
            "an array",
        ),
        (valued, r#"{"v":{"value":{"a":1}}}"#, "an object"),
        (bare.clone(), r#"{"v":{"value":1}}"#, "an object"),
        (bare, r#"{"v":[1]}"#, "an element of its array is a number"),
        (rule("thingsboard"), r#"{"v":[1,2]}"#, "an array"),
        (
            rule("thingsboard"),
            r#"{"ts":1700000000000,"values":[{"v":1}]}"#,
            "\"values\" is an array",
        ),
        (
            rule("thingsboard-gateway"),
            r#"{"d":[{"ts":1700000000000,"values":{"v":{"x":1}}}]}"#,
            "an object",
        ),
        (
            rule("neuron-values"),
            r#"{"timestamp":1700000000000,"values":{"v":[1]}}"#,
            "an array",
        ),
        (
            rule("neuron-tags"),
            r#"{"timestamp":1700000000000,"tags":[{"name":"v","value":{}}]}"#,
            "an object",
        ),
        (
            rule("telegraf"),
            r#"{"fields":{"v":[1]},"timestamp":1700000000}"#,
            "an array",
        ),
        (
            rule("influx"),
            "m v=\"text\" 1700000000000000000",
            "a string",
        ),
    ] {
        let (readings, reasons, _) = read(&rule, "t", payload);
        assert!(readings.is_empty(), "{payload}");
        assert!(
            !reasons.is_empty() && reasons[0].contains(words),
            "{payload}: {reasons:?}"
        );
    }
}

#[test]
fn an_element_of_another_shape_does_not_affect_the_others() {
    let map = r#""others":"ignore","map":[{"field":"v","meter":"m","quantity":"electricity"}]"#;
    let services = r#"{"s":[{"p":{"v":1}},{"p":7},{"p":null},{}]}"#;
    let rule = format!(r#""format":"mapped","fields":"/s/*/p",{map}"#);
    let (readings, reasons, _) = read(&rule, "t", services);
    assert_eq!((readings.len(), reasons.len()), (1, 1), "{reasons:?}");
    assert!(reasons[0].contains("points to a number"), "{reasons:?}");
}

#[test]
fn a_quote_in_an_influx_tag_is_a_plain_character() {
    let rule = r#""format":"influx","others":"ignore","map":[{"field":"v","meter":"m","quantity":"electricity"}]"#;
    let line = |n: u64| {
        format!(
            "m,t=a v={n} {}",
            1_700_000_000_000_000_000 + n * 1_000_000_000
        )
    };
    let mut lines: Vec<_> = (1..12).map(line).collect();
    lines.insert(0, "m,t=a\"b v=0 1700000000000000000".to_owned());
    lines.push("m,t=a\"b v=12 1700000012000000000".to_owned());
    let (readings, reasons, _) = read(rule, "t", &lines.join("\n"));
    assert!(reasons.is_empty(), "{reasons:?}");
    let values: Vec<_> = readings.iter().map(|r| r.2 / 1_000_000).collect();
    assert_eq!(values, (0..13).collect::<Vec<_>>());
}

#[test]
fn an_invalid_influx_line_does_not_affect_the_others() {
    let rule = r#""format":"influx","others":"ignore","map":[{"field":"v","meter":"m","quantity":"electricity"}]"#;
    for (broken, refused) in [
        // A string that is never closed, one that a later line would close, and one whose rest
        // would parse as an instant.
        ("m s=\"open,v=9", 1),
        ("m v=9,s=\"a", 1),
        ("m v=9,s=\" 2", 1),
        ("m", 1),
        ("m,t v=9", 1),
        // A backslash at the end of a line escapes nothing.
        ("m,t=a\\ 17", 1),
        ("m,t=a v=9,w=1\\", 0),
        ("m,t=a v=9\\", 1),
        ("m,t=\\ v=9 1700000000000000000", 1),
    ] {
        let good = |n: u64| format!("m,t=x v={n} 1700000000000000000");
        let text = [&*good(1), broken, &*good(2), broken, &*good(3)].join("\n");
        let (readings, reasons, _) = read(rule, "t", &text);
        let values: Vec<_> = readings.iter().map(|r| r.2 / 1_000_000).collect();
        let good: Vec<_> = values.iter().copied().filter(|v| *v != 9).collect();
        assert_eq!(good, [1, 2, 3], "{broken}: {reasons:?}");
        assert_eq!(reasons.len(), 2 * refused, "{broken}: {reasons:?}");
    }
}

#[test]
fn a_text_of_an_influx_field_may_hold_line_feeds_and_escapes() {
    let rule = r#""format":"influx","others":"ignore","map":[{"field":"v","meter":"m","quantity":"electricity"}]"#;
    for (line, count) in [
        ("m s=\"a\nb c\n\nd\",v=1 1700000000000000000", 1),
        ("m s=\"a \\\" b\",v=1 1700000000000000000", 1),
        (
            "m s=\"ends with a backslash \\\\\",v=1 1700000000000000000",
            1,
        ),
        ("m s=\"C:\\dir\",v=1 1700000000000000000", 1),
        ("m v=1,s=\"\" 1700000000000000000", 1),
        (
            "m v=1 1700000000000000000\r\nm v=2 1700000000000000000\r",
            2,
        ),
        (
            "  # a comment with a \" in it\n\nm v=1 1700000000000000000",
            1,
        ),
    ] {
        let (readings, reasons, _) = read(rule, "t", line);
        assert_eq!(
            (readings.len(), reasons.len()),
            (count, 0),
            "{line}: {reasons:?}"
        );
    }
    // Decoding strings that are never closed takes time linear in their size.
    let open = "m s=\"x\n".repeat(100_000);
    assert!(read(rule, "t", &open).0.is_empty());
}

#[test]
fn byte_order_marks_nuls_and_gbk_are_decoded_or_refused_with_a_reason() {
    let rule = |more: &str| -> DecoderRule {
        let rule = format!(
            r#"{{"filter":"t","park":"p","enterprise":"e","gateway":"g","format":"thingsboard"{more},
            "map":[{{"field":"电能","meter":"m","quantity":"electricity"}}]}}"#
        );
        serde_json::from_str(&rule).expect("a rule")
    };
    let decode = |rule: &DecoderRule, payload: &[u8]| {
        let mut decoder = Decoder::of_rule(rule, "t").expect("a decoder");
        let accepted = decoder.decode(payload, NOW).accepted;
        (accepted, decoder.outcome().1)
    };
    let (utf8, gbk) = ("{\"电能\":1}".as_bytes(), &b"{\"\xb5\xe7\xc4\xdc\":1}"[..]);
    for payload in [
        [&b"\xef\xbb\xbf"[..], utf8].concat(),
        [utf8, b"\0"].concat(),
        [utf8, b" \0\0\r\n\0"].concat(),
    ] {
        assert_eq!(decode(&rule(""), &payload), (1, vec![]));
    }
    assert_eq!(decode(&rule(r#","encoding":"gbk""#), gbk), (1, vec![]));
    let padded = [gbk, b"\0\0"].concat();
    assert_eq!(decode(&rule(r#","encoding":"gbk""#), &padded), (1, vec![]));
    let (_, reasons) = decode(&rule(""), gbk);
    assert!(reasons[0].contains("encoding = \"gbk\""), "{reasons:?}");
    let (_, reasons) = decode(&rule(""), &[utf8, b"\0{}"].concat());
    assert!(reasons[0].contains("a NUL"), "{reasons:?}");
    let native = [
        &b"\xef\xbb\xbf"[..],
        &br#"{"meter":"m","quantity":"steam","at":1700000000000,"value":1}"#[..],
        b"\0",
    ];
    assert_eq!(
        Decoder::new(crate::PayloadFormat::Json)
            .decode(&native.concat(), NOW)
            .accepted,
        1
    );
    let line = b"\xef\xbb\xbfm v=1 1700000000000000000\n\0";
    let influx = DecoderRule {
        map: rule("")
            .map
            .iter()
            .map(|map| crate::FieldMap {
                field: "v".into(),
                ..map.clone()
            })
            .collect(),
        format: crate::PayloadFormat::Influx,
        ..rule("")
    };
    assert_eq!(decode(&influx, line), (1, vec![]));
}

#[test]
fn units_of_a_map_are_those_that_people_write() {
    for (quantity, unit, micro) in [
        ("heat", "MWh", 5_400_000_000i64),
        ("heat", "万kWh", 54_000_000_000),
        ("electricity", "度", 1_500_000),
        ("fresh_water", "立方米", 1_500_000),
        ("natural_gas", "Nm³", 1_500_000),
        ("raw_coal", "吨", 1_500_000),
    ] {
        let rule = format!(
            r#""format":"mapped","map":[{{"field":"v","meter":"m","quantity":"{quantity}","unit":"{unit}"}},
            {{"field":"w","meter":"n","quantity":"{quantity}","unit":"{unit}","scale":"2.5"}}]"#
        );
        let (readings, _, _) = read(&rule, "t", r#"{"v":1.5,"w":1.5}"#);
        assert_eq!(
            readings,
            [flat("m", NOW, micro), flat("n", NOW, micro / 2 * 5)],
            "{unit}"
        );
    }
}
