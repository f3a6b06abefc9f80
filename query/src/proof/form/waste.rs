//! The ledger of solid waste by month.
//!
//! A flow without a meter is not known. A meter without a ticket in a month says that there was nothing.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::quantity::{Flow, Medium, Quantity};
use rust_decimal::Decimal;

use super::{Cell, Check, Form, Row, Side};
use crate::reference::forms::Layout;

/// What precedes the columns.
const LABELS: [&str; 4] = ["月份", "类别", "代码", "计量单位"];
const IDENTITY: &str = "generated = (utilized − received − of old stock) + stored + (disposed − of old stock) + dumped";

/// The waste of an enterprise.
#[derive(Debug, Default)]
pub(crate) struct WasteBooks {
    /// By month, as `2025-11`: the ledger of each category and code.
    pub(crate) months: BTreeMap<String, BTreeMap<Waste, Amounts>>,
    /// What the enterprise has meters of.
    pub(crate) metered: BTreeSet<Quantity>,
    /// Months with days that are not closed.
    pub(crate) open: BTreeSet<String>,
}

/// A category, and its code in the national catalogue; empty if none is registered.
pub(crate) type Waste = (Medium, String);

/// Tonnes of each flow.
pub(crate) type Amounts = BTreeMap<Flow, Decimal>;

/// Fills in the ledger.
pub(crate) fn fill(layout: Layout, books: &WasteBooks) -> Form {
    let (mut rows, mut checks) = (Vec::new(), Vec::new());
    let (wastes, none) = (books.wastes(), Amounts::new());
    for (month, ledger) in &books.months {
        for waste in &wastes {
            let line = Line {
                medium: waste.0,
                amounts: ledger.get(waste).unwrap_or(&none),
                books,
                month,
            };
            checks.push(line.identity());
            let cells = layout.columns.iter().map(|column| line.cell(&column.id));
            rows.push(Row {
                cells: cells.collect(),
                labels: labels(month, waste),
            });
        }
    }
    let open = books.open.iter();
    let note = |month| format!("{month} has days that are not closed; its numbers may change");
    Form {
        labels: LABELS.to_vec(),
        rows,
        checks,
        notes: open.map(note).collect(),
        layout,
    }
}

fn labels(month: &str, (medium, code): &Waste) -> Vec<Cell> {
    let code = match code.as_str() {
        "" => Cell::Unknown("no code is registered for its meters".to_owned()),
        code => Cell::text(code),
    };
    vec![
        Cell::text(month),
        Cell::text(medium.chinese()),
        code,
        Cell::text("吨"),
    ]
}

impl WasteBooks {
    /// Every waste that has tickets or a meter, in order.
    fn wastes(&self) -> BTreeSet<Waste> {
        let mut wastes: BTreeSet<Waste> = self
            .months
            .values()
            .flat_map(BTreeMap::keys)
            .cloned()
            .collect();
        for quantity in &self.metered {
            if !wastes.iter().any(|(medium, _)| *medium == quantity.medium) {
                wastes.insert((quantity.medium, String::new()));
            }
        }
        wastes
    }
}

/// One waste in one month.
struct Line<'a> {
    medium: Medium,
    amounts: &'a Amounts,
    books: &'a WasteBooks,
    month: &'a str,
}

impl Line<'_> {
    fn cell(&self, column: &str) -> Cell {
        match Flow::from_name(column) {
            Some(flow) => self.amount(flow),
            None => Cell::Unknown(format!("this version does not know '{column}'")),
        }
    }

    fn amount(&self, flow: Flow) -> Cell {
        let (medium, month) = (self.medium, self.month);
        let quantity = Quantity { medium, flow };
        if !self.books.metered.contains(&quantity) {
            return Cell::Unknown(format!("there is no meter of {quantity}"));
        }
        match self.amounts.get(&flow) {
            Some(amount) if !amount.is_zero() => {
                let origin = format!("tickets of {quantity} in {month}");
                Cell::Known(amount.normalize(), origin)
            }
            _ => {
                let origin = format!("no ticket of {quantity} in {month}");
                Cell::Known(Decimal::ZERO, origin)
            }
        }
    }

    fn identity(&self) -> Check {
        let number = |flow| self.amount(flow).known();
        // Who meters nothing as received or as old stock has none of it to take off.
        let part = |flow| number(flow).unwrap_or_default();
        let uses = || -> Side {
            let utilized = number(Flow::Utilized)?;
            let utilized = utilized - part(Flow::Received) - part(Flow::UtilizedOldStock);
            let disposed = number(Flow::Disposed)? - part(Flow::DisposedOldStock);
            Ok(utilized + number(Flow::Stored)? + disposed + number(Flow::Dumped)?)
        };
        let row = format!("{} {}", self.month, self.medium.chinese());
        Check::equal(&row, IDENTITY, number(Flow::Generated), uses())
    }
}

#[cfg(test)]
mod tests;
