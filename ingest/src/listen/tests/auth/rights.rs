//! Rights change while clients are connected. A client that lost its rights is disconnected after its last
//! acknowledgement; the others stay.

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use tokio::sync::watch;

use super::{certificates::*, *};
use crate::{GatewayGrants, auth::Principal};

fn granted(callers: &[&str]) -> Arc<GatewayGrants> {
    let mut grants = GatewayGrants::default();
    for caller in callers {
        let ids = ("p1".parse().expect("an id"), "e1".parse().expect("an id"));
        grants.grant(caller, ids.0, ids.1);
    }
    Arc::new(grants)
}

/// Two users whose rights are recorded grants alone.
fn with_grants(folder: &TempDir) -> ListenSettings {
    ListenSettings {
        access: Some(AccessSettings {
            file: None,
            grants: true,
        }),
        ..with_users(folder)
    }
}

/// A client with this id.
async fn logged_in(
    endpoint: &Endpoint,
    (version, id): (u8, &str),
    (name, secret): (&str, &str),
) -> Client {
    let mut client = Client::open(endpoint.address).await;
    let hello = login(version, id, (Some(name), Some(secret)), None);
    client.send(&hello).await;
    client.connack(version).await;
    client
}

fn topic_of(gateway: &str) -> String {
    format!("park/p1/e1/{gateway}/up/readings")
}

#[tokio::test]
async fn a_withdrawn_grant_ends_its_session_after_the_last_acknowledgement_and_no_other() {
    let folder = TempDir::new().expect("a temporary folder");
    let (recorded, grants) = watch::channel(granted(&["user:g1", "user:g2"]));
    let endpoint = Endpoint::start_granted(with_grants(&folder), grants).await;
    let mut staying = logged_in(&endpoint, (4, "b"), ("g2", "two")).await;
    for version in [4, 5] {
        let mut leaving = logged_in(&endpoint, (4, "a"), ("g1", "one")).await;
        endpoint.log.pause();
        leaving
            .send(&publish(1, &topic_of("g1"), &reading(1)))
            .await;
        staying
            .send(&publish(1, &topic_of("g2"), &reading(2)))
            .await;
        // The listener has read both, and the log has neither.
        leaving.ping().await;
        staying.ping().await;
        recorded.send_replace(granted(&["user:g2"]));
        let mut newcomer = logged_in(&endpoint, (version, "c"), ("g1", "one")).await;
        endpoint.log.resume();
        leaving.expect(&puback(1)).await;
        leaving.expect_end(&[]).await;
        staying.expect(&puback(1)).await;
        staying.ping().await;
        // Its password still proves its name, and its name has no right.
        if version == 4 {
            newcomer
                .send(&publish(2, &topic_of("g1"), &reading(3)))
                .await;
            newcomer.expect_end(&[]).await;
        } else {
            let topic = text(topic_of("g1").as_bytes());
            let body = [&topic, &[0, 2, 0][..], &reading(3)].concat();
            newcomer.send(&packet(0x32, &body)).await;
            newcomer.expect(&[0x40, 3, 0, 2, 0x87]).await;
        }
        recorded.send_replace(granted(&["user:g1", "user:g2"]));
    }
    let values = endpoint.values();
    assert_eq!(
        (
            values.len(),
            values.iter().filter(|v| **v == 3_000_000).count()
        ),
        (4, 0)
    );
    endpoint.stopped().await;
}

#[tokio::test]
async fn a_grant_counts_for_the_own_name_and_the_own_proof_alone() {
    let folder = TempDir::new().expect("a temporary folder");
    // `g2` has a grant for a certificate of that name, and comes with a password.
    let (_recorded, grants) = watch::channel(granted(&["user:g1", "certificate:g2"]));
    let endpoint = Endpoint::start_granted(with_grants(&folder), grants).await;
    for (user, gateway, is_right) in [
        (("g1", "one"), "g1", true),
        (("g1", "one"), "g2", false),
        (("g2", "two"), "g2", false),
    ] {
        let mut client = logged_in(&endpoint, (4, "a"), user).await;
        client
            .send(&publish(1, &topic_of(gateway), &reading(1)))
            .await;
        match is_right {
            true => client.expect(&puback(1)).await,
            false => client.expect_end(&[]).await,
        }
    }
    endpoint.stopped().await;
}

/// A user that has proved its name with a password.
async fn user(authenticator: &Authenticator, name: &str, secret: &str) -> Principal {
    let credentials = Credentials {
        certificates: Vec::new(),
        username: Some(name),
        password: Some(secret.as_bytes().to_vec()),
        client_id: name,
        address: [192, 0, 2, 1].into(),
    };
    let files = authenticator.files();
    let principal = authenticator.authenticate(&files, credentials).await;
    principal.expect("right").expect("a name")
}

#[tokio::test]
async fn what_a_password_file_or_an_access_list_takes_away_is_gone() {
    let folder = TempDir::new().expect("a temporary folder");
    let settings = with_access(&folder);
    let (_recorded, grants) = watch::channel(Arc::default());
    let authenticator = Authenticator::open(&settings, grants).expect("sound files");
    let (g1, g2) = (
        user(&authenticator, "g1", "one").await,
        user(&authenticator, "g2", "two").await,
    );
    let users = settings.users.as_ref().expect("users").file.clone();
    let list = settings
        .access
        .as_ref()
        .expect("a list")
        .file
        .clone()
        .expect("a file");
    let (known, listed) = (
        fs::read_to_string(&users).expect("users"),
        fs::read_to_string(&list).expect("a list"),
    );
    let line = |name, secret: &str| password::line(name, secret.as_bytes(), 100).expect("a line");
    let second = known.lines().nth(1).expect("a line");
    for (users_now, list_now, still) in [
        (
            format!("# a comment\n{known}"),
            listed.clone(),
            [true, true],
        ),
        (second.to_owned(), listed.clone(), [false, true]),
        (
            format!("{}\n{second}", line("g1", "changed")),
            listed.clone(),
            [false, true],
        ),
        (
            known.clone(),
            listed.replace("[\"*\"]", "[\"g1\"]"),
            [true, false],
        ),
        (
            known.clone(),
            listed.replace("client_id = \"%u\"", "client_id = \"g1\""),
            [true, false],
        ),
        (
            known.clone(),
            listed.replace("p1/e1", "p1/e2"),
            [false, false],
        ),
        (known.clone(), "broken".to_owned(), [false, false]),
        (known.clone(), listed.clone(), [true, true]),
    ] {
        fs::write(&users, &users_now).expect("written");
        fs::write(&list, &list_now).expect("written");
        authenticator.refresh();
        let found = [(&g1, "g1"), (&g2, "g2")].map(|(p, id)| authenticator.still_permits(p, id));
        assert_eq!(found, still, "{users_now}\n{list_now}");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_out_and_the_others_are_not() {
    let folder = TempDir::new().expect("a temporary folder");
    let own = revoking_authority();
    let mut settings = with_tls(&folder, &own);
    let crl = folder.path().join("crl.pem");
    fs::write(&crl, revocations(&own, &[])).expect("written");
    settings.tls.as_mut().expect("TLS").client_crl = Some(crl.clone());
    let (_recorded, grants) = watch::channel(Arc::default());
    let authenticator = Authenticator::open(&settings, grants).expect("sound files");
    let mut clients = Vec::new();
    for (name, serial) in [("g1", 1), ("g2", 2)] {
        let mut params = client(name);
        params.serial_number = Some(SerialNumber::from(serial));
        let pem = own.sign(&params).certificate;
        let credentials = Credentials {
            certificates: vec![CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")],
            username: None,
            password: None,
            client_id: "a",
            address: [192, 0, 2, 1].into(),
        };
        let files = authenticator.files();
        let principal = authenticator.authenticate(&files, credentials).await;
        clients.push(principal.expect("right").expect("a name"));
    }
    let still = || {
        clients
            .iter()
            .map(|c| authenticator.still_permits(c, "a"))
            .collect::<Vec<_>>()
    };
    assert_eq!(still(), [true, true]);
    fs::write(&crl, revocations(&own, &[2])).expect("written");
    assert!(authenticator.refresh());
    assert_eq!(still(), [true, false]);
    // Another authority of the same name.
    fs::write(
        folder.path().join("ca.pem"),
        &revoking_authority().certificate,
    )
    .expect("written");
    authenticator.refresh();
    assert_eq!(still(), [false, false]);
}

/// The list of revoked serial numbers.
fn revocations(authority: &Authority, serials: &[u64]) -> String {
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(2100, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: serials
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let signed = list.signed_by(&authority.issuer).expect("signed");
    signed.pem().expect("PEM")
}

fn revoking_authority() -> Authority {
    authority_for(&[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign])
}
