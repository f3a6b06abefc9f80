//! The explanation of a counter's life: the one that leaves the least unexplained.
//!
//! A [`Life`](super::life::Life) falls into segments at the doubtful links. Each segment is believed or left out. The
//! links between believed segments have a cost that grows with their strangeness, and so do the segments left out.
//! The cheapest explanation counts. A segment that lasts longer than a glitch can is never left out, so the sides
//! before and after it are decided independently, and readings of long ago or of next year change nothing.
//!
//! - A *dip* or a *spike* is left out where the register continues from before it to after it, and it lies below
//!   the one or above the other.
//! - A single register that fits neither side is left out, and so is one at either end of a life, where the
//!   continuation is still unknown.
//! - A fall that stays is a *reset*, a rise beyond the bound that stays is a *jump*. A fall within what the meter
//!   can measure in so short a time is a *tremble*: it counts below zero, and the register's way back counts again.

use crate::{
    fold::{
        life::{Life, Link, Soft, Split},
        sentinel::is_all_ones,
    },
    limits::{GLITCH_MS_MAX, GLITCH_STRETCHES_MAX, STUCK_MS_MAX},
    meter::{
        amount::Amount,
        profile::{Point, Step},
    },
};

/// The cost of each part of an explanation. A dip or a spike is likelier than two strange steps, a reset or a
/// jump is likelier than losing registers that agree with each other, and one reading at an end proves little.
mod cost {
    pub(super) const RESET: u64 = 3_000;
    pub(super) const TREMBLE: u64 = 2_500;
    pub(super) const SEVERAL_LEFT_OUT: u64 = 2_900;
    pub(super) const LEFT_OUT: u64 = 2_000;
    pub(super) const LEAP: u64 = 1_500;
    pub(super) const ALL_ONES_LEFT_OUT: u64 = 1_400;
    pub(super) const LEAPS_BACK: u64 = 1_501;
    pub(super) const ROLLOVER: u64 = 1_200;
    pub(super) const COMES_BACK: u64 = 300;
    pub(super) const BOTH_WAYS_BACK: u64 = 250;
    pub(super) const FALLS_BACK: u64 = 200;
    pub(super) const AT_AN_END: u64 = 700;
    pub(super) const CATCHES_UP: u64 = 100;
}

/// Plateaus between two doubtful links.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// The first and the last plateau.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// A believed segment, and the step to it from the believed segment before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Believed {
    pub(crate) segment: usize,
    pub(crate) step: Option<Step>,
    /// The step is an unrated rise far larger than those beside it.
    pub(crate) leaps: bool,
}

/// An explanation.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) segments: Vec<Segment>,
    /// In order; the other segments are left out.
    pub(crate) believed: Vec<Believed>,
}

/// The cheapest way to reach a segment.
#[derive(Debug, Clone, Copy)]
struct Reached {
    cost: u64,
    from: Option<usize>,
    step: Option<Step>,
}

struct Explainer<'a> {
    life: &'a Life<'a>,
    segments: Vec<Segment>,
    /// The splits between the segments.
    splits: Vec<Split>,
}

/// Explains a life.
pub(crate) fn explain(life: &Life<'_>) -> Explanation {
    let mut segments = Vec::new();
    let mut splits = Vec::new();
    let mut from = 0;
    for link in 0..life.links.len() {
        let split = life.split(link);
        if split != Split::None {
            segments.push(Segment { from, to: link });
            splits.push(split);
            from = link + 1;
        }
    }
    if let Some(to) = life.plateaus.len().checked_sub(1) {
        segments.push(Segment { from, to });
    }
    let explainer = Explainer {
        life,
        segments,
        splits,
    };
    let believed = explainer.believed();
    Explanation {
        segments: explainer.segments,
        believed,
    }
}

impl Segment {
    /// Returns true if the segment has one register only.
    fn is_alone(self) -> bool {
        self.from == self.to
    }
}

impl Explainer<'_> {
    fn believed(&self) -> Vec<Believed> {
        let mut reached: Vec<Reached> = Vec::with_capacity(self.segments.len());
        for to in 0..self.segments.len() {
            let mut best = self.beginning(to);
            for from in (to.saturating_sub(GLITCH_STRETCHES_MAX + 1)..to).rev() {
                let Some((cost, step)) = self.way(from, to) else {
                    continue;
                };
                let cost = reached[from].cost.saturating_add(cost);
                if best.is_none_or(|best| cost < best.cost) {
                    best = Some(Reached {
                        cost,
                        from: Some(from),
                        step: Some(step),
                    });
                }
            }
            reached.push(best.expect("the segment before leads to each"));
        }
        let mut at = self.ending(&reached);
        let mut chain = Vec::new();
        while let Some(segment) = at {
            let Reached { from, step, .. } = reached[segment];
            let direct = from.is_some_and(|from| from + 1 == segment);
            chain.push(Believed {
                segment,
                step,
                leaps: direct && self.is_leap(segment - 1),
            });
            at = from;
        }
        chain.reverse();
        chain
    }

    /// Returns true if the link after a segment is a rise that may be a leap.
    fn is_leap(&self, segment: usize) -> bool {
        let Split::Soft(soft) = self.splits[segment] else {
            return false;
        };
        soft.leaps && !self.is_rated(segment)
    }

    /// Returns true if the link after a segment is judged by a rating.
    fn is_rated(&self, segment: usize) -> bool {
        let to = self.first(segment + 1).instant;
        self.life.meter.at(to).bound_per_hour.is_some()
    }

    fn first(&self, segment: usize) -> Point {
        self.life.plateaus[self.segments[segment].from].first
    }

    fn last(&self, segment: usize) -> Point {
        self.life.plateaus[self.segments[segment].to].last
    }

    /// The cost of beginning with a segment and leaving out those before it.
    fn beginning(&self, at: usize) -> Option<Reached> {
        let outer = (0..at).all(|before| {
            let strange = matches!(self.splits[before], Split::Hard(_));
            self.segments[before].is_alone() && strange
        });
        let few = at <= GLITCH_STRETCHES_MAX;
        (outer && few).then(|| Reached {
            cost: self.at_an_end(at, 0),
            from: None,
            step: None,
        })
    }

    /// The segment to end with, leaving out those after it.
    fn ending(&self, reached: &[Reached]) -> Option<usize> {
        let end = self.segments.len().checked_sub(1)?;
        let mut best: Option<(u64, usize)> = None;
        for at in (end.saturating_sub(GLITCH_STRETCHES_MAX)..=end).rev() {
            let soon =
                self.last(end).instant.millis() - self.last(at).instant.millis() <= STUCK_MS_MAX;
            if at < end && !(soon && self.is_outer(at + 1)) {
                break;
            }
            let cost = reached[at]
                .cost
                .saturating_add(self.at_an_end(end - at, end));
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, at));
            }
        }
        best.map(|(_, at)| at)
    }

    /// Returns true if a segment after which no segment is believed may be left out.
    fn is_outer(&self, segment: usize) -> bool {
        let alone = self.segments[segment].is_alone();
        let strange = match self.splits[segment - 1] {
            Split::Hard(_) => true,
            Split::Soft(_) => is_all_ones(self.first(segment).register),
            Split::None => false,
        };
        alone && strange
    }

    /// The cost of leaving out `count` segments at an end, where `outermost` is the first or the last of all.
    /// One reading there proves little, and all ones prove nothing; a register that was read twice proves as much as
    /// any other.
    fn at_an_end(&self, count: usize, outermost: usize) -> u64 {
        let Some(more) = count.checked_sub(1) else {
            return 0;
        };
        let (first, last) = (self.first(outermost), self.last(outermost));
        let proves_little = first.instant == last.instant || is_all_ones(first.register);
        let cost = if proves_little {
            cost::AT_AN_END
        } else {
            cost::SEVERAL_LEFT_OUT
        };
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        cost::LEFT_OUT.saturating_mul(more).saturating_add(cost + 1)
    }

    /// The cost of going from a segment to a later one, and the step.
    fn way(&self, from: usize, to: usize) -> Option<(u64, Step)> {
        let step = self.life.meter.step(self.last(from), self.first(to));
        if to == from + 1 {
            return self.direct(from);
        }
        let skipped = from + 1..to;
        let (before, after) = (self.last(from), self.first(to));
        let alone = skipped.clone().all(|at| self.segments[at].is_alone());
        let most = if alone { STUCK_MS_MAX } else { GLITCH_MS_MAX };
        if after.instant.millis() - before.instant.millis() > most {
            return None;
        }
        let left_out: u64 = skipped.clone().map(|at| self.left_out_cost(at)).sum();
        if step.onward().is_some() {
            let bridged = !self.is_open(from, to)
                && skipped
                    .clone()
                    .all(|at| self.is_off(at, step, before, after));
            let passed = if matches!(step, Step::Rollover(_)) {
                cost::ROLLOVER
            } else {
                0
            };
            return bridged.then_some((left_out + 1 + passed, step));
        }
        let strange = (from..to)
            .all(|split| matches!(self.splits[split], Split::Hard(Step::Fall | Step::Excess)));
        (alone && strange).then(|| (left_out + strange_cost(step), step))
    }

    /// The cost of leaving out a segment.
    fn left_out_cost(&self, segment: usize) -> u64 {
        let alone = self.segments[segment].is_alone();
        if alone && is_all_ones(self.first(segment).register) {
            cost::ALL_ONES_LEFT_OUT
        } else if alone {
            cost::LEFT_OUT
        } else {
            cost::SEVERAL_LEFT_OUT
        }
    }

    /// The cost and the step of the link after a segment, believed as it is.
    fn direct(&self, segment: usize) -> Option<(u64, Step)> {
        let link = self.segments[segment].to;
        let step = match self.life.links[link] {
            Link::Step(step) => step,
            _ => Step::Advance(self.life.consumed(link)),
        };
        match self.splits[segment] {
            Split::None => None,
            Split::Hard(step) => Some((strange_cost(step), step)),
            Split::Soft(soft) => Some((self.soft_cost(segment, soft), step)),
        }
    }

    fn soft_cost(&self, segment: usize, soft: Soft) -> u64 {
        if soft.rolls {
            return cost::ROLLOVER;
        }
        let Soft {
            comes_back,
            falls_back,
            leaps,
            catches_up,
            rolls: _,
        } = soft;
        if comes_back && falls_back && self.is_rated(segment) {
            cost::BOTH_WAYS_BACK
        } else if comes_back && self.is_rated(segment) {
            cost::COMES_BACK
        } else if falls_back && self.is_rated(segment) {
            cost::FALLS_BACK
        } else if comes_back {
            cost::LEAPS_BACK
        } else if falls_back || leaps {
            cost::LEAP
        } else if catches_up {
            cost::CATCHES_UP
        } else {
            0
        }
    }

    /// Returns true if joining days would lose the instants of an end of the way: of the end of a dip, or of the
    /// beginning of a spike, within a longer stretch.
    fn is_open(&self, from: usize, to: usize) -> bool {
        let alone = |segment: usize| self.segments[segment].is_alone();
        let after =
            matches!(self.splits[from], Split::Soft(soft) if soft.comes_back || soft.catches_up);
        let before = matches!(self.splits[to - 1], Split::Soft(soft) if soft.falls_back);
        (after && !alone(from + 1)) || (before && !alone(to - 1))
    }

    /// Returns true if a single register shows a value that the meter only reached later.
    fn is_too_early(&self, segment: usize, before: Point) -> bool {
        let caught_up =
            matches!(self.splits.get(segment), Some(Split::Soft(soft)) if soft.catches_up);
        caught_up
            && self.segments[segment].is_alone()
            && self.life.meter.step(before, self.first(segment)) == Step::Excess
    }

    /// Returns true if a segment lies outside the way of the register from `before` to `after`.
    fn is_off(&self, segment: usize, step: Step, before: Point, after: Point) -> bool {
        let (first, last) = (self.first(segment), self.last(segment));
        let modulus = self.life.meter.at(after.instant).modulus;
        let no_register = modulus.is_some_and(|modulus| first.register >= modulus);
        // Over the modulus, or where a counter restarts, the way wraps around.
        let beyond = |low: Amount, high: Amount| {
            let (under, over) = (last.register < low, high < first.register);
            no_register
                || if low <= high {
                    under || over
                } else {
                    under && over
                }
        };
        if let Some((one, other)) = self
            .life
            .meter
            .changes_between(before.instant, after.instant)
        {
            return if last.instant < one.instant {
                beyond(before.register, one.old_final)
            } else if other.instant <= first.instant {
                beyond(other.new_initial, after.register)
            } else {
                true
            };
        }
        let alone = self.segments[segment].is_alone();
        let over = alone && first.register > before.register.max(after.register);
        let before_restart = matches!(step, Step::Restart(_)) && over;
        before_restart
            || self.is_too_early(segment, before)
            || beyond(before.register, after.register)
    }
}

/// The cost of a step that is not an advance.
fn strange_cost(step: Step) -> u64 {
    match step {
        Step::Tremble(_) => cost::TREMBLE,
        _ => cost::RESET,
    }
}

impl Explanation {
    /// The segments that are left out.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = Segment> {
        let mut believed = self.believed.iter().map(|of| of.segment).peekable();
        self.segments
            .iter()
            .enumerate()
            .filter(move |(at, _)| believed.next_if_eq(at).is_none())
            .map(|(_, segment)| *segment)
    }

    /// The first and the last register that count.
    pub(crate) fn ends(&self, life: &Life<'_>) -> Option<(Point, Point)> {
        let (first, last) = (self.believed.first()?, self.believed.last()?);
        let (first, last) = (self.segments[first.segment], self.segments[last.segment]);
        Some((life.plateaus[first.from].first, life.plateaus[last.to].last))
    }
}
