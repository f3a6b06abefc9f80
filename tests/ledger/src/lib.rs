//! The ledger: checks that every acknowledged reading is in the books exactly once.
//!
//! Generators ([`gateway`]) send readings whose values identify them ([`plan`]) over MQTT and record which
//! were acknowledged. A nemesis ([`nemesis`]) kills, stops, starves and disconnects the processes of an
//! [`installation`] by a [`schedule`] made from a seed. When it rests and every day is sealed, the checker
//! ([`check`]) reads the sealed files and queries the service, and a [`report`] lists its findings by
//! Jepsen's names.
//!
//! The product contains no code for these tests: fail points are system calls at which `strace` kills the
//! process.

pub mod args;
pub mod books;
pub mod broker;
pub mod query;

pub mod check;
pub mod dead_letters;
pub mod gateway;
pub mod installation;
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
pub mod survivors;
pub mod wait;
