//! Generated lives of meters: their consumption, their faults, and their readings.

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{MeterChange, MeterProfile, Multiplier, Point, Profile},
};

const MICRO: i64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;

/// A SplitMix64 generator: a sequence of numbers determined by a seed.
#[derive(Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
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
    pub(crate) meter: MeterProfile,
    pub(crate) points: Vec<Point>,
    /// The consumption that the readings can prove, in millionths.
    pub(crate) total: i128,
    /// Exchanges without a record, to a lower and to a higher register.
    pub(crate) lower: u32,
    pub(crate) higher: u32,
    /// Runs of sentinels.
    pub(crate) sentinels: u32,
}

/// A fault: the value that a meter shows instead of its register.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Zero,
    AllOnes(i64),
    Least,
    Half,
    Thousandfold,
    Stuck(i64),
}

/// The parameters of a life.
struct Plan {
    rated: bool,
    modulus: Option<i64>,
    multiplier: i64,
    minutes: i64,
    rows: usize,
    register: i64,
    /// The largest rise of the register between two readings.
    most: i64,
}

fn amount(micro: i64) -> Amount {
    Amount::from_micro(micro.clamp(-Amount::MAX.micro(), Amount::MAX.micro())).expect("in range")
}

fn multiplier(times: i64) -> Multiplier {
    Multiplier::new(amount(times * MICRO)).expect("positive")
}

impl Plan {
    fn of(random: &mut SplitMix, days: i64) -> Self {
        let minutes = random.pick(&[15, 30, 60, 60, 120, 240]);
        let modulus = random.one_in(3).then_some(1_000_000 * MICRO);
        let register = match modulus {
            Some(modulus) if random.one_in(2) => modulus - random.within(1, 300 * MICRO),
            _ => random.within(20_000, 60_000) * MICRO,
        };
        Self {
            rated: random.one_in(2),
            modulus,
            multiplier: random.pick(&[1, 1, 1, 80]),
            minutes,
            rows: usize::try_from(days * 1_440 / minutes)
                .expect("small")
                .max(8),
            register,
            most: 10 * MICRO,
        }
    }

    /// A life without faults.
    fn lived(&self, random: &mut SplitMix) -> Life {
        let start = CivilDay::from_epoch_days(20_454).start().millis();
        let mut instant = start + random.within(0, DAY_MS / 60_000) * 60_000;
        let bound = self.most * self.multiplier * 60 / self.minutes + MICRO;
        let bound = self.rated.then(|| amount(bound.max(bound * 12 / 10)));
        let mut life = Life {
            meter: MeterProfile {
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
        let idle = random.one_in(4);
        for row in 0..self.rows {
            if row > 0 {
                let rest = idle && instant.rem_euclid(DAY_MS) < DAY_MS / 3;
                let rise = if rest {
                    0
                } else {
                    random.within(self.most / 4, self.most)
                };
                register += rise;
                life.total += i128::from(rise) * i128::from(self.multiplier);
                instant += self.minutes * 60_000;
            }
            register -= self.modulus.filter(|m| register >= *m).unwrap_or(0);
            life.points.push(Point {
                instant: Instant::from_millis(instant),
                register: amount(register),
            });
        }
        life
    }
}

impl Life {
    /// A life of days with arbitrary faults.
    pub(crate) fn any(random: &mut SplitMix) -> Self {
        let days = random.within(2, 7);
        let plan = Plan::of(random, days);
        let mut life = plan.lived(random);
        life.spoil(random, &plan);
        life
    }

    /// A life of weeks with arbitrary faults.
    pub(crate) fn long(random: &mut SplitMix) -> Self {
        let days = random.within(30, 70);
        let mut plan = Plan::of(random, days);
        (plan.minutes, plan.rows) = (240, usize::try_from(days * 6).expect("small"));
        let mut life = plan.lived(random);
        life.spoil(random, &plan);
        life
    }

    fn spoil(&mut self, random: &mut SplitMix, plan: &Plan) {
        if random.one_in(3) {
            self.exchange(random, plan, true);
        }
        if random.one_in(4) {
            self.exchange(random, plan, false);
        }
        for _ in 0..random.below(5) {
            let (from, to) = self.place(random);
            let fault = any_fault(random);
            for row in from..to {
                let shown = match random.below(12) {
                    0 => random.within(0, 200_000) * MICRO,
                    1 => self.points[row].register.micro() - random.within(0, 5 * MICRO),
                    _ => shown(fault, self.points[row].register.micro()),
                };
                self.points[row].register = amount(shown);
            }
        }
        let kept = random.below(40) + 1;
        let last = self.points.len() - 1;
        let mut row = 0;
        self.points.retain(|_| {
            row += 1;
            row == 1 || row > last || random.below(40) < kept + 20
        });
    }

    /// The rows of a fault: mostly around a midnight; one, some, or a day and more.
    fn place(&self, random: &mut SplitMix) -> (usize, usize) {
        let rows = self.points.len();
        let of_day = |row: usize| self.points[row].instant.day();
        let midnights: Vec<usize> = (1..rows)
            .filter(|row| of_day(*row) != of_day(row - 1))
            .collect();
        let many = match random.below(6) {
            0 | 1 => 1,
            2 | 3 => random.within(2, 6),
            4 => random.within(2, 20),
            _ => random.within(10, 80),
        };
        let many = usize::try_from(many).expect("small");
        let from = if midnights.is_empty() || random.one_in(5) {
            usize::try_from(random.below(rows as u64)).expect("small")
        } else {
            let midnight = random.pick(&midnights);
            let before = usize::try_from(random.below(many as u64 + 2)).expect("small");
            midnight.saturating_sub(before)
        };
        (from, (from + many).min(rows))
    }

    /// Replaces the meter from a row on, on record or not.
    fn exchange(&mut self, random: &mut SplitMix, plan: &Plan, on_record: bool) {
        let (at, _) = self.place(random);
        if at < 4 || at + 4 > self.points.len() {
            return;
        }
        let (before, after) = (self.points[at - 1], self.points[at]);
        let higher = random.one_in(2);
        let begins = if higher {
            before.register.micro() + random.within(200_000, 300_000) * MICRO
        } else {
            random.within(1, 500) * MICRO
        };
        let step = after.register.micro() - before.register.micro();
        let idle = |of: &[Point]| of.iter().all(|point| point.register == of[0].register);
        if idle(&self.points[..at]) || idle(&self.points[at..]) {
            return;
        }
        if step < 0 || plan.modulus.is_some() || !self.meter.changes.is_empty() {
            return;
        }
        let shift = begins - before.register.micro();
        for point in &mut self.points[at..] {
            point.register = amount(point.register.micro() + shift);
        }
        if on_record {
            self.meter.changes.push(MeterChange {
                instant: Instant::from_millis(before.instant.millis() + 1),
                old_final: before.register,
                new_initial: amount(begins),
                multiplier: self.meter.multiplier,
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

    /// A life whose faults have only one explanation.
    pub(crate) fn certain(random: &mut SplitMix) -> Self {
        let days = random.within(4, 9);
        let plan = Plan::of(random, days);
        let mut life = plan.lived(random);
        let mut clean = vec![true; life.points.len()];
        // The first and the last hours stay clean, for they define the true total.
        let edge = 4;
        if random.one_in(3) {
            life.exchange(random, &plan, true);
        }
        for _ in 0..random.below(4) {
            let (from, to) = life.place(random);
            let from = from.max(edge);
            let to = to.min(life.points.len().saturating_sub(edge));
            if from >= to || clean[from - 3..to + 3].contains(&false) {
                continue;
            }
            let fault = certain_fault(random, to - from);
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

    /// Returns true if a fault cannot be mistaken for the meter: no rollover near it, and a register far from 0 and
    /// from the value shown.
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
        let changed = self.meter.changes.iter().any(|change| {
            near[0].instant < change.instant && change.instant <= near[near.len() - 1].instant
        });
        let days = near[near.len() - 1].instant.millis() - near[0].instant.millis() < 9 * DAY_MS;
        awake && far && days && !exchanged && !changed
    }
}

fn any_fault(random: &mut SplitMix) -> Fault {
    match random.below(8) {
        0 | 1 => Fault::Zero,
        2 => Fault::AllOnes(4_294_967_295 * MICRO / 10),
        3 => Fault::AllOnes(65_535 * MICRO),
        4 => Fault::Least,
        5 => Fault::Half,
        6 => Fault::Thousandfold,
        _ => Fault::Stuck(random.within(1, 500_000) * MICRO),
    }
}

fn certain_fault(random: &mut SplitMix, rows: usize) -> Fault {
    loop {
        match any_fault(random) {
            Fault::Thousandfold if rows > 20 => {}
            // A stuck value within the register's range cannot be recognized as a fault.
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
