//! Settings of access: tokens, JSON web tokens, administrators, and grants by settings.

use std::{collections::BTreeSet, path::PathBuf};

use greenpark_tls::TlsSettings;
use serde::{Deserialize, Serialize};

use super::{grants::caller_problem, hex::unhex, jwt};
use crate::{error::with_causes, register::name::Name};

/// A token and the permissions of its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// SHA-256 of the token in hex, so that this file is no secret: `printf %s TOKEN | sha256sum`.
    pub token_sha256: String,
    /// `parks/-`, `parks/P` or `parks/P/enterprises/E`.
    pub names: Vec<String>,
    /// The holder of the token; every entry recorded with it names the holder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub holder: String,
    /// True if the bearer may also declare.
    #[serde(default)]
    pub declares: bool,
}

/// A token that proves a name; recorded grants say what the name may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The name that it proves: the caller `token:NAME`.
    pub name: String,
    /// SHA-256 of the token in hex.
    pub sha256: String,
}

/// JSON web tokens of one issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtSettings {
    /// A file with the issuer's public keys, a JWK set; every key has `kid` and `alg`.
    pub keys: PathBuf,
    /// The issuer, the claim `iss`.
    pub issuer: String,
    /// The audience, the claim `aud`: the name of this service at the issuer.
    pub audience: String,
}

/// The settings of access, wherever they stand in the settings of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessSettings<'a> {
    pub(crate) open: bool,
    pub(crate) administrators: &'a [String],
    pub(crate) tls: Option<&'a TlsSettings>,
    pub(crate) jwt: Option<&'a JwtSettings>,
    pub(crate) tokens: &'a [Token],
    pub(crate) grants: &'a [Grant],
}

impl AccessSettings<'_> {
    /// True if callers can prove a name, so that grants decide.
    pub(crate) fn authenticates(&self) -> bool {
        let certificates = self.tls.and_then(TlsSettings::asks_for);
        !self.grants.is_empty()
            || !self.tokens.is_empty()
            || self.jwt.is_some()
            || certificates.is_some()
    }

    /// Adds a sentence to `problems` for every mistake in the settings of access.
    pub(crate) fn check(&self, problems: &mut Vec<String>) {
        let mut digests = BTreeSet::new();
        let mut twice = |place: &str, digest: &str, problems: &mut Vec<String>| {
            if !digests.insert(digest.to_lowercase()) {
                problems.push(format!("{place}: is given twice"));
            }
        };
        for (index, grant) in self.grants.iter().enumerate() {
            let place = format!("query.grants[{index}]");
            grant.check(&place, problems);
            twice(
                &format!("{place}.token_sha256"),
                &grant.token_sha256,
                problems,
            );
        }
        let mut names = BTreeSet::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let place = format!("query.tokens[{index}]");
            if let Some(problem) = caller_problem(&format!("token:{}", token.name)) {
                problems.push(format!("{place}.name: {problem}"));
            }
            if !names.insert(&token.name) {
                problems.push(format!("{place}.name: is given twice"));
            }
            if !is_sha256(&token.sha256) {
                problems.push(format!("{place}.sha256: is not a SHA-256 in hex"));
            }
            twice(&format!("{place}.sha256"), &token.sha256, problems);
        }
        for (index, caller) in self.administrators.iter().enumerate() {
            if let Some(problem) = caller_problem(caller) {
                problems.push(format!("query.administrators[{index}]: {problem}"));
            }
        }
        if !self.administrators.is_empty() && !self.authenticates() {
            problems.push(
                "query.administrators: nobody can prove a name; set query.tls.client_ca, query.tokens or query.jwt"
                    .into(),
            );
        }
        if let Some(jwt) = self.jwt {
            jwt.check(problems);
        }
        if let Some(tls) = self.tls {
            let others = !self.grants.is_empty() || !self.tokens.is_empty() || self.jwt.is_some();
            let other = ("query.tokens, query.grants or query.jwt", others);
            tls.check("query.tls", other, problems);
        }
        if self.open && self.authenticates() {
            problems.push(
                "query.open: is true while callers can prove a name; leave out one of the two"
                    .into(),
            );
        }
    }
}

impl JwtSettings {
    fn check(&self, problems: &mut Vec<String>) {
        for (key, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if text.is_empty() {
                problems.push(format!("query.jwt.{key}: is missing"));
            }
        }
        if self.keys.as_os_str().is_empty() {
            problems.push("query.jwt.keys: is missing; name a file with a JWK set".into());
        } else if let Err(error) = jwt::read_keys(&self.keys) {
            problems.push(format!("query.jwt.keys: {}", with_causes(&error)));
        }
    }
}

impl Grant {
    /// Adds a sentence to `problems` for every mistake in the grant at `place`.
    fn check(&self, place: &str, problems: &mut Vec<String>) {
        if !is_sha256(&self.token_sha256) {
            problems.push(format!("{place}.token_sha256: is not a SHA-256 in hex"));
        }
        if self.declares && self.holder.trim().is_empty() {
            problems.push(format!(
            "{place}.holder: is empty; say whose token it is, for what is declared with it is recorded under that name"
        ));
        }
        if self.holder.chars().any(char::is_control) {
            problems.push(format!("{place}.holder: holds what is no text"));
        }
        if self.names.is_empty() {
            problems.push(format!(
                "{place}.names: is empty, so the token would reach nothing"
            ));
        }
        for name in &self.names {
            let fits = matches!(
                Name::parse("names", name),
                Ok(Name::Parks | Name::Park(_) | Name::Enterprise(..))
            );
            if !fits {
                problems.push(format!(
                    "{place}.names: '{name}' is none of parks/-, parks/P and parks/P/enterprises/E"
                ));
            }
        }
    }
}

fn is_sha256(text: &str) -> bool {
    unhex(text).is_some_and(|digest| digest.len() == 32)
}
