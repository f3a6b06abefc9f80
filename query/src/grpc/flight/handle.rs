//! Handles of statements: they hold the statement itself, sealed for one caller, so that the service keeps none.

use bytes::Bytes;
use ring::{
    hmac::{self, HMAC_SHA256, Key},
    rand::SystemRandom,
};

/// Seals statements with a key of this process.
#[derive(Debug)]
pub(super) struct Handles(Option<Key>);

/// Bytes of a seal.
const TAG_BYTES: usize = 32;

impl Default for Handles {
    fn default() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "nobody must be able to make a handle, and no answer depends on it"
        )]
        let random = SystemRandom::new();
        // Without random bytes no handle is ever right.
        Self(Key::generate(HMAC_SHA256, &random).ok())
    }
}

fn sealed(caller: &str, sql: &[u8]) -> Vec<u8> {
    [caller.as_bytes(), &[0], sql].concat()
}

impl Handles {
    /// A handle of `sql` that only `caller` can use.
    pub(super) fn seal(&self, caller: &str, sql: &str) -> Bytes {
        let sealed = sealed(caller, sql.as_bytes());
        let tag = self.0.as_ref().map(|key| hmac::sign(key, &sealed));
        let tag = tag.as_ref().map_or(&[][..], AsRef::as_ref);
        [tag, sql.as_bytes()].concat().into()
    }

    /// The statement of a handle, if this process made it for `caller`.
    pub(super) fn open(&self, caller: &str, handle: &[u8]) -> Option<String> {
        let (tag, sql) = handle.split_at_checked(TAG_BYTES)?;
        hmac::verify(self.0.as_ref()?, &sealed(caller, sql), tag).ok()?;
        String::from_utf8(sql.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_of_one_caller_one_statement_and_one_process() {
        let handles = Handles::default();
        let handle = handles.seal("token:ana", "SELECT 1");
        assert_eq!(
            handles.open("token:ana", &handle).as_deref(),
            Some("SELECT 1")
        );
        assert_eq!(handles.open("token:eve", &handle), None);
        assert_eq!(handles.open("token:an", b"a"), None);
        assert_eq!(Handles::default().open("token:ana", &handle), None);
        for at in 0..handle.len() {
            let mut forged = handle.to_vec();
            forged[at] ^= 1;
            assert_eq!(handles.open("token:ana", &forged), None, "{at}");
        }
    }
}
