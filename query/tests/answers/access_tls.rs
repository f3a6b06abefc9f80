//! Callers with certificates, over real TLS.

use std::{fs, path::PathBuf, time::Duration};

use greenpark_proto::query::v1::{self as pb, access_client::AccessClient};
use greenpark_query::{QuerySettings, settings::Token};
use greenpark_tls::{ClientCertificate, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use crate::fixture::*;

/// An authority with its files in a folder.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: tempfile::TempDir,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A certificate for `name`, which is a host's if it is `localhost`.
    fn sign(&self, name: &str, serial: u64) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let hosts: Vec<String> = match name {
            "localhost" => vec![name.to_owned()],
            _ => Vec::new(),
        };
        let mut params = CertificateParams::new(hosts).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        Pair {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A list that revokes the certificates with these serial numbers.
    fn revoke(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("signed");
        list.pem().expect("PEM")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let new = self.folder.path().join("new");
        // As an operator replaces a file: at once.
        fs::write(&new, text).expect("written");
        fs::rename(&new, &path).expect("renamed");
        path
    }

    /// Settings with this authority's server and clients.
    fn settings(&self, certificates: ClientCertificate) -> QuerySettings {
        let server = self.sign("localhost", 1);
        let token = Token {
            name: "chief".to_owned(),
            sha256: sha256(b"chief"),
        };
        QuerySettings {
            tls: Some(TlsSettings {
                certificate: self.write("server.pem", &server.certificate),
                key: self.write("server.key", &server.key),
                client_ca: Some(self.write("ca.pem", &self.pem)),
                client_certificate: Some(certificates),
                client_crl: Some(self.write("crl.pem", &self.revoke(&[]))),
            }),
            tokens: vec![token],
            ..QuerySettings::default()
        }
    }

    /// A connection that trusts this authority.
    async fn connect(&self, world: &World, own: Option<&Pair>) -> Result<Channel, String> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.pem))
            .domain_name("localhost");
        let tls = match own {
            Some(pair) => tls.identity(Identity::from_pem(&pair.certificate, &pair.key)),
            None => tls,
        };
        let endpoint = Channel::from_shared(format!("https://{}", world.address));
        let endpoint = endpoint.expect("an address").tls_config(tls).expect("TLS");
        endpoint
            .connect()
            .await
            .map_err(|error| format!("{error:?}"))
    }
}

async fn who_am_i(channel: &Channel) -> Result<pb::WhoAmIResponse, Status> {
    let asked = AccessClient::new(channel.clone())
        .who_am_i(pb::WhoAmIRequest {})
        .await;
    asked.map(tonic::Response::into_inner)
}

/// Asks until `done` is true of the answer, for at most a minute.
async fn until<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    let asking = async { while !done().await {} };
    let ended = tokio::time::timeout(Duration::from_secs(60), asking).await;
    assert!(ended.is_ok(), "{what} within a minute");
}

#[tokio::test]
async fn the_common_name_of_a_certificate_is_the_caller() {
    let authority = Authority::new();
    let world = World::with(authority.settings(ClientCertificate::Optional)).await;
    let own = authority.sign("control-centre", 2);
    let channel = authority
        .connect(&world, Some(&own))
        .await
        .expect("connected");
    let me = who_am_i(&channel).await.expect("an answer");
    assert_eq!(
        (&*me.caller, &*me.credential),
        ("certificate:control-centre", "certificate")
    );
    assert_eq!(me.credential_id.len(), 64);
    // Without a certificate, and without a token, nobody is anybody.
    let anonymous = authority.connect(&world, None).await.expect("connected");
    let refused = who_am_i(&anonymous).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    world.stop().await;
}

#[tokio::test]
async fn a_foreign_a_revoked_and_no_certificate_are_refused_where_one_is_required() {
    let authority = Authority::new();
    let world = World::with(authority.settings(ClientCertificate::Required)).await;
    let foreign = Authority::new().sign("control-centre", 2);
    authority.write("crl.pem", &authority.revoke(&[7]));
    let revoked = authority.sign("gone", 7);
    let own = authority.sign("control-centre", 2);
    let answers = async |pair: Option<&Pair>| match authority.connect(&world, pair).await {
        Ok(channel) => who_am_i(&channel).await.is_ok(),
        Err(_) => false,
    };
    until("the list is read", async || !answers(Some(&revoked)).await).await;
    assert!(!answers(Some(&foreign)).await && !answers(None).await);
    assert!(answers(Some(&own)).await);
    world.stop().await;
}

#[tokio::test]
async fn a_revoked_certificate_ends_with_its_connection_and_others_connect_again() {
    let authority = Authority::new();
    let world = World::with(authority.settings(ClientCertificate::Required)).await;
    let (own, gone) = (
        authority.sign("control-centre", 2),
        authority.sign("gone", 7),
    );
    let connected = authority
        .connect(&world, Some(&gone))
        .await
        .expect("connected");
    assert!(who_am_i(&connected).await.is_ok());
    authority.write("crl.pem", &authority.revoke(&[7]));
    until("it is refused", async || {
        who_am_i(&connected).await.is_err()
    })
    .await;
    let other = authority
        .connect(&world, Some(&own))
        .await
        .expect("connected");
    assert!(who_am_i(&other).await.is_ok());
    world.stop().await;
}

#[tokio::test]
async fn a_new_server_certificate_is_used_without_a_restart_and_a_wrong_one_changes_nothing() {
    let authority = Authority::new();
    let world = World::with(authority.settings(ClientCertificate::Optional)).await;
    let own = authority.sign("control-centre", 2);
    let before = authority
        .connect(&world, Some(&own))
        .await
        .expect("connected");
    // Another authority signs the new certificate of the server; clients are the same.
    let next = Authority::new();
    let server = next.sign("localhost", 1);
    authority.write("server.pem", "no certificate");
    assert!(authority.connect(&world, Some(&own)).await.is_ok());
    authority.write("server.key", &server.key);
    authority.write("server.pem", &server.certificate);
    until("it is used", async || {
        let channel = next.connect(&world, Some(&own)).await;
        channel.is_ok()
    })
    .await;
    assert!(who_am_i(&before).await.is_ok(), "open connections go on");
    world.stop().await;
}
