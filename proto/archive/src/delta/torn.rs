//! Detects a torn log entry, as a power cut may leave it.

use deltalake_core::kernel::Action;

use crate::delta::commit_info::OURS;

/// Why an entry is torn.
#[derive(Debug, thiserror::Error)]
pub(super) enum Torn {
    #[error("entry {version} of its log is empty: it was cut short")]
    Empty { version: u64 },
    #[error("entry {version} of its log has {found} of {written} actions: it was cut short")]
    Short {
        version: u64,
        found: usize,
        written: usize,
    },
}

/// The number of actions in an entry of `actions` actions: one more, which records the number.
pub(super) const fn written(actions: usize) -> usize {
    actions + 1
}

/// Refuses an entry that is empty or has fewer actions than its writer recorded. Entries of other programs, and
/// older ones of ours, do not record it.
pub(super) fn check(version: u64, actions: &[Action]) -> Result<(), Torn> {
    if actions.is_empty() {
        return Err(Torn::Empty { version });
    }
    let declared = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => info.info.get(OURS)?.get("actions")?.as_u64(),
        _ => None,
    });
    let written = declared.and_then(|declared| usize::try_from(declared).ok());
    match written {
        Some(written) if written != actions.len() => Err(Torn::Short {
            version,
            found: actions.len(),
            written,
        }),
        _ => Ok(()),
    }
}
