//! The password file: `name:$7$iterations$salt$hash`, one user a line.
//!
//! The form is Mosquitto's, so that a file of `mosquitto_passwd` can be used as it is: PBKDF2 with
//! HMAC-SHA-512 over a salt of the line's own, salt and hash in Base64. Lines that are empty or begin with
//! `#` say nothing.

use std::{collections::HashMap, fmt, num::NonZeroU32};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    pbkdf2::{self, PBKDF2_HMAC_SHA512},
    rand::{SecureRandom, SystemRandom},
};

use super::is_name;

/// Iterations of a hash that is made here: 30 to 50 ms of one virtual core of 2026. A guess costs as much as
/// a check, and a thousand gateways are still all back within a minute of a restart.
pub const ITERATIONS: u32 = 50_000;

/// Most iterations of a hash that is checked: a connection may cost a second of such a core, not more.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Bytes of a salt that is made here.
const SALT_BYTES: usize = 16;

/// Bytes of a hash: those of SHA-512.
const HASH_BYTES: usize = 64;

/// Most users of a file; with a hash each they hold 30 MiB.
const USERS_MAX: usize = 100_000;

/// Why a password file or an entry cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// A line that is no entry.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the line's hash.
        reason: String,
    },
    /// More users than a listener holds.
    #[error("more than {USERS_MAX} users")]
    Crowded,
    /// A name that cannot be a user's.
    #[error("{0:?} is no user name: it is empty, too long, or has a colon or a control character")]
    Name(String),
    /// An empty password, which a listener would refuse.
    #[error("the password is empty")]
    Empty,
    /// Iterations outside of what a listener checks.
    #[error("{0} iterations; give 1 to {ITERATIONS_MAX}")]
    Iterations(u32),
    /// The system has no random bytes.
    #[error("the system gives no random bytes for a salt")]
    Random,
}

/// A hash with all that is needed to check a password.
struct Hash {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// The users of a file.
pub struct Users {
    by_name: HashMap<Box<str>, Hash>,
    /// Checked instead of a user that is not there, so that the answer comes no sooner.
    stand_in: Hash,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("count", &self.by_name.len())
            .finish_non_exhaustive()
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

    /// In a time that does not depend on where the hashes differ.
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
    /// Reads a file.
    ///
    /// # Errors
    /// [`PasswordError`] names the first line that is wrong.
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

    /// Whether there is a line of `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether `password` is that of `name`. An empty one never is. Takes milliseconds.
    #[must_use]
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        let known = self.by_name.get(name);
        let matches = known.unwrap_or(&self.stand_in).verify(password);
        matches && known.is_some() && !password.is_empty()
    }
}

/// The line of a user, without its end.
///
/// # Errors
/// [`PasswordError`] where the name, the password or the iterations cannot be taken.
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
    let filled = SystemRandom::new().fill(&mut salt);
    filled.map_err(|_| PasswordError::Random)?;
    pbkdf2::derive(PBKDF2_HMAC_SHA512, count, &salt, password, &mut digest);
    let (salt, digest) = (STANDARD.encode(salt), STANDARD.encode(digest));
    Ok(format!("{name}:$7${iterations}${salt}${digest}"))
}
