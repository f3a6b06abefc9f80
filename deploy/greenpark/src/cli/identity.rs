//! Arguments of who somebody is: of `pki` and of `passwd`.

use std::path::PathBuf;

use clap::Args;
use greenpark_ingest::password::ITERATIONS;

/// Arguments of `pki`.
#[derive(Debug, Clone, Args)]
pub struct PkiArgs {
    /// Folder of the files; an authority that is there already signs the new certificates.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A name or IP address that clients reach the server at; several may be given.
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// The name of a gateway; several may be given.
    #[arg(long, value_name = "NAME")]
    pub gateway: Vec<String>,
    /// The name of a caller of the query service; several may be given.
    #[arg(long, value_name = "NAME")]
    pub caller: Vec<String>,
    /// A certificate of the folder to revoke, by its name; several may be given.
    #[arg(long, value_name = "NAME")]
    pub revoke: Vec<String>,
    /// Days until the certificates expire.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
}

/// Arguments of `passwd`.
#[derive(Debug, Clone, Args)]
pub struct PasswdArgs {
    /// The password file of listen.users.
    pub file: PathBuf,
    /// The user; a user that is there gets the new password.
    pub user: String,
    /// File that holds the password and nothing else [default: the first line of standard input].
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Rounds of PBKDF2.
    #[arg(long, value_name = "N", default_value_t = ITERATIONS)]
    pub iterations: u32,
}
