//! Gateways send 20,000 readings a second while rights are withdrawn and a certificate is renewed. A gateway that lost
//! its right is disconnected within 30 seconds, and no acknowledged reading is lost.
//!
//! Method: `greenpark pki` makes the certificates, `greenpark up` runs the whole with TLS on both ports, gateways write
//! MQTT by hand, and an extract is compared with what was acknowledged.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use greenpark_tests_load::mqtt::{self, PacketReader, ServerPacket};

use crate::site::{ADMINISTRATOR, Site, Tls, within, works};

const GATEWAYS: [&str; 4] = ["gw-1", "gw-2", "gw-3", "gw-4"];
/// Readings of a message.
const READINGS: u64 = 50;
/// Between two messages of a gateway: four gateways send 20,000 readings a second.
const EVERY: Duration = Duration::from_millis(10);
/// Messages that wait for their acknowledgement.
const IN_FLIGHT: usize = 100;
/// The time within which a withdrawn right must have its effect.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(30);

/// A connection with the certificate of a gateway and this client id, after CONNACK.
fn connect(site: &Site, name: &str, client: &str) -> io::Result<Tls> {
    let mut stream = site.handshake(Some((site.path("tls").as_ref(), name)))?;
    stream.write_all(&mqtt::connect(client))?;
    PacketReader::default().read(&mut stream, |_| {})?;
    Ok(stream)
}

/// Sends as a gateway in a thread of its own.
fn start_sending(site: &Site, name: &'static str, stop: &Arc<AtomicBool>) -> JoinHandle<Sent> {
    let stream = connect(site, name, name).expect("a connection");
    let stop = Arc::clone(stop);
    thread::spawn(move || send(name, stream, &stop))
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

fn send(name: &str, mut stream: Tls, stop: &AtomicBool) -> Sent {
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

/// Waits for the acknowledgement of one reading; false if the connection is closed instead.
fn is_granted(site: &Site, name: &str) -> bool {
    let Ok(mut stream) = connect(site, name, "twin") else {
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
    works(&site.ask(
        ADMINISTRATOR,
        &[&["extract", "--enterprise", E][..], &range].concat(),
    ));
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
    let site = Site::start(&[], &GATEWAYS, "required", "");
    for name in GATEWAYS {
        assert!(!is_granted(&site, name), "nobody has a grant yet");
        site.grant("grant", &format!("certificate:{name}"), "gateway", E);
    }
    let li = format!("certificate:{ADMINISTRATOR}");
    site.grant("grant", &li, "auditor", "parks/demo");
    for name in GATEWAYS {
        within(|| is_granted(&site, name));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let sending = GATEWAYS.map(|name| start_sending(&site, name, &stop));
    let begun = Instant::now();

    let served = served_certificate(&site);
    site.grant("revoke", "certificate:gw-4", "gateway", E);
    site.pki(&["--revoke", "gw-3"]);
    let withdrawn = Instant::now();
    within(|| sending[2].is_finished() && sending[3].is_finished());
    assert!(withdrawn.elapsed() < WITHDRAWN_WITHIN);
    // A new certificate of the server.
    for name in ["server.pem", "server.key"] {
        fs::remove_file(site.path(&format!("tls/{name}"))).expect("removed");
    }
    site.pki(&["--server", "localhost"]);
    within(|| served_certificate(&site) != served);

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
    let stream = connect(site, "gw-1", "twin").ok();
    let chain = stream
        .as_ref()
        .and_then(|stream| stream.conn.peer_certificates());
    chain
        .map(|chain| chain[0].to_vec())
        .expect("the listener answers")
}
