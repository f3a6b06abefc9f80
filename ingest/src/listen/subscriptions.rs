//! The subscriptions of a client: receipts of gateways, and nothing else.
//!
//! The connection checks for changes once a second instead of being woken by them: this limits the
//! rate of receipts, however fast the gateway sends, and an append wakes only the connection that
//! waits for it.

use std::{mem, time::Duration};

use tokio::time::{self, Instant, Interval, MissedTickBehavior};

use crate::{
    limits::{RECEIPT_MS, REPLY_BYTES_MAX, SUBSCRIPTIONS_MAX},
    mqtt::{self, Delivery, Reason, RetainHandling, Subscribe, Subscription, Version},
    receipts::Receipts,
    topic::Origin,
};

use super::handshake::Terms;

/// The subscriptions of a connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    version: Version,
    /// The largest packet that the client accepts.
    packet_bytes_max: usize,
    subscriptions: Vec<ReceiptSubscription>,
}

/// The subscriptions that receipts are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipients {
    /// Only new subscriptions.
    New,
    /// All subscriptions.
    All,
}

#[derive(Debug)]
struct ReceiptSubscription {
    origin: Origin,
    options: Options,
    /// The change that was sent last; 0 before the first.
    sent_change: u64,
    /// The subscription is new, or was made again: the current receipt is to be sent.
    is_new: bool,
    /// The client does not want the retained receipt: the current one is not sent.
    skips_retained: bool,
}

/// The options of a subscription.
#[derive(Debug, Clone, Copy)]
struct Options {
    identifier: Option<u32>,
    retain_as_published: bool,
}

/// Returns the timer for checking receipts for changes.
pub(super) fn timer() -> Interval {
    let period = Duration::from_millis(RECEIPT_MS);
    let mut timer = time::interval_at(Instant::now() + period, period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

impl Subscriptions {
    /// No subscriptions yet.
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            version: terms.version,
            packet_bytes_max: terms.packet_bytes_max,
            subscriptions: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Subscribes to the filters that are the receipt topic of a gateway, if `may` allows it, and
    /// returns the reason codes of SUBACK.
    pub(super) fn subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        may: impl Fn(&str) -> bool,
    ) -> Vec<u8> {
        let version = self.version;
        let codes = subscribe.subscriptions.iter().map(|subscription| {
            let filter = subscription.filter;
            let allowed = Origin::of_receipts(filter).filter(|_| may(filter));
            let identifier = subscribe.identifier;
            let granted = allowed.is_some_and(|origin| self.add(origin, subscription, identifier));
            match granted {
                true => mqtt::granted(),
                false => mqtt::not_granted(version),
            }
        });
        codes.collect()
    }

    /// Adds or replaces the subscription to `origin`; returns false if there are too many.
    fn add(
        &mut self,
        origin: Origin,
        subscription: &Subscription<'_>,
        identifier: Option<u32>,
    ) -> bool {
        let options = Options {
            identifier,
            retain_as_published: subscription.retain_as_published,
        };
        let known = self.subscriptions.iter_mut().find(|w| w.origin == origin);
        if let Some(known) = known {
            known.options = options;
            if subscription.retain_handling == RetainHandling::Always {
                (known.sent_change, known.is_new) = (0, true);
            }
            return true;
        }
        let room = self.subscriptions.len() < SUBSCRIPTIONS_MAX;
        if room {
            self.subscriptions.push(ReceiptSubscription {
                origin,
                options,
                sent_change: 0,
                is_new: true,
                skips_retained: subscription.retain_handling == RetainHandling::Never,
            });
        }
        room
    }

    /// Ends subscriptions, and returns the reason codes of UNSUBACK.
    pub(super) fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let codes = filters.iter().map(|filter| {
            let before = self.subscriptions.len();
            let origin = Origin::of_receipts(filter);
            self.subscriptions
                .retain(|w| Some(&w.origin) != origin.as_ref());
            let reason = match self.subscriptions.len() < before {
                true => Reason::Success,
                false => Reason::NoSubscriptionExisted,
            };
            reason.code()
        });
        codes.collect()
    }

    /// Writes receipts: the current one to new subscriptions, changed ones to the others. Receipts
    /// beyond the size limit wait for the next check, and come first then.
    pub(super) fn write(
        &mut self,
        to: Recipients,
        receipts: &Receipts,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) {
        let mut seen = 0;
        for subscription in &mut self.subscriptions {
            if out.len() >= REPLY_BYTES_MAX {
                break;
            }
            seen += 1;
            if to == Recipients::New && !subscription.is_new {
                continue;
            }
            let is_new = mem::take(&mut subscription.is_new);
            let skips = mem::take(&mut subscription.skips_retained);
            let sent = subscription.sent_change;
            if let Some(receipt) = receipts.of(&subscription.origin, sent, now_ms) {
                subscription.sent_change = receipt.change;
                if skips {
                    continue;
                }
                let Options {
                    identifier,
                    retain_as_published,
                } = subscription.options;
                let delivery = Delivery {
                    version: self.version,
                    // Receipts are published with the retain flag; section 3.3.1.3 defines which
                    // subscribers see it.
                    retain: is_new || retain_as_published,
                    identifier,
                };
                let start = out.len();
                mqtt::deliver(&receipt.topic, &receipt.payload, delivery, out);
                if out.len() - start > self.packet_bytes_max {
                    // [MQTT-3.1.2-25]: as if it had been sent.
                    out.truncate(start);
                }
            }
        }
        self.subscriptions.rotate_left(seen);
    }
}
