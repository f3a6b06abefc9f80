//! Streams the records of the access log.

use std::sync::Arc;

use greenpark_archive::access_log::AccessRecord;
use greenpark_proto::query::v1 as pb;

use super::granted_name;
use crate::{
    access::scope::Scope,
    figures::convert::timestamp,
    grpc::server::{
        Shared,
        stream::{Ended, Sender, send},
    },
    register::name::Name,
};

/// Sends the records of the request's days that are about its parent.
pub(super) async fn records(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::StreamAccessLogRequest,
    to: Sender<pb::AccessLogRecord>,
) -> Result<(), Ended> {
    let parent = granted_name("parent", &request.parent)?;
    if matches!(parent, Name::Enterprise(..)) {
        return Err(parent.unfit("parent", "parks/- or parks/P").into());
    }
    scope.check_whole(&parent)?;
    let days = match &request.period {
        None => {
            let today = shared.now().day();
            (today, today)
        }
        Some(period) => {
            let (_, range) = shared.parse_range(Some(period), None).await?;
            (range.first(), range.last())
        }
    };
    let mut table = shared.books.lake.access_log();
    let files = table.files_between(days.0, days.1).await?;
    for file in files {
        let records = table.read(&file).await?;
        let selected = |record: &&AccessRecord| {
            let of_caller = request.caller.is_empty() || *record.caller == *request.caller;
            of_caller && is_about(record, &parent)
        };
        for record in records.iter().filter(selected) {
            send(&to, message_of(record), 1).await?;
        }
    }
    Ok(())
}

/// True if the request of `record` named `parent` or something below it.
fn is_about(record: &AccessRecord, parent: &Name) -> bool {
    match parent {
        Name::Park(_) => {
            let park = parent.to_string();
            let below = record.scope_asked.strip_prefix(&park);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ' ']))
        }
        _ => true,
    }
}

fn message_of(record: &AccessRecord) -> pb::AccessLogRecord {
    pb::AccessLogRecord {
        at: Some(timestamp(record.at)),
        event: record.event.to_string(),
        request_id: record.request_id.to_string(),
        caller: record.caller.to_string(),
        source: record.source.to_string(),
        method: record.method.to_string(),
        scope_asked: record.scope_asked.to_string(),
        decision: record.decision.to_string(),
        determined_by: record.determined_by.to_string(),
        requests: record.requests,
        rows: record.rows,
        bytes: record.bytes,
        extract_sha256: record
            .extract_sha256
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
        versions: record.versions.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use greenpark_archive::access_log::AccessEvent;
    use greenpark_model::day::Instant;

    use super::*;

    #[test]
    fn a_record_is_about_a_park_if_it_names_it_or_something_in_it() {
        let at = Instant::from_millis(1_790_000_000_000);
        let about_east = |asked: &str| {
            let record = AccessRecord {
                scope_asked: asked.into(),
                ..AccessRecord::new(at, AccessEvent::Outcome)
            };
            let park = Name::parse("parent", "parks/east").expect("a name");
            is_about(&record, &park)
        };
        assert!(about_east("parks/east 2024") && about_east("parks/east/enterprises/steel"));
        assert!(!about_east("parks/eastern") && !about_east("parks/-") && !about_east(""));
    }
}
