//! The declared periods that make up a range. Pure.

use greenpark_model::{
    amount::Sum,
    day::{CivilDay, DayRange},
    money::PriceBase,
};

use super::{DeclaredStatistic, Finality, StatisticSeries};

/// A declared period, or some days of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) declared: &'a DeclaredStatistic,
    /// The place of the declaration in the order of recording.
    pub(crate) place: usize,
    /// The days of the period that lie in the range.
    pub(crate) days: i32,
    /// All days of the period.
    pub(crate) of: i32,
}

/// The pieces of a range, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pieces<'a> {
    pub(crate) pieces: Vec<Piece<'a>>,
    /// Days without a declaration.
    pub(crate) missing_days: i32,
}

/// A period that is declared as a whole and by parts that tile it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DoubleDeclaration<'a> {
    pub(crate) whole: &'a DeclaredStatistic,
    /// The sum of the parts.
    pub(crate) parts: Sum,
    /// True if the parts count, because one of them was recorded after the whole.
    pub(crate) parts_count: bool,
}

impl Pieces<'_> {
    /// [`Finality::Final`] only if every piece is.
    pub(crate) fn finality(&self) -> Finality {
        let all = self.pieces.iter().map(|piece| piece.declared.finality);
        all.min().unwrap_or(Finality::Preliminary)
    }

    /// Days whose share is prorated from a longer period.
    pub(crate) fn prorated_days(&self) -> i32 {
        let prorated = self.pieces.iter().filter(|piece| piece.days != piece.of);
        prorated.fold(0, |sum, piece| sum.saturating_add(piece.days))
    }
}

/// A declared period with its place in the order of recording.
#[derive(Debug, Clone, Copy)]
struct Usable<'a> {
    days: DayRange,
    declared: &'a DeclaredStatistic,
    place: usize,
}

/// Whole periods that follow each other from the first to the last day of a range.
struct Tiling<'a> {
    tiles: Vec<Usable<'a>>,
    /// The place of the tile that was recorded last.
    newest: usize,
}

/// The pieces of `range`; `None` if no day of it has a declaration. `declared` is in the order of recording.
pub(crate) fn pieces_of<'a>(
    declared: &'a [DeclaredStatistic],
    series: &StatisticSeries,
    range: DayRange,
    base: Option<PriceBase>,
) -> Option<Pieces<'a>> {
    let mut usable = usable(declared, series, base);
    usable.retain(|of| of.days.overlaps(range));
    if usable.is_empty() {
        return None;
    }
    let all = usable.clone();
    usable.retain(|of| by_parts(&all, of).is_none_or(|parts| parts.newest < of.place));
    if let Some(tiling) = tile(&usable, range) {
        let whole = |of: Usable<'a>| Piece {
            declared: of.declared,
            place: of.place,
            days: of.days.days(),
            of: of.days.days(),
        };
        return Some(Pieces {
            pieces: tiling.tiles.into_iter().map(whole).collect(),
            missing_days: 0,
        });
    }
    Some(patch(&usable, range))
}

/// The periods that overlap `range` and are declared both as a whole and by parts that tile them.
pub(crate) fn twice_declared<'a>(
    declared: &'a [DeclaredStatistic],
    series: &StatisticSeries,
    range: DayRange,
    base: Option<PriceBase>,
) -> Vec<DoubleDeclaration<'a>> {
    let usable = usable(declared, series, base);
    let overlapping = usable.iter().filter(|of| of.days.overlaps(range));
    overlapping
        .filter_map(|of| {
            let parts = by_parts(&usable, of)?;
            Some(DoubleDeclaration {
                whole: of.declared,
                parts: parts
                    .tiles
                    .iter()
                    .map(|tile| Sum::from(tile.declared.amount))
                    .sum(),
                parts_count: parts.newest > of.place,
            })
        })
        .collect()
}

/// The declarations of a series at a base, longest periods first.
fn usable<'a>(
    declared: &'a [DeclaredStatistic],
    series: &StatisticSeries,
    base: Option<PriceBase>,
) -> Vec<Usable<'a>> {
    let all = declared.iter().enumerate();
    let mut usable: Vec<Usable<'a>> = all
        .filter(|(_, d)| d.series == *series && d.price_base == base)
        .map(|(place, declared)| Usable {
            days: declared.period.range(),
            declared,
            place,
        })
        .collect();
    usable.sort_by_key(|of| (std::cmp::Reverse(of.days.days()), of.days.first()));
    usable
}

/// The shorter periods that tile `whole`, if there are any. If a part is itself declared twice, the later record is
/// used.
fn by_parts<'a>(usable: &[Usable<'a>], whole: &Usable<'a>) -> Option<Tiling<'a>> {
    let shorter = |of: &&Usable<'a>| {
        of.days.days() < whole.days.days() && of.days.intersection(whole.days) == Some(of.days)
    };
    let mut parts: Vec<Usable<'a>> = usable.iter().filter(shorter).copied().collect();
    // One part alone cannot tile a longer period.
    if parts.len() < 2 {
        return None;
    }
    let all = parts.clone();
    parts.retain(|of| by_parts(&all, of).is_none_or(|parts| parts.newest < of.place));
    tile(&parts, whole.days)
}

/// Finds periods that follow each other from the first to the last day of `range`, longest first.
fn tile<'a>(usable: &[Usable<'a>], range: DayRange) -> Option<Tiling<'a>> {
    let mut tiles = Vec::new();
    let found = fill(usable, range.first(), range.last(), &mut tiles);
    found.then(|| Tiling {
        newest: tiles.iter().map(|of| of.place).max().unwrap_or(0),
        tiles,
    })
}

/// Fills `tiles` with periods that follow each other from `from` to `last`; returns true if it found such periods.
/// Periods nest (months in quarters in years), so at most three begin on a day and the search is short.
fn fill<'a>(
    usable: &[Usable<'a>],
    from: CivilDay,
    last: CivilDay,
    tiles: &mut Vec<Usable<'a>>,
) -> bool {
    if from > last {
        return true;
    }
    for of in usable
        .iter()
        .filter(|of| of.days.first() == from && of.days.last() <= last)
    {
        tiles.push(*of);
        if fill(usable, of.days.last().next(), last, tiles) {
            return true;
        }
        tiles.pop();
    }
    false
}

/// Covers `range` with whole periods where they fit, and with parts of longer ones elsewhere.
fn patch<'a>(usable: &[Usable<'a>], range: DayRange) -> Pieces<'a> {
    let mut made = Pieces::default();
    let mut day = range.first();
    while day <= range.last() {
        let whole = usable
            .iter()
            .find(|of| of.days.first() == day && of.days.last() <= range.last());
        let around = usable.iter().rev().find(|of| of.days.contains(day));
        let next = usable
            .iter()
            .filter(|of| of.days.first() > day)
            .map(|of| of.days.first().previous())
            .min();
        let last = range.last().min(next.unwrap_or(range.last()));
        let (of, last) = match (whole, around) {
            (Some(of), _) => (of, of.days.last()),
            (None, Some(of)) => (of, last.min(of.days.last())),
            (None, None) => {
                made.missing_days = made.missing_days.saturating_add(1);
                day = day.next();
                continue;
            }
        };
        made.pieces.push(Piece {
            declared: of.declared,
            place: of.place,
            days: last.days_since(day).saturating_add(1),
            of: of.days.days(),
        });
        day = last.next();
    }
    made
}
