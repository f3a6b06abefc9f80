//! Goal: data has the meaning that the birth defined, or none. Method: messages made by hand,
//! following the examples of the specification (version 3.0, chapter 6.4) and its rules on births,
//! sequence and deaths.

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use super::{edges::Edge, *};
use crate::{
    Decoder, PayloadFormat,
    limits::{EDGE_BYTES_MAX, EDGES_BYTES_MAX},
};

const NOW: i64 = 1_700_000_100_000;
const AT: u64 = 1_700_000_000_000;

fn decoder() -> Decoder {
    let rule = r#"{"filter":"spBv1.0/#","format":"sparkplug","park":"p","enterprise":"{1}","gateway":"{3}",
        "map":[{"field":"Energy/Total","device":"d1","meter":"e-1","quantity":"electricity"},
               {"field":"Steam","meter":"{3}-steam","quantity":"steam","unit":"kg"}]}"#;
    let rule: crate::DecoderRule = serde_json::from_str(rule).expect("a rule");
    assert_eq!(rule.format, PayloadFormat::Sparkplug);
    Decoder::of_rule(&rule, "spBv1.0/g/NDATA/e").expect("a decoder")
}

fn metric(name: Option<&str>, alias: Option<u64>, value: Wire) -> Metric {
    Metric {
        name: name.map(str::to_owned),
        alias,
        timestamp: Some(AT),
        value: Some(value),
        ..Metric::default()
    }
}

/// Sends a message, and returns the number of accepted readings and the reason of the first
/// refusal.
fn send(decoder: &mut Decoder, topic: &str, seq: u64, metrics: Vec<Metric>) -> (u64, Vec<String>) {
    let payload = Payload {
        timestamp: Some(AT),
        metrics,
        seq: Some(seq),
        ..Payload::default()
    };
    send_bytes(decoder, topic, &payload.encode_to_vec())
}

fn send_bytes(decoder: &mut Decoder, topic: &str, bytes: &[u8]) -> (u64, Vec<String>) {
    decoder
        .turn_to(&format!("spBv1.0/g/{topic}"))
        .expect("a topic");
    let counts = decoder.decode(bytes, NOW);
    (counts.accepted, decoder.outcome().1)
}

/// A compressed message as a client sends it; without an algorithm the metric is absent.
fn packed(algorithm: Option<&str>, body: Vec<u8>) -> Vec<u8> {
    let said = |text: &str| metric(Some("algorithm"), None, Wire::Text(text.to_owned()));
    let payload = Payload {
        metrics: algorithm.map(said).into_iter().collect(),
        uuid: Some("SPBV1.0_COMPRESSED".to_owned()),
        body: Some(body),
        ..Payload::default()
    };
    payload.encode_to_vec()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn birth(decoder: &mut Decoder) {
    let number = metric(Some("bdSeq"), None, Wire::Long(3));
    let control = metric(Some(REBIRTH), None, Wire::Boolean(false));
    let steam = Metric {
        datatype: Some(3),
        ..metric(Some("Steam"), Some(7), Wire::Int(5))
    };
    assert_eq!(
        send(decoder, "NBIRTH/e", 0, vec![number, control, steam]),
        (1, vec![])
    );
    let energy = metric(Some("Energy/Total"), Some(8), Wire::Double(3.17));
    let energy = Metric {
        datatype: Some(10),
        ..energy
    };
    assert_eq!(send(decoder, "DBIRTH/e/d1", 1, vec![energy]), (1, vec![]));
}

#[test]
fn data_by_alias_means_what_the_birth_named() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let data = vec![metric(None, Some(8), Wire::Double(4.25))];
    assert_eq!(send(&mut decoder, "DDATA/e/d1", 2, data), (1, vec![]));
    let (readings, _) = decoder.outcome();
    let (series, reading) = &readings[0];
    assert_eq!(series.meter.as_str(), "e-1");
    assert_eq!(
        (reading.value.micro(), reading.instant.millis()),
        (4_250_000, 1_700_000_000_000)
    );
    // An Int32 is in two's complement.
    let below = vec![metric(None, Some(7), Wire::Int((-1500i32).cast_unsigned()))];
    assert_eq!(send(&mut decoder, "NDATA/e", 3, below), (1, vec![]));
    let (readings, _) = decoder.outcome();
    assert_eq!(readings[0].0.meter.as_str(), "e-steam");
    assert_eq!(readings[0].1.value.micro(), -1_500_000);
}

#[test]
fn data_without_a_birth_is_dead_lettered_and_one_rebirth_requested() {
    let mut decoder = decoder();
    let data = || vec![metric(None, Some(8), Wire::Double(1.0))];
    let (accepted, reasons) = send(&mut decoder, "DDATA/e/d1", 4, data());
    assert_eq!(accepted, 0);
    assert!(reasons[0].starts_with("birth unknown"), "{reasons:?}");
    assert_eq!(decoder.decoded.rebirth_requests, ["spBv1.0/g/NCMD/e"]);
    send(&mut decoder, "DDATA/e/d1", 5, data());
    assert!(
        decoder.decoded.rebirth_requests.is_empty(),
        "asked again within ten seconds"
    );
    birth(&mut decoder);
    assert_eq!(send(&mut decoder, "DDATA/e/d1", 2, data()).0, 1);
}

#[test]
fn after_a_gap_in_the_sequence_an_alias_is_not_trusted() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let both = || {
        let named = Metric {
            datatype: Some(3),
            ..metric(Some("Steam"), None, Wire::Int(9))
        };
        vec![metric(None, Some(7), Wire::Int(6)), named]
    };
    let (accepted, reasons) = send(&mut decoder, "NDATA/e", 3, both());
    assert_eq!((accepted, reasons.len()), (1, 1));
    assert!(reasons[0].contains("birth unknown"), "{reasons:?}");
    assert_eq!(decoder.decoded.rebirth_requests.len(), 1);
    birth(&mut decoder);
    assert_eq!(send(&mut decoder, "NDATA/e", 2, both()).0, 2);
    for seq in (3..=255).chain([0, 1]) {
        assert_eq!(send(&mut decoder, "NDATA/e", seq, both()).0, 2, "{seq}");
    }
}

#[test]
fn a_death_counts_only_for_its_own_birth() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let data = || vec![metric(None, Some(7), Wire::Int(6))];
    let death = |number| vec![metric(Some("bdSeq"), None, Wire::Long(number))];
    assert_eq!(send(&mut decoder, "NDEATH/e", 0, death(2)), (0, vec![]));
    assert_eq!(send(&mut decoder, "NDATA/e", 2, data()).0, 1);
    assert_eq!(send(&mut decoder, "DDEATH/e/d1", 3, vec![]), (0, vec![]));
    let energy = || vec![metric(Some("Energy/Total"), None, Wire::Double(1.0))];
    assert_eq!(send(&mut decoder, "DDATA/e/d1", 4, energy()).0, 0);
    assert_eq!(send(&mut decoder, "NDEATH/e", 0, death(3)), (0, vec![]));
    assert!(send(&mut decoder, "NDATA/e", 5, data()).1[0].starts_with("birth unknown"));
}

#[test]
fn a_null_metric_is_missing_and_bad_quality_is_a_flag() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let quality = |int| Properties {
        keys: vec!["Quality".to_owned()],
        values: vec![payload::Property {
            int: Some(int),
            long: None,
        }],
    };
    let null = Metric {
        is_null: Some(true),
        value: None,
        ..metric(None, Some(7), Wire::Int(0))
    };
    let mut metrics = vec![null];
    for code in [192, 0, 500] {
        let good = metric(None, Some(7), Wire::Int(1));
        metrics.push(Metric {
            properties: Some(quality(code)),
            ..good
        });
    }
    let late = Metric {
        is_historical: Some(true),
        timestamp: None,
        ..metric(None, Some(7), Wire::Int(1))
    };
    metrics.push(late);
    let (accepted, reasons) = send(&mut decoder, "NDATA/e", 2, metrics);
    assert_eq!(
        (accepted, reasons.len(), decoder.decoded.missing),
        (3, 1, 1)
    );
    let flags: Vec<_> = decoder.outcome().0.iter().map(|(_, r)| r.flag).collect();
    assert_eq!(flags, [Flag::Normal, Flag::Fault, Flag::LinkFailure]);
    assert!(reasons[0].contains("historical"));
}

use payload::Properties;

#[test]
fn commands_and_states_are_ignored_and_other_topics_refused() {
    let mut decoder = decoder();
    for topic in [
        "spBv1.0/g/NCMD/e",
        "spBv1.0/g/DCMD/e/d",
        "spBv1.0/STATE/host",
        "STATE/host",
    ] {
        decoder.turn_to(topic).expect("a topic");
        let counts = decoder.decode(&rebirth(NOW), NOW);
        assert_eq!((counts.accepted, counts.refused), (0, 0), "{topic}");
    }
    for topic in [
        "spBv1.0/g/NDATA",
        "spBv1.0/g/DDATA/e",
        "spBv1.0/g/XDATA/e",
        "spBv1.0/g/NDATA/e/d",
    ] {
        decoder.turn_to(topic).expect("a topic");
        assert_eq!(decoder.decode(&rebirth(NOW), NOW).refused, 1, "{topic}");
    }
    let request = Payload::decode(rebirth(NOW).as_slice()).expect("a payload");
    assert_eq!(
        request.metrics[0].name.as_deref(),
        Some("Node Control/Rebirth")
    );
    assert_eq!(request.metrics[0].value, Some(Wire::Boolean(true)));
}

#[test]
fn a_compressed_payload_is_decoded_as_its_inner_message() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let data = |seq: u64| {
        let payload = Payload {
            timestamp: Some(AT),
            metrics: vec![metric(None, Some(8), Wire::Double(4.25))],
            seq: Some(seq),
            ..Payload::default()
        };
        payload.encode_to_vec()
    };
    let forms = [
        packed(None, deflated(&data(2))),
        packed(Some("DEFLATE"), deflated(&data(3))),
        packed(Some("GZIP"), gzipped(&data(4))),
    ];
    for bytes in forms {
        assert_eq!(send_bytes(&mut decoder, "DDATA/e/d1", &bytes), (1, vec![]));
        let (readings, _) = decoder.outcome();
        assert_eq!(readings[0].1.value.micro(), 4_250_000);
    }
}

#[test]
fn a_payload_that_cannot_be_inflated_is_refused() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let bomb = deflated(&vec![0; (1 << 20) + 1]);
    let twice = packed(None, deflated(&packed(None, deflated(b""))));
    let forms = [
        (packed(Some("BROTLI"), vec![1, 2]), "compressed by 'BROTLI'"),
        (packed(None, vec![1, 2]), "its compressed body cannot"),
        (
            packed(Some("GZIP"), deflated(b"")),
            "its compressed body cannot",
        ),
        (packed(None, bomb), "its compressed body has more"),
        (twice, "compressed twice"),
    ];
    for (bytes, reason) in forms {
        let (accepted, reasons) = send_bytes(&mut decoder, "DDATA/e/d1", &bytes);
        assert_eq!(accepted, 0);
        assert!(reasons[0].starts_with(reason), "{reasons:?}");
    }
}

/// Messages that npm's sparkplug-payload encoded, see `vectors/README.md`.
#[test]
fn births_and_data_of_the_javascript_encoder_are_decoded() {
    let mut decoder = decoder();
    let mut read = |topic: &str, payload: &[u8]| {
        decoder
            .turn_to(&format!("spBv1.0/g/{topic}"))
            .expect("a topic");
        decoder.decode(payload, NOW);
        let (readings, _) = decoder.outcome();
        let flat = |(s, r): &(
            greenpark_model::reading::Series,
            greenpark_model::reading::Reading,
        )| { (s.meter.to_string(), r.instant.millis(), r.value.micro()) };
        readings.iter().map(flat).collect::<Vec<_>>()
    };
    let at = 1_700_000_000_000;
    let steam = read("NBIRTH/e", include_bytes!("vectors/nbirth.bin"));
    assert_eq!(steam, [("e-steam".to_owned(), at, -1_500_000)]);
    let energy = |at, micro| ("e-1".to_owned(), at, micro);
    let birth = read("DBIRTH/e/d1", include_bytes!("vectors/dbirth.bin"));
    assert_eq!(birth, [energy(at, 3_170_000)]);
    let data = read("DDATA/e/d1", include_bytes!("vectors/ddata.bin"));
    assert_eq!(data, [energy(at + 1000, 4_250_000)]);
    let named = read("DDATA/e/d1", include_bytes!("vectors/ddata_float.bin"));
    assert_eq!(
        named,
        [energy(at + 2000, 3_170_000), energy(at + 3000, 7_000_000)]
    );
}

#[test]
fn a_refused_message_does_not_repeat_a_long_topic() {
    let mut decoder = decoder();
    let long = "d".repeat(60_000);
    for topic in [format!("DDATA/e/{long}"), format!("{long}/e")] {
        let (_, reasons) = send(&mut decoder, &topic, 0, vec![]);
        assert!(reasons[0].len() < 200, "{} bytes", reasons[0].len());
    }
}

#[test]
fn a_node_with_ever_new_devices_does_not_fill_memory() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let named = |n: usize| {
        metric(
            Some(&format!("{n}-{}", "m".repeat(10_000))),
            None,
            Wire::Int(1),
        )
    };
    for n in 0..2 * EDGE_BYTES_MAX / 20_000 {
        let device = format!("DBIRTH/e/n{n}");
        send(&mut decoder, &device, (n as u64 + 2) % 256, vec![named(n)]);
    }
    let edges = decoder.edges();
    let locked = edges.lock();
    let bytes: usize = locked.values().map(Edge::bytes).sum();
    assert!(
        bytes > EDGE_BYTES_MAX / 2 && bytes <= EDGE_BYTES_MAX,
        "{bytes}"
    );
}

#[test]
fn nodes_with_too_large_births_are_removed() {
    let mut decoder = decoder();
    let nodes = 2 * EDGES_BYTES_MAX / EDGE_BYTES_MAX;
    let metrics = |node: usize| {
        let name = |n: usize| format!("{node}-{n}-{}", "m".repeat(10_000));
        (0..200)
            .map(|n| metric(Some(&name(n)), None, Wire::Int(1)))
            .collect()
    };
    for node in 0..nodes {
        send(&mut decoder, &format!("NBIRTH/e{node}"), 0, metrics(node));
    }
    let edges = decoder.edges();
    let locked = edges.lock();
    let bytes: usize = locked.values().map(Edge::bytes).sum();
    assert!(bytes <= EDGES_BYTES_MAX + EDGE_BYTES_MAX, "{bytes}");
    assert!(locked.len() > 1 && locked.len() < nodes, "{}", locked.len());
    assert!(
        locked.contains_key(&*format!("g/e{}", nodes - 1)),
        "the last is known"
    );
}

#[test]
fn an_alias_given_to_two_metrics_names_neither() {
    let mut decoder = decoder();
    let double = |name: &str, alias: u64| Metric {
        datatype: Some(10),
        ..metric(Some(name), Some(alias), Wire::Double(1.0))
    };
    let born = vec![metric(Some("bdSeq"), None, Wire::Long(3))];
    assert_eq!(send(&mut decoder, "NBIRTH/e", 0, born), (0, vec![]));
    let birth = vec![
        double("Energy/Total", 8),
        double("Other", 8),
        double("Power", 9),
    ];
    assert_eq!(send(&mut decoder, "DBIRTH/e/d1", 1, birth).0, 1);
    let by_alias = vec![metric(None, Some(8), Wire::Double(5.0))];
    let (accepted, reasons) = send(&mut decoder, "DDATA/e/d1", 2, by_alias);
    assert_eq!(accepted, 0, "neither has it");
    assert!(
        reasons[0].contains("the alias 8 to two metrics"),
        "{reasons:?}"
    );
    assert!(
        decoder.decoded.rebirth_requests.is_empty(),
        "another birth would say the same"
    );
    let by_name = vec![metric(Some("Energy/Total"), Some(8), Wire::Double(6.0))];
    assert_eq!(send(&mut decoder, "DDATA/e/d1", 3, by_name).0, 1);
}

#[test]
fn a_death_by_alias_alone_ends_only_its_own_session() {
    let mut decoder = decoder();
    let birth = |decoder: &mut Decoder, session: u64| {
        let number = metric(Some("bdSeq"), Some(1), Wire::Long(session));
        let steam = Metric {
            datatype: Some(3),
            ..metric(Some("Steam"), Some(7), Wire::Int(5))
        };
        assert_eq!(
            send(decoder, "NBIRTH/e", 0, vec![number, steam]),
            (1, vec![])
        );
    };
    let death = |decoder: &mut Decoder, alias: Option<u64>, session: u64| {
        let number = metric(None, alias, Wire::Long(session));
        let payload = Payload {
            metrics: vec![number],
            ..Payload::default()
        };
        send_bytes(decoder, "NDEATH/e", &payload.encode_to_vec());
    };
    let data = || vec![metric(None, Some(7), Wire::Int(6))];
    birth(&mut decoder, 4);
    for alias in [Some(1), Some(99), None] {
        death(&mut decoder, alias, 3);
    }
    assert_eq!(
        send(&mut decoder, "NDATA/e", 1, data()),
        (1, vec![]),
        "a stale death"
    );
    death(&mut decoder, Some(1), 4);
    let (accepted, reasons) = send(&mut decoder, "NDATA/e", 2, data());
    assert!(
        accepted == 0 && reasons[0].starts_with("birth unknown"),
        "{reasons:?}"
    );
}

#[test]
fn a_signed_type_is_signed_in_either_field() {
    for datatype in 1..=8 {
        for (wire, width) in [
            (Wire::Int(u32::MAX - 8), 32),
            (Wire::Long(u64::MAX - 8), 64),
        ] {
            let metric = metric(Some("m"), None, wire.clone());
            let mut digits = String::new();
            let read = match value(&metric, datatype, &mut digits) {
                Value::Digits(digits) => digits.to_owned(),
                other => panic!("{other:?}"),
            };
            let expected = match (datatype, width) {
                (1..=4, _) => "-9".to_owned(),
                (_, 32) => (u32::MAX - 8).to_string(),
                _ => (u64::MAX - 8).to_string(),
            };
            assert_eq!(read, expected, "type {datatype} in {width} bits");
        }
    }
}

#[test]
fn a_metric_that_is_not_a_number_is_missing() {
    let mut decoder = decoder();
    birth(&mut decoder);
    let data = vec![
        metric(None, Some(8), Wire::Double(f64::NAN)),
        metric(None, Some(8), Wire::Double(2.5)),
        metric(None, Some(8), Wire::Float(f32::NEG_INFINITY)),
    ];
    assert_eq!(send(&mut decoder, "DDATA/e/d1", 2, data), (1, vec![]));
    assert_eq!(decoder.decoded.missing, 2);
}
