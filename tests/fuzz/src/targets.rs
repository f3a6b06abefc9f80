//! The fuzz targets. A target must not panic, and a decoder must account for everything in a payload.

use std::cell::RefCell;

use greenpark_ingest::{Decoder, DecoderRule, PayloadFormat, fuzzing};
use greenpark_model::{
    quantity::Medium,
    stamp::{Spec, Stamps},
};
use greenpark_proto::reading_batch;

const NOW: i64 = 1_800_000_000_000;

/// A target: its name, which is also that of its corpus, and the function that reads the bytes.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[FuzzTarget] = &[
    ("json", |data| native(PayloadFormat::Json, data)),
    ("protobuf", |data| native(PayloadFormat::Protobuf, data)),
    ("mapped", |data| foreign(&MAPPED, data)),
    ("stamp", stamp),
    ("unit", unit),
    ("thingsboard", |data| foreign(&THINGSBOARD, data)),
    ("thingsboard_gateway", |data| {
        foreign(&THINGSBOARD_GATEWAY, data)
    }),
    ("neuron_values", |data| foreign(&NEURON_VALUES, data)),
    ("neuron_tags", |data| foreign(&NEURON_TAGS, data)),
    ("influx", |data| foreign(&INFLUX, data)),
    ("telegraf", |data| foreign(&TELEGRAF, data)),
    ("sparkplug", sparkplug),
    ("topic", topic),
    ("packets", |data| _ = fuzzing::packets(data)),
    ("batch", batch),
];

type Case = (PayloadFormat, &'static str);
const MAPPED: Case = (PayloadFormat::Mapped, "v");
const THINGSBOARD: Case = (PayloadFormat::Thingsboard, "v");
const THINGSBOARD_GATEWAY: Case = (PayloadFormat::ThingsboardGateway, "v");
const NEURON_VALUES: Case = (PayloadFormat::NeuronValues, "v");
const NEURON_TAGS: Case = (PayloadFormat::NeuronTags, "v");
const INFLUX: Case = (PayloadFormat::Influx, "m/v");
const TELEGRAF: Case = (PayloadFormat::Telegraf, "m/v");

thread_local! {
    static DECODERS: RefCell<Vec<(PayloadFormat, Decoder)>> = const { RefCell::new(Vec::new()) };
}

/// Calls `on` with the decoder of `format` of this thread, which is made once.
fn with_decoder(format: PayloadFormat, make: impl Fn() -> Decoder, on: impl FnOnce(&mut Decoder)) {
    DECODERS.with_borrow_mut(|decoders| {
        let found = decoders.iter().position(|(of, _)| *of == format);
        let at = found.unwrap_or_else(|| {
            decoders.push((format, make()));
            decoders.len() - 1
        });
        on(&mut decoders[at].1);
    });
}

/// Checks that the decoder returns as many readings as it counts, that it decodes a payload twice in the same way,
/// and that every payload counts as something, unless `may_be_silent`.
fn check(decoder: &mut Decoder, data: &[u8], may_be_silent: bool) {
    let counts = decoder.decode(data, NOW);
    let (readings, reasons) = decoder.outcome();
    assert_eq!(readings.len() as u64, counts.accepted);
    assert_eq!(reasons.is_empty(), counts.refused == 0);
    let all = counts.accepted + counts.refused + counts.ignored + counts.missing;
    assert!(may_be_silent || all > 0, "a payload left no trace");
    let again = decoder.decode(data, NOW);
    assert!(
        may_be_silent || counts == again,
        "the same payload was decoded in two ways"
    );
}

fn native(format: PayloadFormat, data: &[u8]) {
    with_decoder(
        format,
        || Decoder::new(format),
        |decoder| check(decoder, data, false),
    );
}

fn rule(format: PayloadFormat, field: &str) -> DecoderRule {
    let ticket = |kind: &str| (kind == "event").then(|| "no".to_owned());
    let map = |field: &str, kind: &str| greenpark_ingest::FieldMap {
        field: field.to_owned(),
        device: None,
        meter: "{device}".to_owned(),
        quantity: "electricity".to_owned(),
        kind: kind.to_owned(),
        unit: "MWh".to_owned(),
        scale: greenpark_ingest::FieldScale::parse("0.4").expect("a factor"),
        ticket: ticket(kind),
    };
    let id = || Some("x".to_owned());
    let mapped = format == PayloadFormat::Mapped;
    let tagged = matches!(format, PayloadFormat::Influx | PayloadFormat::Telegraf);
    let only = |text: &str| mapped.then(|| text.to_owned());
    DecoderRule {
        park: id(),
        enterprise: id(),
        gateway: id(),
        fields: only("/s/*/p"),
        value: only("value"),
        time: only("time"),
        at: only("/s/*/t"),
        device: only("/s/*/d").or_else(|| tagged.then(|| "d".to_owned())),
        zone: (format != PayloadFormat::Sparkplug).then(|| "+08:00".to_owned()),
        stamp: Some(greenpark_ingest::StampAt::End),
        interval: Some("15m".parse().expect("a quarter")),
        map: vec![
            map(field, "register"),
            map("i", "interval"),
            map("e", "event"),
        ],
        ..DecoderRule::new("#", format)
    }
}

fn foreign(&(format, field): &Case, data: &[u8]) {
    let make = || Decoder::of_rule(&rule(format, field), "t").expect("a decoder");
    with_decoder(format, make, |decoder| check(decoder, data, false));
}

/// The first byte chooses the message type, so that data messages follow births.
fn sparkplug(data: &[u8]) {
    let Some((&first, payload)) = data.split_first() else {
        return;
    };
    let topics = [
        "NBIRTH/e",
        "DBIRTH/e/d",
        "NDATA/e",
        "DDATA/e/d",
        "DDEATH/e/d",
        "NDEATH/e",
    ];
    let topic = format!("spBv1.0/g/{}", topics[usize::from(first) % topics.len()]);
    let make = || {
        Decoder::of_rule(&rule(PayloadFormat::Sparkplug, "v"), "spBv1.0/g/NDATA/e")
            .expect("a decoder")
    };
    with_decoder(PayloadFormat::Sparkplug, make, |decoder| {
        decoder
            .turn_to(&topic)
            .expect("the rule needs no topic level");
        check(decoder, payload, true);
    });
}

/// A timestamp is parsed twice in the same way.
fn stamp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (format, text) = text.split_once('\n').unwrap_or(("", &text));
    let spec = Spec {
        format: (!format.is_empty()).then_some(format),
        zone: Some("+08:00"),
        ..Spec::default()
    };
    if let Some(stamps) = Stamps::of(&spec, |_, _| ()) {
        assert_eq!(stamps.parse(text), stamps.parse(text));
    }
}

/// A unit of a medium has a positive ratio, or is refused with a suggestion.
fn unit(data: &[u8]) {
    let symbol = String::from_utf8_lossy(data);
    for &medium in Medium::ALL {
        match medium.ratio_of(&symbol) {
            Ok(ratio) => assert!(ratio.numerator() > 0),
            Err(reason) => assert!(reason.to_string().contains("; write ")),
        }
    }
}

/// The first line is the filter, the rest is the topic.
fn topic(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (filter, topic) = text.split_once('\n').unwrap_or((&text, &text));
    let _ = fuzzing::resolve(topic);
    if fuzzing::matches(filter, topic).is_some() && !filter.contains(['+', '#']) {
        assert_eq!(
            fuzzing::matches(filter, filter),
            Some(true),
            "a filter without wildcards matches itself"
        );
    }
}

/// A batch stays the same when it is encoded and decoded again.
fn batch(data: &[u8]) {
    if let Ok(batch) = reading_batch::decode(data) {
        let bytes = reading_batch::encode(&batch);
        let again = reading_batch::decode(&bytes).expect("an encoded batch is decodable");
        assert_eq!(reading_batch::encode(&again), bytes);
    }
}
