//! Tokens that are accepted, and every kind that is not.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};

use super::*;

const NOW_S: i64 = 1_790_000_000;

/// An issuer with one key, and the file of its public key.
struct Issuer {
    pair: KeyPair,
    keys: Keys,
    settings: JwtSettings,
}

impl Issuer {
    fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let (folder, path) = file(&json!({ "keys": [key(&pair, "ES256", "k1")] }));
        let keys = read_keys(&path).expect("readable");
        drop(folder);
        let settings = JwtSettings {
            keys: path,
            issuer: "https://issuer".to_owned(),
            audience: "greenpark".to_owned(),
        };
        Self {
            pair,
            keys,
            settings,
        }
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ec_der(&self.pair.serialize_der());
        encode(header, claims, &key).expect("signed")
    }

    fn check(&self, token: &str) -> Result<Claims, Refused> {
        check(
            token,
            &self.keys,
            &self.settings,
            Instant::from_millis(NOW_S * 1_000),
        )
    }
}

/// The public key as a JWK.
fn key(pair: &KeyPair, algorithm: &str, id: &str) -> Value {
    // An uncompressed point: 4, x, y.
    let point = pair.der_bytes();
    let part = |range| URL_SAFE_NO_PAD.encode(&point[range]);
    json!({
        "kty": "EC", "crv": "P-256", "alg": algorithm, "kid": id,
        "x": part(1..33), "y": part(33..65),
    })
}

fn file(set: &Value) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    fs::write(&path, set.to_string()).expect("written");
    (folder, path)
}

fn header() -> Header {
    Header {
        kid: Some("k1".to_owned()),
        ..Header::new(Algorithm::ES256)
    }
}

fn claims() -> Value {
    json!({
        "sub": "alice", "iss": "https://issuer", "aud": "greenpark",
        "exp": NOW_S + 60, "jti": "7",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn a_token_of_the_issuer_names_its_subject() {
    let issuer = Issuer::new();
    let told = issuer.check(&issuer.sign(&header(), &claims()));
    let expected = Claims {
        subject: "alice".to_owned(),
        issuer: "https://issuer".to_owned(),
        id: "7".to_owned(),
    };
    assert_eq!(told, Ok(expected));
    let several = with("aud", json!(["other", "greenpark"]));
    assert!(issuer.check(&issuer.sign(&header(), &several)).is_ok());
}

#[test]
fn a_token_is_valid_between_its_times_and_thirty_seconds_around() {
    let issuer = Issuer::new();
    let result = |claims: &Value| issuer.check(&issuer.sign(&header(), claims));
    for (name, at, valid) in [
        ("exp", NOW_S - 29, true),
        ("exp", NOW_S - 30, false),
        ("nbf", NOW_S + 30, true),
        ("nbf", NOW_S + 31, false),
    ] {
        let result = result(&with(name, json!(at)));
        assert_eq!(result.is_ok(), valid, "{name} {at}");
        assert!(valid || result == Err(Refused::OutOfTime), "{name} {at}");
    }
}

#[test]
fn claims_of_another_type_or_for_others_are_refused() {
    let issuer = Issuer::new();
    for (name, value) in [
        ("exp", json!((NOW_S + 60).to_string())),
        ("exp", Value::Null),
        ("sub", json!(["alice"])),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("iss", json!("https://other")),
        ("iss", json!(["https://issuer"])),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!({ "greenpark": true })),
    ] {
        let token = issuer.sign(&header(), &with(name, value.clone()));
        assert_eq!(
            issuer.check(&token),
            Err(Refused::Invalid),
            "{name} {value}"
        );
    }
    for name in ["exp", "sub", "iss", "aud"] {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(name);
        let token = issuer.sign(&header(), &claims);
        assert_eq!(
            issuer.check(&token),
            Err(Refused::Invalid),
            "without {name}"
        );
    }
}

#[test]
fn headers_choose_neither_algorithm_nor_key() {
    let issuer = Issuer::new();
    let unknown = Header {
        kid: Some("k2".to_owned()),
        ..header()
    };
    let unnamed = Header {
        kid: None,
        ..header()
    };
    let critical = Header {
        crit: Some(vec!["exp".to_owned()]),
        ..header()
    };
    for header in [unknown, unnamed, critical] {
        let token = issuer.sign(&header, &claims());
        assert_eq!(issuer.check(&token), Err(Refused::Invalid), "{header:?}");
    }
    // Signed with the public key as if it were a shared secret.
    let shared = EncodingKey::from_secret(issuer.pair.der_bytes()).expect("a secret");
    let header = Header {
        kid: Some("k1".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    let token = encode(&header, &claims(), &shared).expect("signed");
    assert_eq!(issuer.check(&token), Err(Refused::Invalid));
}

#[test]
fn unsigned_changed_foreign_and_huge_tokens_are_refused() {
    let issuer = Issuer::new();
    let token = issuer.sign(&header(), &claims());
    let parts: Vec<&str> = token.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": "k1" }).to_string());
    let other = URL_SAFE_NO_PAD.encode(with("sub", json!("bob")).to_string());
    for token in [
        format!("{none}.{}.", parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{other}.{}", parts[0], parts[2]),
        format!("{token}x"),
        Issuer::new().sign(&header(), &claims()),
        "a.b.c".to_owned(),
        String::new(),
        "e".repeat(1 << 20),
    ] {
        let start: String = token.chars().take(40).collect();
        assert_eq!(issuer.check(&token), Err(Refused::Invalid), "{start}");
    }
    let long = issuer.sign(&header(), &with("jti", json!("7".repeat(TOKEN_BYTES_MAX))));
    assert_eq!(issuer.check(&long), Err(Refused::Invalid));
}

#[test]
fn a_file_of_keys_names_what_is_wrong_with_it() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let without = |name: &str| {
        let mut key = key(&pair, "ES256", "k1");
        key.as_object_mut().expect("an object").remove(name);
        json!([key])
    };
    let secret = json!([{ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "k1" }]);
    let twice = json!([key(&pair, "ES256", "k1"), key(&pair, "ES256", "k1")]);
    for (keys, expected) in [
        (without("kid"), "has no 'kid'"),
        (without("alg"), "has no 'alg'"),
        (secret, "shared secret"),
        (twice, "given twice"),
        (json!([key(&pair, "RS256", "k1")]), "does not fit"),
        (json!("x"), "no JWK set"),
    ] {
        let (_folder, path) = file(&json!({ "keys": keys }));
        let error = read_keys(&path).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(matches!(
        read_keys(Path::new("/nowhere")),
        Err(KeysError::Read { .. })
    ));
}
