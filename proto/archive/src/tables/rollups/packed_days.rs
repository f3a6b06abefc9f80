//! The days of a series in few bytes. Pure.
//!
//! A meter does much the same each day: it is read at the same times and its registers go on where they were. So a day
//! is kept as what differs from the day before it, in numbers of few bytes: ten to twenty of them for a day of an
//! hourly register, where a [`DayFold`] takes 160. The first day of each month is kept against nothing, so that a month
//! can be had without those before it, and rests by itself in a [rollup](crate::tables::rollups).

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, DayRange, Instant},
    fold::{DayFold, Outcomes, Point},
};

use crate::tables::totals::odd::{read_odd, write_odd};

/// What [`PackedDays::month`] begins with; other numbers are other forms.
const FORM: u8 = 1;
/// The most days that a month has.
const MONTH_DAYS: usize = 31;

/// What of a day is kept, by bits of its first byte.
mod mark {
    /// The day has its first, head, tail and last register.
    pub(super) const POINTS: [u8; 4] = [1, 2, 4, 8];
    /// Its registers were read at the times of the day before.
    pub(super) const SAME_TIMES: u8 = 16;
    /// It consumed what lies between its first and last register.
    pub(super) const BETWEEN: u8 = 32;
    /// Something was come across.
    pub(super) const OUTCOMES: u8 = 64;
}

/// The days of a series, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedDays {
    bytes: Box<[u8]>,
    months: Box<[Month]>,
}

/// Where the days of a month are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Month {
    first: CivilDay,
    /// The place of its first day in the bytes.
    byte: u32,
    /// Bit `n` is the day `n` after the first: whether it is there, and whether it has no reading.
    days: u32,
    unread: u32,
    /// The most readings that a day has.
    most: u32,
}

/// What the next day is kept against.
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

    /// Those of `bits` whose days are in `range`.
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
                put(&mut bytes, (*day, fold), &mut before);
            }
            months.push(month);
        }
        Self {
            bytes: bytes.into(),
            months: months.into(),
        }
    }

    /// Days of one month in the form in which they rest; `None` where they are of several, or there is none.
    #[must_use]
    pub fn month(&self) -> Option<Vec<u8>> {
        let [month] = *self.months else {
            return None;
        };
        let mut resting = Vec::with_capacity(12 + self.bytes.len());
        resting.push(FORM);
        for number in [month.days, month.unread, month.most] {
            put_unsigned(&mut resting, number.into());
        }
        resting.extend_from_slice(&self.bytes);
        Some(resting)
    }

    /// Months from the form in which they rest, each with its first day; in order and without repeats. `None` where it
    /// is another form.
    #[must_use]
    pub fn from_months<'a>(resting: impl Iterator<Item = (CivilDay, &'a [u8])>) -> Option<Self> {
        let (mut bytes, mut months) = (Vec::new(), Vec::new());
        for (first, mut of_month) in resting {
            if take_byte(&mut of_month) != FORM {
                return None;
            }
            let mut number = || u32::try_from(take_unsigned(&mut of_month)).ok();
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

    /// The days of all `parts`, of which no two have days of one month.
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

    /// How many days of `range` there are.
    #[must_use]
    pub fn count_of(&self, range: DayRange) -> u32 {
        let months = self.months_of(range).iter();
        months
            .map(|month| month.within(month.days, range).count_ones())
            .sum()
    }

    /// How many days of `range` have a reading.
    #[must_use]
    pub fn count_read(&self, range: DayRange) -> u32 {
        let months = self.months_of(range).iter();
        months
            .map(|month| month.within(month.days & !month.unread, range).count_ones())
            .sum()
    }

    /// How many days have a reading.
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

    /// The first day of each month, and which of its days are here: bit `n` is the day `n` after it.
    pub fn months(&self) -> impl Iterator<Item = (CivilDay, u32)> {
        self.months.iter().map(|month| (month.first, month.days))
    }

    /// The most readings that a day has.
    #[must_use]
    pub fn most_readings(&self) -> u32 {
        self.months
            .iter()
            .map(|month| month.most)
            .max()
            .unwrap_or(0)
    }

    /// The days that there are in `range`, with as many beside it as come with them.
    #[must_use]
    pub fn near(&self, range: DayRange) -> Vec<(CivilDay, DayFold)> {
        self.unpack(self.months_of(range))
    }

    /// Every day.
    #[must_use]
    pub fn all(&self) -> Vec<(CivilDay, DayFold)> {
        self.unpack(&self.months)
    }

    /// The memory that they take beside this.
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
                days.push((day, take(&mut bytes, day, &mut before)));
            }
        }
        days
    }
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
    if fold.odd.is_some() || fold.outcomes != Outcomes::default() {
        marks |= mark::OUTCOMES;
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
    if marks & mark::OUTCOMES != 0 {
        put_outcomes(bytes, fold);
    }
}

/// The counts that have a column of their own in a file of totals.
fn put_outcomes(bytes: &mut Vec<u8>, fold: &DayFold) {
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
        put_unsigned(bytes, count.into());
    }
    let text = write_odd(fold).unwrap_or_default();
    put_unsigned(bytes, text.len() as u128);
    bytes.extend_from_slice(text.as_bytes());
}

/// What [`put`] has put.
fn take(bytes: &mut &[u8], day: CivilDay, before: &mut Before) -> DayFold {
    let start = day.start().0;
    let marks = take_byte(bytes);
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
    match marks & mark::OUTCOMES {
        0 => fold,
        _ => take_outcomes(bytes, fold),
    }
}

/// Adds what [`put_outcomes`] has put.
fn take_outcomes(bytes: &mut &[u8], mut fold: DayFold) -> DayFold {
    let mut count = || u32::try_from(take_unsigned(bytes)).unwrap_or(u32::MAX);
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
    let length = usize::try_from(take_unsigned(bytes)).unwrap_or(usize::MAX);
    let (text, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_empty() => read_odd(text, fold.clone()).unwrap_or(fold),
        _ => fold,
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
mod tests;
