//! Meters' lives: what they consumed, what befell them, and what their readings were.

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{MeterChange, MeterProfile, Multiplier, Point, Profile},
};

const MICRO: i64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;

/// A sequence of numbers that a seed gives.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    fn within(&mut self, from: i64, to: i64) -> i64 {
        let span = u64::try_from(to - from).expect("in order");
        from + i64::try_from(self.below(span)).expect("small")
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("small")]
    }
}

/// A meter's life as it is read.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) traits: MeterProfile,
    pub(crate) points: Vec<Point>,
    /// What was consumed of what can be known, in millionths.
    pub(crate) total: i128,
    /// Exchanges without a record, to a lower and to a higher register.
    pub(crate) lower: u32,
    pub(crate) higher: u32,
    /// Runs of sentinels.
    pub(crate) sentinels: u32,
}

/// What a meter shows instead of its register.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Zero,
    AllOnes(i64),
    Least,
    Half,
    Thousandfold,
    Stuck(i64),
}

/// What a life is made of.
struct Plan {
    rated: bool,
    modulus: Option<i64>,
    multiplier: i64,
    minutes: i64,
    rows: usize,
    register: i64,
    /// Most that the register rises between two readings.
    most: i64,
}

fn amount(micro: i64) -> Amount {
    Amount::from_micro(micro.clamp(-Amount::MAX.micro(), Amount::MAX.micro())).expect("in range")
}

fn multiplier(times: i64) -> Multiplier {
    Multiplier::new(amount(times * MICRO)).expect("positive")
}

impl Plan {
    fn of(chance: &mut Chance, days: i64) -> Self {
        let minutes = chance.pick(&[15, 30, 60, 60, 120, 240]);
        let modulus = chance.one_in(3).then_some(1_000_000 * MICRO);
        let register = match modulus {
            Some(modulus) if chance.one_in(2) => modulus - chance.within(1, 300 * MICRO),
            _ => chance.within(20_000, 60_000) * MICRO,
        };
        Self {
            rated: chance.one_in(2),
            modulus,
            multiplier: chance.pick(&[1, 1, 1, 80]),
            minutes,
            rows: usize::try_from(days * 1_440 / minutes)
                .expect("small")
                .max(8),
            register,
            most: 10 * MICRO,
        }
    }

    /// A life without faults: what each reading showed, and what was consumed until it.
    fn lived(&self, chance: &mut Chance) -> Life {
        let start = CivilDay::from_epoch_days(20_454).start().0;
        let mut instant = start + chance.within(0, DAY_MS / 60_000) * 60_000;
        let bound = self.most * self.multiplier * 60 / self.minutes + MICRO;
        let bound = self.rated.then(|| amount(bound.max(bound * 12 / 10)));
        let mut life = Life {
            traits: MeterProfile {
                profile: Profile {
                    modulus: self.modulus.map(amount),
                    bound_per_hour: bound,
                    ..Profile::default()
                },
                multiplier: multiplier(self.multiplier),
                ..MeterProfile::default()
            },
            points: Vec::new(),
            total: 0,
            lower: 0,
            higher: 0,
            sentinels: 0,
        };
        let mut register = self.register;
        let idle = chance.one_in(4);
        for row in 0..self.rows {
            if row > 0 {
                let rest = idle && instant.rem_euclid(DAY_MS) < DAY_MS / 3;
                let rise = if rest {
                    0
                } else {
                    chance.within(self.most / 4, self.most)
                };
                register += rise;
                life.total += i128::from(rise) * i128::from(self.multiplier);
                instant += self.minutes * 60_000;
            }
            register -= self.modulus.filter(|m| register >= *m).unwrap_or(0);
            life.points.push(Point {
                instant: Instant(instant),
                register: amount(register),
            });
        }
        life
    }
}

impl Life {
    /// A life in which anything may befall the meter.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        let days = chance.within(2, 7);
        let plan = Plan::of(chance, days);
        let mut life = plan.lived(chance);
        life.spoil(chance, &plan);
        life
    }

    /// A life of weeks in which anything may befall the meter.
    pub(crate) fn long(chance: &mut Chance) -> Self {
        let days = chance.within(30, 70);
        let mut plan = Plan::of(chance, days);
        (plan.minutes, plan.rows) = (240, usize::try_from(days * 6).expect("small"));
        let mut life = plan.lived(chance);
        life.spoil(chance, &plan);
        life
    }

    fn spoil(&mut self, chance: &mut Chance, plan: &Plan) {
        if chance.one_in(3) {
            self.exchange(chance, plan, true);
        }
        if chance.one_in(4) {
            self.exchange(chance, plan, false);
        }
        for _ in 0..chance.below(5) {
            let (from, to) = self.place(chance);
            let fault = any_fault(chance);
            for row in from..to {
                let shown = match chance.below(12) {
                    0 => chance.within(0, 200_000) * MICRO,
                    1 => self.points[row].register.micro() - chance.within(0, 5 * MICRO),
                    _ => shown(fault, self.points[row].register.micro()),
                };
                self.points[row].register = amount(shown);
            }
        }
        let kept = chance.below(40) + 1;
        let last = self.points.len() - 1;
        let mut row = 0;
        self.points.retain(|_| {
            row += 1;
            row == 1 || row > last || chance.below(40) < kept + 20
        });
    }

    /// Rows of a fault: before, on or after a midnight mostly, one or some or a day and more.
    fn place(&self, chance: &mut Chance) -> (usize, usize) {
        let rows = self.points.len();
        let of_day = |row: usize| self.points[row].instant.day();
        let midnights: Vec<usize> = (1..rows)
            .filter(|row| of_day(*row) != of_day(row - 1))
            .collect();
        let many = match chance.below(6) {
            0 | 1 => 1,
            2 | 3 => chance.within(2, 6),
            4 => chance.within(2, 20),
            _ => chance.within(10, 80),
        };
        let many = usize::try_from(many).expect("small");
        let from = if midnights.is_empty() || chance.one_in(5) {
            usize::try_from(chance.below(rows as u64)).expect("small")
        } else {
            let midnight = chance.pick(&midnights);
            let before = usize::try_from(chance.below(many as u64 + 2)).expect("small");
            midnight.saturating_sub(before)
        };
        (from, (from + many).min(rows))
    }

    /// Another meter in its place from a row on, on record or not.
    fn exchange(&mut self, chance: &mut Chance, plan: &Plan, told: bool) {
        let (at, _) = self.place(chance);
        if at < 4 || at + 4 > self.points.len() {
            return;
        }
        let (before, after) = (self.points[at - 1], self.points[at]);
        let higher = chance.one_in(2);
        let begins = if higher {
            before.register.micro() + chance.within(200_000, 300_000) * MICRO
        } else {
            chance.within(1, 500) * MICRO
        };
        let step = after.register.micro() - before.register.micro();
        let idle = |of: &[Point]| of.iter().all(|point| point.register == of[0].register);
        if idle(&self.points[..at]) || idle(&self.points[at..]) {
            return;
        }
        if step < 0 || plan.modulus.is_some() || !self.traits.changes.is_empty() {
            return;
        }
        let shift = begins - before.register.micro();
        for point in &mut self.points[at..] {
            point.register = amount(point.register.micro() + shift);
        }
        if told {
            self.traits.changes.push(MeterChange {
                instant: Instant(before.instant.0 + 1),
                old_final: before.register,
                new_initial: amount(begins),
                multiplier: self.traits.multiplier,
            });
        } else {
            self.total -= i128::from(step) * i128::from(plan.multiplier);
            if higher {
                self.higher += 1;
            } else {
                self.lower += 1;
            }
        }
    }

    /// A life in which what befalls the meter leaves no doubt.
    pub(crate) fn certain(chance: &mut Chance) -> Self {
        let days = chance.within(4, 9);
        let plan = Plan::of(chance, days);
        let mut life = plan.lived(chance);
        let mut clean = vec![true; life.points.len()];
        // The first and the last hours say what there is to be told.
        let edge = 4;
        if chance.one_in(3) {
            life.exchange(chance, &plan, true);
        }
        for _ in 0..chance.below(4) {
            let (from, to) = life.place(chance);
            let from = from.max(edge);
            let to = to.min(life.points.len().saturating_sub(edge));
            if from >= to || clean[from - 3..to + 3].contains(&false) {
                continue;
            }
            let fault = certain_fault(chance, to - from);
            if !life.is_seen(fault, from, to) {
                continue;
            }
            clean[from..to].fill(false);
            for point in &mut life.points[from..to] {
                point.register = amount(shown(fault, point.register.micro()));
            }
            let sentinel = matches!(fault, Fault::Zero | Fault::AllOnes(_) | Fault::Least);
            life.sentinels += u32::from(sentinel);
        }
        life
    }

    /// Whether nobody could take a fault for the meter: no rollover near it, and a register far from 0 and from
    /// what is shown.
    fn is_seen(&self, fault: Fault, from: usize, to: usize) -> bool {
        let near = &self.points[from - 3..to + 3];
        let leap = amount(1_000 * MICRO);
        let exchanged = near.windows(2).any(|pair| {
            let rise = pair[1].register.since(pair[0].register);
            rise < Sum::ZERO || rise > Sum::from(leap)
        });
        let moves = |pair: &[Point]| pair[0].register != pair[1].register;
        let (before, after) = (&near[..3], &near[near.len() - 3..]);
        let awake = before.windows(2).any(moves) && after.windows(2).any(moves);
        let far = near.iter().all(|point| {
            let register = point.register.micro();
            let off = shown(fault, register) - register;
            register > 5_000 * MICRO && off.abs() > 2_000 * MICRO
        });
        let changed = self.traits.changes.iter().any(|change| {
            near[0].instant < change.instant && change.instant <= near[near.len() - 1].instant
        });
        let days = near[near.len() - 1].instant.0 - near[0].instant.0 < 9 * DAY_MS;
        awake && far && days && !exchanged && !changed
    }
}

fn any_fault(chance: &mut Chance) -> Fault {
    match chance.below(8) {
        0 | 1 => Fault::Zero,
        2 => Fault::AllOnes(4_294_967_295 * MICRO / 10),
        3 => Fault::AllOnes(65_535 * MICRO),
        4 => Fault::Least,
        5 => Fault::Half,
        6 => Fault::Thousandfold,
        _ => Fault::Stuck(chance.within(1, 500_000) * MICRO),
    }
}

fn certain_fault(chance: &mut Chance, rows: usize) -> Fault {
    loop {
        match any_fault(chance) {
            Fault::Thousandfold if rows > 20 => {}
            // A stuck value that lies among the register's is no fault to anybody.
            Fault::Stuck(_) => {}
            fault => return fault,
        }
    }
}

fn shown(fault: Fault, register: i64) -> i64 {
    match fault {
        Fault::Zero => 0,
        Fault::AllOnes(value) | Fault::Stuck(value) => value,
        Fault::Least => -2_147_483_648 * MICRO / 10,
        Fault::Half => register / 2,
        Fault::Thousandfold => register.saturating_mul(1_000),
    }
}
