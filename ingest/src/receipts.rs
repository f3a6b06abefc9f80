//! Receipts for gateways that number what they send: what of it the log and the archive have.
//!
//! A gateway that numbers its messages finds under `park/{park}/{enterprise}/{gateway}/down/receipt`, retained,
//! up to which number the log has them and the archive has them, and what is missing in between
//! (`ingest/schema/receipt.schema.json`). A number is entered when the receipt of its append is there, never
//! before; so a receipt says no more than PUBACK said, but says it also to a gateway that lost its memory.
//!
//! All of this is in memory and begins anew with the process: a receipt tells since when it knows, and what it
//! does not know is a gap. Nothing here can hold up an acknowledgement. Gateways that do not number cost
//! nothing here.

mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    numbers::Numbers,
};
use serde::Serialize;

use self::table::{Epoch, Known, Table};
use crate::{
    limits::{GAPS_TOLD_MAX, RECEIPTS_AT_ONCE_MAX},
    topic::Origin,
};

/// What gateways numbered and where it has come to. Clones share it.
#[derive(Debug, Clone)]
pub struct Receipts {
    table: Arc<Mutex<Table>>,
    since_ms: i64,
}

/// What one gather brought of one gateway, by epoch.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) origin: Origin,
    pub(crate) epochs: Vec<(u64, Numbers)>,
}

/// A gateway's receipt as it is published.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) origin: Origin,
    /// Which change it tells; the next one has a higher number.
    pub(crate) change: u64,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Payload {
    #[serde(flatten)]
    latest: EpochPayload,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<EpochPayload>,
    at: i64,
    since: i64,
}

#[derive(Debug, Serialize)]
struct EpochPayload {
    epoch: u64,
    stored: Extent,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived: Option<Extent>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extent {
    up_to: u64,
    gaps: Vec<(u64, u64)>,
}

impl Receipts {
    /// None yet, at `since_ms`.
    pub(crate) fn new(since_ms: i64) -> Self {
        Self {
            table: Arc::default(),
            since_ms,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what the log has; `entered` is not empty.
    pub(crate) fn stored(&self, entered: &[Entered]) {
        let mut table = self.lock();
        for Entered { origin, epochs } in entered {
            table.stored(origin, epochs);
        }
    }

    /// Enters that the archive has these messages of a gateway, and therefore the log.
    pub fn archived(
        &self,
        (park, enterprise, gateway): (&ParkId, &EnterpriseId, &GatewayId),
        epoch: u64,
        numbers: &Numbers,
    ) {
        let origin = Origin {
            park: park.clone(),
            enterprise: enterprise.clone(),
            gateway: gateway.clone(),
        };
        self.lock().archived(&origin, epoch, numbers);
    }

    /// The receipt of `origin`, if there is one with a change later than `after`.
    pub(crate) fn of(&self, origin: &Origin, after: u64, now_ms: i64) -> Option<Told> {
        let table = self.lock();
        let known = table.get(origin).filter(|known| known.change > after)?;
        Some(self.tell(origin, known, now_ms))
    }

    /// The receipts that changed since they were published, who has waited longest first; not all of very many.
    pub(crate) fn unpublished(&self, now_ms: i64) -> Vec<Told> {
        let table = self.lock();
        let waiting = table.unpublished(RECEIPTS_AT_ONCE_MAX).into_iter();
        waiting
            .map(|(origin, known)| self.tell(origin, known, now_ms))
            .collect()
    }

    /// `told` is on its way to the broker.
    pub(crate) fn published(&self, told: &Told) {
        self.lock().published(&told.origin, told.change);
    }

    /// What is on its way may be lost: everything is to be published again.
    pub(crate) fn publish_anew(&self) {
        self.lock().publish_anew();
    }

    fn tell(&self, origin: &Origin, known: &Known, now_ms: i64) -> Told {
        let mut epochs = known.epochs.iter().map(EpochPayload::of);
        let payload = Payload {
            latest: epochs.next().expect("a gateway is known by an epoch"),
            earlier: epochs.collect(),
            at: now_ms,
            since: self.since_ms,
        };
        Told {
            origin: origin.clone(),
            change: known.change,
            topic: origin.receipt_topic(),
            payload: serde_json::to_vec(&payload).expect("numbers have a text"),
        }
    }
}

impl EpochPayload {
    fn of(epoch: &Epoch) -> Self {
        Self {
            epoch: epoch.epoch,
            stored: Extent::of(&epoch.stored, epoch.recent),
            archived: epoch
                .archived
                .as_ref()
                .map(|archived| Extent::of(archived, epoch.recent)),
        }
    }
}

impl Extent {
    /// Of many gaps the first, the last and those around `recent`, which came last, are told as they are, and
    /// those between them as one: that a number in a gap has come is not denied, only not told. Who sends it
    /// again is told.
    fn of(numbers: &Numbers, recent: u64) -> Self {
        let gaps: Vec<_> = numbers.gaps().collect();
        let up_to = numbers.up_to();
        if gaps.len() <= GAPS_TOLD_MAX {
            return Self { up_to, gaps };
        }
        // Four such parts, and a gap between the first and those around, and between these and the last.
        let part = (GAPS_TOLD_MAX - 2) / 4;
        let near = gaps.partition_point(|&(_, last)| last < recent);
        let around = near.saturating_sub(part)..near + part;
        let is_told = |at| at < part || at + part >= gaps.len() || around.contains(&at);
        let mut told: Vec<(u64, u64)> = Vec::with_capacity(GAPS_TOLD_MAX);
        let mut merging = false;
        for (at, &gap) in gaps.iter().enumerate() {
            let merges = !is_told(at);
            match told.last_mut() {
                Some(before) if merges && merging => before.1 = gap.1,
                _ => told.push(gap),
            }
            merging = merges;
        }
        Self { up_to, gaps: told }
    }
}

#[cfg(test)]
mod tests;
