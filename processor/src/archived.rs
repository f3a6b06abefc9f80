//! What gateways numbered and the books now hold, told to whoever wants to know.
//!
//! Numbers wait beside the rows of their park and are told when these are published; a park that is dropped
//! because another processor has its partition takes its numbers with it.

use std::{fmt, mem, sync::Arc};

use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    numbers::Numbers,
};
use rustc_hash::FxHashMap;

use crate::entry::Arrival;

/// Runs that a gateway's numbers may have between two flushes, 1 MiB: what is forgotten is not told.
const RUNS_MAX: usize = 65_536;

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
}

/// Numbers of one park that wait for its rows to be published.
#[derive(Debug, Default)]
pub(crate) struct Waiting(FxHashMap<(EnterpriseId, GatewayId, u64), Numbers>);

impl Waiting {
    /// Takes the numbers of a batch, if there are any and somebody is to be told.
    pub(crate) fn take(&mut self, arrival: &Arrival, telling: &Telling) {
        if arrival.numbers.is_empty() || telling.0.is_none() {
            return;
        }
        let gateway = (
            arrival.enterprise.clone(),
            arrival.gateway.clone(),
            arrival.epoch,
        );
        let numbers = self.0.entry(gateway).or_default();
        numbers.join(&arrival.numbers);
        numbers.forget_beyond(RUNS_MAX);
    }

    /// Tells what waited: everything of the park that was read is in the books.
    pub(crate) fn published(&mut self, park: &ParkId, telling: &Telling) {
        let Some(tell) = &telling.0 else { return };
        for ((enterprise, gateway, epoch), numbers) in mem::take(&mut self.0) {
            tell(Archived {
                park,
                enterprise: &enterprise,
                gateway: &gateway,
                epoch,
                numbers: &numbers,
            });
        }
    }
}
