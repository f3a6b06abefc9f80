//! Sixteen callers query a park of 150 enterprises at once. Meanwhile gateways publish 50,000 readings a second to the
//! same `greenpark up`, and a probe publishes single readings and queries each of them.

#![expect(clippy::print_stdout, reason = "its output is what a bench is for")]

use std::{
    io::{ErrorKind, Write as _},
    net::{SocketAddr, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use greenpark_archive::lake::Lake;
use greenpark_model::day;
use greenpark_proto::query::v1::{
    Days, GetIndicatorRequest, Period, indicators_client::IndicatorsClient, period,
};
use greenpark_runtime::clock;
use greenpark_tests_load::{
    mqtt::{self, PacketReader, ServerPacket},
    ports,
};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use super::park::{METERS, QUERIES, binary, connect, send_query, start};
use crate::{fixture::park, synthetic_park::SyntheticPark};

const ENTERPRISES: usize = 150;
const YEARS: [i16; 2] = [2020, 2021];
const CALLERS: usize = 16;
const SPAN: Duration = Duration::from_secs(30);
const GATEWAYS: u64 = 8;
/// Readings in a message.
const BATCH: u64 = 100;
/// Readings of all gateways in a second.
const RATE: u64 = 50_000;
/// How long the listener may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of unacknowledged messages.
const WINDOW: u64 = 1_000;

/// Runs callers, gateways and the probe, and prints their times.
pub(crate) fn callers(runtime: &Runtime) {
    if !binary().is_file() {
        println!("callers: first cargo build --release -p greenpark");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lake");
    let synthetic = SyntheticPark {
        enterprises: ENTERPRISES,
        years: &YEARS,
        meters: &METERS,
        a_day: 24,
    };
    runtime.block_on(async {
        let lake = Lake::open(path.to_str().expect("UTF-8"), clock::system()).await;
        let lake = lake.expect("a lake");
        synthetic.register(&lake, &[park().to_string()]).await;
        synthetic.fill(&lake).await;
    });
    let [mqtt, grpc] = ports::free::<2>();
    let server = start(folder.path(), mqtt, grpc);
    let until = runtime.block_on(async {
        drop(connect(grpc).await);
        Instant::now() + SPAN
    });
    let gateways: Vec<JoinHandle<u64>> = (0..GATEWAYS)
        .map(|nth| thread::spawn(move || publish(mqtt, nth, until)))
        .collect();
    let (times, visible) = runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS)
            .map(|nth| tokio::spawn(call(grpc, nth, until)))
            .collect();
        let visible = probe(mqtt, grpc, until).await;
        let mut times = Vec::new();
        for caller in callers {
            times.extend(caller.await.expect("a caller ends"));
        }
        (times, visible)
    });
    let messages: u64 = gateways
        .into_iter()
        .map(|gateway| gateway.join().expect("a gateway ends"))
        .sum();
    drop(server);
    let readings = messages * BATCH;
    println!(
        "{CALLERS} callers beside {:.0} readings/s       questions   p50 ms    p99 ms    max ms",
        readings as f64 / SPAN.as_secs_f64()
    );
    for (at, (name, _)) in QUERIES.iter().enumerate() {
        let of_kind = times.iter().filter(|(kind, _)| *kind == at);
        print_times(name, of_kind.map(|(_, ms)| *ms).collect());
    }
    print_times("all", times.iter().map(|(_, ms)| *ms).collect());
    print_times("publish to visible", visible);
}

fn print_times(name: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let at = |hundredths: usize| took.get((took.len() * hundredths / 100).min(took.len() - 1));
    if let (Some(half), Some(late), Some(most)) = (at(50), at(99), took.last()) {
        let many = took.len();
        println!("{name:<40} {many:>12} {half:>9.1} {late:>9.1} {most:>9.1}");
    }
}

/// Sends one kind of query after the other. Returns the kind and the duration in milliseconds of each.
async fn call(grpc: SocketAddr, nth: usize, until: Instant) -> Vec<(usize, f64)> {
    let mut client = connect(grpc).await;
    let mut took = Vec::new();
    while Instant::now() < until {
        let kind = (nth + took.len()) % QUERIES.len();
        let began = Instant::now();
        send_query(&mut client, QUERIES[kind].1, YEARS.len() as i16).await;
        took.push((kind, began.elapsed().as_secs_f64() * 1e3));
    }
    took
}

/// Publishes at an even pace until `until`. Returns the number of acknowledged messages.
fn publish(mqtt: SocketAddr, nth: u64, until: Instant) -> u64 {
    let mut gateway = Gateway::connect(mqtt, nth);
    let (began, first_ms) = (Instant::now(), now_ms());
    let (mut sent, mut payload) = (0, String::new());
    let pause = Duration::from_secs_f64((BATCH * GATEWAYS) as f64 / RATE as f64);
    while Instant::now() < until {
        // A hundred registers of one of eight meters, one millisecond apart.
        let (meter, first) = (sent % 8, sent / 8 * BATCH);
        payload.clear();
        let values: Vec<String> = (first..first + BATCH).map(|n| n.to_string()).collect();
        payload.push_str(&format!(
            "{{\"series\":[{{\"meter\":\"m{meter}\",\"quantity\":\"electricity\",\"kind\":\"register\",\
             \"unit\":\"kWh\",\"from\":{},\"step\":1,\"value\":[{}]}}]}}",
            first_ms + first,
            values.join(",")
        ));
        gateway.send(&payload);
        sent += 1;
        gateway.read_acks_until(began + pause * sent as u32);
    }
    gateway.wait_acknowledged(sent);
    sent
}

/// Publishes a reading, waits for its acknowledgement and queries it, again and again. Returns the time in
/// milliseconds from each publish to its answer.
async fn probe(mqtt: SocketAddr, grpc: SocketAddr, until: Instant) -> Vec<f64> {
    let mut client = connect(grpc).await;
    let mut gateway = Gateway::connect(mqtt, GATEWAYS);
    let (mut took, mut sent, first_ms) = (Vec::new(), 0, now_ms());
    while Instant::now() < until {
        let began = Instant::now();
        gateway.send(&format!(
            "{{\"meter\":\"probe\",\"quantity\":\"electricity\",\"kind\":\"interval\",\"unit\":\"kWh\",\
             \"at\":{},\"value\":1}}",
            first_ms + sent
        ));
        sent += 1;
        gateway.wait_acknowledged(sent);
        assert_eq!(received(&mut client, first_ms).await, sent);
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took
}

/// Number of readings of the probe's enterprise on the day of `ms` and the next day, as queried.
async fn received(client: &mut IndicatorsClient<Channel>, ms: u64) -> u64 {
    let first = day::Instant::from_millis(ms as i64).day();
    let (first, last) = (first.to_string(), first.next().to_string());
    let request = GetIndicatorRequest {
        name: format!("parks/bench/enterprises/e{GATEWAYS}"),
        period: Some(Period {
            period: Some(period::Period::Days(Days { first, last })),
        }),
        ..Default::default()
    };
    let figure = client.get_energy_intensity(request).await;
    let figure = figure.expect("a figure").into_inner();
    figure.coverage.map_or(0, |coverage| coverage.received)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_millis() as u64
}

/// A publisher with its own enterprise.
struct Gateway {
    stream: TcpStream,
    topic: String,
    reader: PacketReader,
    out: Vec<u8>,
    sent: u64,
    acknowledged: u64,
}

impl Gateway {
    fn connect(mqtt: SocketAddr, nth: u64) -> Self {
        // The listener starts a moment after the query service.
        let until = Instant::now() + START_TIMEOUT;
        let stream = loop {
            match TcpStream::connect(mqtt) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        };
        stream.set_nodelay(true).expect("a TCP stream");
        let mut gateway = Self {
            stream,
            topic: format!("park/bench/e{nth}/g{nth}/up/readings"),
            reader: PacketReader::default(),
            out: mqtt::connect(&format!("bench-{nth}")),
            sent: 0,
            acknowledged: 0,
        };
        gateway.stream.write_all(&gateway.out).expect("connected");
        gateway
    }

    fn send(&mut self, payload: &str) {
        self.wait_acknowledged(self.sent.saturating_sub(WINDOW));
        self.out.clear();
        // Packet ids run from 1 to 65,535.
        let id = (self.sent % 65_535 + 1) as u16;
        mqtt::publish(&mut self.out, &self.topic, (id, false), payload.as_bytes());
        self.stream.write_all(&self.out).expect("connected");
        self.sent += 1;
    }

    /// Reads acknowledgements until `then`.
    fn read_acks_until(&mut self, then: Instant) {
        loop {
            let rest = then.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            self.stream.set_read_timeout(Some(rest)).expect("not zero");
            let read = self.reader.read(&mut self.stream, |said| {
                self.acknowledged += u64::from(matches!(said, ServerPacket::Acknowledged(_)));
            });
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => drop(read.expect("the listener stays connected")),
            }
        }
        self.stream.set_read_timeout(None).expect("a TCP stream");
    }

    /// Waits until `many` messages are acknowledged.
    fn wait_acknowledged(&mut self, many: u64) {
        while self.acknowledged < many {
            let read = self.reader.read(&mut self.stream, |said| {
                self.acknowledged += u64::from(matches!(said, ServerPacket::Acknowledged(_)));
            });
            read.expect("the listener stays connected");
        }
    }
}
