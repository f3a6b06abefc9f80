//! Claims: if a rule maps all its clients to one gateway, the first client claims it, and a second
//! is refused by name.
//!
//! Two devices with the same name under one rule would be one meter to all later stages: the
//! readings of one would supersede those of the other, unnoticed. So one client holds the claim. It
//! passes to the same user, or the same client id, when that reconnects. Without user names it also
//! passes to another client id once the holder is gone, because many clients choose a new id at
//! each start. A former holder that comes back proves that there are two clients.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustc_hash::FxHashMap;

use crate::{
    limits::{CLAIMS_MAX, FORMER_CLAIMS_MAX},
    topic::Sender,
};

/// The claims of a rule.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<FxHashMap<Box<str>, Claim>>);

/// The holder of a topic, or of all topics of a rule.
#[derive(Debug)]
struct Claim {
    holder: Sender,
    /// Alive as long as the holder's connection.
    connected: Weak<Sender>,
    former: Vec<Sender>,
}

impl Claims {
    /// Claims `what` for `sender`, which lives as long as its connection.
    pub(super) fn claim(&self, what: &str, sender: &Arc<Sender>) -> Result<(), String> {
        if !sender.is_direct() {
            return Ok(());
        }
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.len() >= CLAIMS_MAX && !claims.contains_key(what) {
            claims.retain(|_, claim| claim.connected.strong_count() > 0);
            if claims.len() >= CLAIMS_MAX {
                claims.clear();
            }
        }
        match claims.get_mut(what) {
            Some(claim) => claim.pass_to(sender),
            None => {
                claims.insert(what.into(), Claim::of(sender));
                Ok(())
            }
        }
    }
}

impl Claim {
    fn of(sender: &Arc<Sender>) -> Self {
        Self {
            holder: sender.as_ref().clone(),
            connected: Arc::downgrade(sender),
            former: Vec::new(),
        }
    }

    fn pass_to(&mut self, sender: &Arc<Sender>) -> Result<(), String> {
        let is_connected = self.connected.strong_count() > 0;
        let itself = self.connected.as_ptr() == Arc::as_ptr(sender);
        let again = self.holder.is(sender) || !is_connected && self.holder.is_like(sender);
        if itself || again {
            self.connected = Arc::downgrade(sender);
            self.holder = sender.as_ref().clone();
            return Ok(());
        }
        let nameless = self.holder.user().is_err() && sender.user().is_err();
        let back = self.former.iter().any(|former| former.is(sender));
        if is_connected || !nameless || back {
            return Err(self.refusal(sender));
        }
        if self.former.len() >= FORMER_CLAIMS_MAX {
            self.former.remove(0);
        }
        let former = std::mem::replace(&mut self.holder, sender.as_ref().clone());
        self.former.push(former);
        self.connected = Arc::downgrade(sender);
        Ok(())
    }

    fn refusal(&self, sender: &Sender) -> String {
        format!(
            "two clients, one gateway: the rule of this topic takes all for one, which {} is, so {} is refused; \
             write {{user}} or {{client}} into the rule's gateway and into the names of its meters, or give each \
             client a topic of its own",
            self.holder.display_name(),
            sender.display_name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(user: &str, client: &str) -> Arc<Sender> {
        Arc::new(Sender::new(Some(user), Some(client)))
    }

    #[test]
    fn a_second_client_is_refused_by_name() {
        let claims = Claims::default();
        let (a, b) = (sender("meter-a", "c1"), sender("meter-b", "c2"));
        assert_eq!(claims.claim("", &a), Ok(()));
        assert_eq!(claims.claim("", &a), Ok(()));
        let reason = claims.claim("", &b).expect_err("a second");
        assert!(
            reason.contains("'meter-a'") && reason.contains("'meter-b'"),
            "{reason}"
        );
        assert!(reason.contains("{user}"), "{reason}");
        drop(a);
        assert!(claims.claim("", &b).is_err(), "a user is one for good");
        assert_eq!(claims.claim("other", &b), Ok(()));
        // The same user on a new connection, with a new client id.
        assert_eq!(claims.claim("", &sender("meter-a", "c9")), Ok(()));
    }

    #[test]
    fn a_claim_outlives_a_connection_but_not_a_nameless_client() {
        let claims = Claims::default();
        let first = sender("", "auto-1");
        assert_eq!(claims.claim("", &first), Ok(()));
        assert!(claims.claim("", &sender("", "auto-2")).is_err());
        // Taken over by itself while the old connection still exists.
        let again = sender("", "auto-1");
        assert_eq!(claims.claim("", &again), Ok(()));
        drop((first, again));
        let second = sender("", "auto-2");
        assert_eq!(claims.claim("", &second), Ok(()));
        drop(second);
        assert!(
            claims.claim("", &sender("", "auto-1")).is_err(),
            "two in turn"
        );
        let unknown = Arc::<Sender>::default();
        assert_eq!(
            claims.claim("", &unknown),
            Ok(()),
            "behind a broker nobody is known"
        );
    }

    #[test]
    fn claims_are_bounded() {
        let claims = Claims::default();
        for topic in 0..=CLAIMS_MAX {
            assert_eq!(claims.claim(&topic.to_string(), &sender("u", "c")), Ok(()));
        }
        assert!(claims.0.lock().expect("nobody panicked").len() <= CLAIMS_MAX);
    }
}
