//! Goal: rollups give the same series as totals. Method: generated books, sealed day by day, with resealed days, repeats,
//! late readings and a changing registry, rolled up at times; the series from rollups must equal those from totals.

use greenpark_archive::{
    file::FileKind,
    meters::{METER, Meters, Particulars, RegisteredMeter},
    reference::{ReferenceEntry, ReferenceSnapshot},
    rollups::Rollup,
    sealed_sum::{EnterprisePart, SealedSum},
    totals::TotalsRow,
};
use greenpark_model::{
    amount::Amount,
    day::{DayRange, Instant},
    fold::{DayColumns, DayFold, Multiplier, fold_day},
    id::{MeterId, ParkId},
    reading::{Kind, Series},
};
use proptest::prelude::*;

use super::*;
use crate::{
    figures::consumption::consume,
    lake::{
        books::{NewestReading, OpenFold},
        record_batches,
    },
};

/// An event on a day of an enterprise.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The day is sealed, or resealed. The number generates the readings; some may be late.
    Seal { salt: u32, late: bool },
    /// Repeats arrive.
    Repeat,
    /// All pending days are rolled up.
    RollUp,
    /// The meter's modulus is entered or withdrawn.
    Register,
}

/// A growing book.
struct Grown {
    registries: [registry::Park; 2],
    /// The index of the registry in force.
    now: usize,
    sealed: BTreeMap<(EnterpriseId, CivilDay), (u32, u32)>,
    rows: Vec<TotalsRow>,
    rolled: usize,
    months: BTreeMap<CivilDay, Vec<Rollup>>,
    /// The days sealed at the last rollup; empty before the first.
    rolled_at: Option<Revisions>,
}

/// The revision of each sealed day.
type Revisions = BTreeMap<(EnterpriseId, CivilDay), u32>;

fn first() -> CivilDay {
    "2026-01-20".parse().expect("a day")
}

fn enterprise(nth: u8) -> EnterpriseId {
    EnterpriseId::new(["e", "f"][usize::from(nth)]).expect("an id")
}

fn all_series() -> [Series; 3] {
    let of = |meter, quantity: &str, kind| Series {
        meter: MeterId::new(meter).expect("an id"),
        quantity: quantity.parse().expect("a quantity"),
        kind,
    };
    [
        of("m", "electricity", Kind::Register),
        of("n", "electricity", Kind::Register),
        of("s", "raw_coal", Kind::Event),
    ]
}

/// A registry; if `with`, meter `m` of `e` has a modulus from a day in March on.
fn registry(with: bool) -> registry::Park {
    let of = |from: &str, modulus: Option<&str>| ReferenceEntry {
        kind: METER.to_owned(),
        subject: "parks/p/enterprises/e/meters/m".to_owned(),
        valid_from: from.parse().expect("a day"),
        valid_to: None,
        recorded_at: Instant::from_millis(0),
        recorded_by: "test".to_owned(),
        evidence: "none".to_owned(),
        body: RegisteredMeter {
            title: "main".to_owned(),
            quantity: all_series()[0].quantity,
            kind: Kind::Register,
            interval_s: 3_600,
            modulus: modulus.map(|modulus| modulus.parse().expect("a decimal")),
            rated_per_hour: None,
            headroom: None,
            multiplier: Multiplier::ONE,
            counted: true,
            bidirectional: false,
            restart: None,
            particulars: Particulars::default(),
        }
        .write(),
    };
    let mut entries = vec![of("2026-01-01", None)];
    if with {
        entries.push(of("2026-03-10", Some("0.1")));
    }
    let snapshot = ReferenceSnapshot {
        version: 1,
        entries,
    };
    let mut parks = Meters::read(&snapshot).expect("readable");
    let meters = parks.remove("p").expect("a park");
    let mut park = registry::Park::default();
    (park.traits_digest, park.meters) = (meters.digest(), meters);
    park
}

/// The fold by `registry` of a day with readings generated from `salt`.
fn fold_of(
    registry: &registry::Park,
    (enterprise, series): (&EnterpriseId, &Series),
    (day, salt): (CivilDay, u32),
) -> DayFold {
    let mut state = salt ^ u32::from(series.meter.as_str().as_bytes()[0]);
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let many = 1 + next(4);
    let (mut instants, mut values) = (Vec::new(), Vec::new());
    let mut register = i64::from(day.days_since(first())) * 1_000;
    for nth in 0..many {
        instants.push(
            day.start().millis() + i64::from(nth) * 14_400_000 + i64::from(next(3)) * 1_800_000,
        );
        register += i64::from(next(300));
        // At times a register falls or leaps.
        let odd = [0, 0, 0, 0, 0, 0, -register, 50_000_000][next(8) as usize];
        values.push(Amount::from_micro(register + odd).expect("small").micro());
    }
    let traits = registry.meters.traits(enterprise, series).on(day);
    let columns = DayColumns {
        instants: &instants,
        values: &values,
        flags: &vec![b'N'; values.len()],
        superseded: &vec![false; values.len()],
    };
    fold_day(series.kind, &traits, columns)
}

impl Grown {
    fn new() -> Self {
        Self {
            registries: [registry(false), registry(true)],
            now: 0,
            sealed: BTreeMap::new(),
            rows: Vec::new(),
            rolled: 0,
            months: BTreeMap::new(),
            rolled_at: None,
        }
    }

    fn registry(&self) -> &registry::Park {
        &self.registries[self.now]
    }

    fn act(&mut self, (whose, day): (u8, u8), act: Act) {
        let (enterprise, day) = (enterprise(whose), first().plus(day.into()));
        match act {
            Act::Register => self.now = 1 - self.now,
            Act::RollUp => self.roll_up(),
            Act::Repeat => {
                let [series, ..] = all_series();
                let is_there = |(_, salt): &&(u32, u32)| salt & 7 != 0;
                let sealed = self.sealed.get(&(enterprise.clone(), day)).filter(is_there);
                if let Some((revision, _)) = sealed {
                    let of = (day, *revision);
                    self.rows
                        .push(TotalsRow::repeats(enterprise, series, of, 3));
                }
            }
            Act::Seal { salt, late } => {
                let sealed = self.sealed.entry((enterprise.clone(), day));
                let (revision, of) = sealed.or_insert((0, salt));
                (*revision, *of) = (*revision + 1, salt);
                let revision = *revision;
                for (nth, series) in (0..).zip(all_series()) {
                    // Not every series has readings in every revision.
                    if salt >> nth & 7 == 0 {
                        continue;
                    }
                    let registry = &self.registries[self.now];
                    let traits = registry.meters.traits(&enterprise, &series);
                    self.rows.push(TotalsRow {
                        revision,
                        rules: traits.on(day).rules(series.kind).into(),
                        fold: fold_of(registry, (&enterprise, &series), (day, salt)),
                        duplicates: salt % 3,
                        conflicts: salt % 2,
                        late: u32::from(late),
                        ..TotalsRow::repeats(enterprise.clone(), series, (day, revision), 0)
                    });
                }
            }
        }
    }

    fn roll_up(&mut self) {
        self.rolled_at = Some(self.revisions());
        let waiting = self.rows.split_off(self.rolled);
        let mut months: BTreeMap<CivilDay, Vec<TotalsRow>> = BTreeMap::new();
        for row in &waiting {
            let month = months.entry(row.day.month().first());
            month.or_default().push(row.clone());
        }
        self.rows.extend(waiting);
        self.rolled = self.rows.len();
        let meters = self.registries[self.now].meters.clone();
        for (month, rows) in months {
            let known = self.months.remove(&month).unwrap_or_default();
            let rollups = Rollup::with_totals(known, rows, &meters);
            self.months.insert(month, rollups);
        }
    }

    fn snapshot(&self) -> Snapshot {
        let file =
            |((enterprise, day), (revision, _)): (&(EnterpriseId, CivilDay), &(u32, u32))| {
                let kind = FileKind::Sealed {
                    enterprise: enterprise.clone(),
                    revision: *revision,
                };
                ReadingsFile::parse(&kind.path(*day, &[7; 32]), 1, 1).expect("a name of ours")
            };
        let mut files: Vec<ReadingsFile> = self.sealed.iter().map(file).collect();
        files.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        Snapshot {
            park: ParkId::new("p").expect("an id"),
            year: 2026,
            readings_version: 0,
            totals_version: 0,
            rollups_version: 0,
            rolled_up: 0,
            sealed: 0,
            files,
            totals_files: Vec::new(),
            rollups_files: Vec::new(),
            unnamed: None,
        }
    }

    fn revisions(&self) -> Revisions {
        let sealed = self.sealed.iter();
        sealed
            .map(|(of, (revision, _))| (of.clone(), *revision))
            .collect()
    }

    /// The snapshot without the files sealed at the last rollup.
    fn brief_snapshot(&self) -> Option<Snapshot> {
        let rolled_at = self.rolled_at.as_ref()?;
        let mut sum = SealedSum::default();
        for ((enterprise, day), revision) in rolled_at {
            sum.add(EnterprisePart::of(enterprise), *day, *revision);
        }
        let mut snapshot = self.snapshot();
        snapshot.files.retain(|file| {
            let (enterprise, revision) = file.sealed().expect("all are");
            rolled_at.get(&(enterprise.clone(), file.day)) != Some(&revision)
        });
        snapshot.unnamed = Some(sum);
        Some(snapshot)
    }

    fn totals(&self, from: usize) -> Vec<Total> {
        let mut totals: Vec<Total> = self.rows[from..].iter().map(total).collect();
        totals.sort_by(|a, b| (&a.key, a.day, a.revision).cmp(&(&b.key, b.day, b.revision)));
        totals
    }

    /// The days whose rows must be read, folded.
    fn read(&self, sealed: &Sealed<'_>) -> Vec<(CivilDay, Arc<DayFolds>)> {
        let days = sealed.unfolded().into_iter().map(|(day, whose)| {
            let mut folds = DayFolds::default();
            for enterprise in whose {
                let (_, salt) = self.sealed[&(enterprise.clone(), day)];
                let read = (0..)
                    .zip(all_series())
                    .filter(|(nth, _)| salt >> nth & 7 != 0);
                for (_, series) in read {
                    let of = (enterprise, &series);
                    folds.folds.push(OpenFold {
                        fold: fold_of(self.registry(), of, (day, salt)),
                        key: SeriesKey {
                            enterprise: enterprise.clone(),
                            series,
                        },
                        duplicates: 0,
                        conflicts: 0,
                        late: None,
                        newest: Some(NewestReading {
                            instant: day.start(),
                            value: Amount::ZERO,
                            flag: b'N',
                        }),
                    });
                }
                folds.read.insert(enterprise.clone());
            }
            (day, Arc::new(folds))
        });
        days.collect()
    }

    /// The series from totals alone.
    fn by_totals(&self, load: Load<'_>) -> Vec<SeriesDays> {
        let mut totals = self.totals(0);
        record_batches::add_repeats(&mut totals);
        let mut sealed = Sealed::new(load.snapshot);
        sealed.add_totals(&totals, load.registry);
        let read = self.read(&sealed);
        let sources = DaySources {
            totals: &totals,
            read: &read,
            ..DaySources::default()
        };
        join(load, &mut sealed, sources)
    }

    /// The rollups, and the totals without a rollup.
    fn rolled_up(&self) -> (Vec<RolledMonth>, Vec<Total>) {
        let months = self.months.values().flatten().map(rolled);
        let mut months: Vec<RolledMonth> = months.collect();
        months.sort_by(|a, b| (&a.key, a.first).cmp(&(&b.key, b.first)));
        let mut rows = self.totals(self.rolled);
        record_batches::add_repeats_over(&mut months, &mut rows);
        (months, rows)
    }

    /// The series and revisions of a brief snapshot; `None` if it does not cover everything.
    fn in_brief(&self, load: Load<'_>) -> Option<(Vec<SeriesDays>, Revisions)> {
        let (months, rows) = self.rolled_up();
        let mut sealed = Sealed::in_brief(load, &months)?;
        sealed.add_totals(&rows, load.registry);
        if !sealed.is_complete(load.snapshot) {
            return None;
        }
        let revisions = sealed.revisions().into_iter().flat_map(|(whose, days)| {
            let days = days.into_iter();
            days.map(move |(day, revision)| ((whose.clone(), day), revision))
        });
        let revisions = revisions.collect();
        let sources = DaySources {
            months: &months,
            totals: &rows,
            read: &[],
        };
        Some((join(load, &mut sealed, sources), revisions))
    }

    /// The series from rollups as far as they cover, as a book is loaded.
    fn by_rollups(&self, load: Load<'_>) -> Vec<SeriesDays> {
        let (mut months, mut rows) = self.rolled_up();
        let mut sealed = Sealed::new(load.snapshot);
        sealed.add_rollups(&months, load.registry);
        sealed.add_totals(&rows, load.registry);
        let uncovered = sealed.without_totals();
        let mut rest = self.totals(0);
        rest.retain(|of| uncovered.contains(&of.key.enterprise));
        record_batches::add_repeats(&mut rest);
        sealed.add_totals(&rest, load.registry);
        months.retain(|of| !uncovered.contains(&of.key.enterprise));
        rows.retain(|of| !uncovered.contains(&of.key.enterprise));
        rows.extend(rest);
        rows.sort_by(|a, b| (&a.key, a.day, a.revision).cmp(&(&b.key, b.day, b.revision)));
        let read = self.read(&sealed);
        let sources = DaySources {
            months: &months,
            totals: &rows,
            read: &read,
        };
        join(load, &mut sealed, sources)
    }
}

fn key(enterprise: &EnterpriseId, series: &Series) -> SeriesKey {
    SeriesKey {
        enterprise: enterprise.clone(),
        series: series.clone(),
    }
}

fn total(row: &TotalsRow) -> Total {
    Total {
        key: key(&row.enterprise, &row.series),
        day: row.day,
        revision: row.revision,
        rules: Arc::clone(&row.rules),
        fold: row.fold.clone(),
        duplicates: row.duplicates,
        conflicts: row.conflicts,
        late: row.late,
    }
}

fn rolled(of: &Rollup) -> RolledMonth {
    RolledMonth {
        key: key(&of.enterprise, &of.series),
        first: of.month,
        rules: Arc::clone(&of.rules),
        fold: of.fold.clone(),
        days: of.days.clone(),
        unusual: of.unusual.clone(),
    }
}

fn acts() -> impl Strategy<Value = Vec<((u8, u8), Act)>> {
    let seal = (any::<u32>(), prop::bool::weighted(0.05));
    let act = prop_oneof![
        30 => seal.prop_map(|(salt, late)| Act::Seal { salt, late }),
        3 => Just(Act::Repeat),
        2 => Just(Act::RollUp),
        1 => Just(Act::Register),
    ];
    // Few days of a quarter, so that days are resealed, on either side of the midnights between months.
    let day = prop_oneof![0u8..14, 36u8..42, 60u8..72];
    prop::collection::vec(((0u8..2, day), act), 1..90)
}

/// The comparable part of the join of all days. Days joined twice may keep fewer registers of a stretch than days joined
/// once; the consumption does not depend on these, see `joined_again` among the lives of the model.
fn proven(whole: &DayFold) -> impl PartialEq + std::fmt::Debug {
    let aside = (whole.set_aside(), whole.export());
    let ends = (whole.first, whole.last);
    (whole.readings, whole.within, ends, whole.outcomes, aside)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn rollups_give_the_same_series_as_totals(acts in acts(), (from, to) in (0i32..80, 0i32..80)) {
        let of_days = |from: i32, to: i32| DayRange::new(first().plus(from.min(to)), first().plus(from.max(to)));
        let ranges = [of_days(0, 80), of_days(from, to), of_days(from, 80)].map(|range| range.expect("in order"));
        let mut grown = Grown::new();
        for (of, act) in acts {
            grown.act(of, act);
        }
        let (park, snapshot) = (ParkId::new("p").expect("an id"), Arc::new(grown.snapshot()));
        let load = Load { park: &park, snapshot: &snapshot, registry: grown.registry() };
        let totals = grown.by_totals(load);
        let brief = grown.brief_snapshot().map(Arc::new);
        let brief = brief.and_then(|snapshot| grown.in_brief(Load { snapshot: &snapshot, ..load }));
        if let Some((_, revisions)) = &brief {
            prop_assert_eq!(revisions, &grown.revisions());
        }
        let ways = brief.map(|(series, _)| series).into_iter().chain([grown.by_rollups(load)]);
        for rolled in ways {
            prop_assert_eq!(rolled.len(), totals.len());
            for (rolled, totals) in rolled.iter().zip(&totals) {
                prop_assert_eq!(&rolled.key, &totals.key);
                prop_assert_eq!(rolled.days.all(), totals.days.all());
                prop_assert_eq!(proven(&rolled.whole), proven(&totals.whole));
                let traits = load.registry.meters.traits(&rolled.key.enterprise, &rolled.key.series);
                for range in ranges {
                    let of_rolled = consume(&[rolled], &traits, range);
                    prop_assert_eq!(of_rolled, consume(&[totals], &traits, range));
                }
                prop_assert_eq!(&rolled.repeats, &totals.repeats);
                prop_assert_eq!(rolled.newest, totals.newest);
                let most = (rolled.whole_days, rolled.most_readings, rolled.amounts);
                prop_assert_eq!(most, (totals.whole_days, totals.most_readings, totals.amounts));
            }
        }
    }
}
