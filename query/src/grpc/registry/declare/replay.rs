//! Checks and writes records of replayed dead letters.

use greenpark_archive::{dead_letters::LetterId, reference::ReferenceEntry};
use greenpark_proto::query::v1 as pb;

use super::{Checks, Provenance};
use crate::{
    error::QueryError,
    lake::dead_letters::{LetterName, REPLAY, by_enterprise, replay_body},
    register::name::Name,
};

/// Maximal number of letters per entry.
const LETTERS_MAX: usize = 1_000;

/// Parses the names of the replayed letters.
pub(in crate::grpc) fn replayed(
    request: &pb::RecordDeadLetterReplayRequest,
    provenance: Provenance<'_>,
) -> Result<Vec<LetterName>, QueryError> {
    let mut checks = Checks::default();
    provenance.check(&mut checks);
    if !checks.fits("names", request.names.len()) {
        return checks.done(None);
    }
    let mut names = Vec::with_capacity(request.names.len());
    for (at, name) in request.names.iter().enumerate() {
        names.extend(checks.take(LetterName::parse(&format!("names[{at}]"), name)));
    }
    names.sort();
    names.dedup();
    checks.done(Some(names))
}

/// The entries that record the replays.
pub(in crate::grpc) fn replays(
    names: &[LetterName],
    provenance: Provenance<'_>,
) -> Vec<ReferenceEntry> {
    let mut entries = Vec::new();
    for ((park, enterprise), ids) in by_enterprise(names) {
        let ids: Vec<LetterId> = ids.into_iter().collect();
        for ids in ids.chunks(LETTERS_MAX) {
            let subject = Name::Enterprise(park.clone(), enterprise.clone());
            let valid = (provenance.at.day(), None);
            entries.push(provenance.entry(REPLAY, subject.to_string(), valid, replay_body(ids)));
        }
    }
    entries
}
