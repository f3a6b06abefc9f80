//! Arguments of statements: the declared side of a balance, and the withdrawal of what was wrong.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ClientArgs;

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

/// Who states it, on what evidence, and where.
#[derive(Debug, Clone, Args)]
pub struct SaysArgs {
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
    pub says: SaysArgs,
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
    pub says: SaysArgs,
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
    pub says: SaysArgs,
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
    pub says: SaysArgs,
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
