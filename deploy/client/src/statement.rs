//! `declare-side` and `withdraw`: one statement each, recorded with its author and evidence.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_model::day::Instant;
use greenpark_proto::query::v1::{self as api, withdrawal::Of};
use serde_json::json;

use crate::{
    connection::{ClientArgs, QueryConnection, refusal},
    name,
};

/// A command that states something.
#[derive(Debug, Clone, Subcommand)]
pub enum StatementCommand {
    /// Declare which side of an energy's balance counts as an enterprise's consumption.
    DeclareSide(SideArgs),
    /// Withdraw a statistic, a change of a meter or a correction that was wrong.
    #[command(subcommand)]
    Withdraw(WithdrawCommand),
}

/// A side of an energy's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SideName {
    /// Consumed + transformed in − transformed out − recovered.
    Consumption,
    /// Purchased + produced − exported − what the stock grew by.
    Supply,
}

/// The provenance of a statement: its author and evidence; and the service that records it.
#[derive(Debug, Clone, Args)]
pub struct ProvenanceArgs {
    /// Who says so.
    #[arg(long, value_name = "WHO")]
    pub recorded_by: String,
    /// On what evidence, such as the number of a form.
    #[arg(long, value_name = "TEXT")]
    pub evidence: String,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `declare-side`.
#[derive(Debug, Clone, Args)]
pub struct SideArgs {
    /// parks/P/enterprises/E.
    pub enterprise: String,
    /// The energy, such as electricity.
    #[arg(long)]
    pub medium: String,
    /// The side that counts.
    #[arg(long, value_enum)]
    pub side: SideName,
    /// The first day.
    #[arg(long, value_name = "D")]
    pub from: String,
    /// The last day [default: it holds on].
    #[arg(long, value_name = "D")]
    pub to: Option<String>,
    /// Who, why and where.
    #[command(flatten)]
    pub provenance: ProvenanceArgs,
}

/// `withdraw …`
#[derive(Debug, Clone, Subcommand)]
pub enum WithdrawCommand {
    /// A declared figure.
    Statistic(WithdrawStatisticArgs),
    /// A change of a meter.
    MeterChange(WithdrawChangeArgs),
    /// A correction by hand.
    Correction(WithdrawCorrectionArgs),
}

/// Arguments of `withdraw statistic`.
#[derive(Debug, Clone, Args)]
pub struct WithdrawStatisticArgs {
    /// parks/P/enterprises/E.
    pub enterprise: String,
    /// value_added, gross_output, product:NAME or consumption:QUANTITY.
    #[arg(long)]
    pub series: String,
    /// 2025, 2025-Q4 or 2025-11.
    #[arg(long)]
    pub period: String,
    /// constant-2020 or current; nothing for what is no money.
    #[arg(long, default_value = "")]
    pub price_base: String,
    /// Why it was wrong.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who and where.
    #[command(flatten)]
    pub provenance: ProvenanceArgs,
}

/// Arguments of `withdraw meter-change`.
#[derive(Debug, Clone, Args)]
pub struct WithdrawChangeArgs {
    /// parks/P/enterprises/E/meters/M.
    pub meter: String,
    /// What the meter measures.
    #[arg(long)]
    pub quantity: String,
    /// The instant of the change, such as 2026-03-05T10:30:00+08:00.
    #[arg(long, value_name = "WHEN")]
    pub at: String,
    /// Why it was wrong.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who and where.
    #[command(flatten)]
    pub provenance: ProvenanceArgs,
}

/// Arguments of `withdraw correction`.
#[derive(Debug, Clone, Args)]
pub struct WithdrawCorrectionArgs {
    /// parks/P/enterprises/E/meters/M.
    pub meter: String,
    /// What the meter measures.
    #[arg(long)]
    pub quantity: String,
    /// Its first day.
    #[arg(long, value_name = "D")]
    pub first: String,
    /// Its last day.
    #[arg(long, value_name = "D")]
    pub last: String,
    /// Why it was wrong.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who and where.
    #[command(flatten)]
    pub provenance: ProvenanceArgs,
}

/// Files of statements that `import` reads.
#[derive(Debug, Clone, Default, Args)]
pub struct StatementFiles {
    /// Columns: enterprise,medium,side,valid_from,valid_to.
    #[arg(long, value_name = "FILE")]
    pub sides: Option<PathBuf>,
    /// Columns: of,enterprise,meter,series,period,price_base,quantity,at,first,last,reason; `of` is statistic,
    /// meter-change or correction. They are written before all else.
    #[arg(long, value_name = "FILE")]
    pub withdrawals: Option<PathBuf>,
}

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

/// Returns the park of a name.
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
        recorded_by: args.provenance.recorded_by.clone(),
        evidence: args.provenance.evidence.clone(),
    };
    let service = QueryConnection::open(&args.provenance.client).await?;
    let answer = service.registry().declare_sides(request).await;
    let recorded = answer.map_err(refusal)?.into_inner().recorded;
    print(&args.provenance, "sides", recorded, &[])
}

/// Returns the park, the withdrawal and its author from `command`.
fn withdrawal(
    command: &WithdrawCommand,
) -> anyhow::Result<(String, api::Withdrawal, &ProvenanceArgs)> {
    let (subject, of, reason, provenance) = match command {
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
            &args.provenance,
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
            &args.provenance,
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
            &args.provenance,
        ),
    };
    let withdrawal = api::Withdrawal {
        of: Some(of),
        reason: reason.clone(),
    };
    Ok((park_of(subject)?, withdrawal, provenance))
}

async fn withdraw(command: &WithdrawCommand) -> anyhow::Result<()> {
    let (parent, withdrawal, provenance) = withdrawal(command)?;
    let request = api::WithdrawRequest {
        parent,
        withdrawals: vec![withdrawal],
        recorded_by: provenance.recorded_by.clone(),
        evidence: provenance.evidence.clone(),
    };
    let service = QueryConnection::open(&provenance.client).await?;
    let answer = service.registry().withdraw(request).await;
    let answer = answer.map_err(refusal)?.into_inner();
    print(provenance, "withdrawals", answer.recorded, &answer.notes)
}

/// Parses an instant for the wire.
pub(super) fn timestamp(text: &str) -> anyhow::Result<prost_types::Timestamp> {
    let at: Instant = text.parse()?;
    Ok(prost_types::Timestamp {
        seconds: at.millis().div_euclid(1_000),
        nanos: i32::try_from(at.millis().rem_euclid(1_000) * 1_000_000)
            .expect("less than a second in nanoseconds"),
    })
}

fn print(
    provenance: &ProvenanceArgs,
    kind: &str,
    recorded: u32,
    notes: &[String],
) -> anyhow::Result<()> {
    for note in notes {
        line(note);
    }
    let whole = json!({ kind: recorded, "notes": notes });
    let mut sheet = Sheet::new(&["kind", "recorded"], &[1], whole);
    sheet.push(vec![kind.to_owned(), recorded.to_string()]);
    sheet.print(provenance.client.format)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// The command line, as far as this command is concerned.
    #[derive(Debug, clap::Parser)]
    struct CommandLine {
        #[command(subcommand)]
        command: StatementCommand,
    }

    fn read(args: &[&str]) -> StatementCommand {
        let said = ["--recorded-by", "bureau", "--evidence", "form 7"];
        let all = ["greenpark"].iter().chain(args).chain(&said);
        CommandLine::try_parse_from(all).expect("valid").command
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
        let (parent, made, provenance) = withdrawal(&command).expect("complete");
        assert_eq!(
            (parent.as_str(), provenance.evidence.as_str()),
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
