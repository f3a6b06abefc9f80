//! Goal: the samples in other platforms' documentation are decoded as documented. Method: the
//! samples, a map for each, and the expected readings written by hand; and the shipped mappings,
//! each with a payload.

mod instants;
mod odd;

use serde::Deserialize;

use crate::{DecodeSettings, Decoder, DecoderRule};

const NOW: i64 = 1_800_000_000_000;

/// Meter, instant and millionths.
type Flat = (String, i64, i64);

fn read(rule: &str, topic: &str, payload: &str) -> (Vec<Flat>, Vec<String>, [u64; 2]) {
    // The topic is its own filter: '#' does not match topics that begin with '$'.
    let filter = format!(r#""filter":"{topic}","park":"p","enterprise":"e","gateway":"g""#);
    let identity = format!("{{{filter},{rule}}}");
    let rule: DecoderRule = serde_json::from_str(&identity).expect("a rule");
    let rules = vec![rule];
    let mut problems = Vec::new();
    let settings = DecodeSettings {
        rules,
        ..DecodeSettings::default()
    };
    settings.check(&mut problems);
    assert_eq!(problems, Vec::<String>::new());
    with(&settings.rules[0], topic, payload)
}

fn with(rule: &DecoderRule, topic: &str, payload: &str) -> (Vec<Flat>, Vec<String>, [u64; 2]) {
    let mut decoder = Decoder::of_rule(rule, topic).expect("a decoder");
    let counts = decoder.decode(payload.as_bytes(), NOW);
    let (readings, reasons) = decoder.outcome();
    let flat = readings.iter().map(|(series, reading)| {
        (
            series.meter.to_string(),
            reading.instant.millis(),
            reading.value.micro(),
        )
    });
    (flat.collect(), reasons, [counts.ignored, counts.missing])
}

fn flat(meter: &str, at: i64, micro: i64) -> Flat {
    (meter.to_owned(), at, micro)
}

/// help.aliyun.com, "设备属性、事件、服务", Alink JSON.
#[test]
fn alink_property_post() {
    let payload = r#"{"id":"123","version":"1.0","sys":{"ack":0},"params":{
        "Power":{"value":"on","time":1524448722000},"WF":{"value":23.6,"time":1524448722000}},
        "method":"thing.event.property.post"}"#;
    let rule = r#""format":"mapped","fields":"/params","value":"value","time":"time",
        "map":[{"field":"WF","meter":"{3}","quantity":"electricity"}]"#;
    let (readings, reasons, _) = read(rule, "/sys/a1/dev/thing/event/property/post", payload);
    assert_eq!(readings, [flat("dev", 1_524_448_722_000, 23_600_000)]);
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("Power"), "{reasons:?}");
    let bare = r#"{"id":"1","version":"1.0","params":{"WF":23.6}}"#;
    assert_eq!(
        read(rule, "/sys/a1/dev/x", bare).0,
        [flat("dev", NOW, 23_600_000)]
    );
    let adds = rule.replace("electricity", "electricity\",\"kind\":\"interval");
    assert!(read(&adds, "/sys/a1/dev/x", bare).1[0].contains("twice"));
}

/// support.huaweicloud.com, "Reporting Device Properties".
#[test]
fn iotda_properties_report() {
    let payload = r#"{"services":[
        {"service_id":"Connectivity","properties":{"dailyActivityTime":57},"event_time":"20151212T121212Z"},
        {"service_id":"Battery","properties":{"batteryLevel":80,"batteryThreshold":null},
         "event_time":"2015-12-12T12:12:13.000Z"}]}"#;
    let rule = r#""format":"mapped","fields":"/services/*/properties","at":"/services/*/event_time",
        "device":"/services/*/service_id","others":"ignore",
        "map":[{"field":"batteryLevel","device":"Battery","meter":"b-{2}","quantity":"steam","unit":"kg"},
               {"field":"dailyActivityTime","device":"Connectivity","meter":"c","quantity":"steam"}]"#;
    let (readings, _, passed) = read(rule, "$oc/devices/d1/sys/properties/report", payload);
    let at = 1_449_922_332_000;
    assert_eq!(
        readings,
        [flat("c", at, 57_000_000), flat("b-d1", at + 1000, 80_000)]
    );
    assert_eq!(passed, [0, 1]);
}

/// developer.tuya.com, "设备属性、动作与事件".
#[test]
fn tuya_property_report() {
    let payload = r#"{"msgId":"45lkj3551234***","time":1626197189638,"data":{
        "color":{"value":"red","time":1626197189638},"brightness":{"value":80,"time":1626197189}}}"#;
    let rule = r#""format":"mapped","fields":"/data","value":"value","time":"time","at":"/time",
        "at_unit":"s_or_ms","others":"ignore",
        "map":[{"field":"brightness","meter":"{1}","quantity":"electricity","scale":"0.01"}]"#;
    let (readings, _, passed) = read(rule, "tylink/dev7/thing/property/report", payload);
    assert_eq!(readings, [flat("dev7", 1_626_197_189_000, 800_000)]);
    assert_eq!(passed, [1, 0]);
}

#[test]
fn deep_fields_are_named_by_pointers() {
    let payload = r#"{"at":1626197189000,"a":{"b/c":[{"v":"1.5"},{"v":2}]}}"#;
    let rule = r#""format":"mapped","at":"/at","others":"ignore",
        "map":[{"field":"/a/b~1c/1/v","meter":"m","quantity":"electricity","scale":40}]"#;
    let (readings, _, passed) = read(rule, "t", payload);
    assert_eq!(readings, [flat("m", 1_626_197_189_000, 80_000_000)]);
    assert_eq!(passed, [2, 0]);
    let nowhere = rule.replace("\"at\":", "\"fields\":\"/x\",\"at\":");
    assert!(read(&nowhere, "t", payload).1[0].contains("no object"));
}

/// thingsboard.io, "MQTT Device API" and "Gateway API", telemetry.
#[test]
fn thingsboard_device_and_gateway() {
    let rule = r#""format":"thingsboard","map":[{"field":"temperature","meter":"t","quantity":"steam"},
        {"field":"humidity","meter":"h","quantity":"steam"}]"#;
    for (payload, at) in [
        (r#"{"temperature":22.5,"humidity":61}"#, NOW),
        (
            r#"{"ts":1451649600512,"values":{"temperature":22.5,"humidity":61}}"#,
            1_451_649_600_512,
        ),
    ] {
        let (readings, reasons, _) = read(rule, "v1/devices/me/telemetry", payload);
        assert_eq!(
            readings,
            [flat("t", at, 22_500_000), flat("h", at, 61_000_000)]
        );
        assert!(reasons.is_empty(), "{reasons:?}");
    }
    let list = r#"[{"ts":1451649600000,"values":{"temperature":22.5,"humidity":null}},
        {"ts":1451649601000,"values":{"temperature":22.7,"humidity":60}},7]"#;
    let (readings, reasons, passed) = read(rule, "v1/devices/me/telemetry", list);
    assert_eq!((readings.len(), reasons.len(), passed), (3, 1, [0, 1]));
    let payload = r#"{"Device A":[{"ts":1483228800000,"values":{"temperature":42,"humidity":80}},
        {"ts":1483228801000,"values":{"temperature":43,"humidity":82}}],
        "Device B":[{"ts":1483228800000,"values":{"temperature":42,"humidity":80}}]}"#;
    let rule = r#""format":"thingsboard-gateway","others":"ignore","map":[
        {"field":"temperature","device":"Device A","meter":"a","quantity":"steam"}]"#;
    let (readings, _, passed) = read(rule, "v1/gateway/telemetry", payload);
    let at = 1_483_228_800_000;
    assert_eq!(
        readings,
        [flat("a", at, 42_000_000), flat("a", at + 1000, 43_000_000)]
    );
    assert_eq!(passed, [4, 0]);
}

/// docs.emqx.com, Neuron, "Upstream/Downstream Data Format".
#[test]
fn neuron_values_tags_and_ecp() {
    let map = r#""map":[{"field":"grp/tag0","device":"modbus","meter":"m","quantity":"electricity"},
        {"field":"tag1","meter":"n","quantity":"electricity"}]"#;
    let values = r#"{"timestamp":1650006388943,"node":"modbus","group":"grp",
        "values":{"tag0":123},"errors":{"tag1":2014},"metas":{}}"#;
    let rule = format!(r#""format":"neuron-values",{map}"#);
    let (readings, reasons, passed) = read(&rule, "/neuron/mqtt", values);
    assert_eq!(readings, [flat("m", 1_650_006_388_943, 123_000_000)]);
    assert_eq!((reasons.len(), passed), (0, [0, 1]));
    let tags = r#"{"timestamp":1647497389075,"node":"modbus","group":"grp",
        "tags":[{"name":"tag0","value":123},{"name":"tag1","error":2014}]}"#;
    let rule = format!(r#""format":"neuron-tags",{map}"#);
    let (readings, _, passed) = read(&rule, "/neuron/mqtt", tags);
    assert_eq!(
        (readings, passed),
        (vec![flat("m", 1_647_497_389_075, 123_000_000)], [0, 1])
    );
    let ecp = r#"{"timestamp":1647497389075,"node":"modbus","group":"grp",
        "tags":[{"name":"tag0","value":1.5,"type":3},{"name":"tag1","value":true,"type":1}]}"#;
    let rule = format!(r#""format":"neuron-ecp",{map}"#);
    let (readings, reasons, _) = read(&rule, "/neuron/mqtt", ecp);
    assert_eq!(readings, [flat("m", 1_647_497_389_075, 1_500_000)]);
    assert!(reasons[0].contains("true or false"), "{reasons:?}");
    assert!(read(&rule, "/neuron/mqtt", values).1[0].contains("tags"));
}

/// docs.influxdata.com, "Line protocol".
#[test]
fn influx_lines() {
    let rule = r#""format":"influx","device":"tag1","others":"ignore","map":[
        {"field":"myMeasurement/fieldKey","meter":"{device}","quantity":"electricity"},
        {"field":"field one","meter":"f","quantity":"electricity"}]"#;
    let payload = "# a comment\nmyMeasurement,tag1=value1,tag2=value2 fieldKey=12.5 1556813561098000000\n\
        my\\ Measurement field\\ one=3i,s=\"a \\\" b, c=d\n e\",b=t 1556813561098000000\r\n\
        myMeasurement,tag1=v fieldKey=\"text\" 1556813561098000000\nbroken\nmyMeasurement,tag1=x fieldKey=1u\n";
    let (readings, reasons, passed) = read(rule, "t", payload);
    let at = 1_556_813_561_098;
    let expected = [
        flat("value1", at, 12_500_000),
        flat("f", at, 3_000_000),
        flat("x", NOW, 1_000_000),
    ];
    assert_eq!(readings, expected);
    assert_eq!((reasons.len(), passed), (2, [2, 0]), "{reasons:?}");
}

/// docs.influxdata.com, Telegraf, "JSON output data format".
#[test]
fn telegraf_one_metric_and_a_batch() {
    let rule = r#""format":"telegraf","device":"host","others":"ignore","map":[
        {"field":"docker/field_1","device":"raynor","meter":"{device}","quantity":"electricity"}]"#;
    let one = r#"{"fields":{"field_1":30,"field_2":4,"field_N":59,"n_images":660},
        "name":"docker","tags":{"host":"raynor"},"timestamp":1458229140}"#;
    let (readings, _, passed) = read(rule, "t", one);
    assert_eq!(readings, [flat("raynor", 1_458_229_140_000, 30_000_000)]);
    assert_eq!(passed, [3, 0]);
    let batch = format!(r#"{{"metrics":[{one},{one},{{}}]}}"#);
    let (readings, reasons, _) = read(rule, "t", &batch);
    assert_eq!((readings.len(), reasons.len()), (2, 1));
}

#[derive(Deserialize)]
struct Sample {
    decode: DecodeSettings,
}

/// Payloads of each of Alink's forms, for the rules of its file.
fn alink() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "/sys/k/d/thing/event/property/post",
            r#"{"params":{"EnergyTotal":{"value":5,"time":1700000000000}}}"#,
        ),
        (
            "/sys/k/d/thing/event/property/batch/post",
            r#"{"params":{"properties":{"EnergyTotal":[{"value":5,"time":1700000000000}]}}}"#,
        ),
        (
            "/sys/k/d/thing/event/property/history/post",
            r#"{"params":[{"identity":{"deviceName":"m"},"properties":[{"EnergyTotal":{"value":5,"time":1700000000000}}]}]}"#,
        ),
    ]
}

#[test]
fn the_shipped_mappings_are_valid_and_decode_a_payload() {
    let energy =
        r#"{"timestamp":1700000000000,"node":"modbus","group":"energy","values":{"total":5}}"#;
    let telegraf =
        r#"{"fields":{"energy":5},"name":"modbus","tags":{"meter":"m"},"timestamp":1700000000}"#;
    let line = "modbus,meter=m energy=5 1700000000000000000";
    let iotda = r#"{"services":[{"service_id":"Electricity","properties":{"energyTotal":5},
        "event_time":"20231114T221320Z"}]}"#;
    for (file, cases) in [
        (include_str!("../../dialects/alink.toml"), alink()),
        (
            include_str!("../../dialects/iotda.toml"),
            vec![("$oc/devices/d/sys/properties/report", iotda)],
        ),
        (
            include_str!("../../dialects/tuya.toml"),
            vec![(
                "tylink/d/thing/property/report",
                r#"{"time":1700000000,"data":{"forward_energy_total":{"value":500}}}"#,
            )],
        ),
        (
            include_str!("../../dialects/thingsboard.toml"),
            vec![
                (
                    "v1/devices/me/telemetry",
                    r#"{"ts":1700000000000,"values":{"energy":5}}"#,
                ),
                (
                    "v1/gateway/telemetry",
                    r#"{"Device A":[{"ts":1700000000000,"values":{"energy":5}}]}"#,
                ),
            ],
        ),
        (
            include_str!("../../dialects/neuron.toml"),
            vec![("/neuron/mqtt", energy)],
        ),
        (
            include_str!("../../dialects/influx.toml"),
            vec![("telegraf/gw/influx", line), ("telegraf/gw/json", telegraf)],
        ),
        (include_str!("../../dialects/sparkplug.toml"), vec![]),
    ] {
        let Sample { decode } = toml::from_str(file).expect("a settings file");
        let mut problems = Vec::new();
        decode.check(&mut problems);
        assert_eq!(problems, Vec::<String>::new());
        for (rule, (topic, payload)) in decode.rules.iter().zip(cases) {
            let (readings, reasons, _) = with(rule, topic, payload);
            assert_eq!(readings.len(), 1, "{topic}: {reasons:?}");
            assert_eq!(
                (readings[0].1, readings[0].2),
                (1_700_000_000_000, 5_000_000),
                "{topic}"
            );
        }
    }
}
