//! The authentication settings: `[listen.tls]`, `[listen.users]` and `[listen.access]`.

use std::path::PathBuf;

use greenpark_tls::TlsSettings;
use serde::{Deserialize, Serialize};

/// The users and their passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsersSettings {
    /// The password file, as `greenpark passwd` and `mosquitto_passwd` write it.
    pub file: PathBuf,
}

/// The rights of each user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// The access list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// True if grants of the role `gateway` count, which the lake records: a gateway may publish under its own name for
    /// the enterprises that it has one for. They count beside the access list.
    pub grants: bool,
}

/// Checks the three sections together.
pub(super) fn check(
    tls: Option<&TlsSettings>,
    users: Option<&UsersSettings>,
    access: Option<&AccessSettings>,
    problems: &mut Vec<String>,
) {
    if let Some(tls) = tls {
        tls.check("listen.tls", ("listen.users", users.is_some()), problems);
    }
    let files = [
        ("users", users.map(|users| &users.file)),
        ("access", access.and_then(|access| access.file.as_ref())),
    ];
    for (section, file) in files {
        if file.is_some_and(|file| file.as_os_str().is_empty()) {
            problems.push(format!("listen.{section}.file: is missing; name a file"));
        }
    }
    if access.is_some_and(|access| access.file.is_none() && !access.grants) {
        problems.push(
            "listen.access.file: is missing; name a file, or set listen.access.grants = true"
                .into(),
        );
    }
    let proves = users.is_some() || tls.is_some_and(|tls| tls.client_ca.is_some());
    if access.is_some() && !proves {
        problems.push(
            "listen.access: needs listen.users or listen.tls.client_ca, or nobody could prove a name"
                .into(),
        );
    }
}
