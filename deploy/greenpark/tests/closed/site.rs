//! A service that is closed on both ports: certificates of one authority, and grants of its administrator.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use greenpark_tests_load::ports;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

/// The administrator of every site.
pub(crate) const ADMINISTRATOR: &str = "li";
/// The time within which a change of rights has its effect, and within which a service is up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running service with its folder.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    mqtt: SocketAddr,
    grpc: SocketAddr,
    process: Child,
}

/// A connection with TLS.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Drop for Site {
    fn drop(&mut self) {
        // The process may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary.
pub(crate) fn greenpark() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenpark"));
    command.env_remove("GREENPARK_AS");
    command
}

impl Site {
    /// Starts it with certificates of these callers and gateways. `client_certificate` says whether callers must have
    /// one, and `more` is a further part of the settings.
    pub(crate) fn start(
        callers: &[&str],
        gateways: &[&str],
        client_certificate: &str,
        more: &str,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let callers = callers.iter().flat_map(|name| ["--caller", name]);
        let gateways = gateways.iter().flat_map(|name| ["--gateway", name]);
        let made = greenpark()
            .args(["pki", "--out", &path("tls"), "--server", "localhost"])
            .args(["--caller", ADMINISTRATOR])
            .args(callers.chain(gateways))
            .output();
        works(&made.expect("the binary runs"));
        let tls = |client_certificate: &str| {
            format!(
                "certificate = {:?}\nkey = {:?}\nclient_ca = {:?}\nclient_crl = {:?}\nclient_certificate = {:?}\n",
                path("tls/server.pem"),
                path("tls/server.key"),
                path("tls/ca.pem"),
                path("tls/crl.pem"),
                client_certificate
            )
        };
        let settings = format!(
            "[listen.tls]\n{}[listen.access]\ngrants = true\n\
             [query]\nadministrators = [\"certificate:{ADMINISTRATOR}\"]\n[query.tls]\n{}{more}",
            tls("required"),
            tls(client_certificate)
        );
        fs::write(path("greenpark.toml"), settings).expect("written");
        let [mqtt, grpc] = ports::free();
        let process = greenpark()
            .args(["up", "--config", &path("greenpark.toml")])
            .args(["--data", &path("data")])
            .args(["--mqtt", &mqtt.to_string(), "--grpc", &grpc.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let site = Self {
            mqtt,
            grpc,
            process: process.expect("the binary starts"),
            folder,
        };
        within(|| site.ask(ADMINISTRATOR, &["whoami"]).status.success());
        site
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A command that asks the service, without a credential.
    pub(crate) fn command(&self, command: &[&str]) -> Command {
        let mut run = greenpark();
        run.args(command)
            .args(["--grpc", &format!("localhost:{}", self.grpc.port())])
            .args(["--ca", &self.path("tls/ca.pem")]);
        run
    }

    /// Runs a command with the certificate of `name`.
    pub(crate) fn ask(&self, name: &str, command: &[&str]) -> Output {
        let output = self
            .command(command)
            .args(["--certificate", &self.path(&format!("tls/{name}.pem"))])
            .args(["--key", &self.path(&format!("tls/{name}.key"))])
            .output();
        output.expect("the binary runs")
    }

    /// Lets the administrator grant or revoke, which is `verb`.
    pub(crate) fn grant(&self, verb: &str, caller: &str, role: &str, on: &str) {
        self.grant_for(&[verb, caller, "--role", role, "--on", on]);
    }

    /// Lets the administrator grant or revoke as the command says, for a reason.
    pub(crate) fn grant_for(&self, command: &[&str]) {
        works(&self.ask(ADMINISTRATOR, &[command, &["--why", "a test"]].concat()));
    }

    /// Makes or revokes certificates of the site.
    pub(crate) fn pki(&self, arguments: &[&str]) {
        let made = greenpark()
            .args(["pki", "--out", &self.path("tls")])
            .args(arguments)
            .output();
        works(&made.expect("the binary runs"));
    }

    /// Connects to the MQTT port with the certificate of the folder `tls` and this name, if there is one.
    pub(crate) fn handshake(&self, own: Option<(&Path, &str)>) -> io::Result<Tls> {
        let trusted = self.folder.path().join("tls/ca.pem");
        let pem = |path: &Path| fs::read(path).expect("readable");
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(&pem(&trusted)).expect("PEM");
        roots.add(root).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((folder, name)) => {
                let file = |ending: &str| pem(&folder.join(format!("{name}.{ending}")));
                let own = CertificateDer::from_pem_slice(&file("pem")).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(&file("key")).expect("PEM");
                let config = config.with_client_auth_cert(vec![own], key);
                config.expect("a pair")
            }
        };
        let server = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(Arc::new(config), server).expect("a client");
        let stream = TcpStream::connect(self.mqtt)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(tls, stream);
        stream.flush()?;
        Ok(stream)
    }
}

/// Waits until something is so.
pub(crate) fn within(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        thread::yield_now();
    }
}

/// Asserts that a command did its work.
pub(crate) fn works(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// Asserts that a command was refused for `reason`.
pub(crate) fn refused(output: &Output, reason: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains(reason),
        "{errors}"
    );
}
