//! The lines of the files that `import` reads. Each line is checked completely: every wrong field is reported.

use std::str::FromStr as _;

use anyhow::bail;
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    fold::Multiplier,
    id,
    money::PriceBase,
    quantity::{Medium, Quantity},
    reading::Kind,
    waste_code::WasteCode,
    water::WaterSource,
};
use greenpark_proto::query::v1 as api;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::ParseSeries;
use crate::name;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnterpriseLine {
    enterprise: String,
    title: String,
    industry: String,
    above_designated_size: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeterLine {
    enterprise: String,
    meter: String,
    title: String,
    quantity: String,
    kind: String,
    #[serde(default)]
    interval_s: String,
    #[serde(default)]
    modulus: String,
    #[serde(default)]
    rated_per_hour: String,
    #[serde(default)]
    headroom: String,
    #[serde(default)]
    multiplier: String,
    counted: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    verified_until: String,
    #[serde(default)]
    water_source: String,
    #[serde(default)]
    waste_code: String,
    #[serde(default)]
    bidirectional: String,
    #[serde(default)]
    restart: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeLine {
    enterprise: String,
    meter: String,
    quantity: String,
    at: String,
    old_final: String,
    new_initial: String,
    #[serde(default)]
    multiplier: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticLine {
    enterprise: String,
    series: String,
    period: String,
    amount: String,
    price_base: String,
    r#final: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalorificLine {
    enterprise: String,
    medium: String,
    kj_per_unit: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrectionLine {
    enterprise: String,
    meter: String,
    quantity: String,
    kind: String,
    first: String,
    last: String,
    amount: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeflatorLine {
    form: String,
    year: String,
    base: String,
    value: String,
    #[serde(default)]
    industry: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IndicatorLine {
    plan: String,
    indicator: String,
    year: String,
    value: String,
}

/// The mistakes in the fields of a line.
#[derive(Debug, Default)]
pub(super) struct Check(Vec<String>);

impl Check {
    /// Adds a mistake.
    pub(super) fn wrong(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    pub(super) fn that<T, E: std::fmt::Display>(
        &mut self,
        column: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result
            .map_err(|error| self.0.push(format!("{column}: {error}")))
            .ok()
    }

    pub(super) fn id(&mut self, column: &str, text: &str) {
        self.that(column, id::check(text));
    }

    pub(super) fn day(&mut self, column: &str, text: &str) -> Option<CivilDay> {
        self.that(column, text.parse())
    }

    pub(super) fn days(&mut self, from: &str, to: &str) {
        let first = self.day("valid_from", from);
        if to.is_empty() {
            return;
        }
        let last = self.day("valid_to", to);
        if first.zip(last).is_some_and(|(first, last)| last < first) {
            self.0.push(format!("valid_to: {to} is before {from}"));
        }
    }

    /// Checks an optional field if it is present.
    fn known<'t, T, E: std::fmt::Display>(
        &mut self,
        column: &str,
        text: &'t str,
        parse: impl Fn(&'t str) -> Result<T, E>,
    ) {
        if !text.is_empty() {
            self.that(column, parse(text));
        }
    }

    fn decimal(&mut self, column: &str, text: &str) {
        self.known(column, text, Amount::from_str);
    }

    fn multiplier(&mut self, text: &str) {
        if !text.is_empty() {
            let made = text.parse::<Amount>().and_then(Multiplier::new);
            self.that("multiplier", made);
        }
    }

    pub(super) fn yes(&mut self, column: &str, text: &str) -> bool {
        match text {
            "true" | "yes" | "1" => true,
            "false" | "no" | "0" => false,
            _ => {
                self.0
                    .push(format!("{column}: '{text}' is neither true nor false"));
                false
            }
        }
    }

    pub(super) fn end<T>(self, entry: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() {
            Ok(entry)
        } else {
            Err(self.0)
        }
    }
}

pub(super) fn enterprise(park: &str, line: EnterpriseLine) -> Result<api::Enterprise, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    check.days(&line.valid_from, &line.valid_to);
    let above = check.yes("above_designated_size", &line.above_designated_size);
    check.end(api::Enterprise {
        name: name::enterprise(park, &line.enterprise),
        title: line.title,
        industry: line.industry,
        above_designated_size: above,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
        recorded_at: None,
    })
}

pub(super) fn meter(park: &str, line: MeterLine) -> Result<api::Meter, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    check.id("meter", &line.meter);
    check.that("quantity", line.quantity.parse::<Quantity>());
    if Kind::from_name(&line.kind).is_none() {
        check.0.push(format!(
            "kind: '{}' is none of register, interval, event, gauge, daily_counter",
            line.kind
        ));
    }
    check.decimal("modulus", &line.modulus);
    check.decimal("rated_per_hour", &line.rated_per_hour);
    check.decimal("headroom", &line.headroom);
    check.multiplier(&line.multiplier);
    check.days(&line.valid_from, &line.valid_to);
    let interval_s = match line.interval_s.as_str() {
        "" => 0,
        text => check.that("interval_s", text.parse()).unwrap_or(0),
    };
    let counted = check.yes("counted", &line.counted);
    check.known("parent", &line.parent, id::check);
    check.known("verified_until", &line.verified_until, CivilDay::from_str);
    check.known("water_source", &line.water_source, WaterSource::from_str);
    check.known("waste_code", &line.waste_code, WasteCode::from_str);
    let bidirectional = match line.bidirectional.as_str() {
        "" => false,
        text => check.yes("bidirectional", text),
    };
    check.end(api::Meter {
        name: name::meter(park, &line.enterprise, &line.meter),
        title: line.title,
        quantity: line.quantity,
        kind: line.kind,
        interval_s,
        modulus: line.modulus,
        rated_per_hour: line.rated_per_hour,
        headroom: line.headroom,
        multiplier: line.multiplier,
        changes: Vec::new(),
        counted,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
        latest: None,
        recorded_at: None,
        parent: line.parent,
        verified_until: line.verified_until,
        water_source: line.water_source,
        waste_code: line.waste_code,
        bidirectional,
        restart: line.restart,
    })
}

pub(super) fn change(park: &str, line: ChangeLine) -> Result<api::MeterChange, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    check.id("meter", &line.meter);
    check.that("quantity", line.quantity.parse::<Quantity>());
    let at = check.that("at", line.at.parse::<Instant>());
    check.that("old_final", line.old_final.parse::<Amount>());
    check.that("new_initial", line.new_initial.parse::<Amount>());
    check.multiplier(&line.multiplier);
    check.end(api::MeterChange {
        meter: name::meter(park, &line.enterprise, &line.meter),
        quantity: line.quantity,
        at: at.map(|at| prost_types::Timestamp {
            seconds: at.millis().div_euclid(1_000),
            nanos: i32::try_from(at.millis().rem_euclid(1_000)).unwrap_or(0) * 1_000_000,
        }),
        old_final: line.old_final,
        new_initial: line.new_initial,
        multiplier: line.multiplier,
    })
}

pub(super) fn calorific_value(
    park: &str,
    line: CalorificLine,
) -> Result<api::CalorificValue, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    if Medium::from_name(&line.medium).is_none() {
        check
            .0
            .push(format!("medium: '{}' is unknown", line.medium));
    }
    check.that("kj_per_unit", line.kj_per_unit.parse::<Amount>());
    check.days(&line.valid_from, &line.valid_to);
    check.end(api::CalorificValue {
        enterprise: name::enterprise(park, &line.enterprise),
        medium: line.medium,
        kj_per_unit: line.kj_per_unit,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
    })
}

pub(super) fn correction(park: &str, line: CorrectionLine) -> Result<api::Correction, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    check.id("meter", &line.meter);
    check.that("quantity", line.quantity.parse::<Quantity>());
    if Kind::from_name(&line.kind).is_none() {
        let kind = &line.kind;
        check.0.push(format!(
            "kind: '{kind}' is none of register, interval, event"
        ));
    }
    check.day("first", &line.first);
    check.day("last", &line.last);
    check.that("amount", line.amount.parse::<Amount>());
    if line.reason.is_empty() {
        check.0.push("reason: is missing".to_owned());
    }
    check.end(api::Correction {
        meter: name::meter(park, &line.enterprise, &line.meter),
        quantity: line.quantity,
        kind: line.kind,
        days: Some(api::Days {
            first: line.first,
            last: line.last,
        }),
        amount: line.amount,
        reason: line.reason,
        ..api::Correction::default()
    })
}

pub(super) fn deflator(line: DeflatorLine) -> Result<api::Deflator, Vec<String>> {
    let mut check = Check::default();
    let year = check.that("year", line.year.parse());
    check.that("base", line.base.parse::<PriceBase>());
    check.that("value", line.value.parse::<Decimal>());
    check.end(api::Deflator {
        form: line.form,
        year: year.unwrap_or(0),
        base: line.base,
        value: line.value,
        industry: line.industry,
    })
}

pub(super) fn indicator(line: IndicatorLine) -> Result<api::DeclaredValue, Vec<String>> {
    let mut check = Check::default();
    let year = check.that("year", line.year.parse::<i32>());
    check.that("value", line.value.parse::<Decimal>());
    check.end(api::DeclaredValue {
        plan: line.plan,
        indicator: line.indicator,
        year: year.unwrap_or_default(),
        value: line.value,
    })
}

pub(super) fn statistic(
    park: &str,
    line: StatisticLine,
    series: ParseSeries,
) -> Result<api::Statistic, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    let has_prices = check.that("series", series(&line.series));
    let period = check.that("period", declared(&line.period));
    check.that("amount", line.amount.parse::<Amount>());
    if has_prices.unwrap_or(true) {
        check.that("price_base", line.price_base.parse::<PriceBase>());
    } else if !line.price_base.is_empty() {
        check
            .0
            .push("price_base: fits money only; leave it empty".to_owned());
    }
    let last = check.yes("final", &line.r#final);
    check.end(api::Statistic {
        enterprise: name::enterprise(park, &line.enterprise),
        series: line.series,
        period,
        amount: line.amount,
        price_base: line.price_base,
        r#final: last,
        recorded_at: None,
    })
}

/// Statistics are declared for calendar periods.
pub(super) fn declared(text: &str) -> anyhow::Result<api::Period> {
    use api::period::Period;
    match name::period(text) {
        Ok(api::Period {
            period: Some(Period::Year(_) | Period::Quarter(_) | Period::Month(_)),
        }) => name::period(text),
        _ => bail!("'{text}' is no calendar period; write 2025, 2025-Q4 or 2025-11"),
    }
}
