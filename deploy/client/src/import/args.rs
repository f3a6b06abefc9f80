//! The arguments of `import`: a file for each kind of entry.

use std::path::PathBuf;

use clap::Args;

use crate::{assessment::LedgerFiles, connection::ClientArgs, statement::StatementFiles};

/// Arguments of `import`. A file is CSV (UTF-8, UTF-16 or GBK; separated by commas, semicolons or tabs) or the
/// first sheet of a workbook (.xlsx, .xls, .ods).
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The park.
    #[arg(long)]
    pub park: String,
    /// Columns: enterprise,title,industry,above_designated_size,valid_from,valid_to.
    #[arg(long, value_name = "FILE")]
    pub enterprises: Option<PathBuf>,
    /// Columns: enterprise,meter,title,quantity,kind,interval_s,modulus,rated_per_hour,headroom,multiplier,counted,valid_from,valid_to,parent,verified_until,water_source,waste_code,bidirectional,restart.
    #[arg(long, value_name = "FILE")]
    pub meters: Option<PathBuf>,
    /// Columns: enterprise,meter,quantity,at,old_final,new_initial,multiplier.
    #[arg(long, value_name = "FILE")]
    pub meter_changes: Option<PathBuf>,
    /// Columns: enterprise,series,period,amount,price_base,final.
    #[arg(long, value_name = "FILE")]
    pub statistics: Option<PathBuf>,
    /// Columns: enterprise,medium,kj_per_unit,valid_from,valid_to.
    #[arg(long, value_name = "FILE")]
    pub calorific_values: Option<PathBuf>,
    /// Columns: enterprise,meter,quantity,kind,first,last,amount,reason.
    #[arg(long, value_name = "FILE")]
    pub corrections: Option<PathBuf>,
    /// Columns: form,year,base,value,industry.
    #[arg(long, value_name = "FILE")]
    pub deflators: Option<PathBuf>,
    /// Columns: plan,indicator,year,value.
    #[arg(long, value_name = "FILE")]
    pub indicators: Option<PathBuf>,
    /// Sides of balances and withdrawals.
    #[command(flatten)]
    pub statements: StatementFiles,
    /// Files of the assessment basis.
    #[command(flatten)]
    pub ledger: LedgerFiles,
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
