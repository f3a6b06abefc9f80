//! Tests of services that are closed: callers and gateways prove their names, and grants say what they may do.

mod broken_download;
mod demo;
mod publish_rights;
mod signed_in;
mod site;
mod withdrawn;
