//! Routes a topic by the decoder rules: to the sender of its payloads, and to their decoder.
//!
//! Topics of the grammar identify their sender. A rule for other topics identifies the sender
//! itself: by fixed ids, by levels of the topic, by the user name or the client id. Never by the
//! payload.

mod check;
mod claims;
mod decoder;
mod rule_origin;

use std::sync::Arc;

use greenpark_model::letter::LetterCode;

pub use self::decoder::{DecodeCounts, Decoder};
use self::{claims::Claims, rule_origin::RuleOrigin};
use crate::{
    decode::{
        Fault, TopicDecoder,
        dialects::{
            mapping::Mapping,
            sparkplug::{Edges, is_state},
        },
    },
    settings::{DecodeSettings, DecoderRule, PayloadFormat},
    topic::{Filter, Origin, Sender},
};

/// The resolved target of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The sender; [`Origin::unknown`] if the topic does not identify it.
    pub(crate) origin: Origin,
    /// The decoder of the payloads, or the reason why no decoder can read them.
    pub(crate) decoder: Result<Arc<TopicDecoder>, Fault>,
}

/// The compiled decoder rules.
#[derive(Debug)]
pub(crate) struct Routes {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    filter: Filter,
    rule_origin: Option<RuleOrigin>,
    decoder: TopicDecoder,
    /// The claims of clients, if the rule maps all its clients to one gateway.
    claims: Option<Claims>,
    /// The names of meters contain the topic, so each topic is claimed separately.
    by_topic: bool,
}

impl Rule {
    fn of(rule: &DecoderRule, edges: &Arc<Edges>) -> Option<Self> {
        let filter = Filter::parse(&rule.filter).ok()?;
        let rule_origin = RuleOrigin::of(rule, |_, _| ());
        let decoder = TopicDecoder::of(rule, edges);
        let varies = |level: usize| filter.varies(level);
        let mapping = decoder.mapping.as_ref();
        let own_meters = mapping.is_some_and(Mapping::names_senders);
        let one = |rule_origin: &RuleOrigin| !own_meters && rule_origin.is_one_for_all(varies);
        let claims = rule_origin.as_ref().is_some_and(one).then(Claims::default);
        let by_topic = mapping.is_some_and(|mapping| mapping.tells_topics_apart(varies));
        Some(Self {
            filter,
            rule_origin,
            decoder,
            claims,
            by_topic,
        })
    }

    fn route(&self, topic: &str, sender: &Sender) -> Result<Route, String> {
        if self.decoder.format == PayloadFormat::Sparkplug && is_state(topic) {
            // It has fewer levels than a node's topics, and carries no readings.
            let mut decoder = self.decoder.clone();
            decoder.topic = topic.into();
            return Ok(Route {
                origin: Origin::unknown(),
                decoder: Ok(Arc::new(decoder)),
            });
        }
        let origin = match &self.rule_origin {
            Some(rule_origin) => rule_origin.origin(topic, sender)?,
            None => Origin::parse(topic)?,
        };
        let decoder = self.decoder.at_topic(topic, sender).map(Arc::new);
        let decoder = decoder.map_err(|words| Fault::new(LetterCode::BadTopic, words));
        Ok(Route { origin, decoder })
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
                decoder: Err(self.no_decoder()),
            }),
        };
        found.unwrap_or_else(|reason| Route {
            origin: Origin::unknown(),
            decoder: Err(Fault::new(LetterCode::BadTopic, reason)),
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
        let mapping = rule.decoder.mapping.as_ref();
        if mapping.is_some_and(Mapping::has_sender) {
            return false;
        }
        if !rule
            .rule_origin
            .as_ref()
            .is_some_and(RuleOrigin::has_sender)
        {
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
    use crate::topic::GRAMMAR;

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
            let reason = route.decoder.expect_err("nobody");
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
    fn clients_mapped_to_one_gateway_need_separate_topics_or_are_refused() {
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
        assert_eq!(route.decoder.map(|r| r.format), Ok(PayloadFormat::Json));
        assert_eq!(route.origin.enterprise.as_str(), "steel-01");
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/readings.pb", &Sender::default());
        assert_eq!(route.decoder.map(|r| r.format), Ok(PayloadFormat::Protobuf));
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/status", &Sender::default());
        assert!(
            route
                .decoder
                .expect_err("no decoder")
                .contains("park/+/+/+/up/readings")
        );
        assert_eq!(route.origin.gateway.as_str(), "gw1");
    }

    #[test]
    fn a_topic_outside_the_grammar_is_refused_with_that_reason() {
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
                route.decoder.expect_err("refused").contains(GRAMMAR),
                "{bad}"
            );
        }
        let reason = routes
            .resolve("park/p/钢厂/g/up/readings", &Sender::default())
            .decoder
            .expect_err("refused");
        assert!(reason.contains("enterprise"), "{reason}");
    }

    #[test]
    fn a_rule_names_the_sender_by_levels_of_the_topic() {
        let rule = r#"{"filter":"spBv1.0/+/+/+/#","format":"sparkplug","park":"demo",
            "enterprise":"{1}","gateway":"gw-{3}","others":"ignore"}"#;
        let rules = vec![serde_json::from_str(rule).expect("a rule")];
        let routes = Routes::new(&settings(rules));
        let route = routes.resolve("spBv1.0/steel-01/NDATA/edge-7", &Sender::default());
        assert!(route.decoder.is_ok());
        let Origin {
            park,
            enterprise,
            gateway,
        } = route.origin;
        let ids = (park.as_str(), enterprise.as_str(), gateway.as_str());
        assert_eq!(ids, ("demo", "steel-01", "gw-edge-7"));
        let route = routes.resolve("spBv1.0/钢厂/NDATA/edge-7", &Sender::default());
        assert_eq!(route.origin, Origin::unknown());
        assert!(route.decoder.expect_err("no id").contains("enterprise"));
    }
}
