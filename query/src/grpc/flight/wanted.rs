//! The rows that a statement wants of a view, as far as its conditions say it plainly.
//!
//! A condition that is not understood narrows nothing: DataFusion applies every condition again.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Operator},
};
use greenpark_model::day::{CivilDay, DayRange, Instant};

/// The wanted rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// By column: the texts that it may have.
    texts: BTreeMap<String, BTreeSet<String>>,
    first: Option<CivilDay>,
    last: Option<CivilDay>,
}

impl Wanted {
    /// What all of `filters` together want.
    pub(super) fn of(filters: &[Expr]) -> Self {
        let mut wanted = Self::default();
        for filter in filters {
            wanted.narrow(filter);
        }
        wanted
    }

    /// True if rows with `text` in `column` are wanted.
    pub(super) fn has(&self, column: &str, text: &str) -> bool {
        self.texts
            .get(column)
            .is_none_or(|texts| texts.contains(text))
    }

    /// The texts of `column` that are wanted; `None` if the statement does not say.
    pub(super) fn texts(&self, column: &str) -> Option<&BTreeSet<String>> {
        self.texts.get(column)
    }

    /// The wanted days; `None` if the statement does not say the first or the last.
    pub(super) fn days(&self) -> Option<DayRange> {
        DayRange::new(self.first?, self.last?)
    }

    fn narrow(&mut self, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => {
                self.narrow(left);
                self.narrow(right);
            }
            Expr::Between(between) if !between.negated => {
                if let Expr::Column(column) = &*between.expr {
                    self.bound(&column.name, Operator::GtEq, &between.low);
                    self.bound(&column.name, Operator::LtEq, &between.high);
                }
            }
            other => {
                if let Some((column, texts)) = texts_of(other) {
                    let known = self.texts.entry(column).or_insert_with(|| texts.clone());
                    known.retain(|text| texts.contains(text));
                } else if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = other {
                    match (&**left, &**right) {
                        (Expr::Column(column), value) => self.bound(&column.name, *op, value),
                        (value, Expr::Column(column)) => {
                            if let Some(op) = op.swap() {
                                self.bound(&column.name, op, value);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Bounds the days by a comparison with a day or an instant.
    fn bound(&mut self, column: &str, op: Operator, value: &Expr) {
        let Expr::Literal(value, _) = value else {
            return;
        };
        // The last day before, and the first day from the value on.
        let (before, from, at) = match (column, value) {
            ("day", ScalarValue::Date32(Some(day))) => {
                let day = CivilDay::from_epoch_days(*day);
                (day.previous(), day.next(), day)
            }
            ("instant", ScalarValue::TimestampMillisecond(Some(ms), _)) => {
                let day = |ms: i64| Instant::from_millis(ms).day();
                (day(ms.saturating_sub(1)), day(*ms), day(*ms))
            }
            _ => return,
        };
        let (first, last) = match op {
            Operator::Eq => (Some(at), Some(at)),
            Operator::Gt => (Some(from), None),
            Operator::GtEq => (Some(at), None),
            Operator::Lt => (None, Some(before)),
            Operator::LtEq => (None, Some(at)),
            _ => (None, None),
        };
        self.first = self.first.max(first);
        self.last = match (self.last, last) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }
}

/// The column and the texts of a condition that names them: `a = 'x'`, `a IN ('x', 'y')`, `a = 'x' OR a = 'y'`.
fn texts_of(filter: &Expr) -> Option<(String, BTreeSet<String>)> {
    let text = |value: &Expr| match value {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => {
            let (column, value) = match (&**left, &**right) {
                (Expr::Column(column), value) | (value, Expr::Column(column)) => (column, value),
                _ => return None,
            };
            Some((column.name.clone(), BTreeSet::from([text(value)?])))
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => {
            let (left, right) = (texts_of(left)?, texts_of(right)?);
            (left.0 == right.0).then(|| (left.0, &left.1 | &right.1))
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = &*list.expr else {
                return None;
            };
            let texts: Option<BTreeSet<String>> = list.list.iter().map(text).collect();
            Some((column.name.clone(), texts?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn date(text: &str) -> Expr {
        let day: CivilDay = text.parse().expect("a day");
        Expr::Literal(ScalarValue::Date32(Some(day.epoch_days())), None)
    }

    fn range(first: &str, last: &str) -> Option<DayRange> {
        DayRange::new(first.parse().ok()?, last.parse().ok()?)
    }

    #[test]
    fn conditions_narrow_what_is_wanted() {
        let wanted = Wanted::of(&[
            col("name").in_list(vec![lit("a"), lit("b")], false),
            lit("b").eq(col("name")),
            col("day")
                .gt_eq(date("2024-02-01"))
                .and(col("day").lt(date("2024-03-01"))),
        ]);
        assert!(wanted.has("name", "b") && !wanted.has("name", "a") && wanted.has("other", "a"));
        assert_eq!(wanted.days(), range("2024-02-01", "2024-02-29"));
        let wanted = Wanted::of(&[
            col("name").eq(lit("a")).or(col("name").eq(lit("c"))),
            date("2024-02-01").lt(col("day")),
            col("day").between(date("2024-01-01"), date("2024-02-09")),
        ]);
        assert!(wanted.has("name", "c") && !wanted.has("name", "b"));
        assert_eq!(wanted.days(), range("2024-02-02", "2024-02-09"));
    }

    #[test]
    fn an_instant_bounds_the_civil_days_it_is_in() {
        let day: CivilDay = "2024-02-01".parse().expect("a day");
        let ms = day.start().millis();
        let at = |ms| Expr::Literal(ScalarValue::TimestampMillisecond(Some(ms), None), None);
        let wanted = Wanted::of(&[
            col("instant").gt_eq(at(ms)),
            col("instant").lt(at(ms + 86_400_000)),
        ]);
        assert_eq!(wanted.days(), range("2024-02-01", "2024-02-01"));
    }

    #[test]
    fn what_is_not_understood_narrows_nothing() {
        let wanted = Wanted::of(&[
            col("name").not_eq(lit("a")),
            col("name").eq(lit("a")).or(col("other").eq(lit("b"))),
            col("name").in_list(vec![lit("a")], true),
            col("day")
                .gt(date("2024-01-01"))
                .or(col("name").eq(lit("b"))),
        ]);
        assert_eq!(wanted, Wanted::default());
        assert_eq!(wanted.days(), None);
    }
}
