//! The topic grammar: identifies the sender of a payload, and selects its decoder.
//!
//! `park/{park}/{enterprise}/{gateway}/up/{stream}`: the four ids follow the model's rule for ids;
//! the stream may have further levels. A rule for other topics identifies the sender itself: by
//! fixed ids, by levels of the topic, by the user name or the client id. Never by the payload.

mod claims;
mod filter;
mod identity;
mod sender;

use std::sync::Arc;

use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    letter::LetterCode,
};

use self::claims::Claims;
pub(crate) use self::{filter::Filter, identity::Identity, sender::Sender};
use crate::{
    decode::{
        Fault,
        mapping::Mapping,
        reader::Reader,
        sparkplug::{Edges, is_state},
    },
    settings::{DecodeSettings, DecoderRule, PayloadFormat},
};

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
    fn parse(topic: &str) -> Result<Self, String> {
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

/// The resolved target of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The sender; [`Origin::unknown`] if the topic does not identify it.
    pub(crate) origin: Origin,
    /// The decoder of its payloads, or the reason why there is none.
    pub(crate) reader: Result<Arc<Reader>, Fault>,
}

/// The compiled decoder rules.
#[derive(Debug)]
pub(crate) struct Routes {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    filter: Filter,
    identity: Option<Identity>,
    reader: Reader,
    /// The claims of clients, if the rule maps all its clients to one gateway.
    claims: Option<Claims>,
    /// The names of meters contain the topic, so each topic is claimed separately.
    by_topic: bool,
}

impl Rule {
    fn of(rule: &DecoderRule, edges: &Arc<Edges>) -> Option<Self> {
        let filter = Filter::parse(&rule.filter).ok()?;
        let identity = Identity::of(rule, |_, _| ());
        let reader = Reader::of(rule, edges);
        let varies = |level: usize| filter.varies(level);
        let mapping = reader.mapping.as_ref();
        let own_meters = mapping.is_some_and(Mapping::names_senders);
        let one = |identity: &Identity| !own_meters && identity.is_one_for_all(varies);
        let claims = identity.as_ref().is_some_and(one).then(Claims::default);
        let by_topic = mapping.is_some_and(|mapping| mapping.tells_topics_apart(varies));
        Some(Self {
            filter,
            identity,
            reader,
            claims,
            by_topic,
        })
    }

    fn route(&self, topic: &str, sender: &Sender) -> Result<Route, String> {
        if self.reader.format == PayloadFormat::Sparkplug && is_state(topic) {
            // It has fewer levels than a node's topics, and carries no readings.
            let mut reader = self.reader.clone();
            reader.topic = topic.into();
            return Ok(Route {
                origin: Origin::unknown(),
                reader: Ok(Arc::new(reader)),
            });
        }
        let origin = match &self.identity {
            Some(identity) => identity.origin(topic, sender)?,
            None => Origin::parse(topic)?,
        };
        let reader = self.reader.at_topic(topic, sender).map(Arc::new);
        let reader = reader.map_err(|words| Fault::new(LetterCode::BadTopic, words));
        Ok(Route { origin, reader })
    }
}

impl Routes {
    /// Compiles the rules of checked settings; a rule with an invalid filter matches nothing.
    pub(crate) fn new(settings: &DecodeSettings) -> Self {
        let edges = Arc::<Edges>::default();
        Self {
            rules: settings
                .rules
                .iter()
                .filter_map(|r| Rule::of(r, &edges))
                .collect(),
        }
    }

    fn rule(&self, topic: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.filter.matches(topic))
    }

    /// Resolves `topic` for a publish of `sender`.
    pub(crate) fn resolve(&self, topic: &str, sender: &Sender) -> Route {
        let found = match self.rule(topic) {
            Some(rule) => rule.route(topic, sender),
            None => Origin::parse(topic).map(|origin| Route {
                origin,
                reader: Err(self.no_decoder()),
            }),
        };
        found.unwrap_or_else(|reason| Route {
            origin: Origin::unknown(),
            reader: Err(Fault::new(LetterCode::BadTopic, reason)),
        })
    }

    /// Claims the gateway of `topic` for `sender`, for the duration of its connection, if the rule
    /// maps all clients to one gateway.
    pub(crate) fn claim(&self, topic: &str, sender: &Arc<Sender>) -> Result<(), Fault> {
        let Some(rule) = self.rule(topic) else {
            return Ok(());
        };
        let what = if rule.by_topic { topic } else { "" };
        let claims = rule.claims.as_ref();
        let claimed = claims.map_or(Ok(()), |claims| claims.claim(what, sender));
        claimed.map_err(|words| Fault::new(LetterCode::NotAllowed, words))
    }

    /// Returns true if a publish of `sender` on `topic` has the same origin as one of the gateway
    /// `of`, which is park, enterprise and gateway, separated by slashes. If meters are named after
    /// the sender, a gateway alone does not identify it.
    pub(crate) fn is_of(&self, topic: &str, sender: &Sender, of: &str) -> bool {
        let Some(rule) = self.rule(topic) else {
            return true;
        };
        let mapping = rule.reader.mapping.as_ref();
        if mapping.is_some_and(Mapping::has_sender) {
            return false;
        }
        if !rule.identity.as_ref().is_some_and(Identity::has_sender) {
            return true;
        }
        let Origin {
            park,
            enterprise,
            gateway,
        } = self.resolve(topic, sender).origin;
        let parts = [park.as_str(), enterprise.as_str(), gateway.as_str()];
        of.split('/').eq(parts)
    }

    /// Returns true if only one client at a time may publish on `topic`.
    pub(crate) fn is_claimed(&self, topic: &str) -> bool {
        self.rule(topic).is_some_and(|rule| rule.claims.is_some())
    }

    fn no_decoder(&self) -> Fault {
        let known: Vec<_> = self.rules.iter().map(|rule| rule.filter.as_str()).collect();
        let words = format!(
            "no decoder is configured for this topic; there is one for {}",
            known.join(", ")
        );
        Fault::new(LetterCode::NoDecoder, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rules: Vec<DecoderRule>) -> DecodeSettings {
        DecodeSettings {
            rules,
            ..DecodeSettings::default()
        }
    }

    #[test]
    fn a_rule_names_the_sender_by_its_user_or_client() {
        let rule = r#"{"filter":"v1/devices/me/telemetry","format":"thingsboard","park":"demo",
            "enterprise":"steel","gateway":"tb-{user}.{client}","others":"ignore"}"#;
        let routes = Routes::new(&settings(vec![serde_json::from_str(rule).expect("a rule")]));
        let topic = "v1/devices/me/telemetry";
        let sender = Sender::new(Some("meter-a"), Some("c1"));
        let gateway = |route: &Route| route.origin.gateway.to_string();
        assert_eq!(gateway(&routes.resolve(topic, &sender)), "tb-meter-a.c1");
        for (sender, words) in [
            (Sender::new(None, Some("c1")), "gave no user name"),
            (Sender::new(Some("u"), None), "chose no client id"),
            (Sender::default(), "a broker does not say who published"),
            (Sender::new(Some("a b"), Some("c")), "use letters"),
        ] {
            let route = routes.resolve(topic, &sender);
            let reason = route.reader.expect_err("nobody");
            assert!(reason.contains(words), "{reason}");
            assert!(route.origin.is_unknown());
        }
        // Each client is a gateway of its own, so there is no claim.
        for client in ["c1", "c2"] {
            let sender = Arc::new(Sender::new(Some("u"), Some(client)));
            assert_eq!(routes.claim(topic, &sender), Ok(()));
        }
    }

    #[test]
    fn clients_that_a_rule_takes_for_one_are_told_apart_by_topics_or_refused() {
        let rule = |filter: &str, meter: &str| {
            let rule = format!(
                r#"{{"filter":"{filter}","format":"thingsboard","park":"p","enterprise":"e","gateway":"g",
                "map":[{{"field":"v","meter":"{meter}","quantity":"steam"}}]}}"#
            );
            Routes::new(&settings(vec![
                serde_json::from_str(&rule).expect("a rule"),
            ]))
        };
        let [a, b] = ["a", "b"].map(|user| Arc::new(Sender::new(Some(user), Some(user))));
        let fixed = rule("t/+", "m");
        assert_eq!(fixed.claim("t/1", &a), Ok(()));
        assert!(fixed.claim("t/2", &b).is_err());
        let apart = rule("t/+", "m-{1}");
        assert_eq!(apart.claim("t/1", &a), Ok(()));
        assert_eq!(apart.claim("t/2", &b), Ok(()));
        assert!(apart.claim("t/1", &b).is_err());
        let literal = rule("t/x", "m-{1}");
        assert_eq!(literal.claim("t/x", &a), Ok(()));
        assert!(literal.claim("t/x", &b).is_err());
    }

    #[test]
    fn identity_and_decoder_come_from_the_topic() {
        let routes = Routes::new(&DecodeSettings::default());
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/readings", &Sender::default());
        assert_eq!(route.reader.map(|r| r.format), Ok(PayloadFormat::Json));
        assert_eq!(route.origin.enterprise.as_str(), "steel-01");
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/readings.pb", &Sender::default());
        assert_eq!(route.reader.map(|r| r.format), Ok(PayloadFormat::Protobuf));
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/status", &Sender::default());
        assert!(
            route
                .reader
                .expect_err("no decoder")
                .contains("park/+/+/+/up/readings")
        );
        assert_eq!(route.origin.gateway.as_str(), "gw1");
    }

    #[test]
    fn a_topic_outside_the_grammar_says_so() {
        let routes = Routes::new(&DecodeSettings::default());
        for bad in [
            "",
            "a/b",
            "park/p/e/g/down/readings",
            "park/p/e/g/up",
            "park/p/e/g/up/",
            "sensor/1",
        ] {
            let route = routes.resolve(bad, &Sender::default());
            assert_eq!(route.origin, Origin::unknown(), "{bad}");
            assert!(
                route.reader.expect_err("refused").contains(GRAMMAR),
                "{bad}"
            );
        }
        let reason = routes
            .resolve("park/p/钢厂/g/up/readings", &Sender::default())
            .reader
            .expect_err("refused");
        assert!(reason.contains("enterprise"), "{reason}");
    }

    #[test]
    fn receipts_are_asked_for_by_the_gateways_own_topic() {
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

    #[test]
    fn a_rule_names_the_sender_by_levels_of_the_topic() {
        let rule = r#"{"filter":"spBv1.0/+/+/+/#","format":"sparkplug","park":"demo",
            "enterprise":"{1}","gateway":"gw-{3}","others":"ignore"}"#;
        let rules = vec![serde_json::from_str(rule).expect("a rule")];
        let routes = Routes::new(&settings(rules));
        let route = routes.resolve("spBv1.0/steel-01/NDATA/edge-7", &Sender::default());
        assert!(route.reader.is_ok());
        let Origin {
            park,
            enterprise,
            gateway,
        } = route.origin;
        let ids = (park.as_str(), enterprise.as_str(), gateway.as_str());
        assert_eq!(ids, ("demo", "steel-01", "gw-edge-7"));
        let route = routes.resolve("spBv1.0/钢厂/NDATA/edge-7", &Sender::default());
        assert_eq!(route.origin, Origin::unknown());
        assert!(route.reader.expect_err("no id").contains("enterprise"));
    }
}
