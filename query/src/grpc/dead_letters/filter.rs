//! Parses the filter of a request about dead letters.

use std::collections::BTreeSet;

use greenpark_model::{day::Instant, id::GatewayId, letter::LetterCode};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::{InvalidField, QueryError},
    lake::dead_letters::Filter,
    register::name::Name,
};

/// Parses the filter of a request and names every mistake at once.
pub(super) fn parse(request: Option<&pb::DeadLetterFilter>) -> Result<Filter, QueryError> {
    let all = pb::DeadLetterFilter {
        parent: Name::Parks.to_string(),
        ..pb::DeadLetterFilter::default()
    };
    let request = request.unwrap_or(&all);
    let mut wrong = Vec::new();
    let mut note = |field: &str, problem: String| {
        wrong.push(InvalidField {
            field: format!("filter.{field}"),
            problem,
        });
    };
    let parent = match request.parent.as_str() {
        "" => Ok(Name::Parks),
        text => Name::parse("filter.parent", text),
    };
    let parent = parent.and_then(|name| match name {
        Name::Parks | Name::Park(_) | Name::Enterprise(..) => Ok(name),
        other => Err(other.unfit("filter.parent", "parks/-, parks/P or parks/P/enterprises/E")),
    });
    let mut gateway = None;
    if !request.gateway.is_empty() {
        match GatewayId::new(&request.gateway) {
            Ok(id) => gateway = Some(id),
            Err(error) => note("gateway", error.to_string()),
        }
    }
    let mut codes = BTreeSet::new();
    for text in &request.reasons {
        match LetterCode::from_name(text) {
            Some(code) => {
                codes.insert(code);
            }
            None => note("reasons", unknown_reason(text)),
        }
    }
    let mut instant = |field: &str, at: Option<&prost_types::Timestamp>, open: i64| {
        let Some(at) = at else {
            return Instant::from_millis(open);
        };
        let ms = at.seconds.checked_mul(1_000);
        let ms = ms.and_then(|ms| ms.checked_add(i64::from(at.nanos) / 1_000_000));
        Instant::from_millis(ms.unwrap_or_else(|| {
            note(field, "is no instant".to_owned());
            open
        }))
    };
    let from = instant("from", request.from.as_ref(), i64::MIN);
    let to = instant("to", request.to.as_ref(), i64::MAX);
    if from >= to {
        note("to", format!("is not after 'from', which is {from}"));
    }
    match parent {
        Ok(parent) if wrong.is_empty() => Ok(Filter {
            parent,
            gateway,
            codes,
            from,
            to,
            unreplayed: request.unreplayed,
        }),
        Ok(_) => Err(QueryError::Invalid(wrong)),
        Err(error) => {
            let mut all = error.violations();
            all.extend(wrong);
            Err(QueryError::Invalid(all))
        }
    }
}

fn unknown_reason(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    let known: Vec<_> = LetterCode::ALL.iter().map(|code| code.as_str()).collect();
    format!(
        "'{start}' is no reason; the reasons are {}",
        known.join(", ")
    )
}
