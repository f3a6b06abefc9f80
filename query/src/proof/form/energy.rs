//! Form 205-1: what an enterprise bought, consumed and has in stock of each energy.
//!
//! Consumption is that of the meters, or else of the enterprise's own books; everything else is declared.

use std::collections::BTreeMap;

use greenpark_model::{
    amount::Sum,
    coal::{Basis, FactorSet},
    day::{CivilDay, DayRange},
    quantity::{Medium, Quantity},
};
use rust_decimal::Decimal;

use super::{Cell, Check, Form, Row, Side};
use crate::{
    reference::forms::{Carrier, Layout, TotalRow},
    register::statistics::{DeclaredStatistic, EnergyItem, StatisticSeries, pieces_of},
};

/// What precedes the columns.
const LABELS: [&str; 3] = ["能源名称", "计量单位", "代码"];
/// The column that is money.
const COST: &str = "purchase_cost";

/// The energy of an enterprise in a period.
#[derive(Debug)]
pub(crate) struct EnergyBooks<'a> {
    pub(crate) range: DayRange,
    /// What meters say was consumed.
    pub(crate) metered: BTreeMap<Medium, Metered>,
    /// The gross consumption of the energy figure, in tce; or why there is none.
    pub(crate) gross_tce: Side,
    /// In the order of recording.
    pub(crate) declared: &'a [DeclaredStatistic],
    /// The factors of the service.
    pub(crate) factors: &'a FactorSet,
    /// The factors of the standard.
    pub(crate) reference: &'a FactorSet,
}

/// What meters of one energy say.
#[derive(Debug, Clone)]
pub(crate) struct Metered {
    /// In the canonical unit.
    pub(crate) amount: Decimal,
    /// In kgce for a canonical unit, and its source; `None` if none applies.
    pub(crate) factor: Option<(Decimal, String)>,
    /// What the amount is made of.
    pub(crate) origin: String,
}

/// Fills in the form.
pub(crate) fn fill(layout: Layout, books: &EnergyBooks<'_>) -> Form {
    let (mut rows, mut checks) = (Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for carrier in &layout.carriers {
        let line = Line::of(carrier, books);
        checks.extend(line.checks(carrier));
        rows.push(line.row(&layout, carrier));
        lines.push((carrier, line));
    }
    if let Some(total) = &layout.total {
        checks.push(Check::equal(
            &total.title,
            "consumed in total = gross consumption of the energy figure, in tce",
            total_of("consumed", &lines).known(),
            books.gross_tce.clone(),
        ));
        let cells = layout.columns.iter();
        rows.push(Row {
            labels: total_labels(total),
            cells: cells.map(|column| total_of(&column.id, &lines)).collect(),
        });
    }
    Form {
        labels: LABELS.to_vec(),
        rows,
        checks,
        notes: vec![
            "an energy without a meter and without a declaration is not in the total".to_owned(),
        ],
        layout,
    }
}

/// The cells of an energy, by column.
struct Line {
    cells: BTreeMap<&'static str, Cell>,
    /// True if a meter or a declaration says anything of it.
    is_known: bool,
}

impl Line {
    fn of(carrier: &Carrier, books: &EnergyBooks<'_>) -> Self {
        let medium = carrier.medium;
        let declared = |item| {
            let series = StatisticSeries::Energy(item, medium);
            books.declared(&series, carrier.per_unit)
        };
        let cost = StatisticSeries::Energy(EnergyItem::PurchaseCost, medium);
        let raw_material = StatisticSeries::RawMaterial(medium);
        let consumed = books.consumed(carrier);
        let non_production = declared(EnergyItem::NonProduction);
        let industrial = minus(&consumed, &non_production);
        let mut cells = BTreeMap::from([
            (
                "opening_stock",
                books.stock(carrier, books.range.first().previous()),
            ),
            ("purchases", declared(EnergyItem::Purchases)),
            (COST, books.declared(&cost, Decimal::ONE)),
            ("consumed", consumed),
            ("industrial", industrial),
            (
                "raw_material",
                books.declared(&raw_material, carrier.per_unit),
            ),
            ("non_production", non_production),
            ("transport", declared(EnergyItem::Transport)),
            ("closing_stock", books.stock(carrier, books.range.last())),
        ]);
        let is_known = cells.values().any(|cell| matches!(cell, Cell::Known(..)));
        cells.insert("factor", books.factor(carrier));
        let reference = factor_of(books.reference, carrier, books.range.last());
        cells.insert("reference_factor", reference);
        Self { cells, is_known }
    }

    fn number(&self, column: &str) -> Side {
        let cell = self.cells.get(column);
        cell.map_or_else(|| Err(format!("there is no {column}")), Cell::known)
    }

    fn row(&self, layout: &Layout, carrier: &Carrier) -> Row {
        let columns = layout.columns.iter();
        let cells = columns.map(|column| match self.cells.get(column.id.as_str()) {
            Some(cell @ Cell::Known(..)) => cell.clone(),
            _ if !self.is_known => Cell::Unknown(format!(
                "nothing is known of {}: it has no meter and no declaration",
                carrier.medium.as_str()
            )),
            Some(cell) => cell.clone(),
            None => Cell::Unknown(format!("this version does not know '{}'", column.id)),
        });
        Row {
            labels: vec![
                Cell::text(&carrier.title),
                Cell::text(&carrier.unit),
                code(carrier.code.as_deref()),
            ],
            cells: cells.collect(),
        }
    }

    fn checks(&self, carrier: &Carrier) -> Vec<Check> {
        if !self.is_known {
            return Vec::new();
        }
        let title = carrier.title.as_str();
        let number = |column| self.number(column);
        let plus = |left: Side, right: Side| left.and_then(|left| Ok(left + right?));
        let mut checks = vec![
            Check::equal(
                title,
                "consumed in total = industrial + non-industrial",
                number("consumed"),
                plus(number("industrial"), number("non_production")),
            ),
            Check::at_most(
                title,
                "raw material ≤ industrial consumption",
                number("raw_material"),
                number("industrial"),
            ),
            Check::at_most(
                title,
                "by vehicles ≤ consumed in total",
                number("transport"),
                number("consumed"),
            ),
        ];
        if carrier.has_stock {
            checks.push(Check::equal(
                title,
                "opening stock + purchased = consumed in total + closing stock",
                plus(number("opening_stock"), number("purchases")),
                plus(number("consumed"), number("closing_stock")),
            ));
        }
        checks
    }
}

impl EnergyBooks<'_> {
    fn consumed(&self, carrier: &Carrier) -> Cell {
        if let Some(metered) = self.metered.get(&carrier.medium) {
            return scaled(metered.amount, carrier.per_unit, metered.origin.clone());
        }
        let series = StatisticSeries::Consumption(Quantity::consumed(carrier.medium));
        self.declared(&series, carrier.per_unit)
    }

    /// The declared total of `series`, in units of `per_unit`.
    fn declared(&self, series: &StatisticSeries, per_unit: Decimal) -> Cell {
        let Some(pieces) = pieces_of(self.declared, series, self.range, None) else {
            return Cell::Unknown(format!(
                "{series} is not declared; declare it, and 0 where there was none"
            ));
        };
        if pieces.missing_days > 0 {
            let days = pieces.missing_days;
            return Cell::Unknown(format!(
                "{series} is not declared on {days} day(s) of the period"
            ));
        }
        if pieces.prorated_days() > 0 {
            return Cell::Unknown(format!(
                "{series} is declared for a longer period only; declare it for this one"
            ));
        }
        let declared = || pieces.pieces.iter().map(|piece| piece.declared);
        let sum: Sum = declared().map(|of| Sum::from(of.amount)).sum();
        let periods: Vec<String> = declared().map(|of| of.period.to_string()).collect();
        let newest = declared().map(|of| of.recorded_at).max();
        let origin = format!(
            "declared: {series} of {}, the last recorded at {}",
            periods.join(", "),
            newest.map(|at| at.to_string()).unwrap_or_default()
        );
        in_units(sum, per_unit, origin)
    }

    /// The stock at the end of `day`.
    fn stock(&self, carrier: &Carrier, day: CivilDay) -> Cell {
        let series = StatisticSeries::Energy(EnergyItem::ClosingStock, carrier.medium);
        let ends = |of: &&DeclaredStatistic| of.series == series && of.period.range().last() == day;
        let Some(declared) = self.declared.iter().rev().find(ends) else {
            if !carrier.has_stock {
                return Cell::Unknown("nobody keeps it in stock".to_owned());
            }
            return Cell::Unknown(format!(
                "{series} is not declared for a period that ends on {day}"
            ));
        };
        let origin = format!(
            "declared: {series} of {}, recorded at {}",
            declared.period, declared.recorded_at
        );
        in_units(Sum::from(declared.amount), carrier.per_unit, origin)
    }

    /// The factor that the figure uses, or would use.
    fn factor(&self, carrier: &Carrier) -> Cell {
        let metered = self.metered.get(&carrier.medium);
        match metered.and_then(|of| of.factor.as_ref()) {
            Some((kgce, source)) => tce_per_unit(*kgce, carrier, source.clone()),
            None => factor_of(self.factors, carrier, self.range.last()),
        }
    }
}

fn factor_of(set: &FactorSet, carrier: &Carrier, day: CivilDay) -> Cell {
    match set.find(carrier.medium, Basis::Calorific, day) {
        Some(factor) => {
            let origin = format!("{}: {}", set.id, factor.source);
            tce_per_unit(factor.kgce_per_unit, carrier, origin)
        }
        None => Cell::Unknown(format!("{} has no factor of it on {day}", set.id)),
    }
}

fn tce_per_unit(kgce: Decimal, carrier: &Carrier, origin: String) -> Cell {
    let kgce = kgce.checked_mul(carrier.per_unit);
    known(
        kgce.and_then(|kgce| kgce.checked_div(Decimal::ONE_THOUSAND)),
        origin,
    )
}

/// A sum in canonical units, as the form has it.
fn in_units(sum: Sum, per_unit: Decimal, origin: String) -> Cell {
    match sum.decimal() {
        Ok(sum) => scaled(sum, per_unit, origin),
        Err(_) => known(None, origin),
    }
}

fn scaled(amount: Decimal, per_unit: Decimal, origin: String) -> Cell {
    known(amount.checked_div(per_unit), origin)
}

fn known(number: Option<Decimal>, origin: String) -> Cell {
    match number {
        Some(number) => Cell::Known(number.normalize(), origin),
        None => Cell::Unknown("it is beyond 28 digits".to_owned()),
    }
}

fn minus(left: &Cell, right: &Cell) -> Cell {
    match (left.known(), right.known()) {
        (Ok(left), Ok(right)) => {
            let origin = "consumed in total less non-industrial use".to_owned();
            known(left.checked_sub(right), origin)
        }
        (Err(reason), _) | (_, Err(reason)) => Cell::Unknown(reason),
    }
}

fn code(code: Option<&str>) -> Cell {
    code.map_or_else(
        || Cell::Unknown("this edition of the layout does not have its code".to_owned()),
        Cell::text,
    )
}

fn total_labels(total: &TotalRow) -> Vec<Cell> {
    vec![
        Cell::text(&total.title),
        Cell::text(&total.unit),
        code(total.code.as_deref()),
    ]
}

/// The total of a column in tce, or in money, over the energies of which anything is known.
fn total_of(column: &str, lines: &[(&Carrier, Line)]) -> Cell {
    if column.contains("factor") {
        return Cell::Unknown("a total has no factor".to_owned());
    }
    let mut sum = Decimal::ZERO;
    let mut energies = 0;
    for (carrier, line) in lines.iter().filter(|(_, line)| line.is_known) {
        if column.ends_with("_stock") && !carrier.has_stock {
            continue;
        }
        let factor = match column {
            COST => Ok(Decimal::ONE),
            _ => line.number("factor"),
        };
        let number = line.number(column);
        match number.and_then(|number| Ok(number.checked_mul(factor?))) {
            Ok(Some(term)) => sum += term,
            Ok(None) => return known(None, String::new()),
            Err(reason) => return Cell::Unknown(format!("{}: {reason}", carrier.title)),
        }
        energies += 1;
    }
    match energies {
        0 => Cell::Unknown("nothing is known of any energy".to_owned()),
        _ => known(Some(sum), format!("sum of {energies} energies")),
    }
}

#[cfg(test)]
mod tests;
