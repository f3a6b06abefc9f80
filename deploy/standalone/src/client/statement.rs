//! `declare-side` and `withdraw`: one statement each, recorded with who says so and on what evidence.

use anyhow::{Context as _, bail};
use greenpark_model::day::Instant;
use greenpark_proto::query::v1::{self as api, withdrawal::Of};
use serde_json::json;

use super::{
    name,
    sheet::Sheet,
    wire::{Service, refusal},
};
use crate::cli::statement::{SaysArgs, SideArgs, SideName, StatementCommand, WithdrawCommand};

/// Records a statement.
///
/// # Errors
/// An argument is wrong, or the service refuses; nothing was recorded then.
pub async fn state(command: &StatementCommand) -> anyhow::Result<()> {
    match command {
        StatementCommand::DeclareSide(args) => declare_side(args).await,
        StatementCommand::Withdraw(command) => withdraw(command).await,
    }
}

/// The park that a name is in.
fn park_of(name: &str) -> anyhow::Result<String> {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["parks", park, "enterprises", ..] => Ok(format!("parks/{park}")),
        _ => bail!(
            "'{name}' is no name; write parks/P/enterprises/E or parks/P/enterprises/E/meters/M"
        ),
    }
}

async fn declare_side(args: &SideArgs) -> anyhow::Result<()> {
    let side = match args.side {
        SideName::Consumption => "consumption",
        SideName::Supply => "supply",
    };
    let request = api::DeclareSidesRequest {
        parent: park_of(&args.enterprise)?,
        sides: vec![api::BalanceSide {
            enterprise: args.enterprise.clone(),
            medium: args.medium.clone(),
            side: side.to_owned(),
            valid_from: args.from.clone(),
            valid_to: args.to.clone().unwrap_or_default(),
        }],
        recorded_by: args.says.recorded_by.clone(),
        evidence: args.says.evidence.clone(),
    };
    let service = Service::connect(&args.says.client.grpc).await?;
    let answer = service.registry().declare_sides(request).await;
    let recorded = answer.map_err(refusal)?.into_inner().recorded;
    print(&args.says, "sides", recorded, &[])
}

/// The statement that `command` names, why it was wrong, and who says so.
fn withdrawal(command: &WithdrawCommand) -> anyhow::Result<(String, api::Withdrawal, &SaysArgs)> {
    let (subject, of, reason, says) = match command {
        WithdrawCommand::Statistic(args) => (
            &args.enterprise,
            Of::Statistic(api::Statistic {
                enterprise: args.enterprise.clone(),
                series: args.series.clone(),
                period: Some(name::period(&args.period)?),
                price_base: args.price_base.clone(),
                ..api::Statistic::default()
            }),
            &args.reason,
            &args.says,
        ),
        WithdrawCommand::MeterChange(args) => (
            &args.meter,
            Of::MeterChange(api::MeterChange {
                meter: args.meter.clone(),
                quantity: args.quantity.clone(),
                at: Some(timestamp(&args.at).context("--at")?),
                ..api::MeterChange::default()
            }),
            &args.reason,
            &args.says,
        ),
        WithdrawCommand::Correction(args) => (
            &args.meter,
            Of::Correction(api::Correction {
                meter: args.meter.clone(),
                quantity: args.quantity.clone(),
                days: Some(api::Days {
                    first: args.first.clone(),
                    last: args.last.clone(),
                }),
                ..api::Correction::default()
            }),
            &args.reason,
            &args.says,
        ),
    };
    let withdrawal = api::Withdrawal {
        of: Some(of),
        reason: reason.clone(),
    };
    Ok((park_of(subject)?, withdrawal, says))
}

async fn withdraw(command: &WithdrawCommand) -> anyhow::Result<()> {
    let (parent, withdrawal, says) = withdrawal(command)?;
    let request = api::WithdrawRequest {
        parent,
        withdrawals: vec![withdrawal],
        recorded_by: says.recorded_by.clone(),
        evidence: says.evidence.clone(),
    };
    let service = Service::connect(&says.client.grpc).await?;
    let answer = service.registry().withdraw(request).await;
    let answer = answer.map_err(refusal)?.into_inner();
    print(says, "withdrawals", answer.recorded, &answer.notes)
}

/// An instant on the wire.
pub(super) fn timestamp(text: &str) -> anyhow::Result<prost_types::Timestamp> {
    let at: Instant = text.parse()?;
    Ok(prost_types::Timestamp {
        seconds: at.0.div_euclid(1_000),
        nanos: i32::try_from(at.0.rem_euclid(1_000) * 1_000_000)
            .expect("less than a second in nanoseconds"),
    })
}

fn print(says: &SaysArgs, kind: &str, recorded: u32, notes: &[String]) -> anyhow::Result<()> {
    for note in notes {
        crate::gauge::line(note);
    }
    let whole = json!({ kind: recorded, "notes": notes });
    let mut sheet = Sheet::new(&["kind", "recorded"], &[1], whole);
    sheet.push(vec![kind.to_owned(), recorded.to_string()]);
    sheet.print(says.client.format)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn read(args: &[&str]) -> StatementCommand {
        let said = ["--recorded-by", "bureau", "--evidence", "form 7"];
        let all = ["greenpark"].iter().chain(args).chain(&said);
        match Cli::try_parse_from(all).expect("valid").command {
            Some(Command::Statement(command)) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_withdrawal_names_what_it_withdraws_and_why() {
        let StatementCommand::Withdraw(command) = read(&[
            "withdraw",
            "meter-change",
            "parks/p/enterprises/e/meters/m",
            "--quantity",
            "electricity",
            "--at",
            "2026-03-05T10:30:00+08:00",
            "--reason",
            "another meter",
        ]) else {
            panic!("no withdrawal");
        };
        let (parent, made, says) = withdrawal(&command).expect("complete");
        assert_eq!(
            (parent.as_str(), says.evidence.as_str()),
            ("parks/p", "form 7")
        );
        assert_eq!(made.reason, "another meter");
        let Some(Of::MeterChange(change)) = made.of else {
            panic!("no change");
        };
        assert_eq!(change.at.map(|at| at.seconds), Some(1_772_677_800));
        let StatementCommand::Withdraw(command) = read(&[
            "withdraw",
            "statistic",
            "steel",
            "--series",
            "value_added",
            "--period",
            "2024",
            "--reason",
            "typo",
        ]) else {
            panic!("no withdrawal");
        };
        let refused = withdrawal(&command).expect_err("no name").to_string();
        assert!(refused.contains("parks/P/enterprises/E"), "{refused}");
    }

    #[test]
    fn a_side_is_declared_from_a_day_on() {
        let command = read(&[
            "declare-side",
            "parks/p/enterprises/e",
            "--medium",
            "electricity",
            "--side",
            "supply",
            "--from",
            "2020-01-01",
        ]);
        let StatementCommand::DeclareSide(args) = command else {
            panic!("no side");
        };
        assert_eq!((args.side, args.to), (SideName::Supply, None));
    }
}
