//! Pages as in the AIP guidelines. A page begins after the key in its token, so entries that appear or vanish
//! between two pages shift nothing.
//!
//! A token is the digest of the question and the last key of the page before it, in hex. A token of another
//! question is refused.

use sha2::{Digest, Sha256};

use crate::{
    access::hex::{hex, unhex},
    error::QueryError,
    limits::{PAGE_DEFAULT, PAGE_MAX},
};

/// The requested page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    size: usize,
    after: Option<String>,
    digest: String,
}

impl Page {
    /// Parses the page of a request; `question` is the rest of the request.
    pub(crate) fn parse(size: i32, token: &str, question: &str) -> Result<Self, QueryError> {
        let size = match usize::try_from(size) {
            Ok(0) => PAGE_DEFAULT,
            Ok(size) => size.min(PAGE_MAX),
            Err(_) => {
                return Err(QueryError::invalid(
                    "page_size",
                    "is negative; write 0 for 100",
                ));
            }
        };
        let digest = hex(&Sha256::digest(question.as_bytes())[..8]);
        let after = if token.is_empty() {
            None
        } else {
            Some(key_of(token, &digest)?)
        };
        Ok(Self {
            size,
            after,
            digest,
        })
    }

    /// Maximal number of entries on the page.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// True if an entry with `key` comes after the previous page.
    pub(crate) fn begins_after(&self, key: &str) -> bool {
        self.after.as_deref().is_none_or(|after| key > after)
    }

    /// Cuts the page out of `entries`, sorted by `key`. Returns it with the token of the next page.
    pub(crate) fn cut<T>(&self, entries: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, String) {
        let after = self.after.as_deref();
        let mut rest = entries
            .into_iter()
            .filter(|e| after.is_none_or(|a| key(e).as_str() > a));
        let page: Vec<T> = rest.by_ref().take(self.size).collect();
        let more = rest.next().is_some();
        let token = match page.last() {
            Some(last) if more => format!("{}{}", self.digest, hex(key(last).as_bytes())),
            _ => String::new(),
        };
        (page, token)
    }
}

fn key_of(token: &str, digest: &str) -> Result<String, QueryError> {
    let refused = || {
        QueryError::invalid(
            "page_token",
            "is not a token of this question; send next_page_token with an otherwise equal request",
        )
    };
    let key = token.strip_prefix(digest).ok_or_else(refused)?;
    unhex(key)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_even_when_entries_go() {
        let entries = || -> Vec<String> { ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec() };
        let first = Page::parse(2, "", "q").expect("a page");
        let (page, token) = first.cut(entries(), Clone::clone);
        assert_eq!(page, ["a", "b"]);
        let second = Page::parse(2, &token, "q").expect("a page");
        let without_b = entries().into_iter().filter(|e| e != "b").collect();
        let (page, token) = second.cut(without_b, Clone::clone);
        assert_eq!(page, ["c", "d"]);
        let (page, token) = Page::parse(2, &token, "q")
            .expect("a page")
            .cut(entries(), Clone::clone);
        assert_eq!((page, token), (vec!["e".to_owned()], String::new()));
    }

    #[test]
    fn a_token_of_another_question_is_refused() {
        let page = Page::parse(1, "", "q").expect("a page");
        let (_, token) = page.cut(vec!["a", "b"], |e| (*e).to_owned());
        assert!(Page::parse(1, &token, "other").is_err());
        assert!(Page::parse(1, "zz", "q").is_err());
        assert!(Page::parse(-1, "", "q").is_err());
        let odd = format!("{token}0");
        assert!(Page::parse(1, &odd, "q").is_err());
    }
}
