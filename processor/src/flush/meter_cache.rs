//! Cache of the meter registry, as sealing needs it.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::{error::LakeReadError, lake::Lake, meters::Meters};
use greenpark_model::id::ParkId;
use tracing::error;

/// Meters by park; read again when the version of the registry changes.
#[derive(Debug, Default)]
pub(crate) struct MeterCache {
    version: Option<i64>,
    parks: BTreeMap<ParkId, Arc<Meters>>,
}

impl MeterCache {
    /// Returns the meters of a park at the present version of the registry. If an entry cannot be read, the meters
    /// read before stay in use, because sealing must go on; queries fold such days again.
    pub(crate) async fn meters(
        &mut self,
        lake: &Lake,
        park: &ParkId,
    ) -> Result<Arc<Meters>, LakeReadError> {
        let snapshot = lake.reference().entries().await?;
        if self.version != Some(snapshot.version) {
            self.version = Some(snapshot.version);
            match Meters::read(&snapshot) {
                Ok(parks) => {
                    let shared = parks.into_iter().map(|(park, m)| (park, Arc::new(m)));
                    self.parks = shared.collect();
                }
                Err(unreadable) => error!(
                    error = &unreadable as &dyn std::error::Error,
                    "a meter's entry cannot be read"
                ),
            }
        }
        Ok(self.parks.get(park).cloned().unwrap_or_default())
    }
}
