//! Arguments of what the assessment basis adds: the ledger of certificates and its files.

use std::path::PathBuf;

use clap::Args;

use super::ClientArgs;

/// The files of `import` that the assessment basis reads.
#[derive(Debug, Clone, Default, Args)]
pub struct LedgerFiles {
    /// CSV: id,mwh,generated,region,kind,enterprise,year,retired_on,withdrawn,reason; without an enterprise the park
    /// uses it as a whole.
    #[arg(long, value_name = "FILE.csv")]
    pub certificates: Option<PathBuf>,
    /// CSV: plan,basis_of_assessment,valid_from,valid_to: what a plan's energy target means, gross or assessed.
    #[arg(long, value_name = "FILE.csv")]
    pub assessment_bases: Option<PathBuf>,
}

/// Arguments of `certificates`.
#[derive(Debug, Clone, Args)]
pub struct CertificatesArgs {
    /// parks/-, parks/P, parks/P/enterprises/- or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}
