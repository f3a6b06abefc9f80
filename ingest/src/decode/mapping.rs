//! What the fields of a foreign dialect mean, compiled once from a rule.
//!
//! A field is found by its name with one hash; of the entries that name it, the first that is for its
//! device counts. Meters may be named after levels of the topic, which are filled in once a topic, and
//! after the device, which a payload names.

use std::{fmt::Write as _, sync::Arc};

use greenpark_model::{id::MeterId, quantity::Quantity, reading::Kind};
use rustc_hash::FxHashMap;

use super::{
    pointer::Shape,
    series::{Name, clip},
};
use crate::settings::{DecoderRule, FieldMap, Format, Others, Scale, TimeUnit};

/// A text with places for levels of the topic and for the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Level(usize),
    Device,
}

/// What one entry says, but for its meter.
#[derive(Debug)]
pub(super) struct Entry {
    device: Option<String>,
    quantity: String,
    kind: String,
    unit: String,
    pub(super) scale: Scale,
    /// Whether the same amount at another instant is another amount.
    pub(super) adds: bool,
}

#[derive(Debug)]
struct Shared {
    entries: Vec<Entry>,
    by_field: FxHashMap<String, Vec<usize>>,
    others: Others,
    unit: Option<TimeUnit>,
    device: Option<String>,
    shape: Shape,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    shared: Arc<Shared>,
    meters: Arc<[Template]>,
}

impl Template {
    /// Reads `gw-{3}` or `{device}`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("'{text}' has a '{{' without its '}}'"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name.parse() {
                Ok(level) => Part::Level(level),
                Err(_) if name == "device" => Part::Device,
                Err(_) => {
                    return Err(format!(
                        "'{{{name}}}' is neither a level of the topic, such as {{3}}, nor {{device}}"
                    ));
                }
            });
            rest = behind;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Refuses a text that can be no id whatever is filled in.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let sample = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Level(_) | Part::Device => "x".to_owned(),
        };
        let filled: String = self.0.iter().map(sample).collect();
        MeterId::new(&filled).map_err(|e| e.to_string())?;
        Ok(self)
    }

    /// Whether a device is to be filled in.
    pub(crate) fn has_device(&self) -> bool {
        self.0.contains(&Part::Device)
    }

    /// The text, where nothing is to be filled in.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills in the levels of `topic`.
    pub(crate) fn at_topic(&self, topic: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            let text = match part {
                Part::Device => {
                    parts.push(Part::Device);
                    continue;
                }
                Part::Text(text) => text,
                Part::Level(level) => topic
                    .split('/')
                    .nth(*level)
                    .ok_or_else(|| format!("the topic has no level {{{level}}}"))?,
            };
            match parts.last_mut() {
                Some(Part::Text(before)) => before.push_str(text),
                _ => parts.push(Part::Text(text.to_owned())),
            }
        }
        Ok(Self(parts))
    }

    /// Writes the text with `device` filled in to `out`.
    fn write(&self, device: &str, out: &mut String) {
        out.clear();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Device => out.push_str(device),
                Part::Level(level) => {
                    // Writing to a String does not fail; a level is filled in before.
                    let _ = write!(out, "{{{level}}}");
                }
            }
        }
    }
}

impl Mapping {
    /// Compiles the map of a rule, and tells `wrong` of everything that is wrong, by field; what is wrong
    /// is left out.
    pub(crate) fn of(rule: &DecoderRule, mut wrong: impl FnMut(&str, String)) -> Self {
        let mut by_field: FxHashMap<String, Vec<usize>> = FxHashMap::default();
        let (mut entries, mut meters) = (Vec::<Entry>::new(), Vec::new());
        let shape = Shape::of(rule, &mut wrong);
        for (at, map) in rule.map.iter().enumerate() {
            let mut say = |key: &str, reason: String| wrong(&format!("map[{at}].{key}"), reason);
            let Some((meter, entry)) = compile(map, &mut say) else {
                continue;
            };
            let field = match rule.format {
                Format::Mapped => Shape::path_of(&map.field),
                _ => map.field.clone(),
            };
            let same = by_field.entry(field).or_default();
            let shadowed = same.iter().any(|&before| {
                let before = &entries[before].device;
                before.is_none() || *before == entry.device
            });
            if shadowed || map.field.is_empty() {
                say(
                    "field",
                    format!("'{}' is empty, or named by an entry before", map.field),
                );
            }
            same.push(entries.len());
            entries.push(entry);
            meters.push(meter);
        }
        let shared = Shared {
            entries,
            by_field,
            others: rule.others,
            unit: rule.at_unit,
            device: rule.device.clone(),
            shape,
        };
        Self {
            shared: Arc::new(shared),
            meters: meters.into(),
        }
    }

    /// The same on one topic.
    pub(crate) fn at_topic(&self, topic: &str) -> Result<Self, String> {
        let meters: Result<_, _> = self.meters.iter().map(|m| m.at_topic(topic)).collect();
        Ok(Self {
            shared: Arc::clone(&self.shared),
            meters: meters?,
        })
    }

    /// The entry for a field of a device.
    pub(super) fn find(&self, device: &str, field: &str) -> Option<usize> {
        let named = self.shared.by_field.get(field)?;
        let fits = |&at: &usize| {
            let wanted = self.shared.entries[at].device.as_deref();
            wanted.is_none_or(|wanted| wanted == device)
        };
        named.iter().copied().find(|at| fits(at))
    }

    pub(super) fn entry(&self, at: usize) -> &Entry {
        &self.shared.entries[at]
    }

    /// The series that the entry at `at` means for `device`; `meter` holds the meter's name.
    pub(super) fn name<'s>(&'s self, at: usize, device: &str, meter: &'s mut String) -> Name<'s> {
        let (template, entry) = (&self.meters[at], self.entry(at));
        let meter = match template.fixed() {
            Some(text) => text,
            None => {
                template.write(device, meter);
                meter
            }
        };
        Name {
            meter,
            quantity: &entry.quantity,
            kind: &entry.kind,
            unit: &entry.unit,
        }
    }

    pub(super) fn ignores_others(&self) -> bool {
        self.shared.others == Others::Ignore
    }

    /// What instants count, where the rule does not say `usual`.
    pub(super) fn unit_or(&self, usual: TimeUnit) -> TimeUnit {
        self.shared.unit.unwrap_or(usual)
    }

    /// The tag that names the device.
    pub(super) fn device_tag(&self) -> Option<&str> {
        self.shared.device.as_deref()
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shared.shape
    }
}

/// Compiles one entry; `None` if it has mistakes, of which `wrong` has heard.
fn compile(map: &FieldMap, wrong: &mut impl FnMut(&str, String)) -> Option<(Template, Entry)> {
    let meter = Template::parse(&map.meter).and_then(Template::checked);
    let meter = meter.map_err(|reason| wrong("meter", reason)).ok();
    let quantity: Option<Quantity> = map
        .quantity
        .parse()
        .map_err(|e: greenpark_model::quantity::UnknownQuantity| wrong("quantity", e.to_string()))
        .ok();
    let kind = Kind::from_name(&map.kind);
    if kind.is_none() {
        let kind = clip(&map.kind);
        wrong(
            "kind",
            format!("'{kind}' is none of register, interval, event and gauge"),
        );
    }
    let unit = quantity.map(|quantity| quantity.medium.unit());
    let fits = |unit: greenpark_model::quantity::Unit| unit.scale_from(&map.unit).is_some();
    if let Some(unit) = unit.filter(|&unit| !map.unit.is_empty() && !fits(unit)) {
        let (wanted, given) = (unit.symbol(), clip(&map.unit));
        wrong(
            "unit",
            format!(
                "'{given}' does not measure {}; write {wanted}",
                map.quantity
            ),
        );
        return None;
    }
    let (meter, _) = (meter?, quantity?);
    Some((
        meter,
        Entry {
            device: map.device.clone(),
            quantity: map.quantity.clone(),
            kind: map.kind.clone(),
            unit: map.unit.clone(),
            scale: map.scale,
            adds: matches!(kind?, Kind::Interval | Kind::Event),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in() {
        let template = Template::parse("gw-{1}.{device}").expect("a template");
        assert!(template.has_device() && template.fixed().is_none());
        let at = template.at_topic("a/b/c").expect("three levels");
        let mut out = String::new();
        at.write("d7", &mut out);
        assert_eq!(out, "gw-b.d7");
        assert!(template.at_topic("a").is_err());
        for bad in ["{", "{x}", "a{1"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse("a b").expect("a text").checked().is_err());
    }
}
