//! Grants: entries of the reference table, each with a caller, a role, a name, days and a reason.
//!
//! An entry of kind `grant` has the name as its subject and the body `{"caller":"certificate:scada","role":"operator",
//! "revoked":false}`. A revoked one ends the grant of the same caller, role and name. Pure.

use std::collections::BTreeMap;

use greenpark_archive::reference::{ReferenceEntry, ReferenceSnapshot};
use greenpark_model::{
    day::{CivilDay, Instant},
    id::{EnterpriseId, ParkId},
};
use serde::{Deserialize, Serialize};

use super::{caller::HeldGrant, role::Role};
use crate::{error::QueryError, register::name::Name};

/// The kind of a grant's entry.
pub(crate) const GRANT: &str = "grant";

/// The longest name of a caller, in characters.
const CALLER_CHARS_MAX: usize = 256;

/// A grant that was recorded and not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedGrant {
    pub(crate) caller: String,
    pub(crate) role: Role,
    pub(crate) on: Name,
    /// The first civil day on which it holds.
    pub(crate) from: CivilDay,
    /// The last civil day on which it holds; `None` if it has no end.
    pub(crate) to: Option<CivilDay>,
    pub(crate) why: String,
    pub(crate) granted_by: String,
    pub(crate) recorded_at: Instant,
}

/// The grants at one version of the reference table.
#[derive(Debug)]
pub(crate) struct Grants {
    pub(crate) version: i64,
    by_caller: BTreeMap<String, Vec<RecordedGrant>>,
}

impl Default for Grants {
    /// Grants that were not read yet, without a version.
    fn default() -> Self {
        Self {
            version: i64::MIN,
            by_caller: BTreeMap::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    caller: String,
    role: String,
    #[serde(default)]
    revoked: bool,
}

impl Grants {
    /// Reads the grants among `entries`, which are in the order of recording.
    pub(crate) fn read<'a>(
        version: i64,
        entries: impl IntoIterator<Item = &'a ReferenceEntry>,
    ) -> Result<Self, QueryError> {
        let mut by_caller: BTreeMap<String, Vec<RecordedGrant>> = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| entry.kind == GRANT) {
            let (grant, revoked) = parse(entry).map_err(|problem| {
                QueryError::Broken(format!(
                    "reference entry '{GRANT}' of '{}': {problem}",
                    entry.subject
                ))
            })?;
            let held = by_caller.entry(grant.caller.clone()).or_default();
            if revoked {
                held.retain(|known| (known.role, &known.on) != (grant.role, &grant.on));
            } else {
                held.push(grant);
            }
        }
        Ok(Self { version, by_caller })
    }

    /// The grants of `caller` that hold on `day`.
    pub(crate) fn held<'a>(
        &'a self,
        caller: &str,
        day: CivilDay,
    ) -> impl Iterator<Item = &'a RecordedGrant> {
        let of = self.by_caller.get(caller).into_iter().flatten();
        of.filter(move |grant| grant.holds_on(day))
    }

    /// All grants, in the order of their callers.
    pub(crate) fn all(&self) -> impl Iterator<Item = &RecordedGrant> {
        self.by_caller.values().flatten()
    }

    /// The grant of the same caller, role and name that holds on a day of `grant`.
    pub(crate) fn overlapping(&self, grant: &RecordedGrant) -> Option<&RecordedGrant> {
        let ends_before = |a: &RecordedGrant, b: &RecordedGrant| a.to.is_some_and(|to| to < b.from);
        let mut known = self.of_kind(grant).into_iter();
        known.find(|known| !ends_before(known, grant) && !ends_before(grant, known))
    }

    /// The grants of the same caller, role and name.
    pub(crate) fn of_kind(&self, grant: &RecordedGrant) -> Vec<&RecordedGrant> {
        let of = self.by_caller.get(&grant.caller).into_iter().flatten();
        of.filter(|known| (known.role, &known.on) == (grant.role, &grant.on))
            .collect()
    }
}

impl RecordedGrant {
    /// True if it holds on `day`.
    pub(crate) fn holds_on(&self, day: CivilDay) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }

    /// What its caller holds.
    pub(crate) fn held(&self) -> HeldGrant {
        HeldGrant {
            role: self.role,
            on: self.on.clone(),
        }
    }

    /// The entry that records it, or revokes it.
    pub(crate) fn entry(&self, revoked: bool) -> ReferenceEntry {
        let body = Body {
            caller: self.caller.clone(),
            role: self.role.to_string(),
            revoked,
        };
        ReferenceEntry {
            kind: GRANT.to_owned(),
            subject: self.on.to_string(),
            valid_from: self.from,
            valid_to: self.to,
            recorded_at: self.recorded_at,
            recorded_by: self.granted_by.clone(),
            evidence: self.why.clone(),
            body: serde_json::to_string(&body).expect("text and a flag have a JSON form"),
        }
    }
}

/// The grants of gateways that hold on `day`: who may publish for which enterprise.
///
/// # Errors
/// A grant among `entries` cannot be read.
pub fn gateways(
    entries: &ReferenceSnapshot,
    day: CivilDay,
) -> Result<Vec<(String, ParkId, EnterpriseId)>, QueryError> {
    let grants = Grants::read(entries.version, &entries.entries)?;
    let held = grants.all().filter(|grant| grant.holds_on(day));
    let of_gateways = held.filter_map(|grant| match (grant.role, &grant.on) {
        (Role::Gateway, Name::Enterprise(park, enterprise)) => {
            Some((grant.caller.clone(), park.clone(), enterprise.clone()))
        }
        _ => None,
    });
    Ok(of_gateways.collect())
}

/// Says what is wrong with the name of a caller; `None` if nothing is.
pub(crate) fn caller_problem(caller: &str) -> Option<String> {
    let name = ["certificate:", "token:", "jwt:", "user:"]
        .iter()
        .find_map(|kind| caller.strip_prefix(kind));
    match name {
        None => Some(
            "write certificate:COMMON-NAME, token:NAME, jwt:SUBJECT, or user:NAME for a gateway with a password"
                .to_owned(),
        ),
        Some("") => Some("has no name after its kind".to_owned()),
        Some(name) if name.chars().any(char::is_control) => {
            Some("has control characters".to_owned())
        }
        Some(name) if name.chars().count() > CALLER_CHARS_MAX => {
            Some(format!("is longer than {CALLER_CHARS_MAX} characters"))
        }
        Some(_) => None,
    }
}

/// Says why a grant of `role` cannot be on `name`; `None` if it can.
pub(crate) fn name_problem(role: Role, name: &Name) -> Option<&'static str> {
    match (role, name) {
        (Role::Gateway | Role::Enterprise, Name::Enterprise(..))
        | (Role::Operator | Role::Administrator, Name::Parks | Name::Park(_))
        | (Role::Auditor, Name::Parks | Name::Park(_) | Name::Enterprise(..)) => None,
        (Role::Gateway | Role::Enterprise, _) => {
            Some("must be an enterprise: parks/P/enterprises/E")
        }
        (Role::Operator | Role::Administrator, _) => Some("must be parks/P or parks/-"),
        (Role::Auditor, _) => Some("must be parks/-, parks/P or parks/P/enterprises/E"),
    }
}

fn parse(entry: &ReferenceEntry) -> Result<(RecordedGrant, bool), String> {
    let body: Body = serde_json::from_str(&entry.body).map_err(|error| error.to_string())?;
    let role = body.role.parse::<Role>().map_err(|e| e.to_string())?;
    let on = Name::parse("subject", &entry.subject).map_err(|_| "its subject is no name")?;
    let grant = RecordedGrant {
        caller: body.caller,
        role,
        on,
        from: entry.valid_from,
        to: entry.valid_to,
        why: entry.evidence.clone(),
        granted_by: entry.recorded_by.clone(),
        recorded_at: entry.recorded_at,
    };
    Ok((grant, body.revoked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> CivilDay {
        text.parse().expect("a day")
    }

    fn grant(caller: &str, from: &str, to: Option<&str>) -> RecordedGrant {
        RecordedGrant {
            caller: caller.to_owned(),
            role: Role::Auditor,
            on: Name::Parks,
            from: day(from),
            to: to.map(day),
            why: "letter 7".to_owned(),
            granted_by: "certificate:admin".to_owned(),
            recorded_at: day(from).start(),
        }
    }

    #[test]
    fn a_grant_holds_from_its_first_to_its_last_day() {
        let entry = grant("token:a", "2026-01-02", Some("2026-01-04")).entry(false);
        let grants = Grants::read(1, [&entry]).expect("readable");
        let holds = |text: &str| grants.held("token:a", day(text)).count();
        let days = ["2026-01-01", "2026-01-02", "2026-01-04", "2026-01-05"];
        assert_eq!(days.map(holds), [0, 1, 1, 0]);
        assert_eq!(grants.held("jwt:a", day("2026-01-02")).count(), 0);
    }

    #[test]
    fn a_revocation_ends_the_grant_and_a_later_grant_holds_again() {
        let of = grant("token:a", "2026-01-02", None);
        let entries = [of.entry(false), of.entry(true)];
        let held = |entries: &[ReferenceEntry]| {
            let grants = Grants::read(1, entries).expect("readable");
            grants.held("token:a", day("2026-02-01")).count()
        };
        assert_eq!((held(&entries[..1]), held(&entries)), (1, 0));
        let again = [of.entry(false), of.entry(true), of.entry(false)];
        assert_eq!(held(&again), 1);
    }

    #[test]
    fn overlapping_days_are_found() {
        let known = grant("token:a", "2026-01-10", Some("2026-01-20"));
        let grants = Grants::read(1, [&known.entry(false)]).expect("readable");
        let overlaps = |from, to| grants.overlapping(&grant("token:a", from, to)).is_some();
        assert!(overlaps("2026-01-20", None) && overlaps("2026-01-01", Some("2026-01-10")));
        assert!(!overlaps("2026-01-21", None) && !overlaps("2026-01-01", Some("2026-01-09")));
        assert!(overlaps("2026-01-01", None) && overlaps("2026-01-12", Some("2026-01-13")));
    }

    #[test]
    fn a_caller_has_a_kind_and_a_name() {
        assert_eq!(caller_problem("certificate:scada 1"), None);
        assert_eq!(caller_problem("user:gw-1"), None);
        for wrong in ["scada", "gateway:x", "jwt:", "token:a\nb"] {
            assert!(caller_problem(wrong).is_some(), "{wrong}");
        }
    }
}
