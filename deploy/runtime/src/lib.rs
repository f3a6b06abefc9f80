//! Turns services into a process: settings, logs, health and metrics, signals, drain, clock.
//!
//! Nothing here knows what a service does. A binary installs the TLS provider ([`tls`]) and the logs
//! ([`logging`]), reads its settings ([`settings`]), starts its services in order ([`services`]), waits
//! for a signal ([`signal`]) and stops them in reverse, within a grace period. [`endpoint`] answers
//! `/livez`, `/readyz` and `/metrics`. [`exit`] says what an exit code means.

pub mod clock;
pub mod endpoint;
pub mod exit;
pub mod health;
pub mod logging;
pub mod process;
pub mod services;
pub mod settings;
pub mod signal;
pub mod tls;
