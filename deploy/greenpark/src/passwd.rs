//! `greenpark passwd`: writes a user's line in the password file.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use greenpark_console::output::line;
use greenpark_ingest::password::{self, Users};

use crate::cli::identity::PasswdArgs;

/// Adds the user of `args`, or changes its password; the file is replaced atomically.
///
/// # Errors
/// A file that cannot be read or written, or is no password file; a name or password that cannot be one.
pub fn passwd(args: &PasswdArgs) -> anyhow::Result<()> {
    let path = &args.file;
    let shown = path.display();
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("read {shown}"))?,
    };
    let own = format!("{}:", args.user);
    let kept = before.lines().filter(|line| !line.starts_with(&own));
    let mut after: String = kept.flat_map(|line| [line, "\n"]).collect();
    after.push_str(&password::line(
        &args.user,
        &secret(args)?,
        args.iterations,
    )?);
    after.push('\n');
    Users::parse(&after).with_context(|| format!("read {shown}"))?;
    replace(path, &after).with_context(|| format!("write {shown}"))?;
    line(&format!("{shown}: {} has a password", args.user));
    Ok(())
}

/// Reads the password, without the end of its line.
fn secret(args: &PasswdArgs) -> anyhow::Result<Vec<u8>> {
    let mut text = String::new();
    match &args.password_file {
        Some(path) => {
            text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        }
        None => {
            let read = io::stdin().lock().read_line(&mut text);
            read.context("read the password from standard input")?;
        }
    }
    Ok(text.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&name)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    match written.and_then(|()| fs::rename(&name, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            // The error is reported; a leftover file would stop the next attempt.
            let _ = fs::remove_file(&name);
            Err(error)
        }
    }
}
