//! The ledger of certificates (绿证台账) and the declared bases of assessment in force. Pure.
//!
//! A certificate's entry names its user. Its id is unique in the whole lake: the use recorded first is valid until it
//! is withdrawn, and another use is refused. If a foreign program records a second use anyway, its entry is ignored,
//! so that nothing is deducted twice. The JSON bodies, with amounts as decimal text:
//! - `certificate`: `{"id":"GEC-1","mwh":"100","generated":"2025-03","region":"sichuan","kind":"certificate",
//!   "retired_on":"2025-12-20","withdrawn":false,"reason":""}`, subject `parks/P` or `parks/P/enterprises/E`,
//!   valid in the year that it is used for;
//! - `assessment-basis`: `{"plan":"chongqing-parks-14fyp","basis_of_assessment":"assessed"}`, subject `parks/P` or
//!   `parks/-`.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::{
    dated::Dated,
    reference::{ReferenceEntry, ReferenceSnapshot},
};
use greenpark_model::{
    amount::Amount,
    assessment::{BasisOfAssessment, NonFossilKind},
    carbon::Region,
    day::{CivilDay, DayRange, Instant},
};
use serde::{Deserialize, Serialize};

use crate::register::{name::Name, statistics::DeclaredPeriod};

/// The kind of a certificate's entry.
pub(crate) const CERTIFICATE: &str = "certificate";
/// The kind of a declared basis of assessment.
pub(crate) const ASSESSMENT_BASIS: &str = "assessment-basis";

/// A certificate of non-fossil electricity in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) mwh: Amount,
    pub(crate) generated: Month,
    pub(crate) region: Region,
    pub(crate) kind: NonFossilKind,
    /// The user: a park or an enterprise.
    pub(crate) used_for: Name,
    /// The year for which it is used.
    pub(crate) year: i16,
    pub(crate) retired_on: Option<CivilDay>,
    pub(crate) recorded_at: Instant,
    pub(crate) recorded_by: String,
    pub(crate) evidence: String,
}

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(i16, i8);

impl Month {
    /// Parses a month such as `2025-03`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(DeclaredPeriod::Month(year, month)) => Some(Self(year, month)),
            _ => None,
        }
    }

    pub(crate) const fn year(self) -> i16 {
        self.0
    }

    /// The days of the month.
    pub(crate) fn range(self) -> DayRange {
        DeclaredPeriod::Month(self.0, self.1).range()
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        DeclaredPeriod::Month(self.0, self.1).fmt(f)
    }
}

/// A declared basis of assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredBasis {
    pub(crate) basis: BasisOfAssessment,
    /// The declaring person, the start and the evidence, in words.
    pub(crate) source: String,
}

/// The inputs of assessed figures besides meters and statistics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    certificates: BTreeMap<String, Certificate>,
    /// Certificate ids, by user and year of use.
    held: BTreeMap<(String, i16), BTreeSet<String>>,
    /// Declared bases, by park and plan.
    bases: BTreeMap<(String, String), Dated<DeclaredBasis>>,
}

/// The reason to refuse a record about a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The certificate is in use already.
    #[error(
        "certificate '{id}' is used for {holder} in {holder_year} and cannot be used for {asker} in \
         {asker_year}: a certificate is used once; withdraw the first use, or name another certificate"
    )]
    UsedTwice {
        /// The certificate.
        id: String,
        /// The current user.
        holder: String,
        /// The year of use.
        holder_year: i16,
        /// The user in the refused request.
        asker: String,
        /// The year of use.
        asker_year: i16,
    },
    /// The withdrawal names another user.
    #[error("certificate '{id}' is used for {holder}, so it cannot be withdrawn from {asker}")]
    NotHeld {
        /// The certificate.
        id: String,
        /// The current user.
        holder: String,
        /// The user named in the withdrawal.
        asker: String,
    },
    /// No certificate with this id is in use.
    #[error(
        "there is no certificate '{id}' to withdraw; list those in force with ListCertificates"
    )]
    NotThere {
        /// The certificate.
        id: String,
    },
}

impl Refused {
    /// The reason on the wire.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::UsedTwice { .. } => "CERTIFICATE_USED_TWICE",
            Self::NotHeld { .. } => "CERTIFICATE_NOT_HELD",
            Self::NotThere { .. } => "NO_SUCH_CERTIFICATE",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct CertificateBody {
    id: String,
    mwh: String,
    generated: String,
    region: String,
    kind: String,
    #[serde(default)]
    retired_on: String,
    #[serde(default)]
    withdrawn: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct BasisBody {
    plan: String,
    basis_of_assessment: String,
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("a body of texts and flags is JSON")
}

/// The JSON body of a declared basis.
pub(crate) fn write_basis(plan: &str, basis: BasisOfAssessment) -> String {
    json(&BasisBody {
        plan: plan.to_owned(),
        basis_of_assessment: basis.to_string(),
    })
}

impl Certificate {
    /// The JSON body of its entry.
    pub(crate) fn write(&self) -> String {
        json(&CertificateBody {
            id: self.id.clone(),
            mwh: self.mwh.to_string(),
            generated: self.generated.to_string(),
            region: self.region.to_string(),
            kind: self.kind.to_string(),
            retired_on: self.retired_on.map(|d| d.to_string()).unwrap_or_default(),
            withdrawn: false,
            reason: String::new(),
        })
    }

    /// The JSON body of the entry that withdraws it.
    pub(crate) fn write_withdrawal(&self, reason: &str) -> String {
        let body = CertificateBody {
            withdrawn: true,
            reason: reason.to_owned(),
            ..serde_json::from_str(&self.write()).expect("it was just written")
        };
        json(&body)
    }
}

impl Ledger {
    /// Returns true if entries of this kind belong to the ledger.
    pub(crate) fn is_of(kind: &str) -> bool {
        kind == CERTIFICATE || kind == ASSESSMENT_BASIS
    }

    /// Reads the ledger from `snapshot`.
    pub(crate) fn read(snapshot: &ReferenceSnapshot) -> Result<Self, String> {
        let mut ledger = Self::default();
        for entry in &snapshot.entries {
            if Self::is_of(&entry.kind) {
                ledger.apply(entry)?;
            }
        }
        Ok(ledger)
    }

    /// Applies an entry of the ledger's kinds; call it in the order of recording. Returns the subject of the entry.
    pub(crate) fn apply(&mut self, entry: &ReferenceEntry) -> Result<Name, String> {
        let name = Name::parse("subject", &entry.subject).map_err(|_| "its subject is no name")?;
        if entry.kind == CERTIFICATE {
            self.apply_certificate(entry, name.clone())?;
            return Ok(name);
        }
        let body: BasisBody = serde_json::from_str(&entry.body).map_err(|e| e.to_string())?;
        let basis = body.basis_of_assessment.parse();
        let basis = basis
            .map_err(|e: greenpark_model::assessment::UnknownBasisOfAssessment| e.to_string())?;
        let declared = DeclaredBasis {
            basis,
            source: format!(
                "declared for {name} from {} on, recorded by {}, {}",
                entry.valid_from, entry.recorded_by, entry.evidence
            ),
        };
        let key = (name.to_string(), body.plan);
        self.bases.entry(key).or_default().record(entry, declared);
        Ok(name)
    }

    fn apply_certificate(&mut self, entry: &ReferenceEntry, used_for: Name) -> Result<(), String> {
        let body: CertificateBody = serde_json::from_str(&entry.body).map_err(|e| e.to_string())?;
        let year = entry.valid_from.year();
        let holder = self
            .certificates
            .get(&body.id)
            .map(|held| (held.used_for.clone(), held.year));
        match holder {
            Some((holder, _)) if holder != used_for => return Ok(()),
            Some((_, of)) if of != year && !body.withdrawn => return Ok(()),
            Some((holder, of)) => {
                let ids = self.held.entry((holder.to_string(), of)).or_default();
                ids.remove(&body.id);
                self.certificates.remove(&body.id);
            }
            None => {}
        }
        if body.withdrawn {
            return Ok(());
        }
        let retired_on = match body.retired_on.as_str() {
            "" => None,
            day => Some(day.parse().map_err(|_| "its retirement is no day")?),
        };
        let certificate = Certificate {
            mwh: body.mwh.parse().map_err(|_| "its amount is no decimal")?,
            generated: Month::parse(&body.generated).ok_or("its generation is no month")?,
            region: body.region.parse().map_err(|_| "its region is none")?,
            kind: body.kind.parse().map_err(|_| "its kind is unknown")?,
            id: body.id,
            used_for,
            year,
            retired_on,
            recorded_at: entry.recorded_at,
            recorded_by: entry.recorded_by.clone(),
            evidence: entry.evidence.clone(),
        };
        let holder = (certificate.used_for.to_string(), year);
        let ids = self.held.entry(holder).or_default();
        ids.insert(certificate.id.clone());
        self.certificates
            .insert(certificate.id.clone(), certificate);
        Ok(())
    }

    /// Returns true if no certificate is in use.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Every certificate in force.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values()
    }

    /// The certificate with this id, if it is in use.
    pub(crate) fn get(&self, id: &str) -> Option<&Certificate> {
        self.certificates.get(id)
    }

    /// The certificates that `holder` uses for `year`, ordered by id.
    pub(crate) fn used_for(&self, holder: &Name, year: i16) -> impl Iterator<Item = &Certificate> {
        let ids = self.held.get(&(holder.to_string(), year));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.certificates.get(id))
    }

    /// Refuses `certificate` if its id is in use by another user or for another year.
    pub(crate) fn check(&self, certificate: &Certificate) -> Result<(), Refused> {
        match self.get(&certificate.id) {
            Some(held)
                if (&held.used_for, held.year) != (&certificate.used_for, certificate.year) =>
            {
                Err(Refused::UsedTwice {
                    id: certificate.id.clone(),
                    holder: held.used_for.to_string(),
                    holder_year: held.year,
                    asker: certificate.used_for.to_string(),
                    asker_year: certificate.year,
                })
            }
            _ => Ok(()),
        }
    }

    /// Returns the certificate if it can be withdrawn from `asker`.
    pub(crate) fn withdrawable(&self, id: &str, asker: &Name) -> Result<&Certificate, Refused> {
        let id = id.to_owned();
        match self.get(&id) {
            None => Err(Refused::NotThere { id }),
            Some(held) if held.used_for != *asker => Err(Refused::NotHeld {
                id,
                holder: held.used_for.to_string(),
                asker: asker.to_string(),
            }),
            Some(held) => Ok(held),
        }
    }

    /// The declared basis of `plan` for the figures of `name` on `day`; an enterprise has the basis of its park.
    pub(crate) fn basis(&self, name: &Name, plan: &str, day: CivilDay) -> Option<&DeclaredBasis> {
        let holder = match name {
            Name::Parks => Name::Parks,
            other => Name::Park(other.park()?.clone()),
        };
        let dated = self.bases.get(&(holder.to_string(), plan.to_owned()))?;
        dated.on(day).map(|entry| &entry.body)
    }
}

#[cfg(test)]
mod tests;
