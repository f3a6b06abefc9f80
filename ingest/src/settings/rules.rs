//! One rule of decoding: which topics, which dialect, who sent it, and what its fields mean.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    decode::mapping::Mapping,
    topic::{Filter, Identity},
};

/// One rule of [`DecodeSettings`](super::DecodeSettings).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderRule {
    /// An MQTT topic filter, with `+` and `#`.
    pub filter: String,
    /// What payloads on these topics are.
    pub format: Format,
    /// The park, where the topic is not `park/{park}/{enterprise}/{gateway}/up/{stream}`: a fixed id, or
    /// one with levels of the topic in it, `{0}` being the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub park: Option<String>,
    /// The enterprise, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise: Option<String>,
    /// The gateway, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// `mapped`: the JSON pointer of the object whose members are the fields; `*` steps into every
    /// element. The whole payload when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<String>,
    /// `mapped`: where a field is an object, its member with the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `mapped`: where a field is an object, its member with the instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `mapped`: the JSON pointer of the instant of fields that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What instants that are numbers count; each dialect's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_unit: Option<TimeUnit>,
    /// `mapped`: the JSON pointer of the device's name; `influx` and `telegraf`: the tag with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What becomes of fields that no entry of `map` names.
    #[serde(default)]
    pub others: Others,
    /// What the fields mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<FieldMap>,
}

/// What one field means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMap {
    /// The field, tag or metric, as the dialect names it.
    pub field: String,
    /// Only of this device; of every device when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The meter's id, which may hold levels of the topic as `{0}` and the device as `{device}`.
    pub meter: String,
    /// What the meter measures.
    pub quantity: String,
    /// `register`, `interval`, `event` or `gauge`.
    #[serde(default = "register")]
    pub kind: String,
    /// The unit of its values; the quantity's own when left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// What its values are multiplied with, such as 0.01 or the ratio of a current transformer.
    #[serde(default, skip_serializing_if = "Scale::is_one")]
    pub scale: Scale,
}

fn register() -> String {
    "register".to_owned()
}

/// What becomes of fields that no entry of a map names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// Each is a dead letter.
    #[default]
    Refuse,
    /// They are counted, and otherwise passed over.
    Ignore,
}

/// What a number that stands for an instant counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
    /// Seconds where it has ten digits, milliseconds where it has thirteen, as Tuya says.
    SOrMs,
}

/// The form of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Native JSON, see `ingest/schema/readings.schema.json`.
    Json,
    /// `park.telemetry.v1.ReadingBatch`.
    Protobuf,
    /// JSON whose places the rule names by JSON pointers: Alink, Huawei IoTDA, Tuya and others.
    Mapped,
    /// What a device sends to ThingsBoard.
    Thingsboard,
    /// What a gateway sends to ThingsBoard.
    ThingsboardGateway,
    /// EMQX Neuron's values format.
    NeuronValues,
    /// EMQX Neuron's tags format.
    NeuronTags,
    /// EMQX Neuron's ECP format.
    NeuronEcp,
    /// The line protocol of InfluxDB.
    Influx,
    /// Telegraf's JSON, one metric or a batch.
    Telegraf,
    /// Sparkplug B, version 3.0.
    Sparkplug,
}

/// A factor, exactly as it is written: `value × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    value: i64,
    exponent: i32,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            value: 1,
            exponent: 0,
        }
    }
}

impl Scale {
    /// Reads a decimal such as `0.01` or `40`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let plain = digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
        let mut value: i64 = digits.parse().ok().filter(|&value| plain && value > 0)?;
        let mut exponent = -i32::try_from(fraction.len()).ok()?;
        while value % 10 == 0 {
            (value, exponent) = (value / 10, exponent + 1);
        }
        Some(Self { value, exponent })
    }

    /// The factor without its trailing zeros.
    pub(crate) fn value(self) -> i64 {
        self.value
    }

    /// The power of ten that belongs to [`Scale::value`].
    pub(crate) fn exponent(self) -> i32 {
        self.exponent
    }

    fn is_one(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.value.to_string();
        let places = usize::try_from(-self.exponent).unwrap_or(0);
        if places == 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{digits}{}", "0".repeat(zeros));
        }
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        write!(f, "{whole}.{fraction}")
    }
}

impl Serialize for Scale {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Scale {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScaleText)
    }
}

/// Takes a factor as a number or as text; the shortest text of a float is what was written.
struct ScaleText;

impl de::Visitor<'_> for ScaleText {
    type Value = Scale;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal above zero of at most 15 digits, such as 0.01 or 40")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scale, E> {
        Scale::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scale, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scale, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scale, E> {
        self.visit_str(&value.to_string())
    }
}

impl DecoderRule {
    /// A rule for a payload that names its readings itself, on topics that name their sender.
    #[must_use]
    pub fn new(filter: &str, format: Format) -> Self {
        Self {
            filter: filter.to_owned(),
            format,
            park: None,
            enterprise: None,
            gateway: None,
            fields: None,
            value: None,
            time: None,
            at: None,
            at_unit: None,
            device: None,
            others: Others::Refuse,
            map: Vec::new(),
        }
    }

    /// Adds a sentence to `problems` for everything that is wrong; `place` is what the rule is called.
    pub(super) fn check(&self, place: &str, problems: &mut Vec<String>) {
        if let Err(reason) = Filter::parse(&self.filter) {
            problems.push(format!("{place}.filter: {reason}"));
        }
        Identity::of(self, |field, reason| {
            problems.push(format!("{place}.{field}: {reason}"));
        });
        self.check_keys(place, problems);
        if !self.format.is_native() {
            if self.map.is_empty() && self.others == Others::Refuse {
                problems.push(format!(
                    "{place}.map: is empty, so every field would be a dead letter; name the fields"
                ));
            }
            Mapping::of(self, |field, reason| {
                problems.push(format!("{place}.{field}: {reason}"));
            });
        }
    }

    /// Names every key that its format has no use for.
    fn check_keys(&self, place: &str, problems: &mut Vec<String>) {
        let (mapped, native) = (self.format == Format::Mapped, self.format.is_native());
        let tagged = matches!(self.format, Format::Influx | Format::Telegraf);
        let keys = [
            ("fields", self.fields.is_some(), mapped),
            ("value", self.value.is_some(), mapped),
            ("time", self.time.is_some(), mapped),
            ("at", self.at.is_some(), mapped),
            ("device", self.device.is_some(), mapped || tagged),
            ("at_unit", self.at_unit.is_some(), mapped || tagged),
            ("others", self.others == Others::Ignore, !native),
            ("map", !self.map.is_empty(), !native),
        ];
        for (key, given, useful) in keys {
            if given && !useful {
                problems.push(format!("{place}.{key}: has no meaning for this format"));
            }
        }
    }
}

impl Format {
    /// Whether payloads name their readings themselves, so that no map is needed.
    pub(crate) fn is_native(self) -> bool {
        matches!(self, Self::Json | Self::Protobuf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_what_was_written() {
        for (text, value, exponent) in [("0.01", 1, -2), ("40", 4, 1), ("1", 1, 0), ("2.5", 25, -1)]
        {
            let scale = Scale::parse(text).expect("a factor");
            assert_eq!((scale.value, scale.exponent), (value, exponent));
            assert_eq!(scale.to_string(), text);
        }
        for bad in ["", "0", "-1", "1e3", "NaN", "1.2.3", "12345678901234567"] {
            assert_eq!(Scale::parse(bad), None, "{bad}");
        }
        let read = |text: &str| serde_json::from_str::<Scale>(text).ok();
        assert_eq!(read("0.1"), read("\"0.1\""));
        assert_eq!(read("0.1"), Scale::parse("0.1"));
        assert!(read("120").is_some() && read("-2").is_none() && read("true").is_none());
    }

    #[test]
    fn every_mistake_of_a_rule_is_named_with_its_place() {
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
        let native = r#"{"filter":"a","format":"json","others":"ignore","at":"/t","device":"d"}"#;
        let rule: DecoderRule = serde_json::from_str(native).expect("a rule");
        rule.check("r", &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
