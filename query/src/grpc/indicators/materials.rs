//! The water balance and the solid-waste ledger over gRPC.

use std::sync::Arc;

use greenpark_model::{
    amount::Sum, day::DayRange, indicator::Indicator, quantity::Medium, waste::Ledger,
    waste_code::WasteCode,
};
use greenpark_proto::query::v1::{self as pb, Finding};

use crate::{
    access::scope::Scope,
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
};

/// True if `part` has a ratio to `whole`: `whole` is above zero and `part` is not below it.
fn has_ratio(part: Sum, whole: Sum) -> bool {
    part >= Sum::ZERO && whole > Sum::ZERO
}

/// `part` in per cent of `whole`; empty if there is no ratio.
fn percent(part: Sum, whole: Sum) -> Result<String, QueryError> {
    if !has_ratio(part, whole) {
        return Ok(String::new());
    }
    let decimal = |sum: Sum| sum.decimal().map_err(|_| out_of_range());
    let percent = figure::percent(decimal(part)?, decimal(whole)?)?;
    Ok(percent.map(|p| p.to_string()).unwrap_or_default())
}

/// The reason for a missing `rate` of `part` in `whole`; `None` if there is a rate.
fn without(rate: &str, (part, whole): (Sum, Sum), unit: &str) -> Option<String> {
    (!has_ratio(part, whole))
        .then(|| format!("there is no {rate}: {part} {unit} of {whole} {unit} is no ratio"))
}

/// A parsed request about materials, and the days to evaluate.
struct MaterialsRequest {
    name: Name,
    registry: Arc<Registry>,
    range: DayRange,
    days: Vec<ParkDays>,
}

impl Shared {
    async fn load_materials(
        &self,
        scope: &Scope,
        name: &str,
        period: Option<&pb::Period>,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<MaterialsRequest, QueryError> {
        let name = Name::parse("name", name)?;
        let (registry, range) = self.parse_range(period, as_of).await?;
        let days = self.days_of(scope, &registry, &name, range).await?;
        Ok(MaterialsRequest {
            name,
            registry,
            range,
            days,
        })
    }

    pub(super) async fn water_balance(
        &self,
        scope: Scope,
        request: &pb::GetWaterBalanceRequest,
    ) -> Result<pb::WaterBalance, QueryError> {
        let (period, as_of) = (request.period.as_ref(), request.as_of.as_ref());
        let MaterialsRequest {
            name,
            registry,
            range,
            days,
        } = self
            .load_materials(&scope, &request.name, period, as_of)
            .await?;
        let population = population_of(&name, &days, range);
        let terms = Terms::plain(Indicator::WaterIntensity, range);
        let question = self.question(&terms, &registry)?;
        let frame = figure::frame(&question, &population, "new water")?;
        let water = materials::water(&population, range);
        let intake = water.total();
        let amount_of = |sum: Sum| Some(amount(sum, "m3"));
        let sources = water.intake.iter().map(|(source, of)| {
            let Measured { amount, estimated } = *of;
            pb::SourceAmount {
                source: source.map(|s| s.to_string()).unwrap_or_default(),
                chinese: source.map(|s| s.chinese().to_owned()).unwrap_or_default(),
                amount: amount_of(amount),
                estimated: amount_of(estimated),
            }
        });
        let unaccounted = water.families.map(|of| of.above - of.below);
        let mut notes = frame.notes;
        notes.extend(water_doubts(&water));
        Ok(pb::WaterBalance {
            name: name.to_string(),
            period: Some(convert::days(range)),
            intake: amount_of(intake),
            sources: sources.collect(),
            reused: amount_of(water.reused.amount),
            reuse_percent: percent(water.reused.amount, intake + water.reused.amount)?,
            unaccounted: unaccounted.and_then(amount_of),
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

    pub(in crate::grpc) async fn waste_ledger(
        &self,
        scope: Scope,
        request: &pb::GetWasteLedgerRequest,
    ) -> Result<pb::WasteLedger, QueryError> {
        let (period, as_of) = (request.period.as_ref(), request.as_of.as_ref());
        let MaterialsRequest {
            name,
            registry,
            range,
            days,
        } = self
            .load_materials(&scope, &request.name, period, as_of)
            .await?;
        let population = population_of(&name, &days, range);
        let terms = Terms::plain(Indicator::WasteUtilization, range);
        let mut question = self.question(&terms, &registry)?;
        let (bulk, every) = (question.rules.bulk, materials::every_category());
        question.rules.bulk = &every;
        let frame = figure::frame(&question, &population, "solid waste")?;
        let waste = materials::waste(&population, range, request.by_code);
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
            notes.extend(without_rate((*medium, *code), request.by_code, ledger));
        }
        // For one enterprise the origin of received waste does not matter.
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
        let amount_of = |sum: Sum| Some(amount(sum, "t"));
        Ok(pb::WasteRow {
            category: medium.map(|m| m.as_str().to_owned()).unwrap_or_default(),
            chinese: medium.map(|m| m.chinese().to_owned()).unwrap_or_default(),
            code: code.map(|c| c.to_string()).unwrap_or_default(),
            class_title: code.map(|c| self.data.class(c)).unwrap_or_default(),
            bulk,
            generated: amount_of(ledger.generated),
            utilized: amount_of(ledger.utilized),
            utilized_old_stock: amount_of(ledger.utilized_old_stock),
            received: amount_of(ledger.received),
            stored: amount_of(ledger.stored),
            disposed: amount_of(ledger.disposed),
            disposed_old_stock: amount_of(ledger.disposed_old_stock),
            dumped: amount_of(ledger.dumped),
            identity_gap: amount_of(ledger.identity_gap()),
            utilization_percent: percent(ledger.net_utilized(), ledger.available())?,
        })
    }
}

/// Notes for the reader of a water balance.
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

/// Waste received from other enterprises without any booked use.
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

/// Events that do not count because of others with the same identity.
fn dropped(waste: &Waste) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((name, quantity), repeats) in &waste.repeats {
        let counts = [
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
        let some = counts.into_iter().filter(|(_, count, _)| *count > 0);
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

/// The reason for a missing utilization rate of a row. [`doubts`] reports more received than used.
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

/// Contradictions in a ledger.
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
