//! What the registry says of meters that sealing needs.

use std::{collections::BTreeMap, sync::Arc};

use greenpark_archive::{error::LakeReadError, lake::Lake, meters::Meters};
use greenpark_model::id::ParkId;
use tracing::error;

/// Meters by park, read anew when the registry has moved.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    version: Option<i64>,
    parks: BTreeMap<ParkId, Arc<Meters>>,
}

impl Registry {
    /// The meters of a park as the registry stands now. An entry that cannot be read keeps those known
    /// before, for sealing must go on; whoever asks folds such days anew.
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
