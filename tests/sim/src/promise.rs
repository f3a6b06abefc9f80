//! The error for a promise that a run breaks.

use std::error::Error;

/// A promise, and the observation that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {detail}")]
pub struct BrokenPromise {
    /// Name of the promise.
    pub promise: &'static str,
    /// The observation that breaks it.
    pub detail: String,
}

impl BrokenPromise {
    pub(crate) fn new(promise: &'static str, detail: impl Into<String>) -> Self {
        Self {
            promise,
            detail: detail.into(),
        }
    }
}

/// The text of an error and all its sources.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
