//! Who calls, and what that caller may do.
//!
//! Every request gets a [`Caller`](caller::Caller) before a message is decoded: `gate` checks the credential, and
//! [`grants`] adds the grants of that caller that are in force. `methods` names the [`Right`](role::Right) that a
//! method needs. A caller has a [`Scope`](scope::Scope) for a right: the names that its grants permit. Handlers work
//! with a scope and cannot make one. `log` records every request: an `Entry` goes with it.

pub mod caller;
pub(crate) mod entry;
pub(crate) mod gate;
pub mod grants;
pub(crate) mod hex;
pub(crate) mod jwt;
pub(crate) mod log;
pub(crate) mod methods;
pub mod role;
pub mod scope;
pub mod settings;
