//! The meaning of a foreign dialect's fields, compiled once from a rule.
//!
//! A field is found by its name with one hash lookup; of the entries for that name, the first one
//! for its device applies. A meter's name may contain levels of the topic, which are filled in once
//! per topic, and the device, which a payload names.

use std::sync::Arc;

use greenpark_model::{
    quantity::{Quantity, UnknownQuantity},
    reading::Kind,
    unit::UnitRatio,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{pointer::Shape, template::Template};
use crate::{
    decode::series::{Name, clip, kinds},
    settings::{DecoderRule, FieldMap, Others, PayloadFormat, TimeUnit},
    topic::Sender,
};

/// One compiled entry, without its meter.
#[derive(Debug)]
pub(super) struct Entry {
    device: Option<String>,
    quantity: String,
    kind: String,
    unit: String,
    /// The factor from values to canonical units, from the unit and the entry's scale.
    pub(super) ratio: UnitRatio,
    /// The field with the ticket of an event.
    pub(super) ticket: Option<String>,
    /// Amounts add up: the same amount at another instant is another amount.
    pub(super) adds: bool,
}

#[derive(Debug)]
struct Shared {
    entries: Vec<Entry>,
    by_field: FxHashMap<String, Vec<usize>>,
    /// Fields that hold tickets, and no readings.
    tickets: FxHashSet<String>,
    others: Others,
    unit: Option<TimeUnit>,
    device: Option<String>,
    shape: Shape,
}

/// A compiled map; see the module.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    shared: Arc<Shared>,
    meters: Arc<[Template]>,
}

impl Mapping {
    /// Compiles the map of a rule. Reports every mistake to `wrong`, by field, and leaves the entry
    /// out.
    pub(crate) fn of(rule: &DecoderRule, mut wrong: impl FnMut(&str, String)) -> Self {
        let mut by_field: FxHashMap<String, Vec<usize>> = FxHashMap::default();
        let (mut entries, mut meters) = (Vec::<Entry>::new(), Vec::new());
        let mut tickets = FxHashSet::default();
        let shape = Shape::of(rule, &mut wrong);
        for (at, map) in rule.map.iter().enumerate() {
            let mut say = |key: &str, reason: String| wrong(&format!("map[{at}].{key}"), reason);
            let Some((meter, entry)) = compile(map, &mut say) else {
                continue;
            };
            let name = |field: &str| match rule.format {
                PayloadFormat::Mapped => Shape::path_of(field),
                _ => field.to_owned(),
            };
            let field = name(&map.field);
            tickets.extend(entry.ticket.as_deref().map(name));
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
            tickets,
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

    /// Returns the mapping for one topic and one sender.
    pub(crate) fn at_topic(&self, topic: &str, sender: &Sender) -> Result<Self, String> {
        let filled = self.meters.iter().map(|m| m.at_topic(topic, sender));
        let meters: Result<_, _> = filled.collect();
        Ok(Self {
            shared: Arc::clone(&self.shared),
            meters: meters?,
        })
    }

    /// Returns true if a meter's name contains the sender.
    pub(crate) fn has_sender(&self) -> bool {
        self.meters.iter().any(Template::has_sender)
    }

    /// Returns true if every meter's name contains the sender.
    pub(crate) fn names_senders(&self) -> bool {
        !self.meters.is_empty() && self.meters.iter().all(Template::has_sender)
    }

    /// Returns true if every meter's name contains the sender, or a level of the topic for which
    /// `varies` holds.
    pub(crate) fn tells_topics_apart(&self, varies: impl Fn(usize) -> bool) -> bool {
        let apart = |meter: &Template| meter.has_sender() || meter.has_level(&varies);
        !self.meters.is_empty() && self.meters.iter().all(apart)
    }

    /// Returns true if an entry names the field for any device.
    pub(super) fn names(&self, field: &str) -> bool {
        self.shared.by_field.contains_key(field)
    }

    /// Returns true if the field holds a ticket.
    pub(super) fn is_ticket(&self, field: &str) -> bool {
        self.shared.tickets.contains(field)
    }

    /// Returns the index of the entry for a field of a device.
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

    /// Returns the series name of the entry at `at` for `device`; `meter` is a buffer for the
    /// meter's name.
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

    /// Returns true if an entry is of the kind `interval`.
    pub(crate) fn has_intervals(&self) -> bool {
        self.shared
            .entries
            .iter()
            .any(|entry| entry.kind == Kind::Interval.as_str())
    }

    pub(super) fn ignores_others(&self) -> bool {
        self.shared.others == Others::Ignore
    }

    /// Returns the unit of numeric instants; `usual` if the rule has none.
    pub(super) fn unit_or(&self, usual: TimeUnit) -> TimeUnit {
        self.shared.unit.unwrap_or(usual)
    }

    /// Returns the tag that names the device.
    pub(super) fn device_tag(&self) -> Option<&str> {
        self.shared.device.as_deref()
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shared.shape
    }
}

/// Compiles one entry; `None` if it has mistakes, which are reported to `wrong`.
fn compile(map: &FieldMap, wrong: &mut impl FnMut(&str, String)) -> Option<(Template, Entry)> {
    let meter = Template::parse(&map.meter).and_then(Template::checked);
    let meter = meter.map_err(|reason| wrong("meter", reason)).ok();
    let quantity: Result<Quantity, UnknownQuantity> = map.quantity.parse();
    let quantity = quantity.map_err(|e| wrong("quantity", e.to_string())).ok();
    let kind = Kind::from_name(&map.kind);
    if kind.is_none() {
        let kind = clip(&map.kind);
        wrong("kind", format!("'{kind}' is none of {}", kinds()));
    }
    let adds = kind.is_some_and(|kind| matches!(kind, Kind::Interval | Kind::Event));
    if map.ticket.is_some() && kind.is_some_and(|kind| kind != Kind::Event) {
        wrong(
            "ticket",
            "only an event has one; leave it out, or write kind = \"event\"".into(),
        );
    }
    let unit = quantity?.medium.ratio_of(&map.unit);
    let unit = unit.map_err(|e| wrong("unit", e.to_string())).ok()?;
    let ratio = UnitRatio::new(map.scale.value().unsigned_abs(), map.scale.exponent())
        .and_then(|scale| scale.times(unit));
    if ratio.is_none() {
        wrong("scale", "has too many digits for its unit".into());
    }
    kind?;
    let entry = Entry {
        device: map.device.clone(),
        quantity: map.quantity.clone(),
        kind: map.kind.clone(),
        unit: map.unit.clone(),
        ratio: ratio?,
        ticket: map.ticket.clone(),
        adds,
    };
    Some((meter?, entry))
}
