//! The oracle: a decision on all readings of a life at once, as simply as possible, without days and stretches.

use std::collections::BTreeMap;

use greenpark_model::{
    day::CivilDay,
    fold::{MeterProfile, Point, Step},
    sentinel::is_sentinel,
};

const DAY_MS: i64 = 86_400_000;

/// Repeated registers: the first and the last of them.
type Run = (Point, Point);

/// The decision.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    days: BTreeMap<CivilDay, i128>,
    /// Rollovers, replacements, resets, jumps, glitches, sentinels.
    pub(crate) outcomes: [u32; 6],
}

/// The doubts about a link between two runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Doubt {
    hard: bool,
    comes_back: bool,
    falls_back: bool,
    leaps: bool,
    named: bool,
    catches_up: bool,
}

impl Verdict {
    pub(crate) fn total(&self) -> i128 {
        self.days.values().sum()
    }

    /// The days with a consumption.
    pub(crate) fn days(&self) -> Vec<(CivilDay, i128)> {
        let some = self.days.iter().filter(|(_, amount)| **amount != 0);
        some.map(|(day, amount)| (*day, *amount)).collect()
    }

    /// Spreads an amount evenly over the days from one instant to another.
    fn consume(&mut self, from: Point, to: Point, amount: i128) {
        let (begin, end) = (from.instant.millis(), to.instant.millis());
        if from.instant.day() == to.instant.day() {
            *self.days.entry(to.instant.day()).or_default() += amount;
            return;
        }
        let until = |at: i64| {
            let at = at.clamp(begin, end);
            amount * i128::from(at - begin) / i128::from(end - begin)
        };
        let mut day = from.instant.day();
        while day <= to.instant.day() {
            let part = until(day.end().millis()) - until(day.start().millis());
            *self.days.entry(day).or_default() += part;
            day = day.next();
        }
    }
}

struct Oracle<'a> {
    meter: &'a MeterProfile,
    runs: Vec<Run>,
    doubts: Vec<Option<Doubt>>,
    /// The runs of each segment: the first and the last.
    segments: Vec<(usize, usize)>,
}

pub(crate) fn decide(meter: &MeterProfile, points: &[Point]) -> Verdict {
    let mut runs: Vec<Run> = Vec::new();
    for &point in points {
        match runs.last_mut() {
            Some(run) if run.1.register == point.register && !changed(meter, run.1, point) => {
                run.1 = point;
            }
            _ => runs.push((point, point)),
        }
    }
    let mut oracle = Oracle {
        meter,
        doubts: Vec::new(),
        segments: Vec::new(),
        runs,
    };
    let mut from = 0;
    for link in 0..oracle.runs.len().saturating_sub(1) {
        let doubt = oracle.doubt(link);
        if doubt.is_some() {
            oracle.segments.push((from, link));
            from = link + 1;
        }
        oracle.doubts.push(doubt);
    }
    oracle.segments.push((from, oracle.runs.len() - 1));
    oracle.verdict()
}

fn changed(meter: &MeterProfile, from: Point, to: Point) -> bool {
    let within = |at| from.instant < at && at <= to.instant;
    meter.changes.iter().any(|change| within(change.instant))
}

/// All ones of 32 bits at any decimal scale.
fn is_ones(point: Point) -> bool {
    (0..10).any(|scale| point.register.micro() == 4_294_967_295 * 10_i64.pow(scale))
}

fn goes_on(step: Step) -> Option<i128> {
    match step {
        Step::Advance(sum) | Step::Rollover(sum) | Step::Change(sum) | Step::Restart(sum) => {
            Some(sum.0)
        }
        Step::Tremble(_) | Step::Excess | Step::Fall => None,
    }
}

impl Oracle<'_> {
    fn step(&self, link: usize) -> Step {
        self.meter.step(self.runs[link].1, self.runs[link + 1].0)
    }

    /// The change of the register over a link; `None` over a change on record, or without a link.
    fn rise(&self, link: Option<usize>) -> Option<i128> {
        let link = link.filter(|link| link + 1 < self.runs.len())?;
        if matches!(self.step(link), Step::Change(_)) {
            return None;
        }
        let (from, to) = (self.runs[link].1, self.runs[link + 1].0);
        Some(i128::from(to.register.micro()) - i128::from(from.register.micro()))
    }

    fn doubt(&self, link: usize) -> Option<Doubt> {
        let none = Doubt::default();
        let doubt = match self.step(link) {
            Step::Excess | Step::Fall | Step::Tremble(_) => Doubt { hard: true, ..none },
            Step::Rollover(_) | Step::Change(_) | Step::Restart(_) => Doubt {
                named: true,
                ..none
            },
            Step::Advance(_) => {
                let rise = self.rise(Some(link))?;
                let before = self.rise(link.checked_sub(1));
                let after = self.rise(Some(link + 1));
                let cancels =
                    |fall: Option<i128>| fall.is_some_and(|fall| fall < 0 && rise + fall >= 0);
                let small = |beside: Option<i128>| {
                    beside.is_none_or(|beside| beside <= 0 || rise >= 10 * beside)
                };
                let rises = |beside: Option<i128>| beside.is_some_and(|beside| beside > 0);
                let rated = self.meter.profile.bound_per_hour.is_some();
                let excess = link
                    .checked_sub(1)
                    .filter(|of| self.step(*of) == Step::Excess);
                let catches_up = excess.is_some_and(|of| {
                    let step = self.meter.step(self.runs[of].1, self.runs[link + 1].0);
                    matches!(step, Step::Advance(_))
                });
                Doubt {
                    catches_up,
                    comes_back: cancels(before),
                    falls_back: cancels(after),
                    leaps: !rated
                        && (rises(before) || rises(after))
                        && small(before)
                        && small(after),
                    ..none
                }
            }
        };
        (doubt != none).then_some(doubt)
    }

    fn alone(&self, segment: usize) -> bool {
        self.segments[segment].0 == self.segments[segment].1
    }

    fn ends(&self, segment: usize) -> (Point, Point) {
        let (from, to) = self.segments[segment];
        (self.runs[from].0, self.runs[to].1)
    }

    /// The doubt between a segment and the next.
    fn between(&self, segment: usize) -> Doubt {
        self.doubts[self.segments[segment].1].expect("segments end at doubts")
    }

    fn strange(step: Step) -> u64 {
        if matches!(step, Step::Tremble(_)) {
            2_500
        } else {
            3_000
        }
    }

    /// The cost of believing the segment right after `from`.
    fn direct(&self, from: usize, step: Step) -> u64 {
        let doubt = self.between(from);
        let rated = self.meter.profile.bound_per_hour.is_some();
        match step {
            Step::Rollover(_) => 1_200,
            _ if doubt.hard => Self::strange(step),
            _ if doubt.comes_back && doubt.falls_back && rated => 250,
            _ if doubt.comes_back && rated => 300,
            _ if doubt.falls_back && rated => 200,
            _ if doubt.comes_back => 1_501,
            _ if doubt.falls_back || doubt.leaps => 1_500,
            _ if doubt.catches_up => 100,
            _ => 0,
        }
    }

    fn cost(&self, from: usize, to: usize) -> Option<u64> {
        let (before, after) = (self.ends(from).1, self.ends(to).0);
        let step = self.meter.step(before, after);
        if to == from + 1 {
            return Some(self.direct(from, step));
        }
        let many = (to - from - 1) as u64;
        let left_out: u64 = (from + 1..to)
            .map(|of| match self.alone(of) {
                true if is_ones(self.ends(of).0) => 1_400,
                true => 2_000,
                false => 2_900,
            })
            .sum();
        let all_alone = (from + 1..to).all(|of| self.alone(of));
        let days = if all_alone { 93 } else { 10 };
        if many > 64 || after.instant.millis() - before.instant.millis() > days * DAY_MS {
            return None;
        }
        if goes_on(step).is_none() {
            let hard = (from..to).all(|of| {
                let (link, doubt) = (self.segments[of].1, self.between(of));
                doubt.hard && !matches!(self.step(link), Step::Tremble(_))
            });
            return (all_alone && hard).then(|| left_out + Self::strange(step));
        }
        let open = [
            (self.between(from).comes_back || self.between(from).catches_up)
                && !self.alone(from + 1),
            self.between(to - 1).falls_back && !self.alone(to - 1),
        ];
        if open.contains(&true) {
            return None;
        }
        let off = (from + 1..to).all(|of| {
            let (first, last) = self.ends(of);
            let within = |at| before.instant < at && at <= after.instant;
            let mut changes = self.meter.changes.iter().filter(|c| within(c.instant));
            let (mut low, mut high) = (before.register, after.register);
            if let Some(one) = changes.next() {
                let other = changes.next_back().unwrap_or(one);
                if last.instant < one.instant {
                    high = one.old_final;
                } else if first.instant >= other.instant {
                    low = other.new_initial;
                } else {
                    return true;
                }
            }
            let (under, over) = (last.register < low, first.register > high);
            let modulus = self.meter.profile.modulus;
            let wraps = low > high;
            let early = of + 1 < self.segments.len()
                && self.between(of).catches_up
                && self.alone(of)
                && self.meter.step(before, first) == Step::Excess;
            early
                || modulus.is_some_and(|modulus| first.register >= modulus)
                || (wraps && under && over)
                || (!wraps && (under || over))
        });
        let rolls = if matches!(step, Step::Rollover(_)) {
            1_200
        } else {
            0
        };
        off.then_some(left_out + 1 + rolls)
    }

    /// The cost of leaving out all segments before the first believed one, or all after the last; it is lower if
    /// `outermost` is a single reading or all ones.
    fn outer(&self, many: usize, outermost: usize) -> u64 {
        let (first, last) = self.ends(outermost);
        let little = first.instant == last.instant || is_ones(first);
        match many as u64 {
            0 => 0,
            many if little => 701 + 2_000 * (many - 1),
            many => 2_901 + 2_000 * (many - 1),
        }
    }

    fn chain(&self) -> Vec<usize> {
        let count = self.segments.len();
        let mut best: Vec<(u64, Option<usize>)> = Vec::new();
        for to in 0..count {
            let leads = to <= 64 && (0..to).all(|of| self.alone(of) && self.between(of).hard);
            let mut least = (if leads { self.outer(to, 0) } else { u64::MAX }, None);
            for from in (0..to).rev() {
                let cost = self.cost(from, to).map(|cost| cost + best[from].0);
                if let Some(cost) = cost.filter(|cost| *cost < least.0) {
                    least = (cost, Some(from));
                }
            }
            best.push(least);
        }
        let mut least = (u64::MAX, 0);
        for last in (0..count).rev() {
            let all = |of: usize| {
                let doubt = self.between(of - 1);
                self.alone(of) && (doubt.hard || is_ones(self.ends(of).0))
            };
            let soon = self.ends(count - 1).1.instant.millis() - self.ends(last).1.instant.millis()
                <= 93 * DAY_MS;
            let leads = count - 1 - last <= 64 && (last + 1..count).all(all);
            if last + 1 < count && !(leads && soon) {
                break;
            }
            let cost = best[last].0 + self.outer(count - 1 - last, count - 1);
            if cost < least.0 {
                least = (cost, last);
            }
        }
        let mut chain = vec![least.1];
        while let Some(from) = best[chain[chain.len() - 1]].1 {
            chain.push(from);
        }
        chain.reverse();
        chain
    }

    fn verdict(&self) -> Verdict {
        let chain = self.chain();
        let mut verdict = Verdict::default();
        for (place, &segment) in chain.iter().enumerate() {
            if let Some(before) = place.checked_sub(1).map(|place| chain[place]) {
                let (from, to) = (self.ends(before).1, self.ends(segment).0);
                let step = self.meter.step(from, to);
                match step {
                    Step::Rollover(_) => verdict.outcomes[0] += 1,
                    Step::Change(_) => verdict.outcomes[1] += 1,
                    Step::Fall => verdict.outcomes[2] += 1,
                    Step::Excess => verdict.outcomes[3] += 1,
                    Step::Tremble(_) => verdict.outcomes[4] += 1,
                    Step::Advance(_) | Step::Restart(_) => {}
                }
                let amount = match step {
                    Step::Tremble(sum) => Some(sum.0),
                    step => goes_on(step),
                };
                verdict.consume(from, to, amount.unwrap_or(0));
            }
            let (from, to) = self.segments[segment];
            for link in from..to {
                let amount = goes_on(self.step(link)).expect("an advance");
                verdict.consume(self.runs[link].1, self.runs[link + 1].0, amount);
            }
        }
        for segment in (0..self.segments.len()).filter(|of| !chain.contains(of)) {
            verdict.outcomes[4] += 1;
            let sentinel = self.alone(segment) && is_sentinel(self.ends(segment).0.register);
            verdict.outcomes[5] += u32::from(sentinel);
        }
        verdict
    }
}
