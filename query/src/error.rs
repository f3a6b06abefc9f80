//! Errors of questions, and their gRPC status.
//!
//! An error that the client can correct carries `google.rpc` details. Details of an error that only an operator can
//! correct go to the log, not on the wire.

use std::collections::HashMap;

use datafusion::error::DataFusionError;
use greenpark_archive::error::{LakePublishError, LakeReadError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::limits::{OFFERED_MAX, VIOLATIONS_MAX};

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "query.greenpark";

/// A mistake in one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// The field's path, such as `statistics[3].amount`.
    pub field: String,
    /// The mistake, and what to write instead.
    pub problem: String,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Fields of the request are wrong.
    #[error("the request is wrong in {} field(s)", .0.len())]
    Invalid(Vec<InvalidField>),
    /// Nothing has this name.
    #[error("there is no '{name}'")]
    NotFound {
        /// The requested name.
        name: String,
        /// Some existing names.
        known: Vec<String>,
    },
    /// No dead letter has this name.
    #[error("there is no dead letter '{name}'{}", known_letters(.known))]
    NoLetter {
        /// The requested name.
        name: String,
        /// Ids of some existing letters of the enterprise.
        known: Vec<String>,
    },
    /// Value added was declared at other prices only.
    #[error("value added is not declared at {asked} prices")]
    MixedPriceBases {
        /// The requested price base.
        asked: String,
        /// Each enterprise with its declared price bases.
        declared: Vec<(String, String)>,
    },
    /// The state of the service does not allow it.
    #[error("{1}")]
    Precondition(&'static str, String),
    /// No credential proves a name; the text is the same for every reason but an expired one.
    #[error(
        "a credential is needed: a known bearer token in the metadata 'authorization', or a client certificate"
    )]
    Unauthenticated,
    /// The signature of a JSON web token is right, but its time is over or has not come.
    #[error("the token is expired or not valid yet; get a new one from its issuer")]
    OutOfTime,
    /// Nothing has this name, or no grant of the caller covers it: the caller learns no difference.
    #[error("there is no '{0}' that a grant of yours covers; `greenpark whoami` lists your grants")]
    Hidden(String),
    /// No grant of the caller gives the right that the method needs.
    #[error("no grant of yours permits {0}; `greenpark whoami` lists your grants")]
    NoRight(String),
    /// The grant was withdrawn, or it ended, while the answer was sent.
    #[error("the grant for this answer has ended")]
    GrantEnded,
    /// The access log cannot be written, and the method needs it.
    #[error(
        "the access log cannot be written now, and extracts and changes of grants are refused until it can; the \
         service's own log says why"
    )]
    Unrecorded,
    /// The deadline passed.
    #[error("the deadline passed; ask a shorter period, or allow more time")]
    Deadline,
    /// The question needs more memory than one question may use.
    #[error("the question needs more than its share of memory; ask a shorter period")]
    TooLarge,
    /// Other streams hold the memory.
    #[error(
        "as many streams and extracts are being read as query.memory has room for; ask again in a moment"
    )]
    Crowded,
    /// A file of the snapshot was deleted; a newer snapshot has its readings in another file.
    #[error("a file was replaced while it was read; ask again")]
    FileReplaced,
    /// Reading the archive.
    #[error("reading the archive")]
    Read(#[from] LakeReadError),
    /// Writing the reference table.
    #[error("recording the entries")]
    Record(#[from] LakePublishError),
    /// Planning or running a scan.
    #[error("scanning the files")]
    Scan(#[source] DataFusionError),
    /// Encoding an extract.
    #[error("writing the extract")]
    Encode(#[source] arrow::error::ArrowError),
    /// A figure exceeds the range of exact decimals, or a file breaks its contract.
    #[error("the figure cannot be made: {0}")]
    Broken(String),
}

impl QueryError {
    /// An error about one field.
    pub(crate) fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![InvalidField {
            field: field.to_owned(),
            problem: problem.into(),
        }])
    }

    /// The mistakes in the request; empty if the request is not at fault.
    pub(crate) fn violations(self) -> Vec<InvalidField> {
        match self {
            Self::Invalid(violations) => violations,
            _ => Vec::new(),
        }
    }

    /// True if a newer snapshot may have the answer: a hot file is deleted some time after it was sealed.
    pub(crate) fn is_file_replaced(&self) -> bool {
        match self {
            Self::FileReplaced => true,
            Self::Scan(error) => chain(error).any(is_missing),
            Self::Read(error) => chain(error).any(is_missing),
            _ => false,
        }
    }

    /// Converts the error to a gRPC status.
    pub(crate) fn status(self) -> Status {
        match &self {
            Self::Invalid(violations) => invalid_status(violations),
            Self::NotFound { name, known } => not_found_status(name, known),
            Self::NoLetter { .. } => Status::not_found(self.to_string()),
            Self::MixedPriceBases { asked, declared } => mixed_status(asked, declared),
            Self::Precondition(reason, _) => {
                let details = ErrorDetails::with_error_info(*reason, DOMAIN, HashMap::new());
                Status::with_error_details(Code::FailedPrecondition, self.to_string(), details)
            }
            Self::Unauthenticated | Self::OutOfTime => Status::unauthenticated(self.to_string()),
            Self::Hidden(name) => hidden_status(name, &self),
            Self::NoRight(_) | Self::GrantEnded => Status::permission_denied(self.to_string()),
            Self::Deadline => Status::deadline_exceeded(self.to_string()),
            Self::TooLarge | Self::Crowded => Status::resource_exhausted(self.to_string()),
            Self::FileReplaced | Self::Unrecorded => Status::unavailable(self.to_string()),
            Self::Scan(error) if is_out_of_memory(error) => {
                tracing::warn!(error = %with_causes(&self), "a question outgrew its memory");
                Self::TooLarge.status()
            }
            Self::Scan(_) | Self::Read(_) if self.is_file_replaced() => Self::FileReplaced.status(),
            Self::Record(LakePublishError::Fenced { .. }) => Status::unavailable(
                "someone else recorded entries at the same time; send them again",
            ),
            Self::Read(_) | Self::Record(_) | Self::Scan(_) | Self::Encode(_) | Self::Broken(_) => {
                tracing::error!(error = %with_causes(&self), "a question could not be answered");
                Status::internal(self.to_string())
            }
        }
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        Self::Scan(error)
    }
}

fn known_letters(known: &[String]) -> String {
    match known {
        [] => "; it was never kept, or is not kept any more: list those that are there".to_owned(),
        known => format!("; the newest that are kept are {}", known.join(", ")),
    }
}

/// The error and all its sources.
fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |e| e.source())
}

fn is_missing(error: &(dyn std::error::Error + 'static)) -> bool {
    let in_store = error.downcast_ref::<object_store::Error>();
    let in_folder = error.downcast_ref::<std::io::Error>();
    matches!(in_store, Some(object_store::Error::NotFound { .. }))
        || in_folder.is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

fn invalid_status(violations: &[InvalidField]) -> Status {
    let mut lines: Vec<String> = violations
        .iter()
        .take(3)
        .map(|v| format!("{}: {}", v.field, v.problem))
        .collect();
    if violations.len() > lines.len() {
        lines.push(format!("and {} more", violations.len() - lines.len()));
    }
    let listed: Vec<FieldViolation> = violations
        .iter()
        .take(VIOLATIONS_MAX)
        .map(|v| FieldViolation::new(v.field.clone(), v.problem.clone()))
        .collect();
    let mut details = ErrorDetails::with_bad_request(listed);
    let count = HashMap::from([("violations".to_owned(), violations.len().to_string())]);
    details.set_error_info("INVALID_REQUEST", DOMAIN, count);
    Status::with_error_details(Code::InvalidArgument, lines.join("; "), details)
}

fn not_found_status(name: &str, known: &[String]) -> Status {
    let offered = known
        .iter()
        .take(OFFERED_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let message = if known.is_empty() {
        format!("there is no '{name}', nor anything else yet; register it or send readings first")
    } else if known.len() > OFFERED_MAX {
        format!(
            "there is no '{name}'; among {} others there are {offered}",
            known.len()
        )
    } else {
        format!("there is no '{name}'; there are {offered}")
    };
    let mut details = ErrorDetails::new();
    details.set_resource_info(kind_of(name), name, "", "not registered, and no readings");
    details.set_error_info(
        "RESOURCE_NOT_FOUND",
        DOMAIN,
        HashMap::from([
            ("name".to_owned(), name.to_owned()),
            ("known".to_owned(), offered),
        ]),
    );
    Status::with_error_details(Code::NotFound, message, details)
}

fn hidden_status(name: &str, error: &QueryError) -> Status {
    let mut details = ErrorDetails::new();
    details.set_resource_info(
        kind_of(name),
        name,
        "",
        "unknown, or not covered by a grant",
    );
    let of = HashMap::from([("name".to_owned(), name.to_owned())]);
    details.set_error_info("RESOURCE_NOT_FOUND", DOMAIN, of);
    Status::with_error_details(Code::NotFound, error.to_string(), details)
}

fn kind_of(name: &str) -> &'static str {
    if name.contains("/meters/") {
        "meter"
    } else if name.contains("/enterprises/") {
        "enterprise"
    } else if name.starts_with("parks/") {
        "park"
    } else {
        "plan"
    }
}

fn mixed_status(asked: &str, declared: &[(String, String)]) -> Status {
    let listed: Vec<String> = declared
        .iter()
        .take(OFFERED_MAX)
        .map(|(enterprise, bases)| format!("{enterprise} declared {bases}"))
        .collect();
    let message = format!(
        "value added is asked at {asked} prices, but {}; values of different price bases are not \
         added: declare them at {asked} prices, declare a deflator, or ask with another price_base",
        listed.join(", ")
    );
    let mut details = ErrorDetails::new();
    for (enterprise, bases) in declared.iter().take(VIOLATIONS_MAX) {
        let description = format!("declared at {bases} prices, asked at {asked}");
        details.add_precondition_failure_violation("PRICE_BASE", enterprise.as_str(), description);
    }
    details.set_error_info(
        "MIXED_PRICE_BASES",
        DOMAIN,
        HashMap::from([("asked".to_owned(), asked.to_owned())]),
    );
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_park_is_reported_with_the_existing_ones() {
        let known = vec!["parks/a".to_owned(), "parks/b".to_owned()];
        let status = QueryError::NotFound {
            name: "parks/c".into(),
            known,
        }
        .status();
        assert_eq!(status.code(), Code::NotFound);
        assert!(
            status.message().contains("parks/a, parks/b"),
            "{}",
            status.message()
        );
        let info = status.get_details_error_info().expect("details");
        assert_eq!(info.reason, "RESOURCE_NOT_FOUND");
    }

    #[test]
    fn a_missing_file_is_found_at_the_foot_of_a_chain() {
        let missing = object_store::Error::NotFound {
            path: "x".into(),
            source: "gone".into(),
        };
        let error = QueryError::Scan(DataFusionError::ObjectStore(Box::new(missing)));
        assert!(error.is_file_replaced());
        assert_eq!(error.status().code(), Code::Unavailable);
    }
}
