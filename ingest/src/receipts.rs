//! Receipts for gateways that number their messages: which of them the log and the archive have.
//!
//! A gateway that numbers its messages finds a retained receipt under
//! `park/{park}/{enterprise}/{gateway}/down/receipt`: the number up to which the log and the
//! archive have its messages, and the gaps in between (`ingest/schema/receipt.schema.json`). A
//! number is entered after the receipt of its append, never before; so a receipt promises no more
//! than PUBACK did, but it also reaches a gateway that lost its memory.
//!
//! All state is in memory and starts empty with the process: a receipt contains the time since when
//! it has data, and earlier numbers are gaps. Nothing here can delay an acknowledgement. Gateways
//! that do not number cost nothing here.

mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    numbers::Numbers,
};
use serde::Serialize;

use self::table::{Epoch, GatewayNumbers, NumberTable};
use crate::{
    limits::{GAPS_LISTED_MAX, RECEIPTS_AT_ONCE_MAX},
    topic::Origin,
};

/// The numbers of all gateways, and where their messages are. Clones share it.
#[derive(Debug, Clone)]
pub struct Receipts {
    table: Arc<Mutex<NumberTable>>,
    since_ms: i64,
}

/// The numbers of one gateway in one batch, by epoch.
#[derive(Debug)]
pub(crate) struct StoredNumbers {
    pub(crate) origin: Origin,
    pub(crate) epochs: Vec<(u64, Numbers)>,
}

/// A gateway's receipt as it is published.
#[derive(Debug)]
pub(crate) struct GatewayReceipt {
    pub(crate) origin: Origin,
    /// The number of the change that it reports; the next one is higher.
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
    /// Creates an empty table at `since_ms`.
    pub(crate) fn new(since_ms: i64) -> Self {
        Self {
            table: Arc::default(),
            since_ms,
        }
    }

    fn lock(&self) -> MutexGuard<'_, NumberTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the messages that the log has; `entered` is not empty.
    pub(crate) fn stored(&self, entered: &[StoredNumbers]) {
        let mut table = self.lock();
        for StoredNumbers { origin, epochs } in entered {
            table.stored(origin, epochs);
        }
    }

    /// Enters the messages of a gateway that the archive has, and therefore the log.
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

    /// Returns the receipt of `origin`, if it has a change later than `after`.
    pub(crate) fn of(&self, origin: &Origin, after: u64, now_ms: i64) -> Option<GatewayReceipt> {
        let table = self.lock();
        let known = table.get(origin).filter(|known| known.change > after)?;
        Some(self.receipt(origin, known, now_ms))
    }

    /// Returns the receipts that changed since they were published, the longest waiting first, up
    /// to a limit.
    pub(crate) fn unpublished(&self, now_ms: i64) -> Vec<GatewayReceipt> {
        let table = self.lock();
        let waiting = table.unpublished(RECEIPTS_AT_ONCE_MAX).into_iter();
        waiting
            .map(|(origin, known)| self.receipt(origin, known, now_ms))
            .collect()
    }

    /// Marks `receipt` as handed to the broker's client.
    pub(crate) fn published(&self, receipt: &GatewayReceipt) {
        self.lock().published(&receipt.origin, receipt.change);
    }

    /// Marks all receipts as unpublished, because those handed to a client may be lost.
    pub(crate) fn publish_anew(&self) {
        self.lock().publish_anew();
    }

    fn receipt(&self, origin: &Origin, known: &GatewayNumbers, now_ms: i64) -> GatewayReceipt {
        let mut epochs = known.epochs.iter().map(EpochPayload::of);
        let payload = Payload {
            latest: epochs.next().expect("a gateway is known by an epoch"),
            earlier: epochs.collect(),
            at: now_ms,
            since: self.since_ms,
        };
        GatewayReceipt {
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
    /// Lists the gaps. If there are many, only the first, the last and those around `recent`, the
    /// latest number, are listed exactly; the gaps between them are merged into one. A number
    /// within a merged gap may be stored; if the gateway sends it again, the receipt then reports
    /// it.
    fn of(numbers: &Numbers, recent: u64) -> Self {
        let gaps: Vec<_> = numbers.gaps().collect();
        let up_to = numbers.up_to();
        if gaps.len() <= GAPS_LISTED_MAX {
            return Self { up_to, gaps };
        }
        // Four equal parts, a merged gap between the first ones and those around `recent`, and
        // another before the last ones.
        let part = (GAPS_LISTED_MAX - 2) / 4;
        let near = gaps.partition_point(|&(_, last)| last < recent);
        let around = near.saturating_sub(part)..near + part;
        let is_listed = |at| at < part || at + part >= gaps.len() || around.contains(&at);
        let mut listed: Vec<(u64, u64)> = Vec::with_capacity(GAPS_LISTED_MAX);
        let mut merging = false;
        for (at, &gap) in gaps.iter().enumerate() {
            let merges = !is_listed(at);
            match listed.last_mut() {
                Some(before) if merges && merging => before.1 = gap.1,
                _ => listed.push(gap),
            }
            merging = merges;
        }
        Self {
            up_to,
            gaps: listed,
        }
    }
}

#[cfg(test)]
mod tests;
