//! The ledger: every reading that a gateway was told is safe is found in the books, once.
//!
//! A generator ([`gateway`]) sends readings whose values name them ([`plan`]) over MQTT and keeps what
//! was acknowledged. A nemesis ([`nemesis`]) kills, stops, starves and cuts off the processes of a
//! [`site`] by a [`schedule`] that a seed decides. When it rests and every day is sealed, the checker
//! ([`check`]) reads the sealed files and asks the service, and a [`report`] says what it found by
//! Jepsen's names.
//!
//! The product has no code for it: fail points are system calls, at which `strace` kills the process.

pub mod args;
pub mod ask;
pub mod books;
pub mod broker;
pub mod chance;
pub mod check;
pub mod gateway;
pub mod letters;
pub mod losses;
pub mod nemesis;
pub mod packets;
pub mod plan;
pub mod process;
pub mod progress;
pub mod proxy;
pub mod report;
pub mod restore;
pub mod run;
pub mod schedule;
pub mod site;
pub mod survivors;
pub mod wait;
