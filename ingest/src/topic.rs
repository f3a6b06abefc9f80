//! The topic grammar: identifies the sender of a payload.
//!
//! `park/{park}/{enterprise}/{gateway}/up/{stream}`: the four ids follow the model's rule for ids;
//! the stream may have further levels.

mod filter;
mod sender;

use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};

pub(crate) use self::{filter::Filter, sender::Sender};

/// The grammar, as refusals print it.
pub(crate) const GRAMMAR: &str = "park/{park}/{enterprise}/{gateway}/up/{stream}";

/// The id of a sender that the topic does not identify.
const UNKNOWN: &str = "_unknown";

/// The sender of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) park: ParkId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) gateway: GatewayId,
}

impl Origin {
    /// The sender of a payload whose topic does not identify it.
    pub(crate) fn unknown() -> Self {
        let fact = "'_unknown' is an id";
        Self {
            park: ParkId::new(UNKNOWN).expect(fact),
            enterprise: EnterpriseId::new(UNKNOWN).expect(fact),
            gateway: GatewayId::new(UNKNOWN).expect(fact),
        }
    }

    /// Returns true if the topic did not identify the sender.
    pub(crate) fn is_unknown(&self) -> bool {
        self.park.as_str() == UNKNOWN
    }

    /// Returns the gateway of a `park/{park}/{enterprise}/{gateway}/down/…` filter; `None` for any
    /// other filter, and for one that may match topics of several gateways.
    pub(crate) fn of_down(filter: &str) -> Option<Self> {
        let mut levels = filter.splitn(6, '/');
        let mut level = || levels.next().unwrap_or_default();
        let (root, park, enterprise, gateway) = (level(), level(), level(), level());
        let down = root == "park" && level() == "down" && !level().is_empty();
        down.then_some(())?;
        Some(Self {
            park: ParkId::new(park).ok()?,
            enterprise: EnterpriseId::new(enterprise).ok()?,
            gateway: GatewayId::new(gateway).ok()?,
        })
    }

    /// Parses the sender of a payload from its topic.
    pub(crate) fn parse(topic: &str) -> Result<Self, String> {
        Self::split(topic, "up").map(|(origin, _)| origin)
    }

    /// Returns the gateway whose receipts a filter without wildcards names.
    pub(crate) fn of_receipts(topic: &str) -> Option<Self> {
        let (origin, stream) = Self::split(topic, "down").ok()?;
        (stream == "receipt").then_some(origin)
    }

    /// Returns the topic of this gateway's receipts.
    pub(crate) fn receipt_topic(&self) -> String {
        let Self {
            park,
            enterprise,
            gateway,
        } = self;
        format!("park/{park}/{enterprise}/{gateway}/down/receipt")
    }

    /// Parses the sender and the stream of a topic in the `wanted` direction.
    fn split<'t>(topic: &'t str, wanted: &str) -> Result<(Self, &'t str), String> {
        let mut levels = topic.splitn(6, '/');
        let mut level = || levels.next().unwrap_or_default();
        let (root, park, enterprise, gateway) = (level(), level(), level(), level());
        let (direction, stream) = (level(), level());
        if root != "park" || direction != wanted || stream.is_empty() {
            return Err(format!("the topic is not {GRAMMAR}"));
        }
        let wrong =
            |what: &str, reason: &dyn std::fmt::Display| format!("the topic's {what}: {reason}");
        let origin = Self {
            park: ParkId::new(park).map_err(|e| wrong("park", &e))?,
            enterprise: EnterpriseId::new(enterprise).map_err(|e| wrong("enterprise", &e))?,
            gateway: GatewayId::new(gateway).map_err(|e| wrong("gateway", &e))?,
        };
        Ok((origin, stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gateways_own_topic_names_its_receipts() {
        let topic = "park/p1/e1/g1/down/receipt";
        let origin = Origin::of_receipts(topic).expect("a gateway's receipts");
        assert_eq!(origin.receipt_topic(), topic);
        for other in [
            "park/p1/e1/+/down/receipt",
            "park/p1/e1/g1/down/#",
            "park/p1/e1/g1/down/receipt/more",
            "park/p1/e1/g1/up/receipt",
            "park/#",
        ] {
            assert_eq!(Origin::of_receipts(other), None, "{other}");
        }
    }
}
