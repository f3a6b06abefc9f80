//! The checker: what was acknowledged against what rests, by Jepsen's names.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::{
    amount::Sum,
    day::{CivilDay, Instant},
    reading::Kind,
    ticket::Ticket,
};

use crate::{
    books::{Books, SealedDay},
    gateway::{Record, number},
    letters::Archived,
    packets::EPOCH,
    plan::{self, Message, Named, Plan},
};

/// Examples that a finding keeps.
const EXAMPLES: usize = 5;

/// One kind of finding.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Findings by name, those without any included.
    pub findings: BTreeMap<&'static str, Finding>,
    /// Rows in sealed files.
    pub rows: u64,
    /// Sealed enterprise-days, and the highest revision.
    pub sealed: (usize, u32),
}

/// Every finding, and what it means.
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

impl Verdict {
    /// One without findings.
    #[must_use]
    pub fn new() -> Self {
        let findings = NAMES.map(|(name, _)| (name, Finding::default()));
        Self {
            findings: findings.into(),
            ..Self::default()
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.values().all(|finding| finding.count == 0)
    }

    /// Notes a finding.
    pub fn note(&mut self, name: &'static str, what: impl FnOnce() -> String) {
        let finding = self.findings.entry(name).or_default();
        finding.count += 1;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(what());
        }
    }
}

/// Holds the sealed rows against what gateways were told.
pub fn rows(plan: Plan, records: &[Record], books: &Books, verdict: &mut Verdict) {
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
                let told = || format!("{enterprise} {} at {at}: {value}", key.series.meter);
                let Some(named) = plan.named(value) else {
                    verdict.note("phantom", told);
                    continue;
                };
                let (Named::First(serial) | Named::Correction(serial)) = named;
                let place = plan.place(serial);
                let belongs = place.at == at
                    && plan::enterprise(place.line) == *enterprise
                    && key.enterprise.as_str() == enterprise
                    && plan::meter(place.line, place.meter) == key.series.meter.as_str()
                    && key.series.kind == plan::kind(place.line, place.meter)
                    && sealed.rows.ticket(row).map(Ticket::as_str)
                        == plan.ticket(serial).as_deref()
                    && Instant(at).day() == *day;
                if !belongs {
                    verdict.note("phantom", told);
                    continue;
                }
                let first = matches!(named, Named::First(_));
                if sealed.rows.superseded[row] != plan.is_superseded(named) {
                    let says = sealed.rows.superseded[row];
                    verdict.note("order", || format!("{} superseded: {says}", told()));
                }
                let at = serial as usize + if first { 0 } else { readings };
                seen[at] = seen[at].saturating_add(1);
                if seen[at] > 1 {
                    verdict.note("duplicate", told);
                }
            }
        }
    }
    for (line, record) in (0..).zip(records) {
        for (&message, &acknowledged) in record.messages.iter().zip(&record.acknowledged) {
            if !acknowledged {
                verdict.note("unfinished", || format!("gateway {line}: {message:?}"));
                continue;
            }
            let corrected = match message {
                Message::Correction(serial) => Some(readings + serial as usize),
                Message::Restored(serial) => Some(serial as usize),
                Message::Batch(_) | Message::Poison(_) => None,
            };
            let serials = plan.serials(line, message).map(|serial| serial as usize);
            for at in serials.chain(corrected) {
                if seen[at] == 0 {
                    verdict.note("lost-acked", || {
                        format!("gateway {line}: {message:?}, {at}")
                    });
                }
            }
        }
    }
}

/// Undecodable payloads that were acknowledged are dead letters.
pub fn letters(records: &[Record], found: &BTreeSet<(u64, u64)>, verdict: &mut Verdict) {
    for (line, record) in (0..).zip(records) {
        for (&message, &acknowledged) in record.messages.iter().zip(&record.acknowledged) {
            if let Message::Poison(nth) = message
                && acknowledged
                && !found.contains(&(line, nth))
            {
                verdict.note("dead-letter", || plan::poison(line, nth));
            }
        }
    }
}

/// They are in the lake, too, and no letter of the log is there twice.
pub fn archived(records: &[Record], archived: &Archived, verdict: &mut Verdict) {
    letters(records, &archived.names, verdict);
    for double in &archived.doubles {
        verdict.note("dead-letter", || format!("{double} is in the lake twice"));
    }
}

/// The lake knows every message that was acknowledged, by its number, and none that was not sent.
pub fn messages(records: &[Record], books: &Books, verdict: &mut Verdict) {
    for (line, record) in records.iter().enumerate() {
        let known = books.messages.get(&(format!("g{line}"), EPOCH));
        for (at, _) in record.acknowledged.iter().enumerate().filter(|(_, a)| **a) {
            if !known.is_some_and(|known| known.contains(number(at))) {
                verdict.note("message", || format!("g{line}: {} is missing", number(at)));
            }
        }
        let sent = record.messages.len() as u64;
        if let Some(beyond) = known
            .map(|known| known.up_to())
            .filter(|up_to| *up_to > sent)
        {
            verdict.note("message", || {
                format!("g{line}: {beyond} of {sent} were sent")
            });
        }
    }
}

/// The totals in force are the oracle's, to the millionth.
pub fn totals(plan: Plan, books: &Books, verdict: &mut Verdict) {
    let mut expected: BTreeMap<(String, CivilDay), i128> = BTreeMap::new();
    for serial in 0..plan.readings() {
        let place = plan.place(serial);
        let key = (
            plan::meter(place.line, place.meter),
            Instant(place.at).day(),
        );
        // Of what does not add up, how many readings there are.
        *expected.entry(key).or_default() += match plan::adds(place.line, place.meter) {
            true => i128::from(plan.counts(serial)),
            false => 1,
        };
    }
    for row in books.totals.iter().filter(|row| !row.is_repeats()) {
        let key = (row.series.meter.to_string(), row.day);
        let sum = expected.remove(&key);
        let told = match row.series.kind {
            Kind::Interval | Kind::Event => row.fold.within.0,
            _ => i128::from(row.fold.readings),
        };
        if sum != Some(told) {
            verdict.note("day-total", || format!("{key:?}: {told} for {sum:?}"));
        }
    }
    for (key, sum) in expected {
        verdict.note("day-total", || format!("{key:?}: none for {}", Sum(sum)));
    }
}

/// Column chunks are those of a run without faults. Footers are not compared: they hold the revision, the
/// offsets in the log and the count of repeats, which faults rightly change. Nor is what is said of late readings:
/// when they were received, and what was the newest instant then.
pub fn bytes(books: &Books, calm: &Books, verdict: &mut Verdict) {
    let keys: BTreeSet<_> = books.sealed.keys().chain(calm.sealed.keys()).collect();
    for key in keys {
        let chunks = |books: &Books| books.sealed.get(key).and_then(SealedDay::chunks);
        if chunks(books) != chunks(calm) {
            verdict.note("sealed-bytes", || format!("{} {}", key.0, key.1));
        }
    }
}

/// The electricity that each enterprise used in each year, in millionths, with its readings: the oracle of the answers.
#[must_use]
pub fn years(plan: Plan) -> BTreeMap<(String, i16), (i128, u64)> {
    let mut years: BTreeMap<_, (i128, u64)> = BTreeMap::new();
    for serial in 0..plan.readings() {
        let place = plan.place(serial);
        if !plan::adds(place.line, place.meter) {
            continue;
        }
        let (park, enterprise) = (plan::park(place.line), plan::enterprise(place.line));
        let year = Instant(place.at).day().year();
        let name = format!("parks/{park}/enterprises/{enterprise}");
        let sum = years.entry((name, year)).or_default();
        sum.0 += i128::from(plan.counts(serial));
        sum.1 += 1;
    }
    years
}
