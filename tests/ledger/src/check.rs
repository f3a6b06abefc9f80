//! The checker: compares the acknowledged messages with the books, and names findings as Jepsen does.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::{
    amount::Sum,
    day::{CivilDay, Instant},
    reading::Kind,
    ticket::Ticket,
};

use crate::{
    books::{Books, SealedDay},
    dead_letters::ArchivedDeadLetters,
    gateway::{DeliveryRecord, number},
    losses::Losses,
    packets::EPOCH,
    plan::{self, LoadPlan, Missing, PlannedMessage, ValueOrigin},
};

/// Maximum number of examples of a finding.
const EXAMPLES_MAX: usize = 5;

/// The findings of one kind.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// Number of findings.
    pub count: u64,
    /// The first findings.
    pub examples: Vec<String>,
}

/// The result of the checks.
#[derive(Debug, Clone, Default)]
pub struct LedgerVerdict {
    /// Findings by kind; kinds without findings are included.
    pub findings: BTreeMap<&'static str, Finding>,
    /// Number of rows in sealed files.
    pub rows: u64,
    /// Number of sealed enterprise-days, and the highest revision.
    pub sealed: (usize, u32),
}

/// Every kind of finding, and its meaning.
pub const NAMES: [(&str, &str); 10] = [
    ("lost-acked", "acknowledged, and in no sealed file"),
    ("duplicate", "more than once in the sealed files"),
    ("phantom", "in a sealed file, and never sent so"),
    (
        "unseen",
        "in the sealed files, and not in the answer over gRPC",
    ),
    (
        "order",
        "a correction does not count, or rows are not sorted",
    ),
    (
        "dead-letter",
        "undecodable, acknowledged, and in no dead letter",
    ),
    (
        "message",
        "acknowledged or not, and not so in the lake's messages",
    ),
    (
        "day-total",
        "another total of a meter's day than the oracle's",
    ),
    (
        "sealed-bytes",
        "an enterprise-day whose column chunks differ from a run without faults",
    ),
    (
        "unfinished",
        "messages never acknowledged, or days never sealed",
    ),
];

impl LedgerVerdict {
    /// A verdict without findings.
    #[must_use]
    pub fn new() -> Self {
        let findings = NAMES.map(|(name, _)| (name, Finding::default()));
        Self {
            findings: findings.into(),
            ..Self::default()
        }
    }

    /// Returns true if there are no findings.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.values().all(|finding| finding.count == 0)
    }

    /// Adds a finding.
    pub fn note(&mut self, name: &'static str, what: impl FnOnce() -> String) {
        let finding = self.findings.entry(name).or_default();
        finding.count += 1;
        if finding.examples.len() < EXAMPLES_MAX {
            finding.examples.push(what());
        }
    }
}

/// The oracle: what was sent and acknowledged, and what was lost together with a part of the installation.
#[derive(Debug)]
pub struct Oracle<'a> {
    /// The readings of the run.
    pub plan: LoadPlan,
    /// The messages of each gateway, and which of them are acknowledged.
    pub records: &'a [DeliveryRecord],
    /// Messages that nothing held any more after a loss.
    pub losses: &'a Losses,
    /// The lost values that did not come again.
    pub missing: Missing,
}

impl Oracle<'_> {
    /// Enterprise-days with missing readings.
    fn days_missing(&self) -> impl Iterator<Item = (String, CivilDay)> {
        self.missing.serials().map(|serial| {
            let identity = self.plan.identity(serial);
            (
                plan::enterprise(identity.gateway),
                Instant::from_millis(identity.at).day(),
            )
        })
    }
}

/// Compares the sealed rows with the oracle.
pub fn rows(oracle: &Oracle<'_>, books: &Books, verdict: &mut LedgerVerdict) {
    let plan = oracle.plan;
    let readings = plan.readings() as usize;
    let mut seen = vec![0u8; 2 * readings];
    for ((enterprise, day), sealed) in &books.sealed {
        verdict.rows += sealed.rows.len() as u64;
        verdict.sealed.0 += 1;
        verdict.sealed.1 = verdict.sealed.1.max(sealed.revision);
        if !sealed.rows.is_sound() {
            verdict.note("order", || {
                format!("{enterprise} {day}: rows are not sorted")
            });
        }
        for (key, span) in sealed.rows.spans() {
            for row in span {
                let (at, value) = (sealed.rows.instants[row], sealed.rows.values[row]);
                let name = || format!("{enterprise} {} at {at}: {value}", key.series.meter);
                let Some(origin) = plan.origin(value) else {
                    verdict.note("phantom", name);
                    continue;
                };
                let (ValueOrigin::First(serial) | ValueOrigin::Correction(serial)) = origin;
                let identity = plan.identity(serial);
                let belongs = identity.at == at
                    && plan::enterprise(identity.gateway) == *enterprise
                    && key.enterprise.as_str() == enterprise
                    && plan::meter(identity.gateway, identity.meter) == key.series.meter.as_str()
                    && key.series.kind == plan::kind(identity.gateway, identity.meter)
                    && sealed.rows.ticket(row).map(Ticket::as_str)
                        == plan.ticket(serial).as_deref()
                    && Instant::from_millis(at).day() == *day;
                if !belongs {
                    verdict.note("phantom", name);
                    continue;
                }
                let first = matches!(origin, ValueOrigin::First(_));
                let superseded = sealed.rows.superseded[row];
                if superseded == (plan.in_force(serial, &oracle.missing) == Some(origin)) {
                    verdict.note("order", || format!("{} superseded: {superseded}", name()));
                }
                let at = serial as usize + if first { 0 } else { readings };
                seen[at] = seen[at].saturating_add(1);
                if seen[at] > 1 {
                    verdict.note("duplicate", name);
                }
            }
        }
    }
    acknowledged(oracle, &seen, verdict);
}

/// Checks that every acknowledged reading that is not lost is in the sealed rows. `seen` counts the rows of each
/// first value, then of each correction.
fn acknowledged(oracle: &Oracle<'_>, seen: &[u8], verdict: &mut LedgerVerdict) {
    let (plan, readings) = (oracle.plan, oracle.plan.readings() as usize);
    for (gateway, record) in (0..).zip(oracle.records) {
        let each = record.messages.iter().zip(&record.acknowledged);
        for (at, (&message, &acknowledged)) in each.enumerate() {
            if !acknowledged {
                verdict.note("unfinished", || format!("gateway {gateway}: {message:?}"));
                continue;
            }
            if oracle.losses.is_content_lost(gateway, at) {
                continue;
            }
            let corrected = match message {
                PlannedMessage::Correction(serial) => Some(readings + serial as usize),
                PlannedMessage::Restored(serial) => Some(serial as usize),
                PlannedMessage::Batch(_) | PlannedMessage::Poison(_) => None,
            };
            let serials = plan.serials(gateway, message).map(|serial| serial as usize);
            for at in serials.chain(corrected) {
                if seen[at] == 0 {
                    verdict.note("lost-acked", || {
                        format!("gateway {gateway}: {message:?}, {at}")
                    });
                }
            }
        }
    }
}

/// Checks that acknowledged undecodable payloads are among the dead letters.
pub fn dead_letters(
    oracle: &Oracle<'_>,
    found: &BTreeSet<(u64, u64)>,
    verdict: &mut LedgerVerdict,
) {
    for (gateway, nth) in dead_letters_due(oracle).filter(|name| !found.contains(name)) {
        verdict.note("dead-letter", || plan::poison(gateway, nth));
    }
}

/// The undecodable payloads that were acknowledged and not lost.
pub fn dead_letters_due(oracle: &Oracle<'_>) -> impl Iterator<Item = (u64, u64)> {
    let each = (0..).zip(oracle.records).flat_map(|(gateway, record)| {
        let each = record.messages.iter().zip(&record.acknowledged);
        each.enumerate()
            .map(move |(at, (message, acked))| (gateway, at, *message, *acked))
    });
    each.filter_map(|(gateway, at, message, acknowledged)| match message {
        PlannedMessage::Poison(nth) => {
            (acknowledged && !oracle.losses.is_content_lost(gateway, at)).then_some((gateway, nth))
        }
        _ => None,
    })
}

/// Checks that the dead letters are in the lake, too, and that none is there twice.
pub fn archived(oracle: &Oracle<'_>, archived: &ArchivedDeadLetters, verdict: &mut LedgerVerdict) {
    dead_letters(oracle, &archived.names, verdict);
    for duplicate in &archived.duplicates {
        verdict.note("dead-letter", || {
            format!("{duplicate} is in the lake twice")
        });
    }
}

/// Checks that the lake knows the number of every acknowledged message that is not lost, and no number that was
/// not sent.
pub fn messages(oracle: &Oracle<'_>, books: &Books, verdict: &mut LedgerVerdict) {
    for (gateway, record) in (0..).zip(oracle.records) {
        let known = books.messages.get(&(format!("g{gateway}"), EPOCH));
        for (at, _) in record.acknowledged.iter().enumerate().filter(|(_, a)| **a) {
            let is_lost = oracle.losses.is_content_lost(gateway, at)
                || oracle.losses.is_number_lost(gateway, at);
            if !is_lost && !known.is_some_and(|known| known.contains(number(at))) {
                verdict.note("message", || {
                    format!("g{gateway}: {} is missing", number(at))
                });
            }
        }
        let sent = record.messages.len() as u64;
        if let Some(beyond) = known
            .map(|known| known.up_to())
            .filter(|up_to| *up_to > sent)
        {
            verdict.note("message", || {
                format!("g{gateway}: {beyond} of {sent} were sent")
            });
        }
    }
}

/// Checks that the totals in force equal those of the oracle, to the millionth.
pub fn totals(oracle: &Oracle<'_>, books: &Books, verdict: &mut LedgerVerdict) {
    let plan = oracle.plan;
    let mut expected: BTreeMap<(String, CivilDay), i128> = BTreeMap::new();
    for serial in 0..plan.readings() {
        let Some(value) = plan.counts(serial, &oracle.missing) else {
            continue;
        };
        let identity = plan.identity(serial);
        let key = (
            plan::meter(identity.gateway, identity.meter),
            Instant::from_millis(identity.at).day(),
        );
        // Values that do not add up are counted instead.
        *expected.entry(key).or_default() += match plan::adds(identity.gateway, identity.meter) {
            true => i128::from(value),
            false => 1,
        };
    }
    for row in books.totals.iter().filter(|row| !row.is_repeats()) {
        let key = (row.series.meter.to_string(), row.day);
        let sum = expected.remove(&key);
        let total = match row.series.kind {
            Kind::Interval | Kind::Event => row.fold.within.0,
            _ => i128::from(row.fold.readings),
        };
        if sum != Some(total) {
            verdict.note("day-total", || format!("{key:?}: {total} for {sum:?}"));
        }
    }
    for (key, sum) in expected {
        verdict.note("day-total", || format!("{key:?}: none for {}", Sum(sum)));
    }
}

/// Checks that the column chunks equal those of a run without faults. It does not compare footers, because they
/// hold the revision, the offsets in the log and the count of repeats, which faults may change; nor the columns
/// about late readings (time of arrival, newest instant at that time); nor days with lost readings.
pub fn bytes(oracle: &Oracle<'_>, books: &Books, faultless: &Books, verdict: &mut LedgerVerdict) {
    let sealed = books.sealed.keys().chain(faultless.sealed.keys());
    let keys: BTreeSet<_> = sealed.collect();
    let missing: BTreeSet<_> = oracle.days_missing().collect();
    for key in keys.into_iter().filter(|key| !missing.contains(*key)) {
        let chunks = |books: &Books| books.sealed.get(key).and_then(SealedDay::chunks);
        if chunks(books) != chunks(faultless) {
            verdict.note("sealed-bytes", || format!("{} {}", key.0, key.1));
        }
    }
}

/// The electricity of each enterprise and year in millionths of a kWh, and the number of its readings.
#[must_use]
pub fn years(plan: LoadPlan, missing: &Missing) -> BTreeMap<(String, i16), (i128, u64)> {
    let mut years: BTreeMap<_, (i128, u64)> = BTreeMap::new();
    for serial in 0..plan.readings() {
        let identity = plan.identity(serial);
        let Some(value) = plan
            .counts(serial, missing)
            .filter(|_| plan::adds(identity.gateway, identity.meter))
        else {
            continue;
        };
        let (park, enterprise) = (
            plan::park(identity.gateway),
            plan::enterprise(identity.gateway),
        );
        let year = Instant::from_millis(identity.at).day().year();
        let name = format!("parks/{park}/enterprises/{enterprise}");
        let sum = years.entry((name, year)).or_default();
        sum.0 += i128::from(value);
        sum.1 += 1;
    }
    years
}
