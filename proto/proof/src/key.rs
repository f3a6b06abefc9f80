//! Keys that sign checkpoints, and their texts (C2SP `signed-note`).
//!
//! A log signs with two keys of one name: Ed25519, which every reader of signed notes knows, and SM2 with SM3
//! (GB/T 32918, GB/T 32905), which the rules of Chinese authorities ask for. A reader that does not know SM2 ignores its
//! line. A verifier key is `NAME+ID+KEY`, a signer key `PRIVATE+KEY+NAME+ID+KEY`: ID is 8 hex digits, and KEY the base64
//! of a type and the key. The type is byte 1 for Ed25519; for SM2 it is byte 255 and the text `sm2-sm3`.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use sha2::{Digest as _, Sha256};
use sm2::dsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer as _, Verifier as _},
};

/// The identity that GB/T 32918 mixes into a signature, where its signer names none.
pub const SM2_IDENTITY: &str = "1234567812345678";
/// The type of an Ed25519 key.
const ED25519_TYPE: &[u8] = &[1];
/// The type of an SM2 key.
const SM2_TYPE: &[u8] = b"\xffsm2-sm3";
/// The beginning of the text of a signer key.
const PRIVATE: &str = "PRIVATE+KEY+";
/// The bytes of a secret of either algorithm.
const SECRET_BYTES: usize = 32;

/// A text that is no key, or a key that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text has another form.
    #[error(
        "is no key: it must have the form NAME+ID+KEY, and a signer's begins with PRIVATE+KEY+"
    )]
    Form,
    /// The name has a space or a plus.
    #[error("has a name that is empty, or has a space or a plus")]
    Name,
    /// The algorithm is unknown.
    #[error("is a key of an unknown algorithm: Ed25519 and SM2 with SM3 are known")]
    Algorithm,
    /// The ID is not that of the key.
    #[error("has an ID that is not that of its name and key")]
    Id,
    /// The bytes are no key of the algorithm.
    #[error("has bytes that are no key of its algorithm")]
    Bytes,
    /// The system has no randomness.
    #[error("cannot be made: the system gives no random bytes")]
    Random,
}

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// SM2 with SM3.
    Sm2,
}

impl Algorithm {
    /// Both, in the order of their lines in a note.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::Sm2];

    fn type_bytes(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => ED25519_TYPE,
            Self::Sm2 => SM2_TYPE,
        }
    }

    /// Splits the bytes of a key into its algorithm and the rest.
    fn of(bytes: &[u8]) -> Result<(Self, &[u8]), KeyError> {
        let strip =
            |algorithm: Self| Some((algorithm, bytes.strip_prefix(algorithm.type_bytes())?));
        Self::ALL
            .into_iter()
            .find_map(strip)
            .ok_or(KeyError::Algorithm)
    }
}

/// Returns true for a name that a key may have.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Splits `NAME+ID+KEY`.
fn split(text: &str) -> Result<(&str, u32, Vec<u8>), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    if !is_name(name) {
        return Err(KeyError::Name);
    }
    let is_id = id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let id = u32::from_str_radix(id, 16).ok().filter(|_| is_id);
    let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
    Ok((name, id.ok_or(KeyError::Form)?, key))
}

/// The public key by which signatures of a log are verified.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    algorithm: Algorithm,
    key: Vec<u8>,
}

impl VerifierKey {
    fn new(name: &str, algorithm: Algorithm, key: Vec<u8>) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let is_key = match algorithm {
            Algorithm::Ed25519 => key.len() == SECRET_BYTES,
            Algorithm::Sm2 => VerifyingKey::from_sec1_bytes(SM2_IDENTITY, &key).is_ok(),
        };
        if !is_key {
            return Err(KeyError::Bytes);
        }
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update("\n")
            .chain_update(algorithm.type_bytes())
            .chain_update(&key)
            .finalize();
        Ok(Self {
            name: name.to_owned(),
            id: u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
            algorithm,
            key,
        })
    }

    /// The name, which is the origin of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ID, which begins its signatures.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key: 32 bytes of Ed25519, or an uncompressed point of SM2.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Returns true if `signature` is one of this key on `text`.
    #[must_use]
    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => {
                let key = UnparsedPublicKey::new(&ED25519, &self.key);
                key.verify(text.as_bytes(), signature).is_ok()
            }
            Algorithm::Sm2 => {
                let key = VerifyingKey::from_sec1_bytes(SM2_IDENTITY, &self.key);
                let both = key.and_then(|key| Ok((key, Signature::from_der(signature)?)));
                both.is_ok_and(|(key, signature)| key.verify(text.as_bytes(), &signature).is_ok())
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [self.algorithm.type_bytes(), &self.key].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = split(text)?;
        let (algorithm, key) = Algorithm::of(&key)?;
        let made = Self::new(name, algorithm, key.to_vec())?;
        if made.id == id {
            Ok(made)
        } else {
            Err(KeyError::Id)
        }
    }
}

enum Secret {
    Ed25519(Box<Ed25519KeyPair>),
    Sm2(Box<SigningKey>),
}

/// A key that signs. Its text holds the secret; it shows nothing of it otherwise.
pub struct SignerKey {
    verifier: VerifierKey,
    secret: Secret,
    bytes: [u8; SECRET_BYTES],
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}

impl SignerKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError`] if the name is unfit or the system has no randomness.
    pub fn generate(name: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a key that somebody could make again would be no key"
        )]
        let random = SystemRandom::new();
        // A number beyond the order of the curve is no key of SM2; the next one almost surely is.
        for _ in 0..8 {
            let mut secret = [0; SECRET_BYTES];
            random.fill(&mut secret).map_err(|_| KeyError::Random)?;
            match Self::new(name, algorithm, secret) {
                Err(KeyError::Bytes) => {}
                made => return made,
            }
        }
        Err(KeyError::Random)
    }

    /// Makes the keys of a new log, one of each algorithm. Their name is `greenpark/` and the beginning of the first
    /// key in hex, so that no two logs have one.
    ///
    /// # Errors
    /// [`KeyError::Random`] if the system has no randomness.
    pub fn generate_log() -> Result<Vec<Self>, KeyError> {
        let first = Self::generate("greenpark", Algorithm::Ed25519)?;
        let start = first.verifier.key.iter().take(4);
        let name = start.fold("greenpark/".to_owned(), |name, byte| {
            format!("{name}{byte:02x}")
        });
        let first = Self::new(&name, Algorithm::Ed25519, first.bytes)?;
        Ok(vec![first, Self::generate(&name, Algorithm::Sm2)?])
    }

    fn new(name: &str, algorithm: Algorithm, bytes: [u8; SECRET_BYTES]) -> Result<Self, KeyError> {
        let (secret, public) = match algorithm {
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&bytes);
                let pair = pair.map_err(|_| KeyError::Bytes)?;
                let public = pair.public_key().as_ref().to_vec();
                (Secret::Ed25519(Box::new(pair)), public)
            }
            Algorithm::Sm2 => {
                let key =
                    SigningKey::from_slice(SM2_IDENTITY, &bytes).map_err(|_| KeyError::Bytes)?;
                let public = key.verifying_key().to_sec1_bytes().to_vec();
                (Secret::Sm2(Box::new(key)), public)
            }
        };
        let verifier = VerifierKey::new(name, algorithm, public)?;
        Ok(Self {
            verifier,
            secret,
            bytes,
        })
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature on `text`: 64 bytes of Ed25519, or the DER form of SM2. The same text gives the same signature.
    #[must_use]
    pub fn sign(&self, text: &str) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(pair) => pair.sign(text.as_bytes()).as_ref().to_vec(),
            Secret::Sm2(key) => key.sign(text.as_bytes()).to_der().as_bytes().to_vec(),
        }
    }

    /// The text that holds the secret, for a file that only its owner reads.
    #[must_use]
    pub fn secret_text(&self) -> String {
        let key = [self.verifier.algorithm.type_bytes(), &self.bytes].concat();
        let VerifierKey { name, id, .. } = &self.verifier;
        format!("{PRIVATE}{name}+{id:08x}+{}", STANDARD.encode(key))
    }
}

impl FromStr for SignerKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = split(text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let (algorithm, secret) = Algorithm::of(&key)?;
        let secret = secret.try_into().map_err(|_| KeyError::Bytes)?;
        let made = Self::new(name, algorithm, secret)?;
        if made.verifier.id == id {
            Ok(made)
        } else {
            Err(KeyError::Id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_reference_implementation_verifies_its_note() {
        // The example of Go's golang.org/x/mod/sumdb/note.
        let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
            .parse()
            .expect("a key");
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = STANDARD
            .decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")
            .expect("base64");
        assert_eq!(signature[..4], key.id().to_be_bytes());
        assert!(key.verifies(text, &signature[4..]));
        assert!(!key.verifies("another\n", &signature[4..]));
    }

    #[test]
    fn texts_of_keys_are_read_back() {
        for algorithm in Algorithm::ALL {
            let key = SignerKey::generate("greenpark/east", algorithm).expect("a key");
            let again: SignerKey = key.secret_text().parse().expect("its text");
            let public: VerifierKey = key.verifier().to_string().parse().expect("its text");
            assert_eq!(
                (again.verifier(), &public),
                (key.verifier(), key.verifier())
            );
            let signature = key.sign("text\n");
            assert_eq!(again.sign("text\n"), signature);
            assert!(
                public.verifies("text\n", &signature) && !public.verifies("Text\n", &signature)
            );
            assert!(!public.verifies("text\n", &signature[..signature.len() - 1]));
            let other = SignerKey::generate("greenpark/east", algorithm).expect("a key");
            assert!(!other.verifier().verifies("text\n", &signature));
            assert!(!format!("{key:?}").contains(&key.secret_text()[40..60]));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        let key = SignerKey::generate("east", Algorithm::Ed25519).expect("a key");
        let text = key.verifier().to_string();
        let bad = |text: &str| text.parse::<VerifierKey>().expect_err(text);
        assert_eq!(bad("east"), KeyError::Form);
        assert_eq!(bad("+00000000+AAAA"), KeyError::Name);
        assert_eq!(bad("ea st+00000000+AAAA"), KeyError::Name);
        assert_eq!(bad("east+00000000+AAAA"), KeyError::Algorithm);
        assert_eq!(bad("east+00000000+AQAA"), KeyError::Bytes);
        assert_eq!(bad(&text.replacen("east", "west", 1)), KeyError::Id);
        assert_eq!(
            text.parse::<SignerKey>().expect_err("public"),
            KeyError::Form
        );
        assert_eq!(
            SignerKey::generate("a b", Algorithm::Sm2).expect_err("a space"),
            KeyError::Name
        );
    }
}
