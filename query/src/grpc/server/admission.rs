//! Admits questions: authenticates them, bounds their number, and sets their deadline.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;

use crate::{
    error::QueryError,
    grpc::server::Shared,
    scope::{Scope, hex::hex},
    settings::Grant,
};

/// Authenticates requests by bearer token.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Scopes by SHA-256 of their token in hex; `None` if everyone may do everything. The timing of a lookup by
    /// digest reveals nothing about a token.
    scopes: Option<HashMap<String, Scope>>,
}

/// An admitted question. It counts against the limit until it is dropped.
pub(crate) struct Admitted {
    pub(crate) scope: Scope,
    pub(crate) until: tokio::time::Instant,
    /// True if the books may lack readings that were acknowledged before.
    pub(super) behind: bool,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(grants: &[Grant]) -> Self {
        if grants.is_empty() {
            return Self { scopes: None };
        }
        let scopes = grants
            .iter()
            .map(|grant| {
                let scope = Scope::of_grant(&grant.names, &grant.holder, grant.declares);
                (grant.token_sha256.to_lowercase(), scope)
            })
            .collect();
        Self {
            scopes: Some(scopes),
        }
    }

    /// The scope of a request with this metadata.
    pub(crate) fn admit(&self, metadata: &MetadataMap) -> Result<Scope, QueryError> {
        let Some(scopes) = &self.scopes else {
            return Ok(Scope::everything());
        };
        let token = metadata
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(QueryError::Unauthenticated)?;
        let digest = hex(&Sha256::digest(token.trim().as_bytes()));
        scopes
            .get(&digest)
            .cloned()
            .ok_or(QueryError::Unauthenticated)
    }
}

impl Shared {
    /// Admits a question, or refuses it. Its deadline is `span`, or the client's own if that is shorter.
    pub(crate) async fn admit(
        &self,
        metadata: &MetadataMap,
        permits: &Arc<Semaphore>,
        (span, reads_books): (Duration, bool),
    ) -> Result<Admitted, QueryError> {
        let scope = self.gate.admit(metadata)?;
        let until =
            tokio::time::Instant::now() + span.min(clients_deadline(metadata).unwrap_or(span));
        let permit = Arc::clone(permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout_at(until, permit).await else {
            return Err(QueryError::Deadline);
        };
        let fresh = match self.barrier.as_ref().filter(|_| reads_books) {
            Some(barrier) => match tokio::time::timeout_at(until, barrier()).await {
                Ok(fresh) => fresh,
                Err(_) => return Err(QueryError::Deadline),
            },
            None => true,
        };
        // A free permit is granted even if no time is left.
        if until <= tokio::time::Instant::now() {
            return Err(QueryError::Deadline);
        }
        if !fresh {
            self.metrics.behind.inc();
        }
        Ok(Admitted {
            scope,
            until,
            behind: !fresh,
            _permit: permit,
        })
    }
}

/// The client's deadline from the header `grpc-timeout`: up to eight digits and a unit.
fn clients_deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = count.parse().ok().filter(|_| count.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use greenpark_model::id::{EnterpriseId, ParkId};

    use super::*;
    use crate::register::name::Name;

    #[test]
    fn a_token_reaches_what_it_was_granted_and_no_more() {
        let grant = |token: &str, name: &str| Grant {
            token_sha256: hex(&Sha256::digest(token.as_bytes())),
            names: vec![name.to_owned()],
            holder: "tests".to_owned(),
            declares: false,
        };
        let gate = Gate::new(&[grant("a", "parks/p"), grant("b", "parks/p/enterprises/e")]);
        let admit = |token: &str| {
            let mut metadata = MetadataMap::new();
            let value = format!("Bearer {token}").parse().expect("ascii");
            metadata.insert("authorization", value);
            gate.admit(&metadata)
        };
        let (park, other) = (
            ParkId::new("p").expect("an id"),
            ParkId::new("q").expect("an id"),
        );
        let enterprise = EnterpriseId::new("e").expect("an id");
        let whole = admit("a").expect("known");
        assert!(whole.permits_park(&park) && !whole.sees(&other));
        let one = admit("b").expect("known");
        assert!(one.permits(&park, &enterprise) && !one.permits_park(&park) && one.sees(&park));
        assert!(one.check(&Name::Park(park)).is_err());
        assert!(matches!(admit("c"), Err(QueryError::Unauthenticated)));
        assert!(gate.admit(&MetadataMap::new()).is_err());
        assert_eq!(
            Gate::new(&[]).admit(&MetadataMap::new()).expect("open"),
            Scope::everything()
        );
    }
}
