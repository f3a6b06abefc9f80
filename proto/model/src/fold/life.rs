//! A counter's registers in the form that decisions are made on, whichever way they were cut into days.
//!
//! Registers that repeat are one [`Plateau`]; what leads from one plateau to the next is a [`Link`]. A
//! [`Stretch`] is a run of plateaus of which nothing can be decided but as a whole: it keeps its first two and
//! its last two registers that differ, for a decision on a link looks at the links on either side of it and no
//! further. Whatever else a decision may depend on ends a stretch. So the stretches of two days that are joined
//! are the stretches of both days read at once, and where midnight falls is of no consequence.
//!
//! # Where a stretch ends
//! - at a step that is no plain advance: a fall, a rise beyond the bound, a passing of the modulus, a change on
//!   record, a restart;
//! - at a rise after a fall that goes back to at least where the register had been: the fall may have been a dip;
//! - at a rise before a fall that comes back to no less than where the register had been: it may have been a spike;
//! - at a rise after one beyond the bound where both together are within it: what lies between may have been off;
//! - at a rise of an unrated meter of [`LEAP_TIMES`] the steps beside it.

use super::{Point, Step, Sum, Traits};
use crate::limits::LEAP_TIMES;

/// A run of registers between which nothing happened that needs an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The first register.
    pub first: Point,
    /// The first one that differs from it.
    pub head: Option<Point>,
    /// The last one that differs from the last.
    pub tail: Option<Point>,
    /// The last register.
    pub last: Point,
    /// What a meter of both ways measured below zero, as an amount above it.
    pub export: Sum,
}

/// Registers in a row that are the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plateau {
    /// The first of them, or any where it is the last plateau of a stretch of three or more.
    pub(crate) first: Point,
    /// The last of them, or any where it is the first plateau of such a stretch.
    pub(crate) last: Point,
    /// The entries that its first and its last register came from.
    pub(crate) entries: (usize, usize),
    /// What its stretch measured below zero.
    pub(crate) export: Sum,
}

/// What leads from a plateau to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// A plain advance within a stretch.
    Plain,
    /// Plain advances within a stretch, over plateaus that it does not keep.
    Hidden,
    /// A step.
    Step(Step),
}

/// Whether a link may be other than it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// It cannot.
    None,
    /// It goes on, and may be part of a dip or a spike.
    Soft(Soft),
    /// It does not go on.
    Hard(Step),
}

/// Why a link that goes on may be part of a dip or a spike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Soft {
    /// It goes back to where the register had been before a fall.
    pub(crate) comes_back: bool,
    /// The register falls right after it, to no less than where it had been.
    pub(crate) falls_back: bool,
    /// It is far larger than the steps beside it.
    pub(crate) leaps: bool,
    /// It passes the modulus.
    pub(crate) rolls: bool,
    /// The register before a rise beyond the bound might have come here within it.
    pub(crate) catches_up: bool,
}

/// What lies beyond the ends of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    /// Nothing: there are no other registers.
    Nothing,
    /// Other days, which may be joined to it.
    Unknown,
}

/// The plateaus of some entries in order, and what links them.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    pub(crate) traits: &'a Traits,
    pub(crate) plateaus: Vec<Plateau>,
    /// One less than the plateaus.
    pub(crate) links: Vec<Link>,
}

impl Stretch {
    /// A register alone.
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

    /// Its plateaus, and what links them. Where a dip or a spike was cut off at an end, the register next to
    /// that end is not kept: the head is the first register itself then, or the tail the last one.
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
                let (begins, ends) = (head != self.first, tail != self.last);
                if begins && ends && head.register == tail.register {
                    plateaus.push(plateau(head, tail));
                    links.push(Link::Plain);
                } else {
                    if begins {
                        plateaus.push(plateau(head, head));
                        links.push(Link::Plain);
                    }
                    links.push(Link::Hidden);
                    if ends {
                        plateaus.push(plateau(tail, tail));
                    }
                }
                plateaus.push(plateau(self.last, self.last));
                if ends {
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
    pub(crate) fn new(traits: &'a Traits) -> Self {
        Self {
            traits,
            plateaus: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Adds a stretch that follows what is there.
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

    /// Adds a register that follows what is there.
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
            // What a meter of both ways measured below zero within an entry is the entry's.
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

    /// What was consumed over a link within an entry.
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

    /// By how much the register changes over a link; none where that is not known or means nothing.
    fn change(&self, link: usize) -> Option<i128> {
        match self.links.get(link)? {
            Link::Hidden | Link::Step(Step::Change(_) | Step::Restart(_)) => None,
            Link::Plain | Link::Step(_) => {
                let (from, to) = (&self.plateaus[link], &self.plateaus[link + 1]);
                Some(to.first.register.since(from.last.register).0)
            }
        }
    }

    /// Whether a link may be other than it seems, by the links beside it; nothing is beyond the ends.
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

    /// Whether a rise follows one beyond the bound, and both together are within it: what lies between may be off.
    fn catches_up(&self, link: usize) -> bool {
        let excess = link
            .checked_sub(1)
            .filter(|before| self.links[*before] == Link::Step(Step::Excess));
        excess.is_some_and(|before| {
            let (from, to) = (self.plateaus[before].last, self.plateaus[link + 1].first);
            matches!(self.traits.step(from, to), Step::Advance(_))
        })
    }

    /// Whether a rise is far larger than those beside it, one of which there must be.
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

    /// The stretches that it is made of. What a decision on a link may depend on beyond the ends stays open.
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

    /// The stretch of some plateaus, which end at a split or at an end of all. A rise at an end of all may yet be
    /// a leap, which takes the step on its other side to know.
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

    /// Whether a stretch of these plateaus does not show all their instants.
    fn may_leap(&self, from: usize, to: usize) -> bool {
        to - from >= 2
    }

    /// Whether the rise over `link` would be a leap if only the step on its other side were small.
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
