//! Ticket numbers, which distinguish events of the same instant.
//!
//! A weighbridge prints a number on each ticket (过磅单号). Two loads of one minute are two amounts, even
//! if they weigh the same, so the number is part of an event's identity. A gateway sends 1 to
//! [`TICKET_BYTES_MAX`] letters, digits, `-`, `_` and `.`, with a digit among them. If it sends none, the
//! second, third … event of one series and instant *in one message* gets its place there as an implied
//! ticket, `#2`, `#3` …: no gateway can send such a ticket, and the same message sent again gets the same ones.
//!
//! ```
//! use greenpark_model::ticket::Ticket;
//! assert_eq!(Ticket::new("WB-20261122-017").expect("a number").as_str(), "WB-20261122-017");
//! assert!(Ticket::new("#2").is_err() && Ticket::new("none").is_err());
//! assert_eq!(Ticket::implied(2).expect("a second one").as_str(), "#2");
//! ```

use std::{fmt, sync::Arc};

use crate::limits::TICKET_BYTES_MAX;

/// The number of an event, as sent, or implied by its place among the events of its instant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(Arc<str>);

/// Why a text is not a ticket number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// An empty text.
    #[error(
        "a ticket is empty; write its number, 1 to {TICKET_BYTES_MAX} letters, digits, '-', '_' or '.', or leave it out"
    )]
    Empty,
    /// Longer than [`TICKET_BYTES_MAX`] bytes.
    #[error("ticket '{start}…' has {length} bytes; at most {TICKET_BYTES_MAX} are allowed")]
    TooLong {
        /// The first characters of the offending text.
        start: String,
        /// Its length in bytes.
        length: usize,
    },
    /// A character that is not allowed in a ticket number.
    #[error("ticket '{text}' has {character:?}; use letters, digits, '-', '_' or '.'")]
    Character {
        /// The offending text.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A text without a digit, which is a word and not a number.
    #[error("ticket '{0}' has no digit; write the number on the ticket, or leave it out")]
    NoDigit(String),
}

impl Ticket {
    /// The ticket that a gateway sends as `text`.
    ///
    /// # Errors
    /// [`TicketError`] names the first mistake.
    pub fn new(text: &str) -> Result<Self, TicketError> {
        if text.is_empty() {
            return Err(TicketError::Empty);
        }
        if text.len() > TICKET_BYTES_MAX {
            return Err(TicketError::TooLong {
                start: text.chars().take(16).collect(),
                length: text.len(),
            });
        }
        let bad = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if let Some(character) = text.chars().find(bad) {
            return Err(TicketError::Character {
                text: text.to_owned(),
                character,
            });
        }
        if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(TicketError::NoDigit(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The ticket of the event at place `ordinal` among those of its series, instant and message that carry
    /// none; `None` for the first, which has no ticket.
    #[must_use]
    pub fn implied(ordinal: u32) -> Option<Self> {
        (ordinal > 1).then(|| Self(format!("#{ordinal}").into()))
    }

    /// Parses the ticket that a record or a file holds as `text`: a sent one or an implied one.
    ///
    /// # Errors
    /// [`TicketError`] as [`Ticket::new`].
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let Some(digits) = text.strip_prefix('#') else {
            return Self::new(text);
        };
        let ordinal = digits.parse().ok().and_then(Self::implied);
        match ordinal {
            Some(ticket) if ticket.as_str() == text => Ok(ticket),
            _ => Err(TicketError::Character {
                text: text.chars().take(TICKET_BYTES_MAX).collect(),
                character: '#',
            }),
        }
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if the ticket is implied, for the gateway sent none.
    #[must_use]
    pub fn is_implied(&self) -> bool {
        self.0.starts_with('#')
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_that_a_gateway_cannot_send_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("", "a ticket is empty; write its number"),
            ("#2", "ticket '#2' has '#'; use letters, digits"),
            ("12 3", "ticket '12 3' has ' '; use letters, digits"),
            ("车1", "ticket '车1' has '车'; use letters, digits"),
            ("none", "ticket 'none' has no digit; write the number"),
            ("-_.", "ticket '-_.' has no digit; write the number"),
            (
                &"1".repeat(TICKET_BYTES_MAX + 1),
                "has 49 bytes; at most 48",
            ),
        ] {
            let error = Ticket::new(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        for text in ["1", "A-17", ".5_b", &"9".repeat(TICKET_BYTES_MAX)] {
            assert_eq!(Ticket::new(text).expect("a number").as_str(), text);
        }
    }

    #[test]
    fn a_stored_ticket_parses_back() {
        for ordinal in [2, 3, 65_536] {
            let ticket = Ticket::implied(ordinal).expect("not the first");
            assert!(ticket.is_implied());
            assert_eq!(Ticket::parse(ticket.as_str()), Ok(ticket));
        }
        assert_eq!(Ticket::implied(1), None);
        assert_eq!(Ticket::parse("A-17"), Ticket::new("A-17"));
        for text in ["#", "#1", "#02", "#+2", "#x", "none"] {
            assert!(Ticket::parse(text).is_err(), "{text}");
        }
    }
}
