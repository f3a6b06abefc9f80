//! The series of one gateway, cached so that a known series costs one comparison.
//!
//! A payload names its series as texts; the table maps each valid combination of texts to its
//! series and the ratio of its unit. The table is bounded, and is cleared when full.

use greenpark_model::{
    id::MeterId,
    letter::LetterCode,
    quantity::Quantity,
    reading::{Kind, Series},
    unit::UnitRatio,
};
use rustc_hash::FxHashMap;

use super::fault::Fault;
use crate::limits::SERIES_CACHED_MAX;

/// A series as a payload names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) meter: &'a str,
    pub(super) quantity: &'a str,
    pub(super) kind: &'a str,
    /// Empty for the canonical unit.
    pub(super) unit: &'a str,
}

/// A cached series.
#[derive(Debug)]
pub(crate) struct CachedSeries {
    key: Box<[u8]>,
    pub(crate) series: Series,
    /// The number of canonical units in one unit.
    ratio: UnitRatio,
    /// For events: the first entry of the same series, which may be named with another unit.
    first: u32,
    /// The batch that the series was last added to, and its index there.
    pub(crate) placed: Option<(u64, u32)>,
}

/// The cached series of one gateway.
#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    known: Vec<CachedSeries>,
    by_key: FxHashMap<Box<[u8]>, u32>,
    last: u32,
    key: Vec<u8>,
    /// The first entry of each series of events.
    events: FxHashMap<Series, u32>,
}

impl SeriesTable {
    /// Clears the table if it is full; called between payloads, because indices become invalid.
    pub(crate) fn make_room(&mut self) {
        if self.known.len() >= SERIES_CACHED_MAX {
            *self = Self::default();
        }
    }

    /// Returns the series at `index`, a result of [`SeriesTable::find`] since the last
    /// [`SeriesTable::make_room`].
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut CachedSeries {
        &mut self.known[index as usize]
    }

    pub(super) fn ratio(&self, index: u32) -> UnitRatio {
        self.known[index as usize].ratio
    }

    pub(super) fn kind(&self, index: u32) -> Kind {
        self.known[index as usize].series.kind
    }

    /// Returns true if the gateway has a series of events.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns the first entry of an event series, whatever its unit; `None` for other kinds.
    pub(super) fn event(&self, index: u32) -> Option<u32> {
        let known = &self.known[index as usize];
        (known.series.kind == Kind::Event).then_some(known.first)
    }

    /// Returns the index of the series that `name` names.
    pub(super) fn find(&mut self, name: Name<'_>) -> Result<u32, Fault> {
        // A valid name contains no NUL, so its key has exactly three and is unique.
        self.key.clear();
        for part in [name.meter, name.quantity, name.kind] {
            self.key.extend_from_slice(part.as_bytes());
            self.key.push(0);
        }
        self.key.extend_from_slice(name.unit.as_bytes());
        if self
            .known
            .get(self.last as usize)
            .is_some_and(|known| *known.key == *self.key)
        {
            return Ok(self.last);
        }
        if let Some(&index) = self.by_key.get(self.key.as_slice()) {
            self.last = index;
            return Ok(index);
        }
        self.add(name)
    }

    fn add(&mut self, name: Name<'_>) -> Result<u32, Fault> {
        let (series, ratio) = parse(name)?;
        let index = u32::try_from(self.known.len())
            .map_err(|_| Fault::new(LetterCode::TooLarge, "too many series"))?;
        let key: Box<[u8]> = self.key.as_slice().into();
        self.by_key.insert(key.clone(), index);
        let first = match series.kind {
            Kind::Event => *self.events.entry(series.clone()).or_insert(index),
            _ => index,
        };
        self.known.push(CachedSeries {
            key,
            series,
            ratio,
            first,
            placed: None,
        });
        self.last = index;
        Ok(index)
    }
}

fn parse(name: Name<'_>) -> Result<(Series, UnitRatio), Fault> {
    let meter = MeterId::new(name.meter)
        .map_err(|e| Fault::new(LetterCode::BadMeter, format!("\"meter\": {e}")))?;
    let quantity: Quantity = name
        .quantity
        .parse()
        .map_err(|e| Fault::new(LetterCode::UnknownQuantity, format!("\"quantity\": {e}")))?;
    let kind = Kind::from_name(name.kind).ok_or_else(|| {
        let words = format!(
            "\"kind\": unknown kind '{}'; write {}",
            clip(name.kind),
            kinds()
        );
        Fault::new(LetterCode::UnknownKind, words)
    })?;
    let ratio = quantity.medium.ratio_of(name.unit);
    let ratio = ratio.map_err(|reason| {
        let words = format!("\"unit\": {reason}, or leave it out");
        Fault::new(LetterCode::UnknownUnit, words)
    })?;
    Ok((
        Series {
            meter,
            quantity,
            kind,
        },
        ratio,
    ))
}

/// Returns the names of all kinds, for a refusal's text.
pub(super) fn kinds() -> String {
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    names.join(", ")
}

/// Returns the start of a client's text.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name<'_> = Name {
        meter: "m1",
        quantity: "electricity",
        kind: "register",
        unit: "MWh",
    };

    #[test]
    fn a_series_is_found_again() {
        let mut table = SeriesTable::default();
        let first = table.find(NAME).expect("a series");
        let other = table.find(Name { unit: "", ..NAME }).expect("a series");
        assert_ne!(first, other);
        assert_eq!(table.find(NAME), Ok(first));
        assert_eq!(table.ratio(first), UnitRatio::power_of_ten(3));
        assert_eq!(table.ratio(other), UnitRatio::ONE);
    }

    #[test]
    fn an_invalid_series_name_is_refused_with_a_reason() {
        let mut table = SeriesTable::default();
        for (name, word) in [
            (
                Name {
                    meter: "a/b",
                    ..NAME
                },
                "\"meter\"",
            ),
            (
                Name {
                    meter: "m1\0electricity",
                    ..NAME
                },
                "\"meter\"",
            ),
            (
                Name {
                    quantity: "electrcity",
                    ..NAME
                },
                "electrcity",
            ),
            (
                Name {
                    kind: "counter",
                    ..NAME
                },
                "register",
            ),
            (Name { unit: "m3", ..NAME }, "kWh"),
        ] {
            let reason = table.find(name).expect_err("refused");
            assert!(reason.contains(word), "{reason}");
        }
    }

    #[test]
    fn a_full_table_is_cleared() {
        let mut table = SeriesTable::default();
        for meter in 0..SERIES_CACHED_MAX {
            table.make_room();
            table
                .find(Name {
                    meter: &meter.to_string(),
                    ..NAME
                })
                .expect("a series");
        }
        table.make_room();
        assert_eq!(table.find(NAME), Ok(0));
    }
}
