//! A counter's life: its registers in the form on which decisions are made, independent of the cut into days.
//!
//! Repeated registers are one [`Plateau`]; a [`Link`] leads from one plateau to the next. A [`Stretch`] is a run of
//! plateaus that can only be decided as a whole: it keeps its first two and its last two registers that differ, for
//! a decision on a link depends on the links on either side of it and no further. A stretch ends at anything else
//! on which a decision may depend. So joining the stretches of two days gives the stretches of both days' readings,
//! and the place of midnight has no effect.
//!
//! # Where a stretch ends
//! - at a step that is no plain advance: a fall, a rise beyond the bound, a rollover, a change on record, a restart;
//! - at a rise after a fall that returns to at least the register before: the fall may have been a dip;
//! - at a rise before a fall that returns to no less than the register before: the rise may have been a spike;
//! - at a rise after one beyond the bound where both together are within it: the register between may be wrong;
//! - at a rise of an unrated meter of [`LEAP_TIMES`] the steps beside it.

use crate::{
    limits::LEAP_TIMES,
    meter::{
        amount::Sum,
        profile::{MeterProfile, Point, Step},
    },
};

/// A run of registers without an event between them that needs an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The first register.
    pub first: Point,
    /// The first register that differs from `first`.
    pub head: Option<Point>,
    /// The last register that differs from `last`.
    pub tail: Option<Point>,
    /// The last register.
    pub last: Point,
    /// The flow below zero of a meter of both ways, as an amount above zero.
    pub export: Sum,
}

/// Consecutive equal registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plateau {
    /// The first of them, or any where it is the last plateau of a stretch of three or more.
    pub(crate) first: Point,
    /// The last of them, or any where it is the first plateau of such a stretch.
    pub(crate) last: Point,
    /// The entries of its first and of its last register.
    pub(crate) entries: (usize, usize),
    /// The flow below zero of its stretch.
    pub(crate) export: Sum,
}

/// The link from a plateau to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// A plain advance within a stretch.
    Plain,
    /// Plain advances within a stretch, over plateaus that the stretch does not keep.
    Hidden,
    /// A step.
    Step(Step),
}

/// The doubt about a link, at which it splits two segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// No doubt: the link does not split.
    None,
    /// The link is an advance, but may be part of a dip or a spike.
    Soft(Soft),
    /// The link is not an advance.
    Hard(Step),
}

/// Why an advance may be part of a dip or a spike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Soft {
    /// It returns to the register before a fall.
    pub(crate) comes_back: bool,
    /// The register falls right after it, to no less than the register before it.
    pub(crate) falls_back: bool,
    /// It is far larger than the steps beside it.
    pub(crate) leaps: bool,
    /// It passes the modulus.
    pub(crate) rolls: bool,
    /// It follows a rise beyond the bound, and both together are within the bound.
    pub(crate) catches_up: bool,
}

/// The assumption about registers beyond the ends of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    /// There are no other registers.
    Nothing,
    /// Other days may be joined to it.
    Unknown,
}

/// The plateaus of some entries in order, and the links between them.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    pub(crate) traits: &'a MeterProfile,
    pub(crate) plateaus: Vec<Plateau>,
    /// One link fewer than plateaus.
    pub(crate) links: Vec<Link>,
}

impl Stretch {
    /// The stretch of a single register.
    #[must_use]
    pub const fn of(point: Point) -> Self {
        Self {
            first: point,
            head: None,
            tail: None,
            last: point,
            export: Sum::ZERO,
        }
    }

    /// Its plateaus and the links between them. Where a dip or a spike was cut off at an end, the register next to
    /// that end is not kept: then the head is the first register itself, or the tail the last one.
    fn plateaus(&self, entry: usize) -> (Vec<Plateau>, Vec<Link>) {
        let plateau = |first, last| Plateau {
            first,
            last,
            entries: (entry, entry),
            export: Sum::ZERO,
        };
        let (mut plateaus, mut links) = (Vec::with_capacity(4), Vec::with_capacity(3));
        match self.head.zip(self.tail) {
            None => plateaus.push(plateau(self.first, self.last)),
            Some((head, tail)) if tail.instant < head.instant => {
                plateaus.extend([plateau(self.first, tail), plateau(head, self.last)]);
                links.push(Link::Plain);
            }
            Some((head, tail)) => {
                plateaus.push(plateau(self.first, self.first));
                let (has_head, has_tail) = (head != self.first, tail != self.last);
                if has_head && has_tail && head.register == tail.register {
                    plateaus.push(plateau(head, tail));
                    links.push(Link::Plain);
                } else {
                    if has_head {
                        plateaus.push(plateau(head, head));
                        links.push(Link::Plain);
                    }
                    links.push(Link::Hidden);
                    if has_tail {
                        plateaus.push(plateau(tail, tail));
                    }
                }
                plateaus.push(plateau(self.last, self.last));
                if has_tail {
                    links.push(Link::Plain);
                }
            }
        }
        // OK because every arm makes a plateau. The last one is of this entry alone, the first may be an earlier one's.
        let last = plateaus.len() - 1;
        plateaus[last].export = self.export;
        (plateaus, links)
    }
}

impl<'a> Life<'a> {
    pub(crate) fn new(traits: &'a MeterProfile) -> Self {
        Self {
            traits,
            plateaus: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Appends a stretch.
    pub(crate) fn push(&mut self, entry: usize, stretch: &Stretch) {
        let (plateaus, links) = stretch.plateaus(entry);
        let mut plateaus = plateaus.into_iter();
        let Some(first) = plateaus.next() else {
            return;
        };
        self.push_plateau(first);
        self.plateaus.extend(plateaus);
        self.links.extend(links);
    }

    /// Appends a register.
    pub(crate) fn push_point(&mut self, entry: usize, point: Point) {
        self.push_plateau(Plateau {
            first: point,
            last: point,
            entries: (entry, entry),
            export: Sum::ZERO,
        });
    }

    fn push_plateau(&mut self, mut plateau: Plateau) {
        if let Some(before) = self.plateaus.last_mut() {
            let step = self.traits.step(before.last, plateau.first);
            if step == Step::Advance(Sum::ZERO) && before.last.register == plateau.first.register {
                before.last = plateau.last;
                before.entries.1 = plateau.entries.1;
                before.export += plateau.export;
                return;
            }
            // The flow below zero of a meter of both ways within an entry belongs to the entry.
            if let Step::Advance(delta) | Step::Rollover(delta) = step
                && delta.0 < 0
                && before.entries.1 == plateau.entries.0
            {
                plateau.export += Sum(-delta.0);
            }
            self.links.push(Link::Step(step));
        }
        self.plateaus.push(plateau);
    }

    /// The consumption over a link within an entry.
    pub(crate) fn consumed(&self, link: usize) -> Sum {
        match self.links[link] {
            Link::Step(step) => step.onward().unwrap_or_default(),
            Link::Plain | Link::Hidden => {
                let (from, to) = (&self.plateaus[link], &self.plateaus[link + 1]);
                let multiplier = self.traits.multiplier_at(to.first.instant);
                multiplier.between(from.last.register, to.first.register)
            }
        }
    }

    /// The change of the register over a link; `None` if it is unknown or has no meaning.
    fn change(&self, link: usize) -> Option<i128> {
        match self.links.get(link)? {
            Link::Hidden | Link::Step(Step::Change(_) | Step::Restart(_)) => None,
            Link::Plain | Link::Step(_) => {
                let (from, to) = (&self.plateaus[link], &self.plateaus[link + 1]);
                Some(to.first.register.since(from.last.register).0)
            }
        }
    }

    /// The doubt about a link, by the links beside it, assuming no registers beyond the ends.
    pub(crate) fn split(&self, link: usize) -> Split {
        self.split_of(link, Beyond::Nothing)
    }

    fn split_of(&self, link: usize, beyond: Beyond) -> Split {
        match self.links[link] {
            Link::Hidden => Split::None,
            Link::Step(step @ (Step::Excess | Step::Fall | Step::Tremble(_))) => Split::Hard(step),
            Link::Step(Step::Change(_) | Step::Restart(_)) => Split::Soft(Soft::default()),
            Link::Step(Step::Rollover(_)) => Split::Soft(Soft {
                rolls: true,
                ..Soft::default()
            }),
            Link::Plain | Link::Step(Step::Advance(_)) => self.rise(link, beyond),
        }
    }

    fn rise(&self, link: usize, beyond: Beyond) -> Split {
        let profile = self.traits.at(self.plateaus[link + 1].first.instant);
        let Some(rise) = self.change(link).filter(|_| !profile.bidirectional) else {
            return Split::None;
        };
        let before = link.checked_sub(1).and_then(|link| self.change(link));
        let after = self.change(link + 1);
        let soft = Soft {
            comes_back: before.is_some_and(|fall| fall < 0 && rise >= -fall),
            falls_back: after.is_some_and(|fall| fall < 0 && rise >= -fall),
            leaps: profile.bound_per_hour.is_none() && self.leaps(link, rise, beyond),
            rolls: false,
            catches_up: self.catches_up(link),
        };
        if soft == Soft::default() {
            Split::None
        } else {
            Split::Soft(soft)
        }
    }

    /// Returns true if a rise follows one beyond the bound and both together are within it: the register between may
    /// be wrong.
    fn catches_up(&self, link: usize) -> bool {
        let excess = link
            .checked_sub(1)
            .filter(|before| self.links[*before] == Link::Step(Step::Excess));
        excess.is_some_and(|before| {
            let (from, to) = (self.plateaus[before].last, self.plateaus[link + 1].first);
            matches!(self.traits.step(from, to), Step::Advance(_))
        })
    }

    /// Returns true if a rise is far larger than those beside it, of which there must be at least one.
    fn leaps(&self, link: usize, rise: i128, beyond: Beyond) -> bool {
        let mut rises_beside = false;
        let mut is_small = |link: Option<usize>| {
            let Some(link) = link.filter(|link| *link < self.links.len()) else {
                return beyond == Beyond::Nothing;
            };
            match (self.links[link], self.change(link)) {
                (Link::Hidden, _) => false,
                (_, Some(beside)) if beside > 0 => {
                    rises_beside = true;
                    rise >= beside.saturating_mul(LEAP_TIMES)
                }
                // Beside a fall or a change on record, the other side decides.
                _ => true,
            }
        };
        let small = is_small(link.checked_sub(1)) && is_small(Some(link + 1));
        small && rises_beside
    }

    /// The stretches of the life. Decisions that may depend on registers beyond the ends stay open.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let mut made = Vec::new();
        let mut from = 0;
        for link in 0..self.links.len() {
            if self.split_of(link, Beyond::Unknown) != Split::None {
                self.stretch(from, link, &mut made);
                from = link + 1;
            }
        }
        if let Some(last) = self.plateaus.len().checked_sub(1) {
            self.stretch(from, last, &mut made);
        }
        made
    }

    /// Adds the stretch of some plateaus, which end at a split or at an end of the life. A rise at an end of the life
    /// may still be a leap, which only the step on its other side can decide.
    fn stretch(&self, from: usize, to: usize, made: &mut Vec<Stretch>) {
        let (mut from, mut to) = (from, to);
        let mut last = None;
        if self.may_leap(from, to) {
            if from == 0 && self.is_open(0, 1) {
                made.push(self.joined(0, 0));
                from = 1;
            }
            let end = self.plateaus.len() - 1;
            if to == end && from < to && self.is_open(end - 1, end - 2) {
                last = Some(self.joined(end, end));
                to = end - 1;
            }
        }
        made.push(self.joined(from, to));
        made.extend(last);
    }

    /// Returns true if a stretch of these plateaus does not keep all their instants.
    fn may_leap(&self, from: usize, to: usize) -> bool {
        to - from >= 2
    }

    /// Returns true if the rise over `link` would be a leap, given a small step on its other side.
    fn is_open(&self, link: usize, beside: usize) -> bool {
        let profile = self.traits.at(self.plateaus[link + 1].first.instant);
        if profile.bound_per_hour.is_some() || profile.bidirectional {
            return false;
        }
        match self.change(link).zip(self.change(beside)) {
            Some((rise, beside)) => beside > 0 && rise >= beside.saturating_mul(LEAP_TIMES),
            None => false,
        }
    }

    fn joined(&self, from: usize, to: usize) -> Stretch {
        let (first, last) = (self.plateaus[from].first, self.plateaus[to].last);
        let next = |link: usize, plain: Point, hidden: Point| match self.links[link] {
            Link::Hidden => hidden,
            Link::Plain | Link::Step(_) => plain,
        };
        let several = to > from;
        Stretch {
            first,
            head: several.then(|| next(from, self.plateaus[from + 1].first, first)),
            tail: several.then(|| next(to - 1, self.plateaus[to - 1].last, last)),
            last,
            export: self.plateaus[from..=to].iter().map(|p| p.export).sum(),
        }
    }
}
