//! `greenpark pki`: an authority for tests, and the certificates that it signs.
//!
//! The command overwrites nothing and makes private keys readable by their owner alone. It keeps no list of certificates
//! and revokes none, so a real park needs an authority of its own.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use greenpark_console::output;
use greenpark_runtime::clock;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::cli::identity::PkiArgs;

/// The name of every authority; its key distinguishes it from others.
const AUTHORITY: &str = "greenpark test authority";

const DAY: Duration = Duration::from_secs(86_400);

/// Creates the requested certificates and prints the settings that use them.
///
/// # Errors
/// A file that is there already, or cannot be written; a name that a certificate cannot carry.
pub fn pki(args: &PkiArgs) -> anyhow::Result<()> {
    check(args)?;
    let folder = &args.out;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let issuer = authority(args)?;
    if !args.server.is_empty() {
        let mut params = CertificateParams::new(args.server.clone()).context("name the server")?;
        let purpose = ExtendedKeyUsagePurpose::ServerAuth;
        describe(&mut params, &args.server[0], args.days);
        params.extended_key_usages = vec![purpose];
        sign(folder, "server", params, &issuer)?;
    }
    for gateway in &args.gateway {
        let mut params = CertificateParams::default();
        describe(&mut params, gateway, args.days);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        sign(folder, gateway, params, &issuer)?;
    }
    let folder = folder.display();
    output::answer(&format!(
        "# in the settings:\n[listen.tls]\ncertificate = \"{folder}/server.pem\"\n\
         key = \"{folder}/server.key\"\nclient_ca = \"{folder}/ca.pem\"\n\
         # at a gateway NAME: {folder}/ca.pem, {folder}/NAME.pem and {folder}/NAME.key\n"
    ))
}

/// Checks that no file exists before the first is written.
fn check(args: &PkiArgs) -> anyhow::Result<()> {
    if args.server.is_empty() && args.gateway.is_empty() {
        bail!("give --server NAME or --gateway NAME, or there is nothing to sign");
    }
    let server = args.server.first().map(|_| "server".to_owned());
    for name in args.gateway.iter().chain(&server) {
        greenpark_model::id::GatewayId::new(name)
            .with_context(|| format!("{name:?} cannot be the name of a gateway"))?;
        for path in [format!("{name}.pem"), format!("{name}.key")] {
            let path = args.out.join(path);
            if path.exists() {
                bail!(
                    "{} is there already; nothing is written over",
                    path.display()
                );
            }
        }
    }
    let taken = |gateway: &String| gateway == "server" || gateway == "ca";
    if args.gateway.iter().any(taken) {
        bail!("a gateway cannot be named server or ca here: files of these names are others");
    }
    Ok(())
}

fn describe(params: &mut CertificateParams, name: &str, days: u32) {
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    let now_ms = u64::try_from(clock::now().millis()).unwrap_or(0);
    let now = date_time_ymd(1970, 1, 1) + Duration::from_millis(now_ms);
    // A gateway's clock may be a day behind.
    params.not_before = now - DAY;
    params.not_after = now + DAY * days;
}

/// Loads the authority of the folder, or creates it.
fn authority(args: &PkiArgs) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    describe(&mut params, AUTHORITY, args.days);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (certificate, key) = (args.out.join("ca.pem"), args.out.join("ca.key"));
    if certificate.exists() && key.exists() {
        let pem = fs::read_to_string(&key).with_context(|| format!("read {}", key.display()))?;
        let pair = KeyPair::from_pem(&pem).with_context(|| format!("read {}", key.display()))?;
        return Ok(Issuer::new(params, pair));
    }
    let pair = KeyPair::generate().context("make a key")?;
    let signed = params.self_signed(&pair).context("sign the authority")?;
    write_new(&key, &pair.serialize_pem(), 0o600)?;
    write_new(&certificate, &signed.pem(), 0o644)?;
    Ok(Issuer::new(params, pair))
}

fn sign(
    folder: &Path,
    name: &str,
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> anyhow::Result<()> {
    let pair = KeyPair::generate().context("make a key")?;
    // RFC 5280, 4.2.1.1, requires it, and Python 3.13 accepts no certificate without it.
    params.use_authority_key_identifier_extension = true;
    let signed = params.signed_by(&pair, issuer);
    let signed = signed.with_context(|| format!("sign the certificate of {name}"))?;
    write_new(
        &folder.join(format!("{name}.key")),
        &pair.serialize_pem(),
        0o600,
    )?;
    write_new(&folder.join(format!("{name}.pem")), &signed.pem(), 0o644)
}

fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.with_context(|| format!("make {}", path.display()))?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.with_context(|| format!("write {}", path.display()))
}
