//! Dead letters that were sent again, as they are recorded.

use greenpark_archive::{letters::LetterId, reference::ReferenceEntry};
use greenpark_proto::query::v1 as pb;

use super::{Checks, Says};
use crate::{
    error::QueryError,
    lake::dead_letters::{LetterName, REPLAY, by_enterprise, replay_body},
    register::name::Name,
};

/// Letters that one entry names.
const LETTERS_MAX: usize = 1_000;

/// Reads the names of letters and who sends them again.
pub(in crate::grpc) fn replayed(
    asked: &pb::RecordDeadLetterReplayRequest,
    says: Says<'_>,
) -> Result<Vec<LetterName>, QueryError> {
    let mut checks = Checks::default();
    says.check(&mut checks);
    if !checks.fits("names", asked.names.len()) {
        return checks.done(None);
    }
    let mut names = Vec::with_capacity(asked.names.len());
    for (at, name) in asked.names.iter().enumerate() {
        names.extend(checks.take(LetterName::parse(&format!("names[{at}]"), name)));
    }
    names.sort();
    names.dedup();
    checks.done(Some(names))
}

/// The entries that say so.
pub(in crate::grpc) fn replays(names: &[LetterName], says: Says<'_>) -> Vec<ReferenceEntry> {
    let mut entries = Vec::new();
    for ((park, enterprise), ids) in by_enterprise(names) {
        let ids: Vec<LetterId> = ids.into_iter().collect();
        for ids in ids.chunks(LETTERS_MAX) {
            let subject = Name::Enterprise(park.clone(), enterprise.clone());
            let valid = (says.at.day(), None);
            entries.push(says.entry(REPLAY, subject.to_string(), valid, replay_body(ids)));
        }
    }
    entries
}
