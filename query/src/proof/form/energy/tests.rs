//! Form 205-1 from meters, declarations and factors, and what is left empty.

use greenpark_model::day::Instant;

use super::*;
use crate::{
    proof::form::Outcome,
    reference::{factors, forms::layout},
    register::statistics::Finality,
};

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// Declarations, each a series, a period and an amount.
fn declared(all: &[(&str, &str, &str)]) -> Vec<DeclaredStatistic> {
    let one = |(at, (series, period, amount)): (i64, &(&str, &str, &str))| DeclaredStatistic {
        series: series.parse().expect("a series"),
        period: period.parse().expect("a period"),
        amount: amount.parse().expect("an amount"),
        price_base: None,
        finality: Finality::Final,
        recorded_at: Instant::from_millis(at),
    };
    (0..).zip(all).map(one).collect()
}

/// The form of 2025 of an enterprise with 2,500 kWh and 40 t of coal by its meters.
fn filled(all: &[(&str, &str, &str)], metered: &[(Medium, &str)]) -> Form {
    let factors = factors::load(&[]).expect("shipped");
    let declared = declared(all);
    let metered = metered.iter().map(|(medium, amount)| {
        let metered = Metered {
            amount: decimal(amount),
            factor: None,
            origin: "meters".to_owned(),
        };
        (*medium, metered)
    });
    let books = EnergyBooks {
        range: DayRange::year(2025).expect("a year"),
        metered: metered.collect(),
        gross_tce: Ok(decimal("28.87925")),
        declared: &declared,
        factors: &factors,
        reference: &factors,
    };
    fill(layout("205-1").expect("shipped"), &books)
}

const METERED: [(Medium, &str); 2] = [(Medium::Electricity, "2500"), (Medium::RawCoal, "40")];

/// The cell of a row and column.
fn cell<'a>(form: &'a Form, title: &str, column: &str) -> &'a Cell {
    let of = |row: &&Row| row.labels[0] == Cell::text(title);
    let row = form.rows.iter().find(of).expect("a row");
    let mut columns = form.layout.columns.iter();
    let column = columns.position(|of| of.id == column).expect("a column");
    &row.cells[column]
}

fn number(form: &Form, title: &str, column: &str) -> Decimal {
    cell(form, title, column).known().expect("a number")
}

fn reason(form: &Form, title: &str, column: &str) -> String {
    cell(form, title, column).known().expect_err("it is empty")
}

fn outcome<'a>(form: &'a Form, row: &str, rule: &str) -> &'a Outcome {
    let mut checks = form.checks.iter();
    let check = checks.find(|of| of.row == row && of.rule.contains(rule));
    &check.expect("a check").outcome
}

#[test]
fn meters_and_declarations_fill_a_row_in_the_units_of_the_form() {
    let form = filled(
        &[
            ("closing_stock:raw_coal", "2024", "5"),
            ("purchases:raw_coal", "2025", "45"),
            ("purchase_cost:raw_coal", "2025", "36"),
            ("raw_material:raw_coal", "2025", "4"),
            ("non_production:raw_coal", "2025", "0"),
            ("transport:raw_coal", "2025", "0"),
            ("closing_stock:raw_coal", "2025-12", "10"),
            ("non_production:electricity", "2025", "500"),
        ],
        &METERED,
    );
    let coal = |column| number(&form, "原煤", column);
    let stock = [
        coal("opening_stock"),
        coal("purchases"),
        coal("closing_stock"),
    ];
    assert_eq!(stock, ["5", "45", "10"].map(decimal));
    assert_eq!(coal("purchase_cost"), decimal("36"), "thousand yuan");
    assert_eq!(coal("industrial"), decimal("40"));
    assert_eq!(
        (coal("raw_material"), coal("transport")),
        (decimal("4"), Decimal::ZERO)
    );
    assert_eq!(coal("factor"), decimal("0.7143"));
    // 万千瓦时.
    assert_eq!(number(&form, "电力", "consumed"), decimal("0.25"));
    assert_eq!(number(&form, "电力", "industrial"), decimal("0.2"));
    assert_eq!(number(&form, "电力", "reference_factor"), decimal("1.229"));
    // 0.25 × 1.229 + 40 × 0.7143.
    assert_eq!(number(&form, "能源合计", "consumed"), decimal("28.87925"));
    // 5 × 0.7143; nobody keeps electricity in stock.
    assert_eq!(
        number(&form, "能源合计", "opening_stock"),
        decimal("3.5715")
    );
    assert_eq!(*outcome(&form, "能源合计", "gross"), Outcome::Holds);
    for rule in [
        "industrial + non",
        "raw material",
        "vehicles",
        "opening stock",
    ] {
        assert_eq!(*outcome(&form, "原煤", rule), Outcome::Holds, "{rule}");
    }
}

#[test]
fn what_is_not_known_is_empty_with_a_reason() {
    let form = filled(&[("purchases:electricity", "2025-01", "100")], &METERED);
    let reasons = [
        ("purchases", "not declared on 334 day(s)"),
        ("non_production", "declare it, and 0 where there was none"),
        ("industrial", "non_production:electricity is not declared"),
        ("opening_stock", "nobody keeps it in stock"),
    ];
    for (column, why) in reasons {
        let reason = reason(&form, "电力", column);
        assert!(reason.contains(why), "{column}: {reason}");
    }
    assert!(reason(&form, "原煤", "closing_stock").contains("ends on 2025-12-31"));
    assert!(reason(&form, "柴油", "consumed").contains("no meter and no declaration"));
    assert!(reason(&form, "能源合计", "industrial").starts_with("原煤: "));
    let open = outcome(&form, "电力", "industrial + non");
    assert!(matches!(open, Outcome::Open(_)), "{open:?}");
    // The codes of all but coal and the total are not known.
    let codes = form.rows.iter().map(|row| &row.labels[2]);
    let codes: Vec<&Cell> = codes.filter(|code| matches!(code, Cell::Text(_))).collect();
    assert_eq!(codes, [&Cell::text("01"), &Cell::text("40")]);
}

#[test]
fn a_longer_declaration_is_not_cut_and_books_stand_in_for_meters() {
    let form = filled(&[("consumption:diesel", "2025", "12.5")], &[]);
    assert_eq!(number(&form, "柴油", "consumed"), decimal("12.5"));
    let factors = factors::load(&[]).expect("shipped");
    let declared = declared(&[("consumption:diesel", "2025", "12.5")]);
    let books = EnergyBooks {
        range: DayRange::month(2025, 3).expect("a month"),
        metered: BTreeMap::new(),
        gross_tce: Err("there is none".to_owned()),
        declared: &declared,
        factors: &factors,
        reference: &factors,
    };
    let form = fill(layout("205-1").expect("shipped"), &books);
    assert!(reason(&form, "柴油", "consumed").contains("no meter and no declaration"));
}

#[test]
fn a_check_that_fails_shows_both_sides() {
    let form = filled(
        &[
            ("non_production:raw_coal", "2025", "39"),
            ("raw_material:raw_coal", "2025", "4"),
        ],
        &METERED,
    );
    let failed = Outcome::Fails(decimal("4"), decimal("1"));
    assert_eq!(*outcome(&form, "原煤", "raw material"), failed);
}
