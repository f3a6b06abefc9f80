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
    losses::Losses,
    packets::EPOCH,
    plan::{self, Message, Missing, Named, Plan},
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

/// What gateways were told, and what was truly lost of it.
#[derive(Debug)]
pub struct Told<'a> {
    /// What was sent.
    pub plan: Plan,
    /// What was acknowledged.
    pub records: &'a [Record],
    /// What no part held any more when one was lost.
    pub losses: &'a Losses,
    /// What of it did not come again.
    pub missing: Missing,
}

impl Told<'_> {
    /// Days of enterprises of which something is missing.
    fn days_missing(&self) -> impl Iterator<Item = (String, CivilDay)> {
        self.missing.serials().map(|serial| {
            let place = self.plan.place(serial);
            (plan::enterprise(place.line), Instant(place.at).day())
        })
    }
}

/// Holds the sealed rows against what gateways were told.
pub fn rows(told: &Told<'_>, books: &Books, verdict: &mut Verdict) {
    let plan = told.plan;
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
                let Some(named) = plan.named(value) else {
                    verdict.note("phantom", name);
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
                    verdict.note("phantom", name);
                    continue;
                }
                let first = matches!(named, Named::First(_));
                let says = sealed.rows.superseded[row];
                if says == (plan.in_force(serial, &told.missing) == Some(named)) {
                    verdict.note("order", || format!("{} superseded: {says}", name()));
                }
                let at = serial as usize + if first { 0 } else { readings };
                seen[at] = seen[at].saturating_add(1);
                if seen[at] > 1 {
                    verdict.note("duplicate", name);
                }
            }
        }
    }
    acknowledged(told, &seen, verdict);
}

/// What was acknowledged and is not lost is among the rows that were `seen`: first values, then corrections.
fn acknowledged(told: &Told<'_>, seen: &[u8], verdict: &mut Verdict) {
    let (plan, readings) = (told.plan, told.plan.readings() as usize);
    for (line, record) in (0..).zip(told.records) {
        let each = record.messages.iter().zip(&record.acknowledged);
        for (at, (&message, &acknowledged)) in each.enumerate() {
            if !acknowledged {
                verdict.note("unfinished", || format!("gateway {line}: {message:?}"));
                continue;
            }
            if told.losses.is_gone(line, at) {
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
pub fn letters(told: &Told<'_>, found: &BTreeSet<(u64, u64)>, verdict: &mut Verdict) {
    for (line, nth) in letters_due(told).filter(|name| !found.contains(name)) {
        verdict.note("dead-letter", || plan::poison(line, nth));
    }
}

/// The undecodable payloads that were acknowledged and that some part holds.
pub fn letters_due(told: &Told<'_>) -> impl Iterator<Item = (u64, u64)> {
    let each = (0..).zip(told.records).flat_map(|(line, record)| {
        let each = record.messages.iter().zip(&record.acknowledged);
        each.enumerate()
            .map(move |(at, (message, told))| (line, at, *message, *told))
    });
    each.filter_map(|(line, at, message, acknowledged)| match message {
        Message::Poison(nth) => {
            (acknowledged && !told.losses.is_gone(line, at)).then_some((line, nth))
        }
        _ => None,
    })
}

/// They are in the lake, too, and no letter of the log is there twice.
pub fn archived(told: &Told<'_>, archived: &Archived, verdict: &mut Verdict) {
    letters(told, &archived.names, verdict);
    for double in &archived.doubles {
        verdict.note("dead-letter", || format!("{double} is in the lake twice"));
    }
}

/// The lake knows every message that was acknowledged, by its number, and none that was not sent: what is gone is
/// missing among them.
pub fn messages(told: &Told<'_>, books: &Books, verdict: &mut Verdict) {
    for (line, record) in (0..).zip(told.records) {
        let known = books.messages.get(&(format!("g{line}"), EPOCH));
        for (at, _) in record.acknowledged.iter().enumerate().filter(|(_, a)| **a) {
            let is_lost = told.losses.is_gone(line, at) || told.losses.is_nameless(line, at);
            if !is_lost && !known.is_some_and(|known| known.contains(number(at))) {
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
pub fn totals(told: &Told<'_>, books: &Books, verdict: &mut Verdict) {
    let plan = told.plan;
    let mut expected: BTreeMap<(String, CivilDay), i128> = BTreeMap::new();
    for serial in 0..plan.readings() {
        let Some(value) = plan.counts(serial, &told.missing) else {
            continue;
        };
        let place = plan.place(serial);
        let key = (
            plan::meter(place.line, place.meter),
            Instant(place.at).day(),
        );
        // Of what does not add up, how many readings there are.
        *expected.entry(key).or_default() += match plan::adds(place.line, place.meter) {
            true => i128::from(value),
            false => 1,
        };
    }
    for row in books.totals.iter().filter(|row| !row.is_repeats()) {
        let key = (row.series.meter.to_string(), row.day);
        let sum = expected.remove(&key);
        let says = match row.series.kind {
            Kind::Interval | Kind::Event => row.fold.within.0,
            _ => i128::from(row.fold.readings),
        };
        if sum != Some(says) {
            verdict.note("day-total", || format!("{key:?}: {says} for {sum:?}"));
        }
    }
    for (key, sum) in expected {
        verdict.note("day-total", || format!("{key:?}: none for {}", Sum(sum)));
    }
}

/// Column chunks are those of a run without faults. Footers are not compared: they hold the revision, the
/// offsets in the log and the count of repeats, which faults rightly change. Nor is what is said of late readings:
/// when they were received, and what was the newest instant then. Nor are days of which something was truly lost.
pub fn bytes(told: &Told<'_>, books: &Books, calm: &Books, verdict: &mut Verdict) {
    let keys: BTreeSet<_> = books.sealed.keys().chain(calm.sealed.keys()).collect();
    let missing: BTreeSet<_> = told.days_missing().collect();
    for key in keys.into_iter().filter(|key| !missing.contains(*key)) {
        let chunks = |books: &Books| books.sealed.get(key).and_then(SealedDay::chunks);
        if chunks(books) != chunks(calm) {
            verdict.note("sealed-bytes", || format!("{} {}", key.0, key.1));
        }
    }
}

/// The electricity that each enterprise used in each year, in millionths, with its readings: the oracle of the answers.
#[must_use]
pub fn years(plan: Plan, missing: &Missing) -> BTreeMap<(String, i16), (i128, u64)> {
    let mut years: BTreeMap<_, (i128, u64)> = BTreeMap::new();
    for serial in 0..plan.readings() {
        let place = plan.place(serial);
        let Some(value) = plan
            .counts(serial, missing)
            .filter(|_| plan::adds(place.line, place.meter))
        else {
            continue;
        };
        let (park, enterprise) = (plan::park(place.line), plan::enterprise(place.line));
        let year = Instant(place.at).day().year();
        let name = format!("parks/{park}/enterprises/{enterprise}");
        let sum = years.entry((name, year)).or_default();
        sum.0 += i128::from(value);
        sum.1 += 1;
    }
    years
}
