//! Writes logs to standard error, as plain lines or JSON.
//!
//! Standard output belongs to answers. `RUST_LOG` overrides the filter of the settings.

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The settings of the logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Settings", default, deny_unknown_fields)]
pub struct LoggingSettings {
    /// The format of a line.
    pub format: LogFormat,
    /// The filter, in the syntax of `RUST_LOG`.
    pub filter: String,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Format", rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Plain,
    /// For machines.
    Json,
}

/// Logs cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is invalid.
    #[error(
        "log filter '{filter}' is not valid; write one like info or warn,greenpark_ingest=debug"
    )]
    Filter {
        /// As given.
        filter: String,
        /// The error of the filter's parser.
        #[source]
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Logs are already set up in this process.
    #[error("logs are already set up in this process")]
    Taken,
}

impl Default for LoggingSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Plain,
            filter: "warn,greenpark=info".to_owned(),
        }
    }
}

impl LoggingSettings {
    /// Adds a sentence to `problems` for everything that is wrong.
    pub fn check(&self, problems: &mut Vec<String>) {
        if let Err(error) = parse(&self.filter) {
            problems.push(format!("logs.filter: {error}"));
        }
    }
}

/// Starts to write logs. `overriding` is the value of `RUST_LOG`, if it is set.
///
/// # Errors
/// [`LoggingError`] if the filter is wrong or logs are already set up.
pub fn install(settings: &LoggingSettings, overriding: Option<&str>) -> Result<(), LoggingError> {
    let filter = parse(
        overriding
            .filter(|text| !text.is_empty())
            .unwrap_or(&settings.filter),
    )?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let started = match settings.format {
        LogFormat::Plain => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|_| LoggingError::Taken)
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(filter).map_err(|cause| LoggingError::Filter {
        filter: filter.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_is_named() {
        let mut problems = Vec::new();
        LoggingSettings::default().check(&mut problems);
        assert_eq!(problems, Vec::<String>::new());
        LoggingSettings {
            filter: "greenpark=loudly".into(),
            ..LoggingSettings::default()
        }
        .check(&mut problems);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with("logs.filter: log filter 'greenpark=loudly'"),
            "{problems:?}"
        );
    }
}
