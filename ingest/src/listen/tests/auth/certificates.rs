//! TLS, client certificates, and a real Mosquitto with the same configuration.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::*;
use crate::mosquitto::Broker;

/// A certificate and its key, as PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    key: String,
}

/// An authority.
pub(super) struct Authority {
    pub(super) certificate: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

fn named(name: &str, sans: &[&str]) -> CertificateParams {
    let sans: Vec<_> = sans.iter().map(|san| (*san).to_owned()).collect();
    let mut params = CertificateParams::new(sans).expect("names");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority() -> Authority {
    authority_for(&[])
}

/// An authority whose certificate is for these purposes; for all, if none is named.
pub(super) fn authority_for(purposes: &[KeyUsagePurpose]) -> Authority {
    let mut params = named("an authority", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = purposes.to_vec();
    let key = KeyPair::generate().expect("a key");
    Authority {
        certificate: params.self_signed(&key).expect("signed").pem(),
        issuer: Issuer::new(params, key),
    }
}

impl Authority {
    pub(super) fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        Identity {
            certificate: params.signed_by(&key, &self.issuer).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }

    fn client(&self, name: &str) -> Identity {
        self.sign(&client(name))
    }
}

pub(super) fn client(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn server() -> CertificateParams {
    let mut params = named("a server", &["localhost"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Writes the files of a server, and returns settings that name them.
pub(super) fn with_tls(folder: &TempDir, authority: &Authority) -> ListenSettings {
    let server = authority.sign(&server());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let tls = TlsSettings {
        certificate: write("server.pem", &server.certificate),
        key: write("server.key", &server.key),
        client_ca: Some(write("ca.pem", &authority.certificate)),
        client_certificate: None,
        client_crl: None,
    };
    ListenSettings {
        tls: Some(tls),
        ..ListenSettings::default()
    }
}

type Tls = TlsStream<TcpStream>;

async fn handshake(
    address: SocketAddr,
    trusted: &Authority,
    identity: Option<&Identity>,
) -> io::Result<Tls> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(trusted.certificate.as_bytes()).expect("PEM");
    roots.add(root).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let pem = identity.certificate.as_bytes();
            let certificate = CertificateDer::from_pem_slice(pem).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM");
            builder
                .with_client_auth_cert(vec![certificate], key)
                .expect("a pair")
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// Sends `bytes` and reads `count` bytes.
async fn ask(tls: &mut Tls, bytes: &[u8], count: usize) -> io::Result<Vec<u8>> {
    tls.write_all(bytes).await?;
    tls.flush().await?;
    let mut got = vec![0; count];
    within(tls.read_exact(&mut got)).await?;
    Ok(got)
}

/// Returns the answers to the CONNECT and to a publish of a client with this certificate.
async fn try_to_publish(
    endpoint: &Endpoint,
    authority: &Authority,
    identity: Option<&Identity>,
) -> io::Result<Vec<u8>> {
    let mut tls = handshake(endpoint.address, authority, identity).await?;
    ask(&mut tls, &connect(4, "any", 60, None), 4).await?;
    ask(&mut tls, &publish(1, TOPIC, &reading(1)), 4).await
}

#[tokio::test]
async fn only_a_certificate_of_the_authority_is_accepted() {
    let folder = TempDir::new().expect("a temporary folder");
    let (own, foreign) = (authority(), authority());
    let endpoint = Endpoint::start_with(with_tls(&folder, &own)).await;
    let mut expired = client("g1");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = client("g1");
    early.not_before = date_time_ymd(2090, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let alone = Identity {
        certificate: client("g1").self_signed(&key).expect("signed").pem(),
        key: key.serialize_pem(),
    };
    for (what, wrong) in [
        ("none", None),
        ("of a foreign authority", Some(foreign.client("g1"))),
        ("expired", Some(own.sign(&expired))),
        ("not yet valid", Some(own.sign(&early))),
        ("signed by itself", Some(alone)),
        ("of a server", Some(own.sign(&server()))),
    ] {
        let met = try_to_publish(&endpoint, &own, wrong.as_ref()).await;
        assert!(met.is_err(), "{what}");
    }
    until(|| endpoint.metrics.refused(Refusal::Tls) == 6).await;
    // Plain MQTT on this port.
    let mut plain = Client::open(endpoint.address).await;
    plain.send(&connect(4, "g1", 60, None)).await;
    let mut got = Vec::new();
    // An alert or a reset, but no MQTT packet.
    let _ = within(plain.stream.read_to_end(&mut got)).await;
    assert_ne!(got.first(), Some(&0x20));
    assert!(endpoint.values().is_empty() && endpoint.dead_letters().is_empty());
    let met = try_to_publish(&endpoint, &own, Some(&own.client("g1"))).await;
    assert_eq!(met.expect("the control is taken"), puback(1));
    assert_eq!(endpoint.values(), [1_000_000]);
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_certificate_authenticates_its_common_name_only() {
    let folder = TempDir::new().expect("a temporary folder");
    let own = authority();
    let endpoint = Endpoint::start_with(with_tls(&folder, &own)).await;
    let other = own.client("g2");
    assert!(
        try_to_publish(&endpoint, &own, Some(&other)).await.is_err(),
        "a foreign topic"
    );
    let mut two_names = client("g1");
    let common = DnType::CustomDnType(vec![2, 5, 4, 3]);
    two_names.distinguished_name.push(common, "g2");
    let colon = own.client("g1:x");
    for wrong in [own.sign(&two_names), colon] {
        let mut tls = handshake(endpoint.address, &own, Some(&wrong)).await;
        let tls = tls.as_mut().expect("its authority is right");
        let answer = ask(tls, &connect(5, "a", 60, None), 5).await;
        assert_eq!(answer.expect("an answer"), refusal(5, 0x87));
    }
    let g1 = own.client("g1");
    let mut tls = handshake(endpoint.address, &own, Some(&g1)).await;
    let hello = login(4, "a", (Some("g2"), Some("two")), None);
    let answer = ask(tls.as_mut().expect("a handshake"), &hello, 4).await;
    assert_eq!(answer.expect("an answer"), refusal(4, 5));
    assert!(endpoint.values().is_empty() && endpoint.dead_letters().is_empty());
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_certificate_or_a_password_is_enough_where_certificates_are_optional() {
    let folder = TempDir::new().expect("a temporary folder");
    let own = authority();
    let mut settings = with_tls(&folder, &own);
    settings.users = with_users(&folder).users;
    let tls = settings.tls.as_mut().expect("TLS");
    tls.client_certificate = Some(ClientCertificate::Optional);
    let endpoint = Endpoint::start_with(settings).await;
    let (g1, g2) = (own.client("g1"), own.client("g2"));
    let password = (Some("g1"), Some("one"));
    let none = (None, None);
    for (identity, user, answer) in [
        (Some(&g1), none, vec![0x20, 2, 0, 0]),
        (None, password, vec![0x20, 2, 0, 0]),
        (Some(&g1), password, vec![0x20, 2, 0, 0]),
        (None, none, refusal(4, 5)),
        (Some(&g2), password, refusal(4, 5)),
        (Some(&g1), (Some("g1"), Some("two")), refusal(4, 4)),
    ] {
        let tls = handshake(endpoint.address, &own, identity).await;
        let met = ask(
            &mut tls.expect("a handshake"),
            &login(4, "a", user, None),
            4,
        )
        .await;
        assert_eq!(met.expect("an answer"), answer);
    }
    endpoint.stopped().await;
}

#[tokio::test]
async fn tls_on_the_plain_port_is_closed() {
    let endpoint = Endpoint::start().await;
    let own = authority();
    assert!(handshake(endpoint.address, &own, None).await.is_err());
    until(|| endpoint.metrics.refused(Refusal::Tls) == 1).await;
    drop(endpoint.client(4).await);
    endpoint.stopped().await;
}

#[tokio::test]
async fn many_publishes_over_tls_are_acknowledged_in_order() {
    let folder = TempDir::new().expect("a temporary folder");
    let own = authority();
    let endpoint = Endpoint::start_with(with_tls(&folder, &own)).await;
    let g1 = own.client("g1");
    let mut tls = handshake(endpoint.address, &own, Some(&g1))
        .await
        .expect("a handshake");
    ask(&mut tls, &connect(4, "g1", 60, None), 4)
        .await
        .expect("an answer");
    // More than one read returns, and more replies than one TLS record holds.
    let all: Vec<_> = (1..=20_000u16)
        .flat_map(|id| publish(id, TOPIC, &reading(u32::from(id))))
        .collect();
    let answers: Vec<_> = (1..=20_000).flat_map(puback).collect();
    let (mut read, mut write) = tokio::io::split(tls);
    let send = async {
        write.write_all(&all).await.expect("sent");
        write.flush().await.expect("sent");
    };
    let mut got = vec![0; answers.len()];
    let receive = async { read.read_exact(&mut got).await.map(drop) };
    let ((), received) = within(futures::future::join(send, receive)).await;
    received.expect("every answer");
    assert!(got == answers && endpoint.values().len() == 20_000);
    endpoint.stopped().await;
}

/// Returns the sample's files, with the paths of a test.
fn sample(port: u16, folder: &std::path::Path) -> String {
    let acl = include_str!("../../../../../deploy/mosquitto/gateways.acl");
    let acl = acl
        .replace("demo/steel-01/gw-1", "p1/e1/g1")
        .replace("user gw-1", "user g1");
    fs::write(folder.join("gateways.acl"), acl).expect("written");
    let folder = folder.display().to_string();
    let conf = include_str!("../../../../../deploy/mosquitto/gateways.conf");
    let conf = conf
        .replace("listener 8883", &format!("listener {port} 127.0.0.1"))
        .replace("/etc/greenpark/tls", &folder)
        .replace("/etc/greenpark", &folder);
    format!("{conf}\nuser root\nlog_dest none\n")
}

#[tokio::test]
async fn mosquitto_with_the_sample_refuses_a_foreign_topic() {
    let own = authority();
    let server = own.sign(&server());
    let broker = Broker::start_as(|port, folder| {
        for (name, text) in [
            ("ca.pem", &own.certificate),
            ("server.pem", &server.certificate),
            ("server.key", &server.key),
        ] {
            fs::write(folder.join(name), text).expect("written");
        }
        sample(port, folder)
    });
    let Some(broker) = broker.await else { return };
    let address = SocketAddr::from(([127, 0, 0, 1], broker.port));
    let met = handshake(address, &own, None).await;
    let met = match met {
        Ok(mut tls) => ask(&mut tls, &connect(5, "none", 60, None), 2).await,
        Err(error) => Err(error),
    };
    assert!(met.is_err(), "no certificate");
    let g1 = own.client("g1");
    let mut tls = handshake(address, &own, Some(&g1))
        .await
        .expect("g1 is known");
    let head = ask(&mut tls, &connect(5, "g1", 60, None), 2).await;
    let head = head.expect("a CONNACK");
    let mut rest = vec![0; usize::from(head[1])];
    within(tls.read_exact(&mut rest)).await.expect("a CONNACK");
    assert_eq!((head[0], rest[1]), (0x20, 0));
    for (topic, code) in [
        (TOPIC, 0x10),
        ("park/p1/e1/g2/up/readings", 0x87),
        ("park/p1/e2/g1/up/readings", 0x87),
        ("park/p2/e1/g1/up/readings", 0x87),
    ] {
        // 0x10: accepted, without subscribers.
        let body = [&text(topic.as_bytes())[..], &[0, 7, 0], &reading(1)].concat();
        let answer = ask(&mut tls, &packet(0x32, &body), 5).await;
        let answer = answer.expect("a PUBACK");
        assert_eq!((answer[0], answer[4]), (0x40, code), "{topic}");
        if answer[1] == 4 {
            within(tls.read_u8()).await.expect("no properties");
        }
    }
}
