//! Packs the days of a series into few bytes. Pure.
//!
//! A meter behaves much the same each day: it is read at the same times and its registers continue where they
//! were. So a day is stored as its difference from the day before, in numbers of few bytes: ten to twenty of
//! them for a day of an hourly register, while a [`DayFold`] has 160. The first day of each month is stored
//! against zero, so that a month can be read without those before it, and is stored by itself in a
//! [rollup](crate::tables::rollups).

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, DayRange, Instant},
    fold::{DayFold, Outcomes, Point},
};

use crate::tables::totals::odd::{read_odd, write_odd};

/// The first byte of [`PackedDays::month`]; other numbers are other forms.
const FORM: u8 = 1;
/// The most days that a month has.
const MONTH_DAYS: usize = 31;

/// The bits of a day's first byte: which fields follow.
mod flag {
    /// The day has its first, head, tail and last register.
    pub(super) const POINTS: [u8; 4] = [1, 2, 4, 8];
    /// Its registers were read at the times of the day before.
    pub(super) const SAME_TIMES: u8 = 16;
    /// Its consumption is the difference of its first and last register.
    pub(super) const BETWEEN: u8 = 32;
    /// It has outcomes.
    pub(super) const OUTCOMES: u8 = 64;
}

/// The days of a series, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedDays {
    bytes: Box<[u8]>,
    months: Box<[Month]>,
}

/// The place and extent of a month's days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Month {
    first: CivilDay,
    /// The offset of its first day in the bytes.
    byte: u32,
    /// Bit `n` stands for the day `n` after the first: set in `days` if the day exists, in `unread` if it has
    /// no reading.
    days: u32,
    unread: u32,
    /// The largest number of readings of a day.
    most: u32,
}

/// The values that the next day is stored against.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    readings: u32,
    register: i64,
    /// Milliseconds of the day.
    times: [i64; 4],
}

impl Month {
    fn of(first: CivilDay, byte: usize) -> Self {
        Self {
            first,
            // OK because a year of days has few bytes.
            byte: byte as u32,
            days: 0,
            unread: 0,
            most: 0,
        }
    }

    fn last(&self) -> CivilDay {
        self.first.plus(MONTH_DAYS as i32 - 1)
    }

    /// The bits in `bits` whose days are in `range`.
    fn within(&self, bits: u32, range: DayRange) -> u32 {
        let days = MONTH_DAYS as i32;
        let from = range.first().days_since(self.first).clamp(0, days);
        let to = (range.last().days_since(self.first) + 1).clamp(from, days);
        let below = |end: i32| (1u32 << end) - 1;
        bits & below(to) & !below(from)
    }

    fn each(&self, bits: u32) -> impl Iterator<Item = CivilDay> {
        let first = self.first;
        (0..MONTH_DAYS as i32)
            .filter(move |day| bits >> day & 1 == 1)
            .map(move |day| first.plus(day))
    }
}

impl PackedDays {
    /// Packs `days`, sorted by day and without repeats.
    #[must_use]
    pub fn new(days: &[(CivilDay, DayFold)]) -> Self {
        let (mut bytes, mut months) = (Vec::new(), Vec::new());
        let mut rest = days;
        while let Some((first, _)) = rest.first() {
            let range = first.month();
            let many = rest.partition_point(|(day, _)| *day <= range.last());
            let (of_month, later) = rest.split_at(many);
            rest = later;
            let mut month = Month::of(range.first(), bytes.len());
            let mut before = Before::default();
            for (day, fold) in of_month {
                let bit = 1 << day.days_since(month.first);
                month.days |= bit;
                if fold.readings == 0 {
                    month.unread |= bit;
                }
                month.most = month.most.max(fold.readings);
                pack_day(&mut bytes, (*day, fold), &mut before);
            }
            months.push(month);
        }
        Self {
            bytes: bytes.into(),
            months: months.into(),
        }
    }

    /// The stored form of days of one month; `None` if they are of several months, or there are none.
    #[must_use]
    pub fn month(&self) -> Option<Vec<u8>> {
        let [month] = *self.months else {
            return None;
        };
        let mut resting = Vec::with_capacity(12 + self.bytes.len());
        resting.push(FORM);
        for number in [month.days, month.unread, month.most] {
            write_unsigned(&mut resting, number.into());
        }
        resting.extend_from_slice(&self.bytes);
        Some(resting)
    }

    /// Decodes months from their stored form, each with its first day; they must be in order and unique. `None`
    /// if the form is another one.
    #[must_use]
    pub fn from_months<'a>(resting: impl Iterator<Item = (CivilDay, &'a [u8])>) -> Option<Self> {
        let (mut bytes, mut months) = (Vec::new(), Vec::new());
        for (first, mut of_month) in resting {
            if read_byte(&mut of_month) != FORM {
                return None;
            }
            let mut number = || u32::try_from(read_unsigned(&mut of_month)).ok();
            let (days, unread, most) = (number()?, number()?, number()?);
            months.push(Month {
                days: days & !(1 << MONTH_DAYS),
                unread,
                most,
                ..Month::of(first, bytes.len())
            });
            bytes.extend_from_slice(of_month);
        }
        Some(Self {
            bytes: bytes.into(),
            months: months.into(),
        })
    }

    /// Joins `parts`, of which no two have days of one month.
    #[must_use]
    pub fn together<'a>(parts: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let bytes = parts.clone().map(|part| part.bytes.len()).sum();
        let many = parts.clone().map(|part| part.months.len()).sum();
        let (mut bytes, mut months) = (Vec::with_capacity(bytes), Vec::with_capacity(many));
        for part in parts {
            let place = bytes.len() as u32;
            months.extend(part.months.iter().map(|month| Month {
                byte: month.byte + place,
                ..*month
            }));
            bytes.extend_from_slice(&part.bytes);
        }
        months.sort_by_key(|month| month.first);
        Self {
            bytes: bytes.into(),
            months: months.into(),
        }
    }

    /// The first and the last day.
    #[must_use]
    pub fn span(&self) -> Option<(CivilDay, CivilDay)> {
        let (first, last) = (self.months.first()?, self.months.last()?);
        let from = first.days.trailing_zeros();
        let to = u32::BITS - 1 - last.days.leading_zeros();
        // OK because a month has few days.
        Some((first.first.plus(from as i32), last.first.plus(to as i32)))
    }

    /// The number of days in `range`.
    #[must_use]
    pub fn count_of(&self, range: DayRange) -> u32 {
        let months = self.months_of(range).iter();
        months
            .map(|month| month.within(month.days, range).count_ones())
            .sum()
    }

    /// The number of days in `range` with a reading.
    #[must_use]
    pub fn count_read(&self, range: DayRange) -> u32 {
        let months = self.months_of(range).iter();
        months
            .map(|month| month.within(month.days & !month.unread, range).count_ones())
            .sum()
    }

    /// The number of days with a reading.
    #[must_use]
    pub fn count_all_read(&self) -> u32 {
        let read = self.months.iter().map(|month| month.days & !month.unread);
        read.map(u32::count_ones).sum()
    }

    /// Every day, in order, without its fold.
    pub fn each(&self) -> impl Iterator<Item = CivilDay> {
        self.months.iter().flat_map(|month| month.each(month.days))
    }

    /// The days of `range` with a reading, in order.
    pub fn read_in(&self, range: DayRange) -> impl Iterator<Item = CivilDay> {
        let months = self.months_of(range).iter();
        months.flat_map(move |month| {
            let read = month.within(month.days & !month.unread, range);
            month.each(read)
        })
    }

    /// The first day of each month, and its days: bit `n` is the day `n` after the first.
    pub fn months(&self) -> impl Iterator<Item = (CivilDay, u32)> {
        self.months.iter().map(|month| (month.first, month.days))
    }

    /// The largest number of readings of a day.
    #[must_use]
    pub fn most_readings(&self) -> u32 {
        self.months
            .iter()
            .map(|month| month.most)
            .max()
            .unwrap_or(0)
    }

    /// The days in `range`, and the other days of their months.
    #[must_use]
    pub fn near(&self, range: DayRange) -> Vec<(CivilDay, DayFold)> {
        self.unpack(self.months_of(range))
    }

    /// Every day.
    #[must_use]
    pub fn all(&self) -> Vec<(CivilDay, DayFold)> {
        self.unpack(&self.months)
    }

    /// Their size in memory beside this struct.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.months.len() * size_of::<Month>()
    }

    /// The months that overlap `range`.
    fn months_of(&self, range: DayRange) -> &[Month] {
        let from = self
            .months
            .partition_point(|month| month.last() < range.first());
        let to = self
            .months
            .partition_point(|month| month.first <= range.last());
        &self.months[from..to.max(from)]
    }

    fn unpack(&self, months: &[Month]) -> Vec<(CivilDay, DayFold)> {
        let mut days = Vec::with_capacity(months.len() * MONTH_DAYS);
        for month in months {
            let mut bytes = self.bytes.get(month.byte as usize..).unwrap_or_default();
            let mut before = Before::default();
            for day in month.each(month.days) {
                days.push((day, unpack_day(&mut bytes, day, &mut before)));
            }
        }
        days
    }
}

fn points(fold: &DayFold) -> [Option<Point>; 4] {
    [fold.first, fold.head, fold.tail, fold.last]
}

/// The difference of the first and last register.
fn between(first: Option<Point>, last: Option<Point>) -> Option<Sum> {
    Some(last?.register.since(first?.register))
}

fn pack_day(bytes: &mut Vec<u8>, (day, fold): (CivilDay, &DayFold), before: &mut Before) {
    let start = day.start().millis();
    let points = points(fold);
    let mut flags = flag::SAME_TIMES;
    let mut times = before.times;
    for (nth, point) in points.iter().enumerate() {
        if let Some(point) = point {
            flags |= flag::POINTS[nth];
            times[nth] = point.instant.millis().wrapping_sub(start);
        }
    }
    if times != before.times {
        flags &= !flag::SAME_TIMES;
    }
    if between(fold.first, fold.last) == Some(fold.within) {
        flags |= flag::BETWEEN;
    }
    if fold.odd.is_some() || fold.outcomes != Outcomes::default() {
        flags |= flag::OUTCOMES;
    }
    bytes.push(flags);
    write_signed(bytes, i64::from(fold.readings) - i64::from(before.readings));
    before.readings = fold.readings;
    for (nth, point) in points.iter().enumerate() {
        let Some(point) = point else { continue };
        if flags & flag::SAME_TIMES == 0 {
            write_signed(bytes, times[nth].wrapping_sub(before.times[nth]));
        }
        let register = point.register.micro();
        write_signed(bytes, register.wrapping_sub(before.register));
        before.register = register;
    }
    before.times = times;
    if flags & flag::BETWEEN == 0 {
        let Sum(within) = fold.within;
        write_unsigned(bytes, ((within << 1) ^ (within >> 127)).cast_unsigned());
    }
    if flags & flag::OUTCOMES != 0 {
        pack_outcomes(bytes, fold);
    }
}

/// Packs the counts that have a column of their own in a file of totals.
fn pack_outcomes(bytes: &mut Vec<u8>, fold: &DayFold) {
    let of = fold.outcomes;
    let counts = [
        of.rollovers,
        of.replacements,
        of.resets,
        of.jumps,
        of.glitches,
        of.invalid,
        of.manual,
    ];
    for count in counts {
        write_unsigned(bytes, count.into());
    }
    let text = write_odd(fold).unwrap_or_default();
    write_unsigned(bytes, text.len() as u128);
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads back a day that [`pack_day`] wrote.
fn unpack_day(bytes: &mut &[u8], day: CivilDay, before: &mut Before) -> DayFold {
    let start = day.start().millis();
    let flags = read_byte(bytes);
    let readings = i64::from(before.readings) + read_signed(bytes);
    before.readings = u32::try_from(readings).unwrap_or_default();
    let mut points = [None; 4];
    for (nth, point) in points.iter_mut().enumerate() {
        if flags & flag::POINTS[nth] == 0 {
            continue;
        }
        if flags & flag::SAME_TIMES == 0 {
            before.times[nth] = before.times[nth].wrapping_add(read_signed(bytes));
        }
        before.register = before.register.wrapping_add(read_signed(bytes));
        let register = Amount::from_micro(before.register).ok();
        *point = register.map(|register| Point {
            instant: Instant::from_millis(start.wrapping_add(before.times[nth])),
            register,
        });
    }
    let [first, head, tail, last] = points;
    let within = match flags & flag::BETWEEN {
        0 => {
            let within = read_unsigned(bytes);
            Sum((within >> 1).cast_signed() ^ -(within & 1).cast_signed())
        }
        _ => between(first, last).unwrap_or_default(),
    };
    let fold = DayFold {
        readings: before.readings,
        within,
        first,
        head,
        tail,
        last,
        outcomes: Outcomes::default(),
        odd: None,
    };
    match flags & flag::OUTCOMES {
        0 => fold,
        _ => unpack_outcomes(bytes, fold),
    }
}

/// Adds the outcomes that [`pack_outcomes`] wrote.
fn unpack_outcomes(bytes: &mut &[u8], mut fold: DayFold) -> DayFold {
    let mut count = || u32::try_from(read_unsigned(bytes)).unwrap_or(u32::MAX);
    fold.outcomes = Outcomes {
        rollovers: count(),
        replacements: count(),
        resets: count(),
        jumps: count(),
        glitches: count(),
        invalid: count(),
        manual: count(),
        ..Outcomes::default()
    };
    let length = usize::try_from(read_unsigned(bytes)).unwrap_or(usize::MAX);
    let (text, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_empty() => read_odd(text, fold.clone()).unwrap_or(fold),
        _ => fold,
    }
}

fn write_signed(bytes: &mut Vec<u8>, value: i64) {
    write_unsigned(
        bytes,
        u128::from(((value << 1) ^ (value >> 63)).cast_unsigned()),
    );
}

fn read_signed(bytes: &mut &[u8]) -> i64 {
    let value = read_unsigned(bytes) as u64;
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Writes seven bits per byte, the lowest first; the highest bit is set if more follow.
fn write_unsigned(bytes: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn read_unsigned(bytes: &mut &[u8]) -> u128 {
    // Most numbers fit a machine word.
    let (mut value, mut shift) = (0u64, 0);
    while shift < 63 {
        let byte = read_byte(bytes);
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u128::from(value);
        }
        shift += 7;
    }
    let (mut value, mut shift) = (u128::from(value), shift);
    loop {
        let byte = read_byte(bytes);
        value |= u128::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift >= u128::BITS {
            return value;
        }
    }
}

fn read_byte(bytes: &mut &[u8]) -> u8 {
    let Some((first, rest)) = bytes.split_first() else {
        return 0;
    };
    *bytes = rest;
    *first
}

#[cfg(test)]
mod tests;
