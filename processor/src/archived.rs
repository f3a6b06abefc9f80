//! What gateways numbered and the books now hold, told to whoever wants to know.

use std::{fmt, sync::Arc};

use greenpark_archive::messages::Messages;
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    numbers::Numbers,
};

/// Messages of one gateway and epoch that the books hold.
#[derive(Debug, Clone, Copy)]
pub struct Archived<'a> {
    /// The park.
    pub park: &'a ParkId,
    /// The enterprise.
    pub enterprise: &'a EnterpriseId,
    /// The gateway.
    pub gateway: &'a GatewayId,
    /// Which count of the gateway.
    pub epoch: u64,
    /// The messages, by their numbers.
    pub numbers: &'a Numbers,
}

/// Is told what the books hold; must not block.
pub type Listener = Arc<dyn Fn(Archived<'_>) + Send + Sync>;

/// Who is told, if anybody is.
#[derive(Clone, Default)]
pub(crate) struct Telling(Option<Listener>);

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Telling").field(&self.0.is_some()).finish()
    }
}

impl Telling {
    pub(crate) fn to(listener: Listener) -> Self {
        Self(Some(listener))
    }

    /// Tells that the books of `park` hold `messages`.
    pub(crate) fn tell(&self, park: &ParkId, messages: &Messages) {
        let Some(tell) = &self.0 else { return };
        for (of, _, numbers) in messages.iter() {
            tell(Archived {
                park,
                enterprise: &of.enterprise,
                gateway: &of.gateway,
                epoch: of.epoch,
                numbers,
            });
        }
    }
}
