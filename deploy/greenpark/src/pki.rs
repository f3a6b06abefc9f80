//! `greenpark pki`: an authority for tests, and the certificates that it signs.
//!
//! The command overwrites no certificate and no key, and makes private keys readable by their owner alone. It keeps a
//! list of what it revoked (`revoked`, one serial number a line), from which it writes the authority's list (`crl.pem`).
//! A real park needs an authority of its own.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use greenpark_console::output;
use greenpark_runtime::clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::cli::identity::PkiArgs;

/// The name of every authority; its key distinguishes it from others.
const AUTHORITY: &str = "greenpark test authority";

const DAY: Duration = Duration::from_secs(86_400);

/// Creates the requested certificates and prints the settings that use them.
///
/// # Errors
/// A file that is there already, or cannot be written; a name that a certificate cannot carry.
pub fn pki(args: &PkiArgs) -> anyhow::Result<()> {
    make(args)?;
    let folder = args.out.display();
    output::answer(&format!(
        "# in the settings:\n[listen.tls]\ncertificate = \"{folder}/server.pem\"\n\
         key = \"{folder}/server.key\"\nclient_ca = \"{folder}/ca.pem\"\n\
         client_crl = \"{folder}/crl.pem\"\n\
         # for callers of the query service the same under [query.tls]\n\
         # at a gateway or caller NAME: {folder}/ca.pem, {folder}/NAME.pem and {folder}/NAME.key\n"
    ))
}

/// Creates the requested certificates and nothing else.
pub(crate) fn make(args: &PkiArgs) -> anyhow::Result<()> {
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
    for client in args.gateway.iter().chain(&args.caller) {
        let mut params = CertificateParams::default();
        describe(&mut params, client, args.days);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        sign(folder, client, params, &issuer)?;
    }
    revoke(args, &issuer)
}

/// Checks that no file exists before the first is written.
fn check(args: &PkiArgs) -> anyhow::Result<()> {
    let clients = || args.gateway.iter().chain(&args.caller);
    if args.server.is_empty() && clients().next().is_none() && args.revoke.is_empty() {
        bail!(
            "give --server NAME, --gateway NAME or --caller NAME, or there is nothing to sign; or --revoke NAME"
        );
    }
    let server = args.server.first().map(|_| "server".to_owned());
    for name in clients().chain(&server) {
        greenpark_model::id::GatewayId::new(name)
            .with_context(|| format!("{name:?} cannot be the name of a gateway or caller"))?;
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
    let taken = |client: &String| ["server", "ca", "crl"].contains(&client.as_str());
    if clients().any(taken) {
        bail!("a client cannot be named server, ca or crl here: files of these names are others");
    }
    Ok(())
}

/// The time since 1970.
fn since_epoch() -> Duration {
    Duration::from_millis(u64::try_from(clock::now().millis()).unwrap_or(0))
}

fn describe(params: &mut CertificateParams, name: &str, days: u32) {
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    let now = date_time_ymd(1970, 1, 1) + since_epoch();
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

/// Adds certificates to the folder's list of revoked ones, and writes the authority's list anew.
fn revoke(args: &PkiArgs, issuer: &Issuer<'_, KeyPair>) -> anyhow::Result<()> {
    let list = args.out.join("revoked");
    let mut serials: Vec<String> = match fs::read_to_string(&list) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("read {}", list.display())),
    };
    for name in &args.revoke {
        let path = args.out.join(format!("{name}.pem"));
        let certificate = CertificateDer::from_pem_file(&path)
            .with_context(|| format!("read {}", path.display()))?;
        let serial = greenpark_tls::serial(&certificate);
        let serial = serial.with_context(|| format!("{} has no serial number", path.display()))?;
        let serial: String = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        if !serials.contains(&serial) {
            serials.push(serial);
        }
    }
    let now = date_time_ymd(1970, 1, 1) + since_epoch();
    let mut revoked = Vec::with_capacity(serials.len());
    for serial in &serials {
        let bytes = unhex(serial);
        let bytes = bytes.with_context(|| format!("{}: no number: {serial}", list.display()))?;
        revoked.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&bytes),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        });
    }
    let params = CertificateRevocationListParams {
        this_update: now - DAY,
        next_update: now + DAY * args.days,
        crl_number: SerialNumber::from(since_epoch().as_secs()),
        issuing_distribution_point: None,
        revoked_certs: revoked,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let signed = params.signed_by(issuer).context("sign the list")?;
    let crl = args.out.join("crl.pem");
    let pem = signed.pem().context("write the list as PEM")?;
    let lines: String = serials.iter().map(|serial| format!("{serial}\n")).collect();
    replace(&list, &lines)?;
    replace(&crl, &pem)
}

/// Writes a file anew, so that a reader sees the old text or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.with_context(|| format!("write {}", path.display()))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
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
