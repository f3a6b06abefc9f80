//! The access list: the gateways that each user may publish for.
//!
//! A TOML file of rules; all rules that name a user apply together. A gateway is written
//! `park/enterprise/gateway`; `+` matches any one id and `%u` is replaced by the user's own name:
//!
//! ```toml
//! client_id = "%u"                       # optional: the client id that a user must have
//!
//! [[rule]]
//! users = ["gw-1"]
//! publish = ["demo/steel-01/gw-1"]
//!
//! [[rule]]
//! users = ["bridge"]
//! publish = ["demo/steel-01/+"]
//! ```
//!
//! A client chooses its own client id, so a client id grants nothing. `%u` is replaced as plain
//! text: a user named `+` is bound to a gateway that cannot exist.

use serde::Deserialize;

use greenpark_model::id::{EnterpriseId, ParkId};
use greenpark_tls::is_name;

use crate::topic::Origin;

/// Stands for the user's name in a topic filter.
const USER: &str = "%u";

/// The access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessList {
    client_id: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    users: Vec<String>,
    publish: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    client_id: Option<String>,
    rule: Vec<Rule>,
}

/// `park/enterprise/gateway`, with `+` and `%u`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Pattern([String; 3]);

/// The gateways that the user of a connection may publish for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    gateways: Vec<[Level; 3]>,
}

#[derive(Debug, PartialEq, Eq)]
enum Level {
    Any,
    Is(String),
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let levels: Vec<_> = text.split('/').map(str::to_owned).collect();
        let sound = |level: &String| {
            let rest = level.replace(USER, "");
            level == "+" || !(level.is_empty() || rest.contains(['+', '#', '%', '*']))
        };
        match <[String; 3]>::try_from(levels) {
            Ok(levels) if levels.iter().all(sound) => Ok(Self(levels)),
            _ => Err(format!(
                "'{text}' is not park/enterprise/gateway, where a level is an id, '+' alone, or has '%u' in it"
            )),
        }
    }
}

impl AccessList {
    /// The default without a list: each user may publish for the gateways of its own name.
    pub(crate) fn own() -> Self {
        let levels = ["+", "+", USER].map(str::to_owned);
        let rule = Rule {
            users: vec!["*".to_owned()],
            publish: vec![Pattern(levels)],
        };
        Self {
            client_id: None,
            rules: vec![rule],
        }
    }

    /// A list that lets nobody publish.
    pub(crate) fn empty() -> Self {
        Self {
            client_id: None,
            rules: Vec::new(),
        }
    }

    /// Parses an access list.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let File { client_id, rule } = toml::from_str(text).map_err(|error| error.to_string())?;
        for user in rule.iter().flat_map(|rule| &rule.users) {
            if user != "*" && (!is_name(user) || user.contains('*')) {
                return Err(format!(
                    "{user:?} is no user; write a name, or \"*\" for all"
                ));
            }
        }
        Ok(Self {
            client_id,
            rules: rule,
        })
    }

    /// Returns true if the user `name` may use this client id.
    pub(crate) fn admits_client_id(&self, name: &str, client_id: &str) -> bool {
        let wanted = self.client_id.as_ref();
        wanted.is_none_or(|wanted| wanted.replace(USER, name) == client_id)
    }

    /// Returns the grant of the user `name`, who may also publish under this name for the enterprises `recorded`.
    pub(crate) fn grant<'a>(
        &self,
        name: &str,
        recorded: impl Iterator<Item = &'a (ParkId, EnterpriseId)>,
    ) -> Grant {
        let level = |level: &String| match level.as_str() {
            "+" => Level::Any,
            other => Level::Is(other.replace(USER, name)),
        };
        let named = |rule: &&Rule| rule.users.iter().any(|user| user == "*" || user == name);
        let patterns = self.rules.iter().filter(named).flat_map(|r| &r.publish);
        let listed = patterns.map(|p| p.0.each_ref().map(level));
        let recorded = recorded.map(|(park, enterprise)| {
            [park.as_str(), enterprise.as_str(), name].map(|id| Level::Is(id.to_owned()))
        });
        Grant {
            gateways: listed.chain(recorded).collect(),
        }
    }
}

impl Grant {
    /// Returns true if the user may publish for `origin`. No user may publish for an unknown
    /// origin.
    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        let ids = [
            origin.park.as_str(),
            origin.enterprise.as_str(),
            origin.gateway.as_str(),
        ];
        let fits = |(level, id): (&Level, &str)| match level {
            Level::Any => true,
            Level::Is(text) => text == id,
        };
        let covered = |levels: &[Level; 3]| levels.iter().zip(ids).all(fits);
        *origin != Origin::unknown() && self.gateways.iter().any(covered)
    }

    /// Returns true if the user may subscribe to `filter`: a filter below `down/` of one gateway
    /// that the grant covers.
    pub(crate) fn covers_filter(&self, filter: &str) -> bool {
        Origin::of_down(filter).is_some_and(|origin| self.covers(&origin))
    }
}
