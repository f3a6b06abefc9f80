//! The password file: `name:$7$iterations$salt$hash`, one user per line.
//!
//! The format is Mosquitto's, so that a file of `mosquitto_passwd` works unchanged: PBKDF2 with
//! HMAC-SHA-512 and a salt per line, salt and hash in Base64. Empty lines and lines that begin with
//! `#` are ignored.

use std::{collections::HashMap, fmt, num::NonZeroU32};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    pbkdf2::{self, PBKDF2_HMAC_SHA512},
    rand::{SecureRandom, SystemRandom},
};

use greenpark_tls::is_name;

/// Iterations of a new hash: 30 to 50 ms on one virtual core of 2026. A guess costs as much as a
/// check, and a thousand gateways still reconnect within a minute of a restart.
pub const ITERATIONS: u32 = 50_000;

/// The most iterations that a listener checks: a connection may cost a second of such a core, not
/// more.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Bytes of a new salt.
const SALT_BYTES: usize = 16;

/// Bytes of a hash: the output of SHA-512.
const HASH_BYTES: usize = 64;

/// The most users of a file; their hashes take 30 MiB.
const USERS_MAX: usize = 100_000;

/// An error in a password file or a new entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// A line that is not an entry.
    #[error("line {line}: {reason}")]
    Line {
        /// The number of the line, counted from 1.
        line: usize,
        /// The reason, without the line's hash.
        reason: String,
    },
    /// More users than a listener supports.
    #[error("more than {USERS_MAX} users")]
    Crowded,
    /// A name that no user can have.
    #[error("{0:?} is no user name: it is empty, too long, or has a colon or a control character")]
    Name(String),
    /// An empty password, which a listener would refuse.
    #[error("the password is empty")]
    Empty,
    /// An iteration count that a listener would refuse.
    #[error("{0} iterations; give 1 to {ITERATIONS_MAX}")]
    Iterations(u32),
    /// The system provides no random bytes.
    #[error("the system gives no random bytes for a salt")]
    Random,
}

/// A hash with its parameters.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// The users of a password file.
pub struct Users {
    by_name: HashMap<Box<str>, Hash>,
    /// Checked instead of the hash of an unknown user, so that the answer takes as long.
    stand_in: Hash,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("count", &self.by_name.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash").finish_non_exhaustive()
    }
}

impl Hash {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.split('$');
        let mut part = || parts.next().unwrap_or_default();
        let (before, kind, iterations) = (part(), part(), part());
        let (salt, digest, after) = (part(), part(), part());
        if !before.is_empty() || kind != "7" || !after.is_empty() {
            return Err(
                "the hash is not $7$iterations$salt$hash; make it again with greenpark passwd",
            );
        }
        let iterations = iterations.parse().ok().filter(|&i| i <= ITERATIONS_MAX);
        let iterations = iterations
            .and_then(NonZeroU32::new)
            .ok_or("the iterations are not from 1 to 1000000")?;
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| "the salt is not Base64")?;
        let digest = STANDARD
            .decode(digest)
            .map_err(|_| "the hash is not Base64")?;
        if salt.len() < 8 || digest.len() != HASH_BYTES {
            return Err("the salt has less than 8 bytes, or the hash has not 64");
        }
        Ok(Self {
            iterations,
            salt,
            digest,
        })
    }

    /// Compares in constant time.
    fn verify(&self, password: &[u8]) -> bool {
        let algorithm = PBKDF2_HMAC_SHA512;
        pbkdf2::verify(
            algorithm,
            self.iterations,
            &self.salt,
            password,
            &self.digest,
        )
        .is_ok()
    }
}

impl Users {
    /// Parses a password file.
    ///
    /// # Errors
    /// [`PasswordError`] names the first invalid line.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let mut by_name = HashMap::new();
        let mut iterations = NonZeroU32::MIN;
        let lines = (1..).zip(text.lines().map(str::trim_end));
        for (line, entry) in lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
            let fail = |reason: &str| PasswordError::Line {
                line,
                reason: reason.to_owned(),
            };
            let entry = entry.split_once(':').filter(|(name, _)| is_name(name));
            let (name, hash) = entry.ok_or_else(|| fail("it is not name:hash"))?;
            let hash = Hash::parse(hash).map_err(fail)?;
            iterations = iterations.max(hash.iterations);
            if by_name.insert(name.into(), hash).is_some() {
                return Err(fail("its user has a line before"));
            }
            if by_name.len() > USERS_MAX {
                return Err(PasswordError::Crowded);
            }
        }
        let stand_in = Hash {
            iterations,
            salt: vec![0; SALT_BYTES],
            digest: vec![0; HASH_BYTES],
        };
        Ok(Self { by_name, stand_in })
    }

    /// Returns true if the file has a line for `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns the hash of the password of `name`.
    pub(super) fn hash(&self, name: &str) -> Option<&Hash> {
        self.by_name.get(name)
    }

    /// Returns true if `password` is the password of `name`. An empty password never matches. Takes
    /// milliseconds.
    #[must_use]
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        let known = self.by_name.get(name);
        let matches = known.unwrap_or(&self.stand_in).verify(password);
        matches && known.is_some() && !password.is_empty()
    }
}

/// Formats the line of a user, without a line end.
///
/// # Errors
/// [`PasswordError`] if the name, the password or the iterations are not allowed.
pub fn line(name: &str, password: &[u8], iterations: u32) -> Result<String, PasswordError> {
    if !is_name(name) || name.starts_with('#') {
        return Err(PasswordError::Name(name.to_owned()));
    }
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    let count = NonZeroU32::new(iterations).filter(|i| i.get() <= ITERATIONS_MAX);
    let count = count.ok_or(PasswordError::Iterations(iterations))?;
    let (mut salt, mut digest) = ([0; SALT_BYTES], [0; HASH_BYTES]);
    #[expect(
        clippy::disallowed_methods,
        reason = "a salt that a test chose is none"
    )]
    let random = SystemRandom::new();
    let filled = random.fill(&mut salt);
    filled.map_err(|_| PasswordError::Random)?;
    pbkdf2::derive(PBKDF2_HMAC_SHA512, count, &salt, password, &mut digest);
    let (salt, digest) = (STANDARD.encode(salt), STANDARD.encode(digest));
    Ok(format!("{name}:$7${iterations}${salt}${digest}"))
}
