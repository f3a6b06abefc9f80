//! Files of sides and withdrawals: their lines, and their requests.

use anyhow::Context as _;
use greenpark_console::output::line;
use greenpark_model::{
    balance::Side,
    day::CivilDay,
    money::PriceBase,
    quantity::{Medium, Quantity},
};
use greenpark_proto::query::v1::{self as api, registry_client::RegistryClient, withdrawal::Of};
use serde::Deserialize;

use super::{
    ParseSeries,
    lines::{Check, declared},
};
use crate::{
    connection::{AuthenticatedChannel, refusal},
    import::ImportArgs,
    name,
    statement::timestamp,
};

/// Statements of one request, which are recorded together.
const STATEMENTS_MAX: usize = 5_000;

/// The statements to declare and withdraw.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub(super) sides: Vec<api::BalanceSide>,
    pub(super) withdrawals: Vec<api::Withdrawal>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SideLine {
    enterprise: String,
    medium: String,
    side: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawalLine {
    of: String,
    enterprise: String,
    #[serde(default)]
    meter: String,
    #[serde(default)]
    series: String,
    #[serde(default)]
    period: String,
    #[serde(default)]
    price_base: String,
    #[serde(default)]
    quantity: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    first: String,
    #[serde(default)]
    last: String,
    reason: String,
}

pub(super) fn side(park: &str, line: SideLine) -> Result<api::BalanceSide, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    if Medium::from_name(&line.medium).is_none() {
        check.wrong(format!("medium: '{}' is unknown", line.medium));
    }
    if Side::from_name(&line.side).is_none() {
        let side = &line.side;
        check.wrong(format!("side: '{side}' is neither consumption nor supply"));
    }
    check.days(&line.valid_from, &line.valid_to);
    check.end(api::BalanceSide {
        enterprise: name::enterprise(park, &line.enterprise),
        medium: line.medium,
        side: line.side,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
    })
}

pub(super) fn withdrawal(
    park: &str,
    line: WithdrawalLine,
    series: ParseSeries,
) -> Result<api::Withdrawal, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    if line.reason.is_empty() {
        check.wrong("reason: is missing");
    }
    let of = match line.of.as_str() {
        "statistic" => Some(statistic(&mut check, park, &line, series)),
        "meter-change" => Some(change(&mut check, park, &line)),
        "correction" => Some(correction(&mut check, park, &line)),
        other => {
            check.wrong(format!(
                "of: '{other}' is none of statistic, meter-change, correction"
            ));
            None
        }
    };
    check.end(api::Withdrawal {
        of,
        reason: line.reason,
    })
}

fn statistic(check: &mut Check, park: &str, line: &WithdrawalLine, series: ParseSeries) -> Of {
    let has_prices = check.that("series", series(&line.series));
    let period = check.that("period", declared(&line.period));
    if has_prices.unwrap_or(true) {
        check.that("price_base", line.price_base.parse::<PriceBase>());
    }
    Of::Statistic(api::Statistic {
        enterprise: name::enterprise(park, &line.enterprise),
        series: line.series.clone(),
        period,
        price_base: line.price_base.clone(),
        ..api::Statistic::default()
    })
}

fn change(check: &mut Check, park: &str, line: &WithdrawalLine) -> Of {
    check.id("meter", &line.meter);
    check.that("quantity", line.quantity.parse::<Quantity>());
    let at = check.that("at", timestamp(&line.at));
    Of::MeterChange(api::MeterChange {
        meter: name::meter(park, &line.enterprise, &line.meter),
        quantity: line.quantity.clone(),
        at,
        ..api::MeterChange::default()
    })
}

fn correction(check: &mut Check, park: &str, line: &WithdrawalLine) -> Of {
    check.id("meter", &line.meter);
    check.that("quantity", line.quantity.parse::<Quantity>());
    check.that("first", line.first.parse::<CivilDay>());
    check.that("last", line.last.parse::<CivilDay>());
    Of::Correction(api::Correction {
        meter: name::meter(park, &line.enterprise, &line.meter),
        quantity: line.quantity.clone(),
        days: Some(api::Days {
            first: line.first.clone(),
            last: line.last.clone(),
        }),
        ..api::Correction::default()
    })
}

/// Records withdrawals first, so that the same import can replace a withdrawn statement.
pub(super) async fn withdraw(
    registry: &mut RegistryClient<AuthenticatedChannel>,
    args: &ImportArgs,
    withdrawals: &[api::Withdrawal],
) -> anyhow::Result<()> {
    for (page, withdrawals) in withdrawals.chunks(STATEMENTS_MAX).enumerate() {
        let request = api::WithdrawRequest {
            parent: format!("parks/{}", args.park),
            withdrawals: withdrawals.to_vec(),
            recorded_by: args.recorded_by.clone(),
            evidence: args.evidence.clone(),
        };
        let answer = registry.withdraw(request).await.map_err(refusal);
        let done = page * STATEMENTS_MAX;
        let answer = answer.with_context(|| {
            format!(
                "{done} statements were withdrawn, then one was refused; nothing else was written"
            )
        })?;
        for note in answer.into_inner().notes {
            line(&note);
        }
    }
    Ok(())
}

/// Declares sides.
pub(super) async fn declare(
    registry: &mut RegistryClient<AuthenticatedChannel>,
    args: &ImportArgs,
    sides: &[api::BalanceSide],
) -> anyhow::Result<()> {
    for (page, sides) in sides.chunks(STATEMENTS_MAX).enumerate() {
        let request = api::DeclareSidesRequest {
            parent: format!("parks/{}", args.park),
            sides: sides.to_vec(),
            recorded_by: args.recorded_by.clone(),
            evidence: args.evidence.clone(),
        };
        let answer = registry.declare_sides(request).await.map_err(refusal);
        let done = page * STATEMENTS_MAX;
        answer.with_context(|| {
            format!("the registry and {done} sides were recorded, then one was refused")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str) -> Result<bool, String> {
        match name {
            "value_added" => Ok(true),
            other => Err(format!("'{other}' is no series")),
        }
    }

    fn line(of: &str) -> WithdrawalLine {
        WithdrawalLine {
            of: of.to_owned(),
            enterprise: "steel".to_owned(),
            meter: "e-1".to_owned(),
            series: "value_added".to_owned(),
            period: "2024".to_owned(),
            price_base: "constant-2020".to_owned(),
            quantity: "electricity".to_owned(),
            at: "2026-03-05T10:30:00+08:00".to_owned(),
            first: "2024-03-01".to_owned(),
            last: "2024-03-31".to_owned(),
            reason: "typo".to_owned(),
        }
    }

    #[test]
    fn a_withdrawal_has_what_its_statement_needs() {
        for of in ["statistic", "meter-change", "correction"] {
            let made = withdrawal("p", line(of), series).expect("complete");
            assert!(made.of.is_some() && made.reason == "typo", "{of}");
        }
        let bare = |of: &str| WithdrawalLine {
            series: String::new(),
            period: String::new(),
            price_base: String::new(),
            quantity: String::new(),
            at: String::new(),
            first: String::new(),
            reason: String::new(),
            ..line(of)
        };
        let mistakes = |of: &str| withdrawal("p", bare(of), series).expect_err("incomplete");
        assert_eq!(
            mistakes("statistic").len(),
            4,
            "{:?}",
            mistakes("statistic")
        );
        assert_eq!(mistakes("meter-change").len(), 3);
        assert_eq!(mistakes("correction").len(), 3);
        assert!(mistakes("meter")[1].contains("none of statistic, meter-change, correction"));
    }

    #[test]
    fn a_side_is_of_an_energy_and_one_of_two() {
        let line = |medium: &str, side: &str, to: &str| SideLine {
            enterprise: "steel".to_owned(),
            medium: medium.to_owned(),
            side: side.to_owned(),
            valid_from: "2024-01-01".to_owned(),
            valid_to: to.to_owned(),
        };
        let made = side("p", line("electricity", "supply", "")).expect("complete");
        assert_eq!(made.enterprise, "parks/p/enterprises/steel");
        let mistakes = side("p", line("power", "demand", "2023-12-31"));
        assert_eq!(mistakes.expect_err("wrong").len(), 3);
    }
}
