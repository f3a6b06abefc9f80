//! Schedules password checks: a check occupies a core for tens of milliseconds, so strangers must
//! not make gateways wait.
//!
//! - A password that was verified before is recognized by a keyed digest, without a check.
//! - Unknown names have a queue of their own: their checks, which only hide that the name is
//!   unknown, do not delay those of known names.
//! - For one name at one address one check waits in the queue; further checks wait for that one.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ring::{
    hmac::{self, HMAC_SHA256},
    rand::SystemRandom,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

use super::{
    Refusal,
    password::{Hash, Users},
};
use crate::limits::{PASSWORD_CHECKS_MAX, PASSWORD_CHECKS_OF_STRANGERS};

/// The number of (name, address) entries above which entries without a running check are removed.
const GUESSERS_KEPT: usize = 1024;

/// A possible guesser: an address, and the name that it tries.
type Guesser = (IpAddr, Box<str>);

/// The queues of password checks.
#[derive(Debug)]
pub(super) struct PasswordChecks {
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    guessers: Mutex<HashMap<Guesser, Weak<Semaphore>>>,
}

/// Passwords that were verified, by name, for as long as their file does not change.
pub(super) struct VerifiedPasswords {
    key: Option<hmac::Key>,
    tags: Mutex<HashMap<Box<str>, hmac::Tag>>,
}

/// The users of a password file, with the passwords that were verified.
#[derive(Clone)]
pub(super) struct PasswordFile {
    users: Arc<Users>,
    verified: Arc<VerifiedPasswords>,
}

impl PasswordFile {
    pub(super) fn new(users: Users) -> Self {
        Self {
            users: Arc::new(users),
            verified: Arc::default(),
        }
    }

    /// The hash of the password of `name`.
    pub(super) fn hash(&self, name: &str) -> Option<&Hash> {
        self.users.hash(name)
    }
}

impl Default for PasswordChecks {
    fn default() -> Self {
        Self {
            known: Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)),
            strangers: Arc::new(Semaphore::new(PASSWORD_CHECKS_OF_STRANGERS)),
            guessers: Mutex::default(),
        }
    }
}

impl PasswordChecks {
    /// Returns true if `password` is the password of `name`, for a client at `address`.
    pub(super) async fn check(
        &self,
        file: &PasswordFile,
        name: String,
        password: Vec<u8>,
        address: IpAddr,
    ) -> Result<bool, Refusal> {
        if file.verified.knows(&name, &password) {
            return Ok(true);
        }
        let permits = match file.users.has(&name) {
            true => {
                let of_guesser = turn(&self.of_guesser(address, &name)).await?;
                // Another check may have verified it meanwhile.
                if file.verified.knows(&name, &password) {
                    return Ok(true);
                }
                (turn(&self.known).await?, Some(of_guesser))
            }
            false => (turn(&self.strangers).await?, None),
        };
        let file = file.clone();
        let checked = task::spawn_blocking(move || {
            // Held until the check ends, even if the client disconnects before.
            let _permits = permits;
            let right = file.users.verify(&name, &password);
            if right {
                file.verified.keep(&name, &password);
            }
            right
        });
        checked.await.map_err(|_| Refusal::Busy)
    }

    /// The queue of one name at one address.
    fn of_guesser(&self, address: IpAddr, name: &str) -> Arc<Semaphore> {
        let mut all = self.guessers.lock().unwrap_or_else(PoisonError::into_inner);
        let guesser = (address, name.into());
        if let Some(known) = all.get(&guesser).and_then(Weak::upgrade) {
            return known;
        }
        if all.len() >= GUESSERS_KEPT {
            all.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(1));
        all.insert(guesser, Arc::downgrade(&turns));
        turns
    }
}

async fn turn(queue: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    let turn = Arc::clone(queue).acquire_owned().await;
    turn.map_err(|_| Refusal::Busy)
}

impl Default for VerifiedPasswords {
    fn default() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the key must be unknown, and no answer depends on it"
        )]
        let random = SystemRandom::new();
        Self {
            // Without random bytes no password is remembered.
            key: hmac::Key::generate(HMAC_SHA256, &random).ok(),
            tags: Mutex::default(),
        }
    }
}

impl VerifiedPasswords {
    fn knows(&self, name: &str, password: &[u8]) -> bool {
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(key), Some(tag)) = (&self.key, tags.get(name)) else {
            return false;
        };
        // Compares in constant time.
        hmac::verify(key, password, tag.as_ref()).is_ok()
    }

    fn keep(&self, name: &str, password: &[u8]) {
        if let Some(key) = &self.key {
            let tag = hmac::sign(key, password);
            let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
            tags.insert(name.into(), tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::auth::password;

    /// Iterations that make a check take some milliseconds.
    const ITERATIONS: u32 = 5_000;

    fn file(names: &[&str]) -> PasswordFile {
        let line = |name: &&str| password::line(name, b"right", ITERATIONS).expect("a line");
        let lines: Vec<String> = names.iter().map(line).collect();
        PasswordFile::new(Users::parse(&lines.join("\n")).expect("a file"))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from(Ipv4Addr::new(192, 0, 2, last))
    }

    /// Returns how many of `floods`, each a name and an address, are answered before `right` is.
    async fn answered_before(floods: Vec<(String, IpAddr)>, right: (&str, IpAddr)) -> usize {
        let checks = Arc::new(PasswordChecks::default());
        let file = file(&["g1", "g2"]);
        let answered = Arc::new(AtomicUsize::new(0));
        let mut running = task::JoinSet::new();
        for (name, from) in floods {
            let (checks, file) = (Arc::clone(&checks), file.clone());
            let answered = Arc::clone(&answered);
            running.spawn(async move {
                let found = checks.check(&file, name, b"wrong".to_vec(), from).await;
                assert_eq!(found.ok(), Some(false));
                answered.fetch_add(1, Ordering::SeqCst);
            });
        }
        // All of them wait in a queue.
        while answered.load(Ordering::SeqCst) == 0 {
            task::yield_now().await;
        }
        let (name, from) = (right.0.to_owned(), right.1);
        let found = checks.check(&file, name, b"right".to_vec(), from).await;
        assert_eq!(found.ok(), Some(true));
        let before = answered.load(Ordering::SeqCst);
        running.join_all().await;
        before
    }

    #[tokio::test]
    async fn unknown_names_do_not_delay_a_gateway() {
        // From many addresses, and from the gateway's own.
        for last in [None, Some(250)] {
            let from = |n: u8| address(last.unwrap_or(n));
            let strangers = (0..200).map(|n| (format!("stranger-{n}"), from(n)));
            let before = answered_before(strangers.collect(), ("g1", address(250))).await;
            assert!(before < 20, "{before} strangers were answered first");
        }
    }

    #[tokio::test]
    async fn wrong_passwords_for_one_name_hardly_delay_the_others() {
        for at in [1, 250] {
            let guesses = (0..200).map(|_| ("g2".to_owned(), address(at)));
            let before = answered_before(guesses.collect(), ("g1", address(250))).await;
            assert!(before < 20, "{before} guesses were answered first");
        }
    }

    #[tokio::test]
    async fn a_verified_password_is_recognized_without_a_permit_and_no_other_is() {
        let (checks, file) = (PasswordChecks::default(), file(&["g1"]));
        let check = |password: &[u8], last: u8| {
            checks.check(&file, "g1".to_owned(), password.to_vec(), address(last))
        };
        assert_eq!(check(b"wrong", 1).await.ok(), Some(false));
        assert_eq!(check(b"right", 1).await.ok(), Some(true));
        // No permits are left.
        checks.known.forget_permits(PASSWORD_CHECKS_MAX);
        assert_eq!(check(b"right", 2).await.ok(), Some(true));
        let verified = &file.verified;
        assert!(!verified.knows("g1", b"wrong") && !verified.knows("g2", b"right"));
    }
}
