//! What a client is subscribed to: the receipts of gateways, and nothing else.
//!
//! The connection looks for changes once a second instead of being woken by them: so a receipt goes out at
//! most so often, however fast the gateway sends, and an append wakes nobody but who waits for it.

use std::{mem, time::Duration};

use tokio::time::{self, Instant, Interval, MissedTickBehavior};

use crate::{
    limits::{RECEIPT_MS, REPLY_BYTES_MAX, SUBSCRIPTIONS_MAX},
    receipts::Receipts,
    topic::Origin,
    wire::{self, Delivery, Reason, RetainHandling, Subscribe, Subscription, Version},
};

use super::intake::Terms;

/// The subscriptions of a connection.
#[derive(Debug)]
pub(super) struct Watches {
    version: Version,
    /// The largest packet that the client accepts.
    packet_bytes_max: usize,
    watches: Vec<Watch>,
}

/// Which subscriptions are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Those that were made just now.
    New,
    /// Every one.
    All,
}

#[derive(Debug)]
struct Watch {
    origin: Origin,
    options: Options,
    /// The change that was told last; 0 before the first.
    told: u64,
    /// The subscription is new, or was made again: what there is now is to be told.
    fresh: bool,
    /// The client does not want the retained receipt: the one that exists now is not sent.
    skips: bool,
}

/// How a subscription wants its messages.
#[derive(Debug, Clone, Copy)]
struct Options {
    identifier: Option<u32>,
    retain_as_published: bool,
}

/// When to look for changes.
pub(super) fn looks() -> Interval {
    let period = Duration::from_millis(RECEIPT_MS);
    let mut looks = time::interval_at(Instant::now() + period, period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

impl Watches {
    /// None yet.
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            version: terms.version,
            packet_bytes_max: terms.packet_bytes_max,
            watches: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Takes the filters that are the receipt topic of a gateway, where the client `may` have it, and returns
    /// the codes of SUBACK.
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
            let taken = allowed.is_some_and(|origin| self.watch(origin, subscription, identifier));
            match taken {
                true => wire::granted(),
                false => wire::not_granted(version),
            }
        });
        codes.collect()
    }

    /// Watches `origin`, from now on or still; not if there are too many.
    fn watch(
        &mut self,
        origin: Origin,
        subscription: &Subscription<'_>,
        identifier: Option<u32>,
    ) -> bool {
        let options = Options {
            identifier,
            retain_as_published: subscription.retain_as_published,
        };
        let known = self.watches.iter_mut().find(|w| w.origin == origin);
        if let Some(watch) = known {
            watch.options = options;
            if subscription.retain_handling == RetainHandling::Always {
                (watch.told, watch.fresh) = (0, true);
            }
            return true;
        }
        let room = self.watches.len() < SUBSCRIPTIONS_MAX;
        if room {
            self.watches.push(Watch {
                origin,
                options,
                told: 0,
                fresh: true,
                skips: subscription.retain_handling == RetainHandling::Never,
            });
        }
        room
    }

    /// Ends subscriptions, and returns the codes of UNSUBACK.
    pub(super) fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let codes = filters.iter().map(|filter| {
            let before = self.watches.len();
            let origin = Origin::of_receipts(filter);
            self.watches.retain(|w| Some(&w.origin) != origin.as_ref());
            let reason = match self.watches.len() < before {
                true => Reason::Success,
                false => Reason::NoSubscriptionExisted,
            };
            reason.code()
        });
        codes.collect()
    }

    /// Writes what is to be told: to new subscriptions what there is, to the others what has changed. What
    /// would be too much at once waits for the next look, and comes first then.
    pub(super) fn tell(&mut self, whom: Whom, receipts: &Receipts, now_ms: i64, out: &mut Vec<u8>) {
        let mut seen = 0;
        for watch in &mut self.watches {
            if out.len() >= REPLY_BYTES_MAX {
                break;
            }
            seen += 1;
            if whom == Whom::New && !watch.fresh {
                continue;
            }
            let (fresh, skips) = (mem::take(&mut watch.fresh), mem::take(&mut watch.skips));
            if let Some(told) = receipts.of(&watch.origin, watch.told, now_ms) {
                watch.told = told.change;
                if skips {
                    continue;
                }
                let Options {
                    identifier,
                    retain_as_published,
                } = watch.options;
                let how = Delivery {
                    version: self.version,
                    // Receipts are published with the flag; section 3.3.1.3 says who sees it.
                    retain: fresh || retain_as_published,
                    identifier,
                };
                let start = out.len();
                wire::deliver((&told.topic, &told.payload), how, out);
                if out.len() - start > self.packet_bytes_max {
                    // [MQTT-3.1.2-25]: as if it had been sent.
                    out.truncate(start);
                }
            }
        }
        self.watches.rotate_left(seen);
    }
}
