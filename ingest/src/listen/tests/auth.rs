//! Goal: a client publishes only under its proved identity. Method: a table of wrong credentials,
//! certificates and topics over real sockets, each beside a control that is accepted; nothing that
//! is refused reaches the log, not even as a dead letter.

mod certificates;
mod publishes;
mod rights;

use std::{fs, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    auth::{Credentials, Refusal, password},
    settings::{AccessSettings, ClientCertificate, TlsSettings, UsersSettings},
};

/// Encodes a CONNECT with a user name and a password.
fn login(
    version: u8,
    id: &str,
    (name, password): (Option<&str>, Option<&str>),
    will: Option<&str>,
) -> Vec<u8> {
    let mut body = connect(version, id, 60, will.map(|topic| (topic, "gone")));
    let mut body = body.split_off(2);
    let flags = u8::from(name.is_some()) << 7 | u8::from(password.is_some()) << 6;
    body[7] |= flags;
    for field in [name, password].into_iter().flatten() {
        body.extend_from_slice(&text(field.as_bytes()));
    }
    packet(0x10, &body)
}

/// Returns settings with two users, `g1` and `g2`, whose passwords are `one` and `two`.
fn with_users(folder: &TempDir) -> ListenSettings {
    let lines = [("g1", "one"), ("g2", "two")]
        .map(|(name, secret)| password::line(name, secret.as_bytes(), 100).expect("a line"));
    let file = folder.path().join("users");
    fs::write(&file, lines.join("\n")).expect("written");
    ListenSettings {
        users: Some(UsersSettings { file }),
        ..ListenSettings::default()
    }
}

/// Adds an access list that binds both users to park `p1`, and to their names as client ids.
fn with_access(folder: &TempDir) -> ListenSettings {
    let file = folder.path().join("access.toml");
    let list = "client_id = \"%u\"\n[[rule]]\nusers = [\"*\"]\npublish = [\"p1/e1/%u\"]\n";
    fs::write(&file, list).expect("written");
    ListenSettings {
        access: Some(AccessSettings {
            file: Some(file),
            grants: false,
        }),
        ..with_users(folder)
    }
}

/// Returns the CONNACK of a refusal; empty where MQTT 3.1.1 has none.
fn refusal(version: u8, code: u8) -> Vec<u8> {
    match (version, code) {
        (4, 0) => Vec::new(),
        (4, _) => vec![0x20, 2, 0, code],
        _ => vec![0x20, 3, 0, code, 0],
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_with_their_code() {
    let folder = TempDir::new().expect("a temporary folder");
    let endpoint = Endpoint::start_with(with_access(&folder)).await;
    let foreign_will = Some("park/p1/e1/g2/up/readings");
    for (id, user, secret, will, [v4, v5]) in [
        ("g1", None, None, None, [5, 0x87]),
        ("g1", Some(""), Some("one"), None, [5, 0x87]),
        // MQTT 3.1.1 allows no password without a user name, and sends no CONNACK for one:
        // [MQTT-3.1.2-22], [MQTT-3.1.4-1].
        ("g1", None, Some("one"), None, [0, 0x87]),
        ("g3", Some("g3"), Some("one"), None, [4, 0x86]),
        ("g1", Some("g1"), None, None, [4, 0x86]),
        ("g1", Some("g1"), Some(""), None, [4, 0x86]),
        ("g1", Some("g1"), Some("One"), None, [4, 0x86]),
        ("g1", Some("g1"), Some("one "), None, [4, 0x86]),
        ("g1", Some("g1"), Some("two"), None, [4, 0x86]),
        ("g1", Some("G1"), Some("one"), None, [4, 0x86]),
        ("g1", Some("g1 "), Some("one"), None, [4, 0x86]),
        ("g2", Some("g1"), Some("one"), None, [2, 0x85]),
        ("", Some("g1"), Some("one"), None, [2, 0x85]),
        ("g1", Some("g1"), Some("one"), foreign_will, [5, 0x87]),
        ("g1", Some("g1"), Some("one"), Some("$SYS/x"), [5, 0x87]),
    ] {
        for (version, code) in [(4, v4), (5, v5)] {
            let mut client = Client::open(endpoint.address).await;
            client.send(&login(version, id, (user, secret), will)).await;
            client.expect_end(&refusal(version, code)).await;
        }
        // The control: correct credentials.
        let mut client = Client::open(endpoint.address).await;
        let own_will = will.and(Some(TOPIC));
        client
            .send(&login(5, "g1", (Some("g1"), Some("one")), own_will))
            .await;
        client.connack(5).await;
        client.send(&[0xe0, 0]).await;
        client.expect_end(&[]).await;
    }
    let refused = |reason| endpoint.metrics.refused(reason);
    assert_eq!(refused(Refusal::NoCredentials), 5);
    assert_eq!(refused(Refusal::BadCredentials), 16);
    assert_eq!((refused(Refusal::ClientId), refused(Refusal::Will)), (4, 4));
    assert!(endpoint.values().is_empty() && endpoint.dead_letters().is_empty());
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_client_id_does_not_disconnect_another_users_client() {
    let folder = TempDir::new().expect("a temporary folder");
    let endpoint = Endpoint::start_with(with_users(&folder)).await;
    let mut clients = Vec::new();
    for user in [("g1", "one"), ("g2", "two")] {
        let mut client = Client::open(endpoint.address).await;
        client
            .send(&login(4, "same", (Some(user.0), Some(user.1)), None))
            .await;
        client.connack(4).await;
        clients.push(client);
    }
    for client in &mut clients {
        client.ping().await;
    }
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_removed_user_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let settings = with_users(&folder);
    let authenticator =
        Authenticator::open(&settings, watch::channel(Arc::default()).1).expect("sound files");
    let credentials = || Credentials {
        certificates: Vec::new(),
        username: Some("g1"),
        password: Some(b"one".to_vec()),
        client_id: "g1",
        address: [192, 0, 2, 1].into(),
    };
    assert!(
        authenticator
            .authenticate(&authenticator.files(), credentials())
            .await
            .is_ok()
    );
    let file = &settings.users.as_ref().expect("users").file;
    fs::write(file, "broken").expect("written");
    authenticator.refresh();
    assert!(
        authenticator
            .authenticate(&authenticator.files(), credentials())
            .await
            .is_ok()
    );
    fs::write(file, "").expect("written");
    authenticator.refresh();
    let refused = authenticator
        .authenticate(&authenticator.files(), credentials())
        .await;
    assert_eq!(refused.err(), Some(Refusal::BadCredentials));
}
