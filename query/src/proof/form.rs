//! Statutory forms: what an enterprise reports, with the origin of every number and a reason for every empty cell.
//!
//! A cell that is not known is empty and never 0. Pure.

pub(crate) mod energy;
pub(crate) mod sheets;
pub(crate) mod waste;

use rust_decimal::Decimal;

use crate::reference::forms::Layout;

/// A form that is filled in.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) layout: Layout,
    /// Titles of what precedes the columns of the layout, such as 单位.
    pub(crate) labels: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
    pub(crate) checks: Vec<Check>,
    /// Sentences for who signs it.
    pub(crate) notes: Vec<String>,
}

/// A row of a form.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) labels: Vec<Cell>,
    /// In the order of the layout's columns.
    pub(crate) cells: Vec<Cell>,
}

/// A cell of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    /// A number, and where it comes from.
    Known(Decimal, String),
    /// Empty, for this reason.
    Unknown(String),
}

/// An arithmetic check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// The row.
    pub(crate) row: String,
    /// What must hold.
    pub(crate) rule: &'static str,
    pub(crate) outcome: Outcome,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Holds,
    /// The left side and the right side.
    Fails(Decimal, Decimal),
    /// A cell is empty.
    Open(String),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The number, or why there is none.
    pub(crate) fn known(&self) -> Result<Decimal, String> {
        match self {
            Self::Known(value, _) => Ok(*value),
            Self::Unknown(reason) => Err(reason.clone()),
            Self::Text(_) => Err("it is no number".to_owned()),
        }
    }
}

impl Check {
    /// Checks that two numbers are equal.
    pub(crate) fn equal(row: &str, rule: &'static str, left: Side, right: Side) -> Self {
        Self::of(row, rule, (left, right), |left, right| left == right)
    }

    /// Checks that the left number is at most the right one.
    pub(crate) fn at_most(row: &str, rule: &'static str, left: Side, right: Side) -> Self {
        Self::of(row, rule, (left, right), |left, right| left <= right)
    }

    fn of(
        row: &str,
        rule: &'static str,
        sides: (Side, Side),
        holds: impl FnOnce(Decimal, Decimal) -> bool,
    ) -> Self {
        let outcome = match sides {
            (Ok(left), Ok(right)) if holds(left, right) => Outcome::Holds,
            (Ok(left), Ok(right)) => Outcome::Fails(left, right),
            (Err(reason), _) | (_, Err(reason)) => Outcome::Open(reason),
        };
        Self {
            row: row.to_owned(),
            rule,
            outcome,
        }
    }
}

/// One side of a check: a number, or why there is none.
pub(crate) type Side = Result<Decimal, String>;
