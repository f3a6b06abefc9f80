//! Goal: the native JSON is decoded exactly, in every spelling, and refused with a reason. Method:
//! examples of each form, and a property against an oracle made of serde's derived structs over
//! serde_json.

use greenpark_model::{
    amount::Amount,
    day::Instant,
    limits::FUTURE_MS_MAX,
    reading::{Flag, Kind},
    stamp::Stamps,
};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const NOW: i64 = 1_800_000_000_000;

/// A reading as flat values, for comparison.
type Flat = (String, String, &'static str, i64, i64, &'static str);

/// A refusal as index, count and reason.
type Refused = (Option<u32>, u32, String);

fn read(text: &str) -> Result<(Vec<Flat>, Vec<Refused>), String> {
    let (mut series, mut to) = (SeriesTable::default(), Decoded::default());
    decode(
        text,
        &mut series,
        &Timing::live(NOW, &Stamps::default()),
        &mut to,
    )?;
    let flat = |(of, reading): &(u32, Reading)| {
        let s = series.get_mut(*of).series.clone();
        let micro = reading.value.micro();
        let (meter, quantity) = (s.meter.to_string(), s.quantity.to_string());
        (
            meter,
            quantity,
            s.kind.as_str(),
            reading.instant.millis(),
            micro,
            reading.flag.as_str(),
        )
    };
    let readings: Vec<_> = to.readings.iter().map(flat).collect();
    Ok((
        readings,
        to.refusals
            .first()
            .iter()
            .map(|r| (r.index, r.count, r.reason.clone()))
            .collect(),
    ))
}

fn reading(text: &str) -> Flat {
    let (readings, refusals) = read(text).expect("a reading");
    assert_eq!((readings.len(), refusals.len()), (1, 0), "{refusals:?}");
    readings.into_iter().next().expect("one reading")
}

fn refused(text: &str) -> String {
    read(text).expect_err("refused")
}

#[test]
fn one_reading_in_any_key_order() {
    let plain = r#"{"meter":"m1","quantity":"electricity","at":1700000000000,"value":3.17}"#;
    let expected = (
        "m1".into(),
        "electricity".into(),
        "register",
        1_700_000_000_000,
        3_170_000,
        "N",
    );
    assert_eq!(reading(plain), expected);
    let dressed = " {\n\t\"value\" : \"3.17\" , \"unit\":\"kWh\",\"at\":\"2023-11-15T06:13:20+08:00\",\
                   \"kind\":null,\"flag\":\"N\",\"quantity\":\"electri\\u0063ity\",\"m\\u0065ter\":\"m1\" } \r\n";
    assert_eq!(reading(dressed), expected);
    let scaled = r#"{"meter":"m1","quantity":"fly_ash.utilized","kind":"event","unit":"kg","at":"2023-11-14T22:13:20Z","value":1250,"flag":"S"}"#;
    assert_eq!(
        reading(scaled),
        (
            "m1".into(),
            "fly_ash.utilized".into(),
            "event",
            1_700_000_000_000,
            1_250_000,
            "S"
        )
    );
}

#[test]
fn a_value_never_passes_through_a_float() {
    let with = |value: &str| {
        reading(&format!(
            r#"{{"meter":"m","quantity":"electricity","at":1700000000000,"value":{value}}}"#
        ))
        .4
    };
    assert_eq!(with("999999999999.999999"), 999_999_999_999_999_999);
    assert_eq!(with("123456789012.345678"), 123_456_789_012_345_678);
    assert_eq!(with("-0.000001"), -1);
    assert_eq!(with("1.5e3"), 1_500_000_000);
}

#[test]
fn an_invalid_reading_is_refused_with_a_reason() {
    let base = r#""meter":"m1","quantity":"electricity","at":1700000000000,"value":1"#;
    for (text, word) in [
        (format!("{{{base},\"untis\":\"MWh\"}}"), "\"untis\""),
        (format!("{{{base},\"value\":2}}"), "twice"),
        (format!("{{{base},\"unit\":\"gal\"}}"), "gal"),
        (format!("{{{base},\"flag\":\"X\"}}"), "HJ 212"),
        (format!("{{{base},\"kind\":\"counter\"}}"), "register"),
        (format!("{{{base},\"kind\":7}}"), "a number"),
        (
            r#"{"meter":"m1","quantity":"electricity","at":1700000000000}"#.into(),
            "\"value\" is missing",
        ),
        (
            r#"{"meter":"m1","quantity":"electricity","at":17e11,"value":1}"#.into(),
            "milliseconds",
        ),
        (
            r#"{"meter":"m1","quantity":"electricity","at":"2023-11-15","value":1}"#.into(),
            "\"at\"",
        ),
        (
            r#"{"meter":"m1","quantity":"electricity","at":1700000000000,"value":true}"#.into(),
            "decimal",
        ),
        (
            r#"{"meter":"m1","quantity":"electricity","at":1700000000000,"value":"n/a"}"#.into(),
            "n/a",
        ),
        (
            r#"{"meter":"m1","quantity":"electricity","at":1700000000000,"value":1e300}"#.into(),
            "beyond",
        ),
        (
            r#"{"meter":"m1","quantity":"electricity","at":1700000000,"value":1}"#.into(),
            "seconds",
        ),
        ("{".into(), "byte 1"),
        ("{} x".into(), "after the end"),
        ("".into(), "empty"),
        ("42".into(), "neither"),
    ] {
        let reason = refused(&text);
        assert!(reason.contains(word), "{text}: {reason}");
    }
}

#[test]
fn good_readings_of_an_array_count_beside_bad_ones() {
    let future = NOW + FUTURE_MS_MAX + 1;
    let good = r#"{"meter":"m1","quantity":"electricity","at":1700000000000,"value":1}"#;
    let bad = format!(r#"{{"meter":"m1","quantity":"electricity","at":{future},"value":1}}"#);
    let (readings, refusals) =
        read(&format!("[{good},{bad},7,{good},{{\"x\":[{{}}]}}]")).expect("an array");
    assert_eq!(readings.len(), 2);
    let indices: Vec<_> = refusals.iter().map(|r| (r.0, r.1)).collect();
    assert_eq!(indices, [(Some(1), 1), (Some(2), 1), (Some(4), 1)]);
    assert!(refusals[0].2.contains("ahead"), "{}", refusals[0].2);
    assert!(refused(&format!("[{good},{good}")).contains("not JSON"));
}

#[test]
fn columns_are_read_with_listed_and_with_stepped_instants() {
    let text = r#"{"series":[
        {"meter":"m1","quantity":"electricity","unit":"MWh","at":[1700000000000,"2023-11-14T22:13:21Z"],"value":[1,"2.5"],"flag":"NM"},
        {"meter":"m2","quantity":"fresh_water","kind":"interval","from":1700000000000,"step":900000,"value":[1,null,3]}]}"#;
    let (readings, refusals) = read(text).expect("columns");
    assert_eq!(refusals, []);
    let brief: Vec<_> = readings
        .iter()
        .map(|r| (r.0.as_str(), r.3 - 1_700_000_000_000, r.4, r.5))
        .collect();
    assert_eq!(
        brief,
        [
            ("m1", 0, 1_000_000_000, "N"),
            ("m1", 1000, 2_500_000_000, "M"),
            ("m2", 0, 1_000_000, "N"),
            ("m2", 1_800_000, 3_000_000, "N")
        ]
    );
}

#[test]
fn an_invalid_series_does_not_affect_the_others() {
    let text = r#"{"series":[
        {"meter":"m1","quantity":"electricty","at":[1,2],"value":[1,2]},
        {"meter":"m1","quantity":"electricity","at":[1700000000000],"value":[1,2]},
        {"meter":"m2","quantity":"electricity","from":1700000000000,"step":0,"value":[1]},
        {"meter":"m2","quantity":"electricity","at":[1700000000000,1700000000001],"value":[1,"x"],"flag":"N"},
        7]}"#;
    let (readings, refusals) = read(text).expect("columns");
    assert_eq!(readings.len(), 1);
    let indices: Vec<_> = refusals.iter().map(|r| (r.0, r.1)).collect();
    assert_eq!(
        indices,
        [
            (Some(0), 2),
            (Some(2), 2),
            (Some(4), 1),
            (Some(6), 1),
            (Some(7), 1)
        ]
    );
    assert!(refused(r#"{"series":[],"meter":"m1"}"#).contains("does not belong"));
    assert!(refused(r#"{"series":7}"#).contains("an array"));
}

#[test]
fn tickets_are_text_or_number_and_for_events_only() {
    let with = |ticket: &str, kind: &str| {
        let text = format!(
            r#"{{"meter":"s1","quantity":"raw_coal","kind":"{kind}","at":1700000000000,"value":31.46,"ticket":{ticket}}}"#
        );
        let (mut series, mut to) = (SeriesTable::default(), Decoded::default());
        let stamps = Stamps::default();
        let timing = Timing::live(NOW, &stamps);
        decode(&text, &mut series, &timing, &mut to)?;
        Ok::<_, String>(
            to.tickets
                .iter()
                .map(|(row, t)| (*row, t.to_string()))
                .collect::<Vec<_>>(),
        )
    };
    let one = |text: &str| Ok(vec![(0, text.to_owned())]);
    assert_eq!(with("\"WB-17\"", "event"), one("WB-17"));
    assert_eq!(with("20261122017", "event"), one("20261122017"));
    assert_eq!(with("null", "event"), Ok(vec![]));
    assert_eq!(with("null", "register"), Ok(vec![]));
    for (ticket, kind, words) in [
        ("\"none\"", "event", "no digit"),
        ("\"#2\"", "event", "'#'"),
        ("true", "event", "number on a ticket"),
        ("\"17\"", "register", "only an event"),
    ] {
        let reason = with(ticket, kind).expect_err("refused");
        assert!(
            reason.starts_with("\"ticket\"") && reason.contains(words),
            "{reason}"
        );
    }
    let columns = r#"{"series":[{"meter":"s1","quantity":"raw_coal","kind":"event",
        "at":[1700000000000,1700000000000,1700000000001],"value":[1,2,3],"ticket":["A1",null,7]}]}"#;
    let (mut series, mut to) = (SeriesTable::default(), Decoded::default());
    let stamps = Stamps::default();
    let timing = Timing::live(NOW, &stamps);
    decode(columns, &mut series, &timing, &mut to).expect("columns");
    let tickets: Vec<_> = to
        .tickets
        .iter()
        .map(|(row, t)| (*row, t.as_str()))
        .collect();
    assert_eq!(tickets, [(0, "A1"), (2, "7")]);
    let short = columns.replace(",null,7", "");
    let (_, refusals) = read(&short).expect("columns");
    assert!(refusals[0].2.contains("1 tickets"), "{refusals:?}");
}

#[test]
fn a_printed_nan_is_one_reading_less() {
    let good = r#"{"meter":"m1","quantity":"electricity","at":1700000000000,"value":1}"#;
    for word in ["nan", "NaN", "-nan", "inf", "Infinity", "1.#QNAN"] {
        let bad = good.replace("\"value\":1", &format!("\"value\":{word}"));
        assert!(refused(&bad).contains(word), "{word}");
        let (readings, refusals) = read(&format!("[{bad},{good}]")).expect("an array");
        assert_eq!((readings.len(), refusals.len()), (1, 1));
        assert_eq!(refusals[0].0, Some(0));
        let columns = format!(
            r#"{{"series":[{{"meter":"m","quantity":"steam","from":1700000000000,"step":1,"value":[1,{word},3]}}]}}"#
        );
        let (readings, refusals) = read(&columns).expect("columns");
        let values: Vec<_> = readings.iter().map(|r| (r.3 % 10, r.4)).collect();
        assert_eq!(values, [(0, 1_000_000), (2, 3_000_000)]);
        assert!(refusals.is_empty(), "{refusals:?}");
    }
}

#[test]
fn units_are_accepted_as_people_write_them() {
    let with = |quantity: &str, unit: &str| {
        reading(&format!(
            r#"{{"meter":"m","quantity":"{quantity}","at":1700000000000,"value":1.5,"unit":"{unit}"}}"#
        ))
        .4
    };
    assert_eq!(with("heat", "MWh"), 5_400_000_000);
    assert_eq!(with("heat", "kWh"), 5_400_000);
    assert_eq!(with("electricity", "度"), 1_500_000);
    assert_eq!(with("electricity", "万kWh"), 15_000_000_000);
    assert_eq!(with("fresh_water", "立方米"), 1_500_000);
    assert_eq!(with("natural_gas", "Nm³"), 1_500_000);
    assert_eq!(with("raw_coal", "吨"), 1_500_000);
    let steam = r#"{"meter":"m","quantity":"steam","at":1700000000000,"value":1,"unit":"Nm³"}"#;
    assert!(
        refused(steam).contains("\"unit\": 'Nm³' of steam"),
        "{}",
        refused(steam)
    );
}

#[test]
fn seconds_and_day_numbers_are_reported_as_the_likely_cause() {
    let with = |at: &str| {
        refused(&format!(
            r#"{{"meter":"m","quantity":"steam","at":{at},"value":1}}"#
        ))
    };
    for (at, words) in [
        ("1700000000", "seconds where milliseconds are meant"),
        (
            "1700000000000000",
            "microseconds where milliseconds are meant",
        ),
        (
            "1700000000000000000",
            "nanoseconds where milliseconds are meant",
        ),
        ("45992", "Excel"),
        ("45992.5", "Excel"),
        ("\"2023-11-14 08:00:00\"", "no zone"),
    ] {
        let reason = with(at);
        assert!(
            reason.starts_with("\"at\"") && reason.contains(words),
            "{reason}"
        );
    }
}

#[test]
fn an_hour_of_24_is_the_next_days_start() {
    let text = r#"{"meter":"m","quantity":"steam","at":"2026-01-01T24:00:00+08:00","value":1}"#;
    assert_eq!(
        Ok(Instant::from_millis(reading(text).3)),
        "2026-01-02T00:00:00+08:00".parse()
    );
}

/// The oracle's reading: derived by serde, which refuses unknown and repeated keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Oracle {
    meter: String,
    quantity: String,
    kind: Option<String>,
    at: serde_json::Value,
    value: serde_json::Value,
    unit: Option<String>,
    flag: Option<String>,
}

fn oracle(text: &str) -> Option<Flat> {
    use serde_json::Value;
    let o: Oracle = serde_json::from_str(text).ok()?;
    let meter = greenpark_model::id::MeterId::new(&o.meter).ok()?;
    let quantity: greenpark_model::quantity::Quantity = o.quantity.parse().ok()?;
    let kind = Kind::from_name(o.kind.as_deref().unwrap_or("register"))?;
    let ratio = quantity.medium.ratio_of(o.unit.as_deref().unwrap_or(""));
    let ms = match o.at {
        Value::Number(n) => n.as_i64()?,
        Value::String(s) => s.parse::<Instant>().ok()?.millis(),
        _ => return None,
    };
    let digits = match o.value {
        // Exact, because the strategy generates numbers of at most fifteen digits.
        Value::Number(n) => n.to_string(),
        Value::String(s) => s,
        _ => return None,
    };
    let value = Amount::parse_by(digits.as_bytes(), ratio.ok()?).ok()?;
    let flag = Flag::from_name(o.flag.as_deref().unwrap_or("N"))?;
    instant::check(ms, &Timing::live(NOW, &Stamps::default())).ok()?;
    Some((
        meter.to_string(),
        quantity.to_string(),
        kind.as_str(),
        ms,
        value.micro(),
        flag.as_str(),
    ))
}

/// A member's text, valid or invalid, with white space around its tokens.
fn member() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        20 => "meter|quantity|kind|at|value|unit|flag".prop_map(|k| format!("\"{k}\"")),
        1 => r#""(untis|series|from|step|m\\u0065ter|val\\u00)""#,
    ];
    let value = prop_oneof![
        8 => r#""(m1|electricity|fresh_water|fly_ash\\u002eutilized|register|event|kWh|MWh|m3|N|S|Q)""#,
        3 => r#""2023-1[0-2]-[0-3][0-9]T[01][0-9]:00:00(Z|\+08:00|)""#,
        4 => "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,6})?(e[0-3])?",
        3 => "1[67][0-9]{11}",
        1 => r#"null|true|\[1\]|\{\}|"1.50"|"\\ud83d"|01|"|"#,
    ];
    ("[ \n]{0,1}", key, "[ \t]{0,1}", value, "[ \r]{0,1}")
        .prop_map(|(a, k, b, v, c)| format!("{a}{k}{b}:{a}{v}{c}"))
}

/// Objects that are nearly always well formed and often complete.
fn document() -> impl Strategy<Value = String> {
    let whole = (
        prop_oneof![Just("kWh"), Just("MWh"), Just("m3")],
        "-?(0|[1-9][0-9]{0,7})(\\.[0-9]{1,6})?",
        "1[67][0-9]{11}|\"2023-1[0-2]-[0-3][0-9]T[01][0-9]:00:00(Z|\\+08:00|)\"",
        "[NSQ]",
    )
        .prop_map(|(unit, value, at, flag)| {
            vec![
                "\"meter\":\"m1\"".to_owned(),
                "\"quantity\" :\"electr\\u0069city\"".to_owned(),
                format!("\"unit\":\"{unit}\""),
                format!("\"value\": {value}"),
                format!("\"at\":{at}"),
                format!("\"flag\":\"{flag}\""),
            ]
        })
        .prop_shuffle();
    let members = prop_oneof![whole, prop::collection::vec(member(), 0..8)];
    members.prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_reading_is_what_serde_json_would_read(text in document()) {
        let ours = read(&text).ok().and_then(|(readings, _)| readings.into_iter().next());
        prop_assert_eq!(ours, oracle(&text), "{}", text);
    }

    #[test]
    fn an_array_is_its_readings(texts in prop::collection::vec(document(), 1..5)) {
        let array = format!("[{}]", texts.join(" , "));
        let well_formed = serde_json::from_str::<serde_json::Value>(&array).is_ok();
        match read(&array) {
            Ok((readings, refusals)) => {
                prop_assert!(well_formed);
                let expected: Vec<_> = texts.iter().filter_map(|text| oracle(text)).collect();
                prop_assert_eq!(refusals.len(), texts.len() - expected.len());
                prop_assert_eq!(readings, expected);
            }
            Err(reason) => prop_assert!(!well_formed, "{}", reason),
        }
    }

    #[test]
    fn columns_are_the_readings_they_list(
        rows in prop::collection::vec((0i64..90_000_000_000, "-?[0-9]{1,3}(\\.[0-9]{1,6})?", "[NSFM]"), 1..20),
    ) {
        let instants: Vec<_> = rows.iter().map(|r| (1_700_000_000_000 + r.0).to_string()).collect();
        let values: Vec<_> = rows.iter().map(|r| format!("\"{}\"", r.1)).collect();
        let flags: String = rows.iter().map(|r| r.2.as_str()).collect();
        let name = r#""meter":"m1","quantity":"steam","unit":"kg""#;
        let columns = format!(r#"{{"series":[{{{name},"at":[{}],"value":[{}],"flag":"{flags}"}}]}}"#, instants.join(","), values.join(","));
        let singles: Vec<_> = rows.iter().zip(&instants).map(|((_, value, flag), at)| {
            format!(r#"{{{name},"at":{at},"value":"{value}","flag":"{flag}"}}"#)
        }).collect();
        prop_assert_eq!(read(&columns), read(&format!("[{}]", singles.join(","))));
    }

    #[test]
    fn no_text_makes_the_decoder_fall_over(text in ".{0,64}") {
        drop(read(&text));
    }
}
