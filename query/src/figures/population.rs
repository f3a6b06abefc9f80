//! The population of a figure: the enterprises that it counts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::{
    day::DayRange,
    id::{EnterpriseId, ParkId},
};

use crate::{
    figures::{measure::Question, park_days::ParkDays},
    register::statistics::StatisticSeries,
};

/// The number of names that a sentence lists before it only counts the rest.
const LISTED_MAX: usize = 8;
/// The rule of the statistics: industrial enterprises above designated size (规上).
const ABOVE_DESIGNATED_SIZE: &str = "above-designated-size";
/// The rule for parks without a registered enterprise.
const EVERY: &str = "every-enterprise";
/// The rule for an enterprise that is requested by name.
pub(crate) const NAMED: &str = "named";

/// The counted enterprises, and the rule that selects them.
#[derive(Debug)]
pub(crate) struct Population<'a> {
    /// `above-designated-size`, `every-enterprise` if none is registered, or `named`.
    pub(crate) rule: &'static str,
    pub(crate) members: Vec<(&'a ParkDays, EnterpriseId)>,
    /// Members that count only on some days of the range, and these days.
    pub(crate) partial: BTreeMap<(ParkId, EnterpriseId), Vec<DayRange>>,
    /// The requested parks, with or without members.
    pub(crate) parks: Vec<&'a ParkDays>,
    pub(crate) notes: Vec<String>,
}

/// The population of one enterprise, whatever its size.
pub(crate) fn named(park: &ParkDays, enterprise: EnterpriseId) -> Population<'_> {
    let mut notes = Vec::new();
    if park.has_registry() && !park.registry.enterprises.contains_key(&enterprise) {
        notes.push(format!(
            "parks/{}/enterprises/{enterprise} is not registered",
            park.park
        ));
    }
    Population {
        rule: NAMED,
        members: vec![(park, enterprise)],
        partial: BTreeMap::new(),
        parks: vec![park],
        notes,
    }
}

impl<'a> Population<'a> {
    /// Returns the same members within other states of the same parks.
    pub(crate) fn among<'b>(&self, parks: &'b [ParkDays]) -> Population<'b> {
        let of = |park: &ParkDays| parks.iter().find(|of| of.park == park.park);
        let members = self.members.iter();
        Population {
            rule: self.rule,
            members: members
                .filter_map(|(park, enterprise)| Some((of(park)?, enterprise.clone())))
                .collect(),
            partial: self.partial.clone(),
            parks: parks.iter().collect(),
            notes: Vec::new(),
        }
    }

    /// Removes members that did not exist on any day of `range`: neither registered, nor with readings, nor with
    /// declarations. The panel of another year may name them.
    pub(crate) fn there(mut self, range: DayRange) -> Self {
        self.members
            .retain(|(park, enterprise)| existed_in(park, enterprise, range));
        self
    }

    /// The days of `range` on which a member counts.
    pub(crate) fn days_of(
        &self,
        park: &ParkDays,
        enterprise: &EnterpriseId,
        range: DayRange,
    ) -> Vec<DayRange> {
        // The usual case: every member counts throughout.
        if self.partial.is_empty() {
            return vec![range];
        }
        let key = (park.park.clone(), enterprise.clone());
        match self.partial.get(&key) {
            None => vec![range],
            Some(days) => days
                .iter()
                .filter_map(|days| days.intersection(range))
                .collect(),
        }
    }

    /// The members, each with `question` about every run of days on which it counts.
    pub(crate) fn questions<'q>(
        &self,
        question: &Question<'q>,
    ) -> impl Iterator<Item = (&'a ParkDays, &EnterpriseId, Vec<Question<'q>>)> {
        self.members.iter().map(|(park, enterprise)| {
            let days = self.days_of(park, enterprise, question.range);
            let questions = days
                .into_iter()
                .map(|range| Question { range, ..*question });
            (*park, enterprise, questions.collect())
        })
    }

    fn note_parks_without_registry(&mut self) {
        let parks = self.parks.iter();
        let open: Vec<&str> = parks
            .filter(|park| park.registry.is_unregistered())
            .map(|park| park.park.as_str())
            .collect();
        if self.rule == ABOVE_DESIGNATED_SIZE && !open.is_empty() {
            let names = listed(&open);
            self.notes.push(format!(
                "every enterprise counts in parks without a registry: {names}"
            ));
        }
    }

    fn note_partial_members(&mut self) {
        let all = self.partial.iter();
        let partial: Vec<String> = all
            .map(|((park, of), days)| {
                format!("parks/{park}/enterprises/{of} ({})", listed_days(days))
            })
            .collect();
        self.note_names(
            "counted with the days alone on which they are above designated size, their value added with the same \
             days: by days of the period that it is declared for, so declare it by months to have it exact",
            &partial,
        );
    }

    /// Restricts members to the days on which they are above designated size, if these are only a part of `range`.
    fn with_days_above(mut self, range: DayRange) -> Self {
        for (park, enterprise) in &self.members {
            let days = park.registry.days_above(enterprise, range);
            if !days.is_empty() && days != [range] {
                let key = (park.park.clone(), enterprise.clone());
                self.partial.insert(key, days);
            }
        }
        self
    }

    /// Adds a note that lists `names`, if there are any.
    fn note_names(&mut self, what: &str, names: &[String]) {
        if !names.is_empty() {
            self.notes.push(format!("{what}: {}", listed(names)));
        }
    }

    /// For a figure per product, keeps the enterprises that make it, because the energy and water of the others do
    /// not belong to the product. Any other question leaves the population unchanged.
    pub(crate) fn making(mut self, question: &Question<'_>) -> Self {
        let StatisticSeries::Product(name) = question.per else {
            return self;
        };
        let range = question.range;
        let makes = |(park, enterprise): &(&'a ParkDays, EnterpriseId)| {
            let declared = park.registry.statistics.get(enterprise);
            declared
                .into_iter()
                .flatten()
                .any(|of| of.series == *question.per && of.period.range().overlaps(range))
        };
        let all = self.members.len();
        self.members.retain(makes);
        let others = all - self.members.len();
        let members = &self.members;
        self.partial.retain(|(park, of), _| {
            let is_it = |(other, enterprise): &(&'a ParkDays, EnterpriseId)| {
                (&other.park, enterprise) == (park, of)
            };
            members.iter().any(is_it)
        });
        if others > 0 {
            self.notes.push(format!(
                "{others} enterprise(s) that declare no {name} in the period are not counted"
            ));
        }
        self
    }
}

/// Returns true if the enterprise has a registry entry, a reading or a declaration for a day of `range`.
fn existed_in(park: &ParkDays, enterprise: &EnterpriseId, range: DayRange) -> bool {
    let registry = &park.registry;
    let registered = registry.enterprises.get(enterprise).is_some_and(|dated| {
        let mut parts = dated.parts(range).into_iter();
        parts.any(|part| dated.on(part.first()).is_some())
    });
    let declared = || {
        let all = registry.statistics.get(enterprise).into_iter().flatten();
        all.map(|of| of.period.range())
            .any(|days| days.overlaps(range))
    };
    let read = || {
        let series = park.series(enterprise, range);
        let mut parts = series.values().flatten();
        parts.any(|part| part.days.count_of(range) > 0)
    };
    registered || declared() || read()
}

/// The population of exactly these enterprises, whether or not they belong to that of `range`. Each counts on the
/// days on which it is above designated size, or on all days if it never is.
pub(crate) fn panel<'a>(
    parks: &'a [ParkDays],
    range: DayRange,
    members: &BTreeSet<(ParkId, EnterpriseId)>,
    rule: &'static str,
) -> Population<'a> {
    let of_park = |park: &'a ParkDays| {
        let mine = members.iter().filter(|(of, _)| *of == park.park);
        let permitted = mine.filter(|(_, enterprise)| park.permits(enterprise));
        permitted
            .map(|(_, enterprise)| (park, enterprise.clone()))
            .collect::<Vec<_>>()
    };
    let population = Population {
        rule,
        members: parks.iter().flat_map(of_park).collect(),
        partial: BTreeMap::new(),
        parks: parks.iter().collect(),
        notes: Vec::new(),
    };
    population.with_days_above(range)
}

/// The registered enterprises of `parks` that were above designated size on some day of `range`. Each counts on those
/// days with its energy, water, waste and value added, so that numerator and denominator match. In a park without
/// registered enterprises, every enterprise with readings or statistics counts.
pub(crate) fn of_parks(parks: &[ParkDays], range: DayRange) -> Population<'_> {
    let mut population = Population {
        rule: EVERY,
        members: Vec::new(),
        partial: BTreeMap::new(),
        parks: parks.iter().collect(),
        notes: Vec::new(),
    };
    let (mut unregistered, mut below) = (Vec::new(), Vec::new());
    for park in parks {
        let name = |e: &EnterpriseId| format!("parks/{}/enterprises/{e}", park.park);
        let with_readings = park.with_readings_in(range);
        let mut counted = if park.registry.is_unregistered() {
            let declared = park.registry.statistics.keys().cloned();
            let by_hand = park.registry.corrected_in(range);
            with_readings
                .into_iter()
                .chain(declared)
                .chain(by_hand)
                .collect()
        } else {
            population.rule = ABOVE_DESIGNATED_SIZE;
            let above = park.registry.above_designated_size(range);
            for enterprise in with_readings.difference(&above) {
                let known = park.registry.enterprises.contains_key(enterprise);
                if known { &mut below } else { &mut unregistered }.push(name(enterprise));
            }
            above
        };
        counted.retain(|enterprise| park.permits(enterprise));
        population
            .members
            .extend(counted.into_iter().map(|enterprise| (park, enterprise)));
    }
    population.note_names(
        "not counted, for they have readings but are not registered",
        &unregistered,
    );
    population.note_names(
        "not counted, for they are not above designated size",
        &below,
    );
    population.note_parks_without_registry();
    if population.members.is_empty() {
        population
            .notes
            .push("no enterprise is counted in the period".to_owned());
    }
    let mut population = population.with_days_above(range);
    population.note_partial_members();
    population
}

/// Writes runs of days as a part of a sentence.
fn listed_days(days: &[DayRange]) -> String {
    let each = days
        .iter()
        .map(|days| format!("{} to {}", days.first(), days.last()));
    each.collect::<Vec<_>>().join(" and ")
}

/// Writes `names` as a part of a sentence; only the first ones by name.
pub(crate) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let first: Vec<&str> = names.iter().take(LISTED_MAX).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        rest => format!("{} and {rest} more", first.join(", ")),
    }
}
