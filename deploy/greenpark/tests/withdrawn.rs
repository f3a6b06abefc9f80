//! Gateways send 20,000 readings a second while rights are withdrawn and a certificate is renewed. A gateway that lost
//! its right is disconnected within 30 seconds, and no acknowledged reading is lost.
//!
//! Method: `greenpark pki` makes the certificates, `greenpark up` runs the whole with TLS on both ports, gateways write
//! MQTT by hand, and an extract is compared with what was acknowledged.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use greenpark_tests_load::{
    mqtt::{self, PacketReader, ServerPacket},
    ports,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

const GATEWAYS: [&str; 4] = ["gw-1", "gw-2", "gw-3", "gw-4"];
/// Readings of a message.
const READINGS: u64 = 50;
/// Between two messages of a gateway: four gateways send 20,000 readings a second.
const EVERY: Duration = Duration::from_millis(10);
/// Messages that wait for their acknowledgement.
const IN_FLIGHT: usize = 100;
/// The time within which a withdrawn right must have its effect.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(30);

/// A running service with its folder.
struct Site {
    folder: TempDir,
    mqtt: u16,
    grpc: u16,
    process: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        // The process may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn greenpark() -> Command {
    Command::new(env!("CARGO_BIN_EXE_greenpark"))
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let gateways = GATEWAYS.iter().flat_map(|name| ["--gateway", name]);
        let made = greenpark()
            .args([
                "pki",
                "--out",
                &path("tls"),
                "--server",
                "localhost",
                "--caller",
                "li",
            ])
            .args(gateways)
            .output();
        works(&made.expect("the binary runs"));
        let [mqtt, grpc] = ports::free().map(|address| address.port());
        let tls = format!(
            "certificate = {:?}\nkey = {:?}\nclient_ca = {:?}\nclient_crl = {:?}\nclient_certificate = \"required\"\n",
            path("tls/server.pem"),
            path("tls/server.key"),
            path("tls/ca.pem"),
            path("tls/crl.pem"),
        );
        let settings = format!(
            "[listen.tls]\n{tls}[listen.access]\ngrants = true\n\
             [query]\nadministrators = [\"certificate:li\"]\n[query.tls]\n{tls}"
        );
        fs::write(path("greenpark.toml"), settings).expect("written");
        let process = greenpark()
            .args([
                "up",
                "--config",
                &path("greenpark.toml"),
                "--data",
                &path("data"),
            ])
            .args(["--mqtt", &format!("127.0.0.1:{mqtt}")])
            .args(["--grpc", &format!("127.0.0.1:{grpc}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let site = Self {
            mqtt,
            grpc,
            process: process.expect("the binary starts"),
            folder,
        };
        within(Duration::from_secs(60), || {
            site.li(&["whoami"]).status.success()
        });
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a command with the certificate of the administrator.
    fn li(&self, command: &[&str]) -> Output {
        let output = greenpark()
            .args(command)
            .args(["--grpc", &format!("localhost:{}", self.grpc)])
            .args(["--ca", &self.path("tls/ca.pem")])
            .args(["--certificate", &self.path("tls/li.pem")])
            .args(["--key", &self.path("tls/li.key")])
            .output();
        output.expect("the binary runs")
    }

    fn grant(&self, verb: &str, caller: &str, role: &str, on: &str) {
        let caller = format!("certificate:{caller}");
        works(&self.li(&[verb, &caller, "--role", role, "--on", on, "--why", "a test"]));
    }

    /// A connection with the certificate of a gateway and this client id, after CONNACK.
    fn connect(
        &self,
        name: &str,
        client: &str,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let pem = |file: &str| fs::read(self.path(&format!("tls/{file}"))).expect("readable");
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(&pem("ca.pem")).expect("PEM");
        roots.add(root).expect("an authority");
        let own = CertificateDer::from_pem_slice(&pem(&format!("{name}.pem"))).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{name}.key"))).expect("PEM");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![own], key)
            .expect("a pair");
        let server = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(Arc::new(config), server).expect("a client");
        let stream = TcpStream::connect(("127.0.0.1", self.mqtt))?;
        stream.set_read_timeout(Some(WITHDRAWN_WITHIN))?;
        let mut stream = StreamOwned::new(tls, stream);
        stream.write_all(&mqtt::connect(client))?;
        PacketReader::default().read(&mut stream, |_| {})?;
        Ok(stream)
    }

    /// Sends as a gateway in a thread of its own.
    fn send(&self, name: &'static str, stop: &Arc<AtomicBool>) -> JoinHandle<Sent> {
        let stream = self.connect(name, name).expect("a connection");
        let stop = Arc::clone(stop);
        thread::spawn(move || send(name, stream, &stop))
    }
}

/// What a gateway sent.
#[derive(Default)]
struct Sent {
    /// The numbers of the messages that were acknowledged.
    acknowledged: BTreeSet<u64>,
    /// True if the service closed the connection.
    is_closed: bool,
}

/// The instant of the first reading, in milliseconds.
fn first_ms() -> u64 {
    static FIRST: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *FIRST.get_or_init(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        u64::try_from(now.as_millis()).expect("small") - 3_600_000
    })
}

fn send(
    name: &str,
    mut stream: StreamOwned<ClientConnection, TcpStream>,
    stop: &AtomicBool,
) -> Sent {
    let topic = format!("park/demo/steel-01/{name}/up/readings");
    let (mut sent, mut reader) = (Sent::default(), PacketReader::default());
    let (mut number, mut waiting) = (0u64, BTreeSet::new());
    let mut due = Instant::now();
    // A read that ends without a packet is the pause between two messages.
    stream
        .sock
        .set_read_timeout(Some(Duration::from_millis(2)))
        .expect("an option");
    let last = |waiting: &BTreeSet<u64>| stop.load(Ordering::Relaxed) && waiting.is_empty();
    while !last(&waiting) {
        let mut packets = Vec::new();
        let is_going_on = !stop.load(Ordering::Relaxed);
        if is_going_on && Instant::now() >= due && waiting.len() < IN_FLIGHT {
            let from = first_ms() + number * READINGS;
            let values: Vec<String> = (0..READINGS)
                .map(|n| (number * READINGS + n).to_string())
                .collect();
            let payload = format!(
                r#"{{"series":[{{"meter":"{name}","quantity":"electricity","from":{from},"step":1,"value":[{}]}}]}}"#,
                values.join(",")
            );
            let id = u16::try_from(number % 60_000 + 1).expect("small");
            mqtt::publish(&mut packets, &topic, (id, false), payload.as_bytes());
            waiting.insert(number);
            (number, due) = (number + 1, due + EVERY);
        }
        let moved = stream.write_all(&packets).and_then(|()| {
            reader.read(&mut stream, |packet| {
                if let ServerPacket::Acknowledged(id) = packet {
                    let of_id = waiting.iter().find(|n| *n % 60_000 + 1 == u64::from(id));
                    let number = *of_id.expect("sent and not acknowledged");
                    waiting.remove(&number);
                    sent.acknowledged.insert(number);
                }
            })
        });
        match moved.map_err(|error| error.kind()) {
            Ok(_) | Err(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => {
                sent.is_closed = true;
                break;
            }
        }
    }
    sent
}

fn within(span: Duration, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < span, "not within {span:?}");
        thread::yield_now();
    }
}

fn works(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// Waits for the acknowledgement of one reading; false if the connection is closed instead.
fn is_granted(site: &Site, name: &str) -> bool {
    let Ok(mut stream) = site.connect(name, "twin") else {
        return false;
    };
    let payload = format!(
        r#"{{"meter":"first","quantity":"electricity","at":{},"value":1}}"#,
        first_ms()
    );
    let mut packet = Vec::new();
    let topic = format!("park/demo/steel-01/{name}/up/readings");
    mqtt::publish(&mut packet, &topic, (1, false), payload.as_bytes());
    let mut is_acknowledged = false;
    let answer = stream.write_all(&packet).and_then(|()| {
        PacketReader::default().read(&mut stream, |packet| {
            is_acknowledged |= packet == ServerPacket::Acknowledged(1);
        })
    });
    answer.is_ok() && is_acknowledged
}

/// The readings of each gateway's meter in an extract, by their instant.
fn archived(site: &Site) -> BTreeSet<(String, u64)> {
    let file = site.path("readings.csv");
    let day = |ago_ms: u64| {
        let output = Command::new("date")
            .env("TZ", "UTC-8")
            .args(["-d", &format!("@{}", (first_ms() + ago_ms) / 1_000), "+%F"])
            .output();
        let text = output.expect("a date").stdout;
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let (from, to) = (day(0), day(3_600_000));
    let range = ["--from", &from, "--to", &to, "--output", &file];
    works(&site.li(&[&["extract", "--enterprise", E][..], &range].concat()));
    let text = fs::read_to_string(file).expect("readable");
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let place = |name: &str| {
        columns
            .iter()
            .position(|column| *column == name)
            .expect(name)
    };
    let (meter, value) = (place("meter"), place("value"));
    let readings = lines.map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let value = cells[value].split('.').next().expect("a number");
        (
            cells[meter].to_owned(),
            value.parse().expect("a whole number"),
        )
    });
    readings.collect()
}

const E: &str = "parks/demo/enterprises/steel-01";

#[test]
fn withdrawn_under_load_is_out_in_time_and_nothing_is_lost() {
    let site = Site::start();
    for name in GATEWAYS {
        assert!(!is_granted(&site, name), "nobody has a grant yet");
        site.grant("grant", name, "gateway", E);
    }
    site.grant("grant", "li", "auditor", "parks/demo");
    for name in GATEWAYS {
        within(WITHDRAWN_WITHIN, || is_granted(&site, name));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let sending = GATEWAYS.map(|name| site.send(name, &stop));
    let begun = Instant::now();

    let served = served_certificate(&site);
    site.grant("revoke", "gw-4", "gateway", E);
    let revoked = greenpark()
        .args(["pki", "--out", &site.path("tls"), "--revoke", "gw-3"])
        .output();
    works(&revoked.expect("the binary runs"));
    within(WITHDRAWN_WITHIN, || {
        sending[2].is_finished() && sending[3].is_finished()
    });
    // A new certificate of the server.
    for name in ["server.pem", "server.key"] {
        fs::remove_file(site.path(&format!("tls/{name}"))).expect("removed");
    }
    let renewed = greenpark()
        .args(["pki", "--out", &site.path("tls"), "--server", "localhost"])
        .output();
    works(&renewed.expect("the binary runs"));
    within(WITHDRAWN_WITHIN, || served_certificate(&site) != served);

    stop.store(true, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    let sent = sending.map(|sending| sending.join().expect("it ended in order"));
    let closed = sent.each_ref().map(|sent| sent.is_closed);
    assert_eq!(
        closed,
        [false, false, true, true],
        "who lost a right is out, nobody else"
    );
    for name in ["gw-3", "gw-4"] {
        assert!(!is_granted(&site, name), "{name} stays out");
    }
    let archived = archived(&site);
    let mut lost = 0;
    for (name, sent) in GATEWAYS.iter().zip(&sent) {
        let readings = sent
            .acknowledged
            .iter()
            .flat_map(|n| n * READINGS..(n + 1) * READINGS);
        lost += readings
            .filter(|n| !archived.contains(&((*name).to_owned(), *n)))
            .count();
    }
    let messages: usize = sent.iter().map(|sent| sent.acknowledged.len()).sum();
    let readings = messages as u64 * READINGS;
    let told = format!("{readings} readings acknowledged in {seconds:.1} s, {lost} lost\n");
    io::stderr().write_all(told.as_bytes()).expect("written");
    assert!(readings > 0 && lost == 0, "{lost} of {readings} lost");
}

/// The certificate that the listener shows to a new connection.
fn served_certificate(site: &Site) -> Vec<u8> {
    let stream = site.connect("gw-1", "twin").ok();
    let chain = stream
        .as_ref()
        .and_then(|stream| stream.conn.peer_certificates());
    chain
        .map(|chain| chain[0].to_vec())
        .expect("the listener answers")
}
