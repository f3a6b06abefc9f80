//! The account of a counter's life: the consumption and events that follow from an explanation, each at its place
//! in time.

use crate::{
    fold::{
        day_fold::Outcomes,
        explain::Explanation,
        life::{Life, Plateau},
        sentinel::is_sentinel,
    },
    meter::{
        amount::{Amount, Sum},
        profile::{MeterProfile, Point, Step, restart_before},
    },
    time::day::Instant,
};

/// The place of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Within an entry.
    Entry(usize),
    /// On the way to a register of a later entry, at this instant.
    Over(Instant),
}

/// A piece of an account.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Consumption within an entry.
    Within {
        entry: usize,
        amount: Sum,
        /// The part below zero, as an amount above zero.
        export: Sum,
    },
    /// Consumption from one entry to another.
    Edge {
        before: Instant,
        after: Instant,
        delta: Sum,
    },
    /// An event.
    Event {
        place: Place,
        outcomes: Outcomes,
        set_aside: Sum,
    },
}

impl Piece {
    /// The consumption of a daily counter from its restart to its first register `first`.
    pub(crate) fn from_restart(traits: &MeterProfile, first: Point) -> Option<Self> {
        let before = traits.last_restart(first)?;
        let multiplier = traits.multiplier_at(first.instant);
        let delta = multiplier.between(Amount::ZERO, first.register);
        (delta > Sum::ZERO).then_some(Self::Edge {
            before,
            after: first.instant,
            delta,
        })
    }
}

/// A rise of an unrated meter that stands out from those beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leap {
    pub(crate) before: Point,
    pub(crate) after: Point,
    pub(crate) rise: Sum,
}

/// The account of a life.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    life: &'a Life<'a>,
    pub(crate) pieces: Vec<Piece>,
}

impl<'a> Account<'a> {
    /// The account of `explanation`. A leap becomes a jump if it is `beyond` the meter's usual consumption.
    pub(crate) fn new(
        life: &'a Life<'a>,
        explanation: &Explanation,
        mut beyond: impl FnMut(Leap) -> bool,
    ) -> Self {
        let mut account = Self {
            life,
            pieces: Vec::new(),
        };
        let mut before: Option<usize> = None;
        for believed in &explanation.believed {
            let segment = explanation.segments[believed.segment];
            if let Some((before, step)) = before.zip(believed.step) {
                let ends = (&life.plateaus[before], &life.plateaus[segment.from]);
                let leap = step.onward().map(|rise| Leap {
                    before: ends.0.last,
                    after: ends.1.first,
                    rise,
                });
                let jumps = believed.leaps && leap.is_some_and(&mut beyond);
                account.add_step(ends, if jumps { Step::Excess } else { step });
            } else {
                let first = life.plateaus[segment.from].first;
                account
                    .pieces
                    .extend(Piece::from_restart(life.traits, first));
            }
            account.add_segment(segment.from, segment.to);
            before = Some(segment.to);
        }
        for segment in explanation.left_out() {
            let plateau = &life.plateaus[segment.from];
            let sentinel = segment.from == segment.to && is_sentinel(plateau.first.register);
            account.add_event(
                Place::Entry(plateau.entries.0),
                Outcomes {
                    glitches: 1,
                    sentinels: u32::from(sentinel),
                    ..Outcomes::default()
                },
                Sum::ZERO,
            );
        }
        account
    }

    /// Adds the consumption within a believed segment.
    fn add_segment(&mut self, from: usize, to: usize) {
        for plateau in &self.life.plateaus[from..=to] {
            if plateau.export != Sum::ZERO {
                self.pieces.push(Piece::Within {
                    entry: plateau.entries.0,
                    amount: Sum::ZERO,
                    export: plateau.export,
                });
            }
        }
        for link in from..to {
            let ends = (&self.life.plateaus[link], &self.life.plateaus[link + 1]);
            self.consume(ends, self.life.consumed(link), false);
        }
    }

    fn consume(&mut self, (from, to): (&Plateau, &Plateau), delta: Sum, restarts: bool) {
        if from.entries.1 == to.entries.0 {
            self.pieces.push(Piece::Within {
                entry: to.entries.0,
                amount: delta,
                export: Sum::ZERO,
            });
            return;
        }
        let (mut before, after) = (from.last.instant, to.first.instant);
        // The register of a restarted counter was consumed since the restart.
        if let Some(minute) = self.life.traits.at(after).restart.filter(|_| restarts) {
            before = before.max(restart_before(minute, after));
        }
        self.pieces.push(Piece::Edge {
            before,
            after,
            delta,
        });
    }

    /// Adds the step from one believed segment to the next.
    fn add_step(&mut self, ends: (&Plateau, &Plateau), step: Step) {
        let (from, to) = ends;
        let mut outcomes = Outcomes::default();
        let mut set_aside = Sum::ZERO;
        match step {
            Step::Advance(delta) => self.consume(ends, delta, false),
            Step::Restart(delta) => self.consume(ends, delta, true),
            Step::Rollover(delta) => {
                outcomes.rollovers = 1;
                self.consume(ends, delta, false);
            }
            Step::Change(delta) => {
                outcomes.replacements = 1;
                self.consume(ends, delta, false);
            }
            Step::Tremble(delta) => {
                outcomes.glitches = 1;
                self.consume(ends, delta, false);
            }
            Step::Fall => outcomes.resets = 1,
            Step::Excess => {
                outcomes.jumps = 1;
                let multiplier = self.life.traits.multiplier_at(to.first.instant);
                let rise = multiplier.between(from.last.register, to.first.register);
                set_aside = Sum(rise.0.abs());
            }
        }
        let place = if from.entries.1 == to.entries.0 {
            Place::Entry(to.entries.0)
        } else {
            Place::Over(to.first.instant)
        };
        self.add_event(place, outcomes, set_aside);
    }

    fn add_event(&mut self, place: Place, outcomes: Outcomes, set_aside: Sum) {
        if outcomes != Outcomes::default() {
            self.pieces.push(Piece::Event {
                place,
                outcomes,
                set_aside,
            });
        }
    }
}
