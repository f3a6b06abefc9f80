//! The topic grammar: who sent a payload, and how it is to be read.
//!
//! `park/{park}/{enterprise}/{gateway}/up/{stream}`: the four ids obey the model's rule for ids; the
//! stream may have further levels. The topic is the only source of identity.

use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    letter::LetterCode,
};

use std::sync::Arc;

use crate::{
    decode::{
        Fault,
        mapping::{Mapping, Template},
        reader::Reader,
        sparkplug::{Edges, is_state},
    },
    settings::{DecodeSettings, DecoderRule, Format},
};

/// The grammar, as refusals name it.
pub(crate) const GRAMMAR: &str = "park/{park}/{enterprise}/{gateway}/up/{stream}";

/// The id of whoever cannot be known from the topic.
const UNKNOWN: &str = "_unknown";

/// Who sent a payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) park: ParkId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) gateway: GatewayId,
}

impl Origin {
    /// The sender of a payload whose topic does not say who it is.
    pub(crate) fn unknown() -> Self {
        let fact = "'_unknown' is an id";
        Self {
            park: ParkId::new(UNKNOWN).expect(fact),
            enterprise: EnterpriseId::new(UNKNOWN).expect(fact),
            gateway: GatewayId::new(UNKNOWN).expect(fact),
        }
    }

    /// Whether the topic did not say who it is.
    pub(crate) fn is_unknown(&self) -> bool {
        self.park.as_str() == UNKNOWN
    }

    /// Whom a filter of what goes down, `park/{park}/{enterprise}/{gateway}/down/…`, names; `None` where it
    /// is another filter, or may match topics of more than one gateway.
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

    /// Reads who sent a payload from its topic.
    fn parse(topic: &str) -> Result<Self, String> {
        Self::split(topic, "up").map(|(origin, _)| origin)
    }

    /// Whose receipts a client asks for, if that is what the filter `topic` says, without wildcards.
    pub(crate) fn of_receipts(topic: &str) -> Option<Self> {
        let (origin, stream) = Self::split(topic, "down").ok()?;
        (stream == "receipt").then_some(origin)
    }

    /// Where the receipts of this gateway are published.
    pub(crate) fn receipt_topic(&self) -> String {
        let Self {
            park,
            enterprise,
            gateway,
        } = self;
        format!("park/{park}/{enterprise}/{gateway}/down/receipt")
    }

    /// The sender and the stream of a topic in `wanted` direction.
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

/// Where a topic leads.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// Who sends on it; [`Origin::unknown`] where the topic does not say.
    pub(crate) origin: Origin,
    /// How its payloads are read, or why they are not.
    pub(crate) reader: Result<Arc<Reader>, Fault>,
}

/// Who sends on the topics of a rule, where the rule says so and not the grammar.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    park: Template,
    enterprise: Template,
    gateway: Template,
}

/// The configured rules, ready to be asked.
#[derive(Debug)]
pub(crate) struct Routes {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    filter: Filter,
    identity: Option<Identity>,
    reader: Reader,
}

impl Identity {
    /// Takes a rule's identity, or tells `wrong` what keeps it from having one; `None` where the topic says it.
    pub(crate) fn of(rule: &DecoderRule, mut wrong: impl FnMut(&str, String)) -> Option<Self> {
        let given = [
            ("park", &rule.park),
            ("enterprise", &rule.enterprise),
            ("gateway", &rule.gateway),
        ];
        if given.iter().all(|(_, text)| text.is_none()) {
            return None;
        }
        let mut read = |(name, text): (&str, &Option<String>)| {
            let Some(text) = text else {
                wrong(
                    name,
                    "is missing; give park, enterprise and gateway, or none of them".into(),
                );
                return None;
            };
            let template = Template::parse(text).and_then(|template| match template.has_device() {
                true => Err("'{device}' is for meters; a sender is named by the topic".to_owned()),
                false => template.checked(),
            });
            template.map_err(|reason| wrong(name, reason)).ok()
        };
        let [park, enterprise, gateway] = given.map(&mut read);
        Some(Self {
            park: park?,
            enterprise: enterprise?,
            gateway: gateway?,
        })
    }

    fn origin(&self, topic: &str) -> Result<Origin, String> {
        let text = |template: &Template| {
            let levels = template.at_topic(topic)?;
            Ok::<_, String>(levels.fixed().unwrap_or_default().to_owned())
        };
        let wrong =
            |what: &str, reason: &dyn std::fmt::Display| format!("the topic's {what}: {reason}");
        Ok(Origin {
            park: ParkId::new(&text(&self.park)?).map_err(|e| wrong("park", &e))?,
            enterprise: EnterpriseId::new(&text(&self.enterprise)?)
                .map_err(|e| wrong("enterprise", &e))?,
            gateway: GatewayId::new(&text(&self.gateway)?).map_err(|e| wrong("gateway", &e))?,
        })
    }
}

impl Rule {
    fn of(rule: &DecoderRule, edges: &Arc<Edges>) -> Option<Self> {
        let mapping = (!rule.format.is_native()).then(|| Mapping::of(rule, |_, _| ()));
        Some(Self {
            filter: Filter::parse(&rule.filter).ok()?,
            identity: Identity::of(rule, |_, _| ()),
            reader: Reader {
                format: rule.format,
                mapping,
                topic: Box::default(),
                edges: Arc::clone(edges),
            },
        })
    }

    fn route(&self, topic: &str) -> Result<Route, String> {
        if self.reader.format == Format::Sparkplug && is_state(topic) {
            // It has fewer levels than a node's topics, and nobody's readings.
            let mut reader = self.reader.clone();
            reader.topic = topic.into();
            return Ok(Route {
                origin: Origin::unknown(),
                reader: Ok(Arc::new(reader)),
            });
        }
        let origin = match &self.identity {
            Some(identity) => identity.origin(topic)?,
            None => Origin::parse(topic)?,
        };
        let reader = self.reader.at_topic(topic).map(Arc::new);
        let reader = reader.map_err(|words| Fault::new(LetterCode::BadTopic, words));
        Ok(Route { origin, reader })
    }
}

impl Routes {
    /// Takes the rules of checked settings; a filter that is none matches nothing.
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

    /// Where `topic` leads.
    pub(crate) fn resolve(&self, topic: &str) -> Route {
        let rule = self.rules.iter().find(|rule| rule.filter.matches(topic));
        let found = match rule {
            Some(rule) => rule.route(topic),
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

    fn no_decoder(&self) -> Fault {
        let known: Vec<_> = self
            .rules
            .iter()
            .map(|rule| rule.filter.0.as_str())
            .collect();
        let words = format!(
            "no decoder is configured for this topic; there is one for {}",
            known.join(", ")
        );
        Fault::new(LetterCode::NoDecoder, words)
    }
}

/// An MQTT topic filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter(String);

impl Filter {
    /// Takes `text` if MQTT does.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 65_535 || text.contains('\0') {
            return Err(format!(
                "'{text}' is no topic filter: it is empty, too long or has a NUL"
            ));
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let wild = level.contains(['+', '#']);
            if wild && level.len() > 1 {
                return Err(format!(
                    "'{text}' is no topic filter: '+' and '#' must stand alone in their level"
                ));
            }
            if level == "#" && levels.peek().is_some() {
                return Err(format!(
                    "'{text}' is no topic filter: '#' must be the last level"
                ));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `topic` matches, by section 4.7 of the standard.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let (mut filter, mut levels) = (self.0.split('/'), topic.split('/'));
        loop {
            match (filter.next(), levels.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_and_decoder_come_from_the_topic() {
        let routes = Routes::new(&DecodeSettings::default());
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/readings");
        assert_eq!(route.reader.map(|r| r.format), Ok(Format::Json));
        assert_eq!(route.origin.enterprise.as_str(), "steel-01");
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/readings.pb");
        assert_eq!(route.reader.map(|r| r.format), Ok(Format::Protobuf));
        let route = routes.resolve("park/cq-lj/steel-01/gw1/up/status");
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
            let route = routes.resolve(bad);
            assert_eq!(route.origin, Origin::unknown(), "{bad}");
            assert!(
                route.reader.expect_err("refused").contains(GRAMMAR),
                "{bad}"
            );
        }
        let reason = routes
            .resolve("park/p/钢厂/g/up/readings")
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
        let routes = Routes::new(&DecodeSettings { rules });
        let route = routes.resolve("spBv1.0/steel-01/NDATA/edge-7");
        assert!(route.reader.is_ok());
        let Origin {
            park,
            enterprise,
            gateway,
        } = route.origin;
        let ids = (park.as_str(), enterprise.as_str(), gateway.as_str());
        assert_eq!(ids, ("demo", "steel-01", "gw-edge-7"));
        let route = routes.resolve("spBv1.0/钢厂/NDATA/edge-7");
        assert_eq!(route.origin, Origin::unknown());
        assert!(route.reader.expect_err("no id").contains("enterprise"));
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        let matches = |filter, topic| Filter::parse(filter).expect("a filter").matches(topic);
        assert!(matches("sport/#", "sport"));
        assert!(matches("sport/#", "sport/tennis/player1"));
        assert!(matches("+/tennis/#", "sport/tennis"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
        assert!(!matches("#", "$SYS/x"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        for bad in ["", "sport+", "a/#/b", "#b", "a\0"] {
            assert!(Filter::parse(bad).is_err(), "{bad:?}");
        }
    }
}
