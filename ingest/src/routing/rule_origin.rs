//! The sender on topics outside the grammar, from its rule.

use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};

use crate::{
    decode::dialects::template::Template,
    settings::DecoderRule,
    topic::{Origin, Sender},
};

/// The sender of a rule's topics, if the rule defines it.
#[derive(Debug, Clone)]
pub(crate) struct RuleOrigin {
    park: Template,
    enterprise: Template,
    gateway: Template,
}

impl RuleOrigin {
    /// Compiles the sender of a rule, and reports mistakes to `wrong`; `None` if the topic
    /// identifies the sender.
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
                true => Err(
                    "'{device}' is for meters; a sender is named by the topic, {user} or {client}"
                        .to_owned(),
                ),
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

    pub(super) fn origin(&self, topic: &str, sender: &Sender) -> Result<Origin, String> {
        let text = |template: &Template| {
            let levels = template.at_topic(topic, sender)?;
            Ok::<_, String>(levels.fixed().unwrap_or_default().to_owned())
        };
        let wrong =
            |what: &str, reason: &dyn std::fmt::Display| format!("the rule's {what}: {reason}");
        Ok(Origin {
            park: ParkId::new(&text(&self.park)?).map_err(|e| wrong("park", &e))?,
            enterprise: EnterpriseId::new(&text(&self.enterprise)?)
                .map_err(|e| wrong("enterprise", &e))?,
            gateway: GatewayId::new(&text(&self.gateway)?).map_err(|e| wrong("gateway", &e))?,
        })
    }

    /// Returns true if the user name or the client id is part of it.
    pub(super) fn has_sender(&self) -> bool {
        let parts = [&self.park, &self.enterprise, &self.gateway];
        parts.iter().any(|part| part.has_sender())
    }

    /// Returns true if all clients of the rule are one gateway: no part differs from client to
    /// client, or with a level for which `varies` holds.
    pub(super) fn is_one_for_all(&self, varies: impl Fn(usize) -> bool) -> bool {
        let parts = [&self.park, &self.enterprise, &self.gateway];
        !self.has_sender() && !parts.iter().any(|part| part.has_level(&varies))
    }
}
