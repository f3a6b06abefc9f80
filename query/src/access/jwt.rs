//! JSON web tokens (RFC 7519) of one issuer, checked against the issuer's public keys.
//!
//! Every key of the file names its algorithm, and a token is checked by that one alone: the token's own `alg` chooses
//! nothing. The times are checked against the service's clock.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use greenpark_model::day::Instant;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, JwkSet},
};
use serde::Deserialize;

use super::settings::JwtSettings;

/// The longest token, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Allowed difference between the clocks of issuer and service, in seconds.
const LEEWAY_S: i64 = 30;

/// The keys of an issuer by their id, each with its algorithm.
pub(crate) type Keys = HashMap<String, (Algorithm, DecodingKey)>;

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("read {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} is no JWK set")]
    Form {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
    #[error("{path}: keys[{index}]: {problem}")]
    Key {
        path: PathBuf,
        index: usize,
        problem: String,
    },
}

/// What a valid token says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// The id of the token; empty if it has none.
    pub(crate) id: String,
}

/// Why a token is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not a token of the issuer for this service.
    Invalid,
    /// It is one, but its time is over or has not come.
    OutOfTime,
}

/// The claims as they stand in a token. Each has exactly one type: a subject that is a list is no subject.
#[derive(Deserialize)]
struct Body {
    sub: String,
    iss: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Reads the keys of an issuer.
pub(crate) fn read_keys(path: &Path) -> Result<Keys, KeysError> {
    let text = fs::read_to_string(path).map_err(|cause| KeysError::Read {
        path: path.to_owned(),
        cause,
    })?;
    let set: JwkSet = serde_json::from_str(&text).map_err(|cause| KeysError::Form {
        path: path.to_owned(),
        cause,
    })?;
    let mut keys = Keys::new();
    for (index, key) in set.keys.iter().enumerate() {
        let wrong = |problem: String| KeysError::Key {
            path: path.to_owned(),
            index,
            problem,
        };
        let id = key.common.key_id.clone();
        let id = id.ok_or_else(|| wrong("has no 'kid'; a token names its key by it".to_owned()))?;
        if matches!(key.algorithm, AlgorithmParameters::OctetKey(_)) {
            let problem =
                "is a shared secret, with which this service could sign; use a public key";
            return Err(wrong(problem.to_owned()));
        }
        let named = key.common.key_algorithm;
        let named = named.ok_or_else(|| wrong("has no 'alg'; write one like ES256".to_owned()))?;
        let algorithm = Algorithm::try_from(named).map_err(|error| wrong(error.to_string()))?;
        let decoding = DecodingKey::from_jwk(key).map_err(|error| wrong(error.to_string()))?;
        if !decoding.family().algorithms().contains(&algorithm) {
            return Err(wrong(format!("its 'alg' {named} does not fit its 'kty'")));
        }
        if keys.insert(id.clone(), (algorithm, decoding)).is_some() {
            return Err(wrong(format!("the 'kid' {id:?} is given twice")));
        }
    }
    Ok(keys)
}

/// Checks `token` at the instant `now`.
pub(crate) fn check(
    token: &str,
    keys: &Keys,
    settings: &JwtSettings,
    now: Instant,
) -> Result<Claims, Refused> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refused::Invalid);
    }
    let header = decode_header(token).map_err(|_| Refused::Invalid)?;
    let id = header.kid.ok_or(Refused::Invalid)?;
    let (algorithm, key) = keys.get(&id).ok_or(Refused::Invalid)?;
    // The claims are checked below: the library's clock is the system's.
    let mut validation = Validation::new(*algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let body = decode::<Body>(token, key, &validation).map_err(|_| Refused::Invalid)?;
    let body = body.claims;
    let for_us = match &body.aud {
        Audience::One(one) => *one == settings.audience,
        Audience::Several(several) => several.contains(&settings.audience),
    };
    if body.iss != settings.issuer || !for_us || body.sub.is_empty() {
        return Err(Refused::Invalid);
    }
    let now_s = now.millis().div_euclid(1_000);
    let over = now_s >= body.exp.saturating_add(LEEWAY_S);
    let early = body
        .nbf
        .is_some_and(|from| now_s < from.saturating_sub(LEEWAY_S));
    if over || early {
        return Err(Refused::OutOfTime);
    }
    Ok(Claims {
        subject: body.sub,
        issuer: body.iss,
        id: body.jti.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
