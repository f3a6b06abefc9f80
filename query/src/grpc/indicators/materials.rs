//! The water balance and the solid-waste ledger over gRPC.

use std::sync::Arc;

use greenpark_model::{
    amount::Sum, day::DayRange, indicator::Indicator, quantity::Medium, waste::Ledger,
    waste_code::WasteCode,
};
use greenpark_proto::query::v1::{self as pb, Finding};

use crate::{
    error::QueryError,
    figures::{
        convert::{self, amount, timestamp},
        figure::{self, out_of_range},
        materials::{self, Measured, Received, Waste, Water, leakage::Families},
        park_days::ParkDays,
        population::listed,
    },
    grpc::{indicators::population_of, options::Terms, server::Shared},
    register::{name::Name, registry::Registry},
    scope::Scope,
};

/// Whether `part` has a ratio to `whole`: there is none to what is not above zero, nor of what is below it.
fn has_ratio(part: Sum, whole: Sum) -> bool {
    part >= Sum::ZERO && whole > Sum::ZERO
}

/// `part` in per cent of `whole`; empty where there is no ratio of these.
fn percent(part: Sum, whole: Sum) -> Result<String, QueryError> {
    if !has_ratio(part, whole) {
        return Ok(String::new());
    }
    let decimal = |sum: Sum| sum.decimal().map_err(|_| out_of_range());
    let percent = figure::percent(decimal(part)?, decimal(whole)?)?;
    Ok(percent.map(|p| p.to_string()).unwrap_or_default())
}

/// Why there is no `rate` of `part` in `whole`; `None` where there is one.
fn without(rate: &str, (part, whole): (Sum, Sum), unit: &str) -> Option<String> {
    (!has_ratio(part, whole))
        .then(|| format!("there is no {rate}: {part} {unit} of {whole} {unit} is no ratio"))
}

/// Of whom materials are asked, in which range, and the days of them.
struct Asked {
    name: Name,
    registry: Arc<Registry>,
    range: DayRange,
    days: Vec<ParkDays>,
}

impl Shared {
    async fn asked_materials(
        &self,
        scope: &Scope,
        name: &str,
        period: Option<&pb::Period>,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<Asked, QueryError> {
        let name = Name::parse("name", name)?;
        let (registry, range) = self.asked_range(period, as_of).await?;
        let days = self.days_of(scope, &registry, &name, range).await?;
        Ok(Asked {
            name,
            registry,
            range,
            days,
        })
    }

    pub(super) async fn water_balance(
        &self,
        scope: Scope,
        asked: &pb::GetWaterBalanceRequest,
    ) -> Result<pb::WaterBalance, QueryError> {
        let (period, as_of) = (asked.period.as_ref(), asked.as_of.as_ref());
        let Asked {
            name,
            registry,
            range,
            days,
        } = self
            .asked_materials(&scope, &asked.name, period, as_of)
            .await?;
        let population = population_of(&name, &days, range);
        let terms = Terms::plain(Indicator::WaterIntensity, range);
        let question = self.question(&terms, &registry)?;
        let frame = figure::frame(&question, &population, "new water")?;
        let water = materials::water(&population, range);
        let intake = water.total();
        let told = |sum: Sum| Some(amount(sum, "m3"));
        let sources = water.intake.iter().map(|(source, of)| {
            let Measured { amount, estimated } = *of;
            pb::SourceAmount {
                source: source.map(|s| s.to_string()).unwrap_or_default(),
                chinese: source.map(|s| s.chinese().to_owned()).unwrap_or_default(),
                amount: told(amount),
                estimated: told(estimated),
            }
        });
        let unaccounted = water.families.map(|of| of.above - of.below);
        let mut notes = frame.notes;
        notes.extend(water_doubts(&water));
        Ok(pb::WaterBalance {
            name: name.to_string(),
            period: Some(convert::days(range)),
            intake: told(intake),
            sources: sources.collect(),
            reused: told(water.reused.amount),
            reuse_percent: percent(water.reused.amount, intake + water.reused.amount)?,
            unaccounted: unaccounted.and_then(told),
            leakage_percent: match water.families {
                Some(of) => percent(of.above - of.below, of.above)?,
                None => String::new(),
            },
            status: frame.status.into(),
            coverage: Some(frame.coverage),
            revisions: frame.revisions,
            notes,
            as_of: Some(timestamp(self.moment(&registry))),
        })
    }

    pub(super) async fn waste_ledger(
        &self,
        scope: Scope,
        asked: &pb::GetWasteLedgerRequest,
    ) -> Result<pb::WasteLedger, QueryError> {
        let (period, as_of) = (asked.period.as_ref(), asked.as_of.as_ref());
        let Asked {
            name,
            registry,
            range,
            days,
        } = self
            .asked_materials(&scope, &asked.name, period, as_of)
            .await?;
        let population = population_of(&name, &days, range);
        let terms = Terms::plain(Indicator::WasteUtilization, range);
        let mut question = self.question(&terms, &registry)?;
        let (bulk, every) = (question.rules.bulk, materials::every_category());
        question.rules.bulk = &every;
        let frame = figure::frame(&question, &population, "solid waste")?;
        let waste = materials::waste(&population, range, asked.by_code);
        let (mut rows, mut notes) = (Vec::new(), frame.notes);
        let (mut all, mut bulk_total) = (Ledger::default(), Ledger::default());
        for ((medium, code), ledger) in &waste.rows {
            let is_bulk = bulk.categories.contains(medium);
            all = all.plus(ledger);
            if is_bulk {
                bulk_total = bulk_total.plus(ledger);
            }
            rows.push(self.row(Some(*medium), *code, ledger, is_bulk)?);
            notes.extend(doubts(*medium, ledger));
            notes.extend(without_rate((*medium, *code), asked.by_code, ledger));
        }
        // One enterprise alone has received what it has: who handed it over is not asked.
        if population.members.len() > 1 {
            notes.extend(handed_over_by_nobody(&waste));
        }
        if !waste.foreign.is_empty() {
            let names: Vec<&String> = waste.foreign.iter().collect();
            let names = listed(&names);
            notes.push(format!(
                "codes of another industry than the enterprise's: {names}"
            ));
        }
        let findings = dropped(&waste);
        notes.extend(findings.iter().map(|of| {
            let Finding {
                name,
                quantity,
                detail,
                ..
            } = of;
            format!("{name} {quantity}: {detail}")
        }));
        Ok(pb::WasteLedger {
            findings,
            name: name.to_string(),
            period: Some(convert::days(range)),
            rows,
            total: Some(self.row(None, None, &all, false)?),
            bulk_total: Some(self.row(None, None, &bulk_total, true)?),
            waste_set: bulk.id.clone(),
            status: frame.status.into(),
            coverage: Some(frame.coverage),
            revisions: frame.revisions,
            notes,
            as_of: Some(timestamp(self.moment(&registry))),
        })
    }

    fn row(
        &self,
        medium: Option<Medium>,
        code: Option<WasteCode>,
        ledger: &Ledger,
        bulk: bool,
    ) -> Result<pb::WasteRow, QueryError> {
        let told = |sum: Sum| Some(amount(sum, "t"));
        Ok(pb::WasteRow {
            category: medium.map(|m| m.as_str().to_owned()).unwrap_or_default(),
            chinese: medium.map(|m| m.chinese().to_owned()).unwrap_or_default(),
            code: code.map(|c| c.to_string()).unwrap_or_default(),
            class_title: code.map(|c| self.data.class(c)).unwrap_or_default(),
            bulk,
            generated: told(ledger.generated),
            utilized: told(ledger.utilized),
            utilized_old_stock: told(ledger.utilized_old_stock),
            received: told(ledger.received),
            stored: told(ledger.stored),
            disposed: told(ledger.disposed),
            disposed_old_stock: told(ledger.disposed_old_stock),
            dumped: told(ledger.dumped),
            identity_gap: told(ledger.identity_gap()),
            utilization_percent: percent(ledger.net_utilized(), ledger.available())?,
        })
    }
}

/// What a reader of a water balance must know beside its readings.
fn water_doubts(water: &Water) -> Vec<String> {
    let mut notes = Vec::new();
    if water.intake.contains_key(&None) {
        notes.push("some meters do not say where their water comes from".to_owned());
    }
    let reused = water.reused.amount;
    if water.knows_reuse {
        let parts = (reused, water.total() + reused);
        notes.extend(without("reuse rate", parts, "m3"));
    } else {
        notes.push(
            "no meter of reused water was read in the period: its rate says nothing".to_owned(),
        );
    }
    if !water.unread.is_empty() {
        let names: Vec<&String> = water.unread.iter().collect();
        let names = listed(&names);
        notes.push(format!("not read in the period: {names}"));
    }
    if let Some(Families { above, below }) = water.families {
        let excess = below - above;
        match excess > Sum::ZERO {
            true => notes.push(format!(
                "sub-meters tell {excess} m3 more than the meters that they stand behind"
            )),
            false => notes.extend(without("leakage rate", (above - below, above), "m3")),
        }
    }
    notes
}

/// Waste that enterprises took from others, none of whom has booked its use.
fn handed_over_by_nobody(waste: &Waste) -> impl Iterator<Item = String> {
    let lacking = waste
        .received
        .iter()
        .filter(|(_, of)| of.amount > of.booked);
    lacking.map(|(medium, Received { amount, booked })| {
        format!(
            "{}: {amount} t are received, and others here have booked {booked} t of their own as utilized: the \
             rest came from outside, or who generated it has not booked its use",
            medium.as_str()
        )
    })
}

/// Events that do not count because others of the same identity do.
fn dropped(waste: &Waste) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((name, quantity), repeats) in &waste.repeats {
        let told = [
            (
                "duplicate",
                repeats.duplicates,
                "ticket(s) of the instant and amount of another were dropped as repeats; if each is an amount of its \
                 own, send the numbers of the tickets",
            ),
            (
                "conflict",
                repeats.conflicts,
                "ticket(s) of the instant of another were superseded by it; if each is an amount of its own, send \
                 the numbers of the tickets",
            ),
        ];
        let some = told.into_iter().filter(|(_, count, _)| *count > 0);
        findings.extend(some.map(|(check, count, what)| Finding {
            check: check.to_owned(),
            name: name.clone(),
            quantity: quantity.to_string(),
            days: Some(convert::days(repeats.days)),
            detail: format!("{count} {what}"),
        }));
    }
    findings
}

/// Why a row has no utilization rate. Where more is received than is used, [`doubts`] say so.
fn without_rate(
    (medium, code): (Medium, Option<WasteCode>),
    by_code: bool,
    ledger: &Ledger,
) -> Option<String> {
    let utilized = ledger.net_utilized();
    if utilized < Sum::ZERO {
        return None;
    }
    let what = medium.as_str();
    let rate = match code {
        Some(code) => format!("utilization rate of {what} {code}"),
        None if by_code => format!("utilization rate of {what} without a code"),
        None => format!("utilization rate of {what}"),
    };
    without(&rate, (utilized, ledger.available()), "t")
}

/// What a ledger cannot be.
fn doubts(medium: Medium, ledger: &Ledger) -> Vec<String> {
    let (what, gap) = (medium.as_str(), ledger.identity_gap());
    let doubts = [
        (
            gap.0 != 0,
            format!(
                "{what} does not close: generated exceeds what was used, stored, disposed of and dumped by {gap} t"
            ),
        ),
        (
            ledger.utilized_old_stock > ledger.utilized,
            format!("{what}: more of former years' stock is used than is used at all"),
        ),
        (
            ledger.disposed_old_stock > ledger.disposed,
            format!(
                "{what}: more of former years' stock is disposed of than is disposed of at all"
            ),
        ),
        (
            ledger.received > ledger.utilized,
            format!(
                "{what}: more is received from others than is used: what is only stored or disposed of was \
                 booked as utilized by who handed it over"
            ),
        ),
    ];
    doubts
        .into_iter()
        .filter_map(|(holds, text)| holds.then_some(text))
        .collect()
}
