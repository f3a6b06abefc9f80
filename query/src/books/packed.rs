//! The days of a series in a book, in few bytes. Pure.
//!
//! A meter does much the same each day: it is read at the same times and its registers go on where they were. So a day
//! is kept as what differs from the day before it, in numbers of few bytes: ten to twenty of them for a day of an
//! hourly register, where a [`DayFold`] takes 160. Every [`STEP`]th day is kept against nothing, so that a few days can
//! be had without those before them. A day on which something was come across is kept as it is, in a list beside.

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, DayRange, Instant},
    fold::{DayFold, Outcomes, Point},
};

use super::DaySet;

/// So many days are packed together: the first against nothing, each other one against the day before it.
const STEP: usize = 32;

/// What of a day is kept, by bits of its first byte.
mod mark {
    /// Bits of the first, head, tail and last register: the day has it.
    pub(super) const POINTS: [u8; 4] = [1, 2, 4, 8];
    /// Its registers were read at the times of the day before.
    pub(super) const SAME_TIMES: u8 = 16;
    /// It consumed what lies between its first and last register.
    pub(super) const BETWEEN: u8 = 32;
    /// It is kept as it is.
    pub(super) const WHOLE: u8 = 64;
}

/// The days of a series, in order.
#[derive(Debug, Clone)]
pub(crate) struct PackedDays {
    bytes: Box<[u8]>,
    /// Days that are kept as they are.
    whole: Box<[DayFold]>,
    steps: Box<[Begin]>,
    /// Which days are packed; `None` where none is.
    days: Option<DaySet>,
    /// Those of them without a reading.
    unread: Box<[CivilDay]>,
}

/// Where days begin that are packed together.
#[derive(Debug, Clone, Copy)]
struct Begin {
    day: CivilDay,
    /// Places in the bytes and in the whole days.
    byte: u32,
    whole: u32,
}

/// What the next day is kept against.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    day: i32,
    readings: u32,
    register: i64,
    /// Milliseconds of the day.
    times: [i64; 4],
}

impl Before {
    fn at(day: CivilDay) -> Self {
        Self {
            day: day.epoch_days(),
            ..Self::default()
        }
    }
}

impl PackedDays {
    /// Packs `days`, sorted by day and without repeats.
    pub(crate) fn new(days: &[(CivilDay, DayFold)]) -> Self {
        let (mut bytes, mut whole, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for step in days.chunks(STEP) {
            let place = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
            let day = step[0].0;
            steps.push(Begin {
                day,
                byte: place(bytes.len()),
                whole: place(whole.len()),
            });
            let mut before = Before::at(day);
            for (day, fold) in step {
                put_signed(&mut bytes, i64::from(day.epoch_days() - before.day));
                before.day = day.epoch_days();
                match is_plain(fold) {
                    true => put(&mut bytes, (*day, fold), &mut before),
                    false => {
                        bytes.push(mark::WHOLE);
                        whole.push(fold.clone());
                    }
                }
            }
        }
        let ends = days.first().zip(days.last());
        let range = ends.and_then(|(first, last)| DayRange::new(first.0, last.0));
        let set = range.map(|range| {
            let mut set = DaySet::within(range);
            days.iter().for_each(|(day, _)| set.add(*day));
            set
        });
        let unread = days.iter().filter(|(_, fold)| fold.readings == 0);
        Self {
            bytes: bytes.into(),
            whole: whole.into(),
            steps: steps.into(),
            days: set,
            unread: unread.map(|(day, _)| *day).collect(),
        }
    }

    /// The first and the last day.
    pub(crate) fn span(&self) -> Option<(CivilDay, CivilDay)> {
        let range = self.days.as_ref()?.range;
        Some((range.first(), range.last()))
    }

    /// How many days of `range` there are.
    pub(crate) fn count_of(&self, range: DayRange) -> u32 {
        self.days.as_ref().map_or(0, |days| days.count_of(range))
    }

    /// How many days of `range` have a reading.
    pub(crate) fn count_read(&self, range: DayRange) -> u32 {
        let unread = self.unread.iter().filter(|day| range.contains(**day));
        let unread = u32::try_from(unread.count()).unwrap_or(u32::MAX);
        self.count_of(range).saturating_sub(unread)
    }

    /// The days of `range` with a reading, in order.
    pub(crate) fn read_in(&self, range: DayRange) -> impl Iterator<Item = CivilDay> {
        let days = self.days.iter().flat_map(move |days| days.days_of(range));
        days.filter(|day| self.unread.binary_search(day).is_err())
    }

    /// The days that there are in `range`, with as many beside it as come with them.
    pub(crate) fn near(&self, range: DayRange) -> Vec<(CivilDay, DayFold)> {
        let from = self.steps.partition_point(|step| step.day <= range.first());
        let to = self.steps.partition_point(|step| step.day <= range.last());
        self.unpack(from.saturating_sub(1), to)
    }

    /// Every day.
    pub(crate) fn all(&self) -> Vec<(CivilDay, DayFold)> {
        self.unpack(0, self.steps.len())
    }

    /// The memory that they take beside this.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
            + self.whole.len() * size_of::<DayFold>()
            + self.steps.len() * size_of::<Begin>()
            + self.days.as_ref().map_or(0, DaySet::bytes)
            + self.unread.len() * size_of::<CivilDay>()
    }

    fn unpack(&self, from: usize, to: usize) -> Vec<(CivilDay, DayFold)> {
        let mut days = Vec::with_capacity(to.saturating_sub(from) * STEP);
        for (at, begin) in self.steps.iter().enumerate().take(to).skip(from) {
            let end = self.steps.get(at + 1);
            let end = end.map_or(self.bytes.len(), |next| next.byte as usize);
            let mut bytes = &self.bytes[begin.byte as usize..end];
            let mut whole = self.whole[begin.whole as usize..].iter();
            let mut before = Before::at(begin.day);
            while !bytes.is_empty() {
                let ahead = take_signed(&mut bytes);
                before.day += i32::try_from(ahead).unwrap_or_default();
                let day = CivilDay::from_epoch_days(before.day);
                let fold = match take_byte(&mut bytes) {
                    mark::WHOLE => whole.next().cloned().unwrap_or_default(),
                    marks => take(&mut bytes, (marks, day), &mut before),
                };
                days.push((day, fold));
            }
        }
        days
    }
}

/// Whether nothing was come across on a day.
fn is_plain(fold: &DayFold) -> bool {
    fold.odd.is_none() && fold.outcomes == Outcomes::default()
}

fn points(fold: &DayFold) -> [Option<Point>; 4] {
    [fold.first, fold.head, fold.tail, fold.last]
}

/// What lies between the first and the last register.
fn between(first: Option<Point>, last: Option<Point>) -> Option<Sum> {
    Some(last?.register.since(first?.register))
}

fn put(bytes: &mut Vec<u8>, (day, fold): (CivilDay, &DayFold), before: &mut Before) {
    let start = day.start().0;
    let points = points(fold);
    let mut marks = mark::SAME_TIMES;
    let mut times = before.times;
    for (nth, point) in points.iter().enumerate() {
        if let Some(point) = point {
            marks |= mark::POINTS[nth];
            times[nth] = point.instant.0.wrapping_sub(start);
        }
    }
    if times != before.times {
        marks &= !mark::SAME_TIMES;
    }
    if between(fold.first, fold.last) == Some(fold.within) {
        marks |= mark::BETWEEN;
    }
    bytes.push(marks);
    put_signed(bytes, i64::from(fold.readings) - i64::from(before.readings));
    before.readings = fold.readings;
    for (nth, point) in points.iter().enumerate() {
        let Some(point) = point else { continue };
        if marks & mark::SAME_TIMES == 0 {
            put_signed(bytes, times[nth].wrapping_sub(before.times[nth]));
        }
        let register = point.register.micro();
        put_signed(bytes, register.wrapping_sub(before.register));
        before.register = register;
    }
    before.times = times;
    if marks & mark::BETWEEN == 0 {
        let Sum(within) = fold.within;
        put_unsigned(bytes, ((within << 1) ^ (within >> 127)).cast_unsigned());
    }
}

/// What [`put`] has put.
fn take(bytes: &mut &[u8], (marks, day): (u8, CivilDay), before: &mut Before) -> DayFold {
    let start = day.start().0;
    let readings = i64::from(before.readings) + take_signed(bytes);
    before.readings = u32::try_from(readings).unwrap_or_default();
    let mut points = [None; 4];
    for (nth, point) in points.iter_mut().enumerate() {
        if marks & mark::POINTS[nth] == 0 {
            continue;
        }
        if marks & mark::SAME_TIMES == 0 {
            before.times[nth] = before.times[nth].wrapping_add(take_signed(bytes));
        }
        before.register = before.register.wrapping_add(take_signed(bytes));
        let register = Amount::from_micro(before.register).ok();
        *point = register.map(|register| Point {
            instant: Instant(start.wrapping_add(before.times[nth])),
            register,
        });
    }
    let [first, head, tail, last] = points;
    let within = match marks & mark::BETWEEN {
        0 => {
            let within = take_unsigned(bytes);
            Sum((within >> 1).cast_signed() ^ -(within & 1).cast_signed())
        }
        _ => between(first, last).unwrap_or_default(),
    };
    DayFold {
        readings: before.readings,
        within,
        first,
        head,
        tail,
        last,
        outcomes: Outcomes::default(),
        odd: None,
    }
}

fn put_signed(bytes: &mut Vec<u8>, value: i64) {
    put_unsigned(
        bytes,
        u128::from(((value << 1) ^ (value >> 63)).cast_unsigned()),
    );
}

fn take_signed(bytes: &mut &[u8]) -> i64 {
    let value = take_unsigned(bytes) as u64;
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Puts seven bits a byte, the lowest first; the highest bit says that more follow.
fn put_unsigned(bytes: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_unsigned(bytes: &mut &[u8]) -> u128 {
    // Most numbers fit a machine word.
    let (mut value, mut shift) = (0u64, 0);
    while shift < 63 {
        let byte = take_byte(bytes);
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u128::from(value);
        }
        shift += 7;
    }
    let (mut value, mut shift) = (u128::from(value), shift);
    loop {
        let byte = take_byte(bytes);
        value |= u128::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift >= u128::BITS {
            return value;
        }
    }
}

fn take_byte(bytes: &mut &[u8]) -> u8 {
    let Some((first, rest)) = bytes.split_first() else {
        return 0;
    };
    *bytes = rest;
    *first
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use greenpark_model::fold::Odd;
    use proptest::prelude::*;

    use super::*;

    /// A day ahead of the one before, what it has besides its registers, these as offset and value, and what it consumed
    /// where that is not what lies between them.
    type Made = (i32, DayFold, [Option<(i64, i64)>; 4], Option<i128>);

    fn point() -> impl Strategy<Value = Option<(i64, i64)>> {
        prop::option::of((
            prop_oneof![
                Just(0i64),
                -100_000i64..200_000_000,
                any::<i32>().prop_map(i64::from)
            ],
            prop_oneof![
                Just(5_000_000i64),
                Amount::ZERO.micro()..=Amount::MAX.micro()
            ],
        ))
    }

    prop_compose! {
        fn day()(
            ahead in prop_oneof![4 => Just(1i32), 1 => 1i32..60],
            readings in prop_oneof![Just(24u32), Just(0u32), any::<u32>()],
            within in prop_oneof![Just(None), any::<i64>().prop_map(|w| Some(i128::from(w) * 1_000_000))],
            points in [point(), point(), point(), point()],
            resets in prop_oneof![9 => Just(0u32), 1 => any::<u32>()],
            export in prop_oneof![9 => Just(None), 1 => any::<i32>().prop_map(Some)],
        ) -> Made {
            let odd = export.map(|export| Arc::new(Odd { export: Sum(export.into()), ..Odd::default() }));
            let outcomes = Outcomes { resets, ..Outcomes::default() };
            (ahead, DayFold { readings, outcomes, odd, ..DayFold::default() }, points, within)
        }
    }

    /// The days that steps ahead make.
    fn days(of: Vec<Made>) -> Vec<(CivilDay, DayFold)> {
        let mut day: CivilDay = "2021-01-01".parse().expect("a day");
        let mut days = Vec::new();
        for (ahead, fold, points, within) in of {
            day = day.plus(ahead);
            let [first, head, tail, last] = points.map(|point| {
                point.map(|(ms, micro)| Point {
                    instant: Instant(day.start().0 + ms),
                    register: Amount::from_micro(micro).expect("in range"),
                })
            });
            let rise = between(first, last).unwrap_or_default();
            let within = within.map_or(rise, Sum);
            days.push((
                day,
                DayFold {
                    within,
                    first,
                    head,
                    tail,
                    last,
                    ..fold
                },
            ));
        }
        days
    }

    proptest! {
        /// What is packed is unpacked as it was, all of it or some.
        #[test]
        fn days_come_back_as_they_were(
            of in prop::collection::vec(day(), 0..120),
            (first, length) in (-5i32..400, 0i32..100),
        ) {
            let days = days(of);
            let packed = PackedDays::new(&days);
            prop_assert_eq!(&packed.all(), &days);
            let first = "2021-01-01".parse::<CivilDay>().expect("a day").plus(first);
            let range = DayRange::new(first, first.plus(length)).expect("in order");
            let near = packed.near(range);
            let within = |days: &[(CivilDay, DayFold)]| -> Vec<(CivilDay, DayFold)> {
                days.iter().filter(|(day, _)| range.contains(*day)).cloned().collect()
            };
            prop_assert_eq!(within(&near), within(&days));
            // They are a run of the days.
            let at = near.first().and_then(|of| days.iter().position(|day| day == of));
            prop_assert_eq!(&days[at.unwrap_or(0)..][..near.len()], &near[..]);
            let read = || days.iter().filter(|(day, fold)| range.contains(*day) && fold.readings > 0);
            prop_assert!(packed.read_in(range).eq(read().map(|(day, _)| *day)));
            prop_assert_eq!(packed.count_read(range) as usize, read().count());
            prop_assert_eq!(packed.count_of(range) as usize, within(&days).len());
        }
    }

    #[test]
    fn a_year_of_an_hourly_register_takes_few_bytes() {
        let first: CivilDay = "2021-01-01".parse().expect("a day");
        let year: Vec<_> = (0..365)
            .map(|n| {
                let day = first.plus(n);
                let point = |hour: i64| {
                    let register = (i64::from(n) * 24 + hour) * 10_437_000;
                    Some(Point {
                        instant: Instant(day.start().0 + hour * 3_600_000),
                        register: Amount::from_micro(register).expect("in range"),
                    })
                };
                let fold = DayFold {
                    readings: 24,
                    within: Sum(23 * 10_437_000),
                    first: point(0),
                    head: point(1),
                    tail: point(22),
                    last: point(23),
                    ..DayFold::default()
                };
                (day, fold)
            })
            .collect();
        assert!(PackedDays::new(&year).bytes() < 365 * 24);
    }
}
