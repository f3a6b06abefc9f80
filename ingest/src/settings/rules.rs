//! One decoder rule: its topics, the dialect, the sender, and the meaning of the fields.

use greenpark_model::stamp::{Spec, Stamps};
use greenpark_settings::span::Span;
use serde::{Deserialize, Serialize};

use super::scale::FieldScale;

/// One rule of [`DecodeSettings`](super::DecodeSettings).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderRule {
    /// An MQTT topic filter, with `+` and `#`.
    pub filter: String,
    /// The format of payloads on these topics.
    pub format: PayloadFormat,
    /// The park, if the topic is not `park/{park}/{enterprise}/{gateway}/up/{stream}`: a fixed id,
    /// or one that contains levels of the topic, the first being `{0}`, or the publishing client,
    /// `{user}` or `{client}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub park: Option<String>,
    /// The enterprise, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise: Option<String>,
    /// The gateway, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// `mapped`: the JSON pointer of the object whose members are the fields; `*` matches every
    /// element. The whole payload if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<String>,
    /// `mapped`: if a field is an object, its member with the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `mapped`: if a field is an object, its member with the instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `mapped`: the JSON pointer of the instant of fields without one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The unit of numeric instants; the dialect's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_unit: Option<TimeUnit>,
    /// The encoding of texts.
    #[serde(default, skip_serializing_if = "Encoding::is_utf8")]
    pub encoding: Encoding,
    /// Which end of an interval its time stamp marks; the start if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<StampAt>,
    /// The length of an interval, if its time stamp marks the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// The time zone of time stamps without one, such as `+08:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The format of time stamps, as in strptime; RFC 3339 and its usual variants if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// The time of day that means 24:00 of its day, such as `00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prints_24_as: Option<String>,
    /// `mapped`: the JSON pointer of the device's name; `influx` and `telegraf`: the tag with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How fields that no entry of `map` names are handled.
    #[serde(default)]
    pub others: Others,
    /// The meaning of the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<FieldMap>,
}

/// The meaning of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMap {
    /// The field, tag or metric, by the dialect's name.
    pub field: String,
    /// The device that the entry applies to; every device if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The meter's id, which may contain levels of the topic as `{0}` and the device as `{device}`.
    pub meter: String,
    /// The quantity that the meter measures.
    pub quantity: String,
    /// `register`, `interval`, `event`, `gauge` or `daily_counter`.
    #[serde(default = "register")]
    pub kind: String,
    /// The unit of its values; the quantity's own if absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The factor of its values, such as 0.01 or the ratio of a current transformer.
    #[serde(default, skip_serializing_if = "FieldScale::is_one")]
    pub scale: FieldScale,
    /// For an event: the field with the number of its ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

fn register() -> String {
    "register".to_owned()
}

/// How fields that no entry of a map names are handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// Each becomes a dead letter.
    #[default]
    Refuse,
    /// They are counted, and otherwise ignored.
    Ignore,
}

/// The unit of a numeric instant since 1970.
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
    /// Seconds if it has ten digits, milliseconds if it has thirteen, as Tuya documents.
    SOrMs,
}

/// The text encoding of a payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    #[serde(rename = "utf-8", alias = "utf8", alias = "UTF-8")]
    Utf8,
    /// GBK, and what GB 18030 adds to it.
    #[serde(
        rename = "gbk",
        alias = "GBK",
        alias = "gb18030",
        alias = "GB18030",
        alias = "gb2312"
    )]
    Gbk,
}

impl Encoding {
    fn is_utf8(&self) -> bool {
        *self == Self::Utf8
    }
}

/// Which end of an interval its time stamp marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StampAt {
    /// The start of the interval.
    Start,
    /// The end of the interval.
    End,
}

impl TimeUnit {
    /// Returns the UTC milliseconds of `count`; `None` on overflow, or if the unit depends on the
    /// number of digits.
    pub(crate) fn to_ms(self, count: i64) -> Option<i64> {
        match self {
            Self::S => count.checked_mul(1000),
            Self::Ms => Some(count),
            Self::Us => Some(count.div_euclid(1000)),
            Self::Ns => Some(count.div_euclid(1_000_000)),
            Self::SOrMs => None,
        }
    }

    /// Returns the key in a rule.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
            Self::SOrMs => "s_or_ms",
        }
    }
}

/// The format of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadFormat {
    /// Native JSON, see `ingest/schema/readings.schema.json`.
    Json,
    /// `park.telemetry.v1.ReadingBatch`.
    Protobuf,
    /// JSON whose field locations the rule names by JSON pointers: Alink, Huawei IoTDA, Tuya and
    /// others.
    Mapped,
    /// ThingsBoard's device telemetry.
    Thingsboard,
    /// ThingsBoard's gateway telemetry.
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

impl DecoderRule {
    /// Creates a rule for payloads that name their readings themselves, on topics that identify
    /// their sender.
    #[must_use]
    pub fn new(filter: &str, format: PayloadFormat) -> Self {
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
            encoding: Encoding::Utf8,
            stamp: None,
            interval: None,
            zone: None,
            time_format: None,
            prints_24_as: None,
            device: None,
            others: Others::Refuse,
            map: Vec::new(),
        }
    }

    /// Returns the format of time stamps; `None` after reporting mistakes to `wrong`.
    pub(crate) fn stamps(&self, mut wrong: impl FnMut(&str, String)) -> Option<Stamps> {
        let is_end = self.stamp == Some(StampAt::End);
        if self.interval.is_some() && !is_end {
            wrong(
                "interval",
                "has no meaning unless stamp = \"end\"".to_owned(),
            );
        }
        let interval = self.interval.map(|Span(span)| span.as_millis());
        let spec = Spec {
            format: self.time_format.as_deref(),
            zone: self.zone.as_deref(),
            is_end,
            interval_ms: interval.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            prints_24_as: self.prints_24_as.as_deref(),
        };
        Stamps::of(&spec, |key, reason| {
            let key = if key == "format" { "time_format" } else { key };
            wrong(key, reason);
        })
    }
}

impl PayloadFormat {
    /// Returns true if payloads name their readings themselves, so that no map is needed.
    pub(crate) fn is_native(self) -> bool {
        matches!(self, Self::Json | Self::Protobuf)
    }
}
