//! The water balance and the solid-waste ledger over gRPC.

use greenpark_model::{
    amount::Sum,
    day::DayRange,
    indicator::{Indicator, round},
    quantity::Medium,
    waste::Ledger,
    waste_code::WasteCode,
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    error::QueryError,
    figure::{self, Population, amount, out_of_range, tell, timestamp},
    materials::{self, Measured},
    name::Name,
    period,
    registry::Registry,
    rpc::{indicators::population_of, terms::Terms},
    scope::Scope,
    service::Shared,
};

/// Decimal places of rates.
const PLACES: u32 = 6;

/// `part` in per cent of `whole`; empty where that is nothing.
fn percent(part: Sum, whole: Sum) -> Result<String, QueryError> {
    if whole.0 == 0 {
        return Ok(String::new());
    }
    let decimal = |sum: Sum| sum.decimal().map_err(|_| out_of_range());
    let hundredfold = decimal(part)?.checked_mul(Decimal::ONE_HUNDRED);
    let whole = decimal(whole)?;
    let percent = hundredfold
        .and_then(|h| h.checked_div(whole))
        .ok_or_else(out_of_range)?;
    Ok(round(percent, PLACES).to_string())
}

impl Shared {
    /// The range of a request, and what was registered then.
    async fn asked_range(
        &self,
        asked: Option<&pb::Period>,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<(std::sync::Arc<Registry>, DayRange), QueryError> {
        let registry = self.registry_as_of(as_of).await?;
        let today = self.moment(&registry).day();
        let range = period::resolve(asked, self.plans.all(), today)?;
        Ok((registry, range))
    }

    /// The figure of the same population: its coverage, status, revisions and notes are those of the table.
    fn frame(
        &self,
        indicator: Indicator,
        registry: &Registry,
        (name, population, range): (&Name, &Population<'_>, DayRange),
    ) -> Result<pb::Figure, QueryError> {
        let terms = Terms::plain(indicator, range);
        let question = self.question(&terms, registry)?;
        match tell(&question, name.to_string(), population) {
            Ok(told) => Ok(told.figure),
            // What is declared at other prices is no part of a balance.
            Err(QueryError::MixedPriceBases { .. }) => Ok(pb::Figure::default()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn water_balance(
        &self,
        scope: Scope,
        asked: &pb::GetWaterBalanceRequest,
    ) -> Result<pb::WaterBalance, QueryError> {
        let name = Name::parse("name", &asked.name)?;
        let (registry, range) = self
            .asked_range(asked.period.as_ref(), asked.as_of.as_ref())
            .await?;
        let days = self.days_of(&scope, &registry, &name, range).await?;
        let population = population_of(&name, &days, range);
        let frame = self.frame(
            Indicator::WaterIntensity,
            &registry,
            (&name, &population, range),
        )?;
        let water = materials::water(&population, range);
        let intake: Sum = water.intake.values().map(|of| of.amount).sum();
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
        let unaccounted = water.parents - water.children;
        let mut notes = frame_notes(&frame);
        if water.intake.contains_key(&None) {
            notes.push("some meters do not say where their water comes from".to_owned());
        }
        Ok(pb::WaterBalance {
            name: name.to_string(),
            period: Some(figure::days(range)),
            intake: told(intake),
            sources: sources.collect(),
            reused: told(water.reused.amount),
            reuse_percent: percent(water.reused.amount, intake + water.reused.amount)?,
            unaccounted: water.has_children.then(|| amount(unaccounted, "m3")),
            leakage_percent: match water.has_children {
                true => percent(unaccounted, water.parents)?,
                false => String::new(),
            },
            status: frame.status,
            coverage: frame.coverage,
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
        let name = Name::parse("name", &asked.name)?;
        let (registry, range) = self
            .asked_range(asked.period.as_ref(), asked.as_of.as_ref())
            .await?;
        let days = self.days_of(&scope, &registry, &name, range).await?;
        let population = population_of(&name, &days, range);
        let indicator = Indicator::WasteUtilization;
        let frame = self.frame(indicator, &registry, (&name, &population, range))?;
        let waste = materials::waste(&population, range, asked.by_code);
        let bulk = self.data.rules("")?.bulk;
        let (mut rows, mut notes) = (Vec::new(), frame_notes(&frame));
        let (mut all, mut bulk_total) = (Ledger::default(), Ledger::default());
        for ((medium, code), ledger) in &waste.rows {
            let is_bulk = bulk.categories.contains(medium);
            all = all.plus(ledger);
            if is_bulk {
                bulk_total = bulk_total.plus(ledger);
            }
            rows.push(self.row(Some(*medium), *code, ledger, is_bulk)?);
            notes.extend(doubts(*medium, ledger));
        }
        if !waste.foreign.is_empty() {
            let names: Vec<&String> = waste.foreign.iter().collect();
            let names = figure::listed(&names);
            notes.push(format!(
                "codes of another industry than the enterprise's: {names}"
            ));
        }
        Ok(pb::WasteLedger {
            name: name.to_string(),
            period: Some(figure::days(range)),
            rows,
            total: Some(self.row(None, None, &all, false)?),
            bulk_total: Some(self.row(None, None, &bulk_total, true)?),
            waste_set: bulk.id.clone(),
            status: frame.status,
            coverage: frame.coverage,
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

/// What a reader of the table must know of its readings; what concerns a division is no part of it.
fn frame_notes(frame: &pb::Figure) -> Vec<String> {
    let about_division = |note: &&String| note.contains("value added") || note.contains("no value");
    let notes = frame.notes.iter().filter(|note| !about_division(note));
    notes
        .filter(|note| !note.contains("ledger does not close"))
        .cloned()
        .collect()
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
                "{what}: more is received from others than is used: who generated it has not booked its use"
            ),
        ),
    ];
    doubts
        .into_iter()
        .filter_map(|(holds, text)| holds.then_some(text))
        .collect()
}
