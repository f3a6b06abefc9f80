//! Reports the numbered messages that are in the books to an observer.

use std::{fmt, sync::Arc};

use greenpark_archive::messages::Messages;
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    numbers::Numbers,
};

/// Numbers of one gateway and epoch whose messages are in the books.
#[derive(Debug, Clone, Copy)]
pub struct ArchivedNumbers<'a> {
    /// The park.
    pub park: &'a ParkId,
    /// The enterprise.
    pub enterprise: &'a EnterpriseId,
    /// The gateway.
    pub gateway: &'a GatewayId,
    /// The epoch of the gateway's numbering.
    pub epoch: u64,
    /// The numbers of the messages.
    pub numbers: &'a Numbers,
}

/// Callback that receives archived numbers; it must not block.
pub type ArchiveObserver = Arc<dyn Fn(ArchivedNumbers<'_>) + Send + Sync>;

/// Calls the observer, if one is set.
#[derive(Clone, Default)]
pub(crate) struct ArchiveNotifier(Option<ArchiveObserver>);

impl fmt::Debug for ArchiveNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArchiveNotifier")
            .field(&self.0.is_some())
            .finish()
    }
}

impl ArchiveNotifier {
    pub(crate) fn new(observer: ArchiveObserver) -> Self {
        Self(Some(observer))
    }

    /// Reports that the books of `park` hold `messages`.
    pub(crate) fn notify(&self, park: &ParkId, messages: &Messages) {
        let Some(observe) = &self.0 else { return };
        for (gateway_epoch, _, numbers) in messages.iter() {
            observe(ArchivedNumbers {
                park,
                enterprise: &gateway_epoch.enterprise,
                gateway: &gateway_epoch.gateway,
                epoch: gateway_epoch.epoch,
                numbers,
            });
        }
    }
}
