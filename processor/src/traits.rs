//! What the registry says of meters that sealing needs.

use std::sync::Arc;

use greenpark_archive::{error::ReadError, lake::Lake, reference::ReferenceSnapshot};
use greenpark_model::{
    amount::Amount,
    fold::Traits,
    id::{EnterpriseId, MeterId, ParkId},
};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::seal::TraitsByMeter;

/// The part of a meter's entry that the fold needs.
#[derive(Debug, Deserialize)]
struct MeterBody {
    #[serde(default)]
    modulus: Option<String>,
    #[serde(default)]
    rated_per_hour: Option<String>,
}

/// Traits by park, read anew when the registry has moved.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    version: Option<i64>,
    parks: FxHashMap<ParkId, Arc<TraitsByMeter>>,
}

impl Registry {
    /// The traits of a park's meters as the registry stands now.
    pub(crate) async fn traits(
        &mut self,
        lake: &Lake,
        park: &ParkId,
    ) -> Result<Arc<TraitsByMeter>, ReadError> {
        let snapshot = lake.reference().entries().await?;
        if self.version != Some(snapshot.version) {
            self.parks = by_park(&snapshot);
            self.version = Some(snapshot.version);
        }
        Ok(self.parks.get(park).cloned().unwrap_or_default())
    }
}

fn by_park(snapshot: &ReferenceSnapshot) -> FxHashMap<ParkId, Arc<TraitsByMeter>> {
    let mut parks: FxHashMap<ParkId, TraitsByMeter> = FxHashMap::default();
    for entry in snapshot.entries.iter().filter(|e| e.kind == "meter") {
        let Some((park, enterprise, meter)) = parse_subject(&entry.subject) else {
            continue;
        };
        let Ok(body) = serde_json::from_str::<MeterBody>(&entry.body) else {
            continue;
        };
        let traits = Traits {
            modulus: amount(body.modulus),
            rated_per_hour: amount(body.rated_per_hour),
            replacements: Vec::new(),
        };
        parks
            .entry(park)
            .or_default()
            .insert((enterprise, meter), traits);
    }
    parks
        .into_iter()
        .map(|(park, traits)| (park, Arc::new(traits)))
        .collect()
}

fn amount(text: Option<String>) -> Option<Amount> {
    text.and_then(|t| t.parse().ok())
}

/// Reads `parks/P/enterprises/E/meters/M`.
fn parse_subject(name: &str) -> Option<(ParkId, EnterpriseId, MeterId)> {
    let mut parts = name.split('/');
    let mut next = |collection: &str| {
        (parts.next() == Some(collection))
            .then(|| parts.next())
            .flatten()
    };
    let park = ParkId::new(next("parks")?).ok()?;
    let enterprise = EnterpriseId::new(next("enterprises")?).ok()?;
    let meter = MeterId::new(next("meters")?).ok()?;
    parts.next().is_none().then_some((park, enterprise, meter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_meters_resource_name() {
        let (park, enterprise, meter) =
            parse_subject("parks/p/enterprises/e/meters/m").expect("a meter");
        assert_eq!(
            (park.as_str(), enterprise.as_str(), meter.as_str()),
            ("p", "e", "m")
        );
        for other in [
            "",
            "parks/p",
            "parks/p/enterprises/e",
            "parks/p/enterprises/e/meters/m/x",
        ] {
            assert!(parse_subject(other).is_none(), "{other}");
        }
    }
}
