//! The demo is closed to strangers: the folder `access` beside its lake has certificates and sign-in files of its people
//! and gateways, and its lake has their grants.
//!
//! Settings that say themselves who may do what are left alone.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;
use greenpark_client::{
    connection::{ClientArgs, QueryConnection, refusal},
    name,
    sign_in::SignIn,
};
use greenpark_gateway::{
    demo::park::{ENTERPRISES, GATEWAY, PARK},
    publisher::login::{Login, Pair, Tls},
};
use greenpark_ingest::{AccessSettings, TlsSettings};
use greenpark_proto::query::v1 as api;

use crate::{assembly::FollowedGrants, cli::identity::PkiArgs, pki, settings::Settings};

/// Who runs the park.
pub(super) const OPERATOR: &str = "operator";
/// An enterprise that sees itself.
const ENTERPRISE: &str = "jiangbei-steel";
const ADMINISTRATOR: &str = "administrator";
const AUDITOR: &str = "auditor";
/// Everybody who asks the service.
const PEOPLE: [&str; 4] = [ADMINISTRATOR, OPERATOR, AUDITOR, ENTERPRISE];
/// The gateway of a newcomer, and the works that it publishes for.
const NEWCOMER: (&str, &str) = ("my-gateway", "my-works");
/// The server's certificate holds for this machine.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// As long as `pki` allows.
const CERTIFICATE_DAYS: u32 = 3_650;
/// Why the grants were recorded.
const WHY: &str = "the demonstration park";
/// The most grants of one answer.
const PAGE_SIZE: i32 = 1_000;

/// The folder with the certificates and sign-in files of a closed demo.
#[derive(Debug, Clone)]
pub struct DemoAccess {
    folder: PathBuf,
}

/// Closes `settings` that nobody could prove a name to, and makes what is missing in the folder; `None` if the settings
/// say who may do what, or if the lake is not a folder.
///
/// # Errors
/// A file cannot be written.
pub fn close(settings: &mut Settings) -> anyhow::Result<Option<DemoAccess>> {
    let (query, listen) = (&mut settings.query, &mut settings.listen);
    let is_said = query.authenticates()
        || query.open
        || listen.tls.is_some()
        || listen.users.is_some()
        || listen.access.is_some();
    if is_said || settings.lake.root.contains("://") {
        return Ok(None);
    }
    let folder = Path::new(&settings.lake.root).with_file_name("access");
    let addresses = [query.address.ip(), listen.address.ip()];
    make_certificates(&folder, &addresses)?;
    let tls = TlsSettings {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        client_ca: Some(folder.join("ca.pem")),
        client_crl: Some(folder.join("crl.pem")),
        client_certificate: None,
    };
    query.tls = Some(tls.clone());
    query.administrators = vec![caller(ADMINISTRATOR)];
    listen.tls = Some(tls);
    listen.access = Some(AccessSettings {
        file: None,
        grants: true,
    });
    Ok(Some(DemoAccess { folder }))
}

/// Makes the certificates that the folder does not have.
fn make_certificates(folder: &Path, addresses: &[IpAddr]) -> anyhow::Result<()> {
    let is_missing = |name: &&str| !folder.join(format!("{name}.pem")).exists();
    let missing = |names: &[&str]| -> Vec<String> {
        let missing = names.iter().copied().filter(is_missing);
        missing.map(str::to_owned).collect()
    };
    let mut server = Vec::new();
    if is_missing(&"server") {
        server.extend(SERVER_NAMES.map(str::to_owned));
        let others = addresses
            .iter()
            .filter(|of| !of.is_loopback() && !of.is_unspecified());
        server.extend(others.map(IpAddr::to_string));
    }
    let args = PkiArgs {
        out: folder.to_owned(),
        server,
        gateway: missing(&[GATEWAY, NEWCOMER.0]),
        caller: missing(&PEOPLE),
        revoke: Vec::new(),
        days: CERTIFICATE_DAYS,
    };
    if args.server.is_empty() && args.gateway.is_empty() && args.caller.is_empty() {
        return Ok(());
    }
    pki::make(&args)
}

impl DemoAccess {
    /// The sign-in file of one of the demo's people.
    pub(super) fn sign_in_file(&self, who: &str) -> PathBuf {
        self.folder.join(format!("{who}.toml"))
    }

    /// How the demo's gateways log in.
    pub(super) fn gateway_login(&self) -> anyhow::Result<Login> {
        let file = |ending: &str| self.folder.join(format!("{GATEWAY}.{ending}"));
        let (certificate, key) = (file("pem"), file("key"));
        let own = Pair {
            certificate: &certificate,
            key: &key,
        };
        let tls = Tls::new(SERVER_NAMES[0], &self.folder.join("ca.pem"), Some(own))?;
        Ok(Login {
            user: None,
            tls: Some(tls),
        })
    }

    /// Writes the sign-in files for the service at `grpc`, records the grants that are missing, and waits until the
    /// listener goes by them.
    pub(super) async fn admit(
        &self,
        grpc: SocketAddr,
        gateway_grants: Option<FollowedGrants>,
    ) -> anyhow::Result<()> {
        for who in PEOPLE {
            self.write_sign_in(who, grpc)?;
        }
        self.grant().await?;
        if let Some(mut grants) = gateway_grants {
            grants.wait_for(&caller(GATEWAY), ENTERPRISES.len()).await?;
        }
        Ok(())
    }

    fn write_sign_in(&self, who: &str, grpc: SocketAddr) -> anyhow::Result<()> {
        let host = match grpc.ip() {
            ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            ip => ip,
        };
        let sign_in = SignIn {
            grpc: Some(SocketAddr::new(host, grpc.port()).to_string()),
            ca: Some("ca.pem".into()),
            certificate: Some(format!("{who}.pem").into()),
            key: Some(format!("{who}.key").into()),
            token_file: None,
        };
        let path = self.sign_in_file(who);
        let text = format!(
            "# greenpark COMMAND --as {}\n{}",
            path.display(),
            toml::to_string(&sign_in).context("write a sign-in file")?
        );
        match fs::read_to_string(&path) {
            Ok(found) if found == text => Ok(()),
            _ => pki::replace(&path, &text),
        }
    }

    /// Records the missing grants as the administrator.
    async fn grant(&self) -> anyhow::Result<()> {
        let administrator = ClientArgs::signed_in(self.sign_in_file(ADMINISTRATOR));
        let service = QueryConnection::open(&administrator).await?;
        let mut access = service.access();
        let request = api::ListGrantsRequest {
            parent: "parks/-".to_owned(),
            page_size: PAGE_SIZE,
            ..api::ListGrantsRequest::default()
        };
        let known = access.list_grants(request).await.map_err(refusal)?;
        let known = known.into_inner().grants;
        for grant in grants() {
            let is_known = known.iter().any(|of| {
                (&of.caller, &of.role, &of.name) == (&grant.caller, &grant.role, &grant.name)
            });
            if !is_known {
                let request = api::RecordGrantRequest { grant: Some(grant) };
                access.record_grant(request).await.map_err(refusal)?;
            }
        }
        Ok(())
    }
}

/// The name that a certificate proves.
fn caller(name: &str) -> String {
    format!("certificate:{name}")
}

/// Every grant of the demo.
fn grants() -> Vec<api::Grant> {
    let park = format!("parks/{PARK}");
    let mut grants = vec![
        (OPERATOR, "operator", park.clone()),
        (AUDITOR, "auditor", park),
        (ENTERPRISE, "enterprise", name::enterprise(PARK, ENTERPRISE)),
        (NEWCOMER.0, "gateway", name::enterprise(PARK, NEWCOMER.1)),
    ];
    let enterprises = ENTERPRISES.iter();
    grants.extend(enterprises.map(|of| (GATEWAY, "gateway", name::enterprise(PARK, of.id))));
    let grant = |(who, role, name): (&str, &str, String)| api::Grant {
        caller: caller(who),
        role: role.to_owned(),
        name,
        why: WHY.to_owned(),
        ..api::Grant::default()
    };
    grants.into_iter().map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir) -> Settings {
        let mut settings = Settings::load(None, []).expect("defaults have no mistakes");
        settings.lake.root = folder.path().join("lake").display().to_string();
        settings
    }

    #[test]
    fn a_second_start_keeps_the_certificates_and_makes_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(close(&mut settings(&folder)).expect("made").is_some());
        let access = folder.path().join("access");
        let read = |name: &str| fs::read_to_string(access.join(name)).expect(name);
        let before = read("operator.pem");
        for lost in ["auditor.pem", "auditor.key"] {
            fs::remove_file(access.join(lost)).expect("removed");
        }
        let mut again = settings(&folder);
        close(&mut again).expect("made").expect("closed");
        assert_eq!(read("operator.pem"), before);
        assert!(read("auditor.key").contains("PRIVATE KEY"));
        assert!(again.query.authenticates() && again.listen.follows_grants());
    }

    #[test]
    fn settings_that_say_who_may_do_what_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut open = settings(&folder);
        open.query.open = true;
        assert!(close(&mut open).expect("nothing to make").is_none());
        assert!(open.listen.tls.is_none() && !folder.path().join("access").exists());
    }
}
