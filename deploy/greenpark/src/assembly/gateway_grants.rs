//! Follows the grants of gateways that the lake records, for the listener.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use greenpark_archive::lake::Lake;
use greenpark_ingest::GatewayGrants;
use greenpark_query::access::grants::gateways;
use greenpark_runtime::clock;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the reference table is looked at: a withdrawn grant is noticed by then.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Follows the grants of one lake.
pub(super) struct Follower {
    lake: Lake,
    grants: watch::Sender<Arc<GatewayGrants>>,
    look: Arc<Notify>,
}

/// The grants that the listener of this process goes by.
#[derive(Debug, Clone)]
pub struct FollowedGrants {
    grants: watch::Receiver<Arc<GatewayGrants>>,
    look: Arc<Notify>,
}

impl FollowedGrants {
    /// Looks at the lake now, and waits until `caller` may publish for `enterprises` of them.
    ///
    /// # Errors
    /// The service that follows the grants has ended.
    pub async fn wait_for(&mut self, caller: &str, enterprises: usize) -> anyhow::Result<()> {
        self.look.notify_one();
        let granted = self
            .grants
            .wait_for(|grants| grants.of(caller).count() >= enterprises)
            .await;
        granted.context("the grants of gateways are not followed any more")?;
        Ok(())
    }
}

impl Follower {
    /// A follower of the grants in `lake`, which are read once: a gateway that came before would be refused.
    ///
    /// # Errors
    /// The grants cannot be read.
    pub(super) async fn of(
        lake: &Lake,
    ) -> anyhow::Result<(Self, watch::Receiver<Arc<GatewayGrants>>)> {
        let read = read(lake).await.context("read the grants of gateways")?;
        let (grants, receiver) = watch::channel(Arc::new(read));
        let follower = Self {
            lake: lake.clone(),
            grants,
            look: Arc::default(),
        };
        Ok((follower, receiver))
    }

    /// The grants as they are followed.
    pub(super) fn followed(&self) -> FollowedGrants {
        FollowedGrants {
            grants: self.grants.subscribe(),
            look: Arc::clone(&self.look),
        }
    }

    /// Reads the grants again and again until `shutdown`. While they cannot be read, those read before hold.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let mut is_failing = false;
        loop {
            match read(&self.lake).await {
                Ok(grants) => {
                    is_failing = false;
                    let changed = self.grants.send_if_modified(|known| {
                        let changed = **known != grants;
                        if changed {
                            *known = Arc::new(grants);
                        }
                        changed
                    });
                    if changed {
                        info!("the grants of gateways have changed");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(
                            error = error.as_ref() as &dyn std::error::Error,
                            "the grants of gateways cannot be read; those read before hold"
                        );
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.look.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// The grants that hold today.
async fn read(lake: &Lake) -> anyhow::Result<GatewayGrants> {
    let entries = lake.reference().entries().await?;
    let mut grants = GatewayGrants::default();
    for (caller, park, enterprise) in gateways(&entries, clock::now().day())? {
        grants.grant(&caller, park, enterprise);
    }
    Ok(grants)
}
