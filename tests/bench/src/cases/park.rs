//! Queries about a whole park with hourly readings of eight meters for each enterprise. Every query goes to a
//! freshly started `greenpark up`; the case prints the time of the first query and the median of the following.
//!
//! `--park=150x2` sets the number of enterprises and years; it may be given more than once. `--park=150x5x47` is a
//! province of 47 such parks. `--lakes=FOLDER` keeps the generated lakes there, and uses existing ones.

#![expect(clippy::print_stdout, reason = "its output is what a bench is for")]

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use greenpark_archive::lake::Lake;
use greenpark_model::reading::Kind;
use greenpark_proto::query::v1::{
    Days, GetIndicatorRequest, GetProgressRequest, ListIndicatorsRequest, Period,
    indicators_client::IndicatorsClient, period,
};
use greenpark_runtime::clock;
use greenpark_tests_load::ports;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::{
    fixture::park as park_id,
    synthetic_park::{SyntheticPark, enterprise},
};

/// Number of queries after the first.
const QUERIES_AFTER_FIRST: usize = 20;
/// The size of the park if there is no `--park`.
const DEFAULT: &str = "50x2";
/// Maximum size of an answer: a ranking of a thousand enterprises.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long the process may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) const METERS: [(&str, &str, Kind); 8] = [
    ("main", "electricity", Kind::Register),
    ("hall", "electricity", Kind::Register),
    ("furnace", "natural_gas", Kind::Register),
    ("boiler", "natural_gas", Kind::Register),
    ("water", "fresh_water", Kind::Register),
    ("cooling", "fresh_water", Kind::Register),
    ("ash", "fly_ash.generated", Kind::Event),
    ("ash-used", "fly_ash.utilized", Kind::Event),
];

/// The kind of a query.
#[derive(Debug, Clone, Copy)]
pub(super) enum Query {
    Park,
    Ranking,
    Enterprise,
    Day,
    Month,
    Progress,
    Parks,
    ProgressOfParks,
}

pub(super) const QUERIES: [(&str, Query); 6] = [
    ("park's year", Query::Park),
    ("ranking", Query::Ranking),
    ("enterprise's year", Query::Enterprise),
    ("enterprise's day", Query::Day),
    ("park's month", Query::Month),
    ("progress", Query::Progress),
];

/// The queries for more than one park.
const PARK_LIST_QUERIES: [(&str, Query); 3] = [
    ("ranking of parks", Query::Parks),
    ("progress of a park", Query::Progress),
    ("progress of all parks", Query::ProgressOfParks),
];

/// The process under test, killed on drop.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures every park of the command line.
pub(crate) fn parks(runtime: &Runtime) {
    let named: Vec<String> = env::args()
        .filter_map(|arg| Some(arg.strip_prefix("--park=")?.to_owned()))
        .collect();
    let named = if named.is_empty() {
        vec![DEFAULT.to_owned()]
    } else {
        named
    };
    if !binary().is_file() {
        println!("park: first cargo build --release -p greenpark");
        return;
    }
    for name in named {
        let size: Option<Vec<usize>> = name.split('x').map(|part| part.parse().ok()).collect();
        match size.as_deref() {
            Some(&[enterprises, years]) => park(runtime, (enterprises, years), 1),
            Some(&[enterprises, years, parks]) => park(runtime, (enterprises, years), parks),
            _ => panic!("--park=ENTERPRISESxYEARS or --park=ENTERPRISESxYEARSxPARKS"),
        }
    }
}

fn park(runtime: &Runtime, (enterprises, years): (usize, usize), parks: usize) {
    let temporary = tempfile::tempdir().expect("a folder");
    let kept = env::args().find_map(|arg| Some(arg.strip_prefix("--lakes=")?.to_owned()));
    let name = match parks {
        1 => format!("{enterprises}x{years}"),
        _ => format!("{enterprises}x{years}x{parks}"),
    };
    let kept = kept.map(|lakes| Path::new(&lakes).join(name));
    let folder = kept.as_deref().unwrap_or(temporary.path());
    let years = i16::try_from(years).expect("few years");
    let all: Vec<i16> = (2020..2020 + years).collect();
    let synthetic = SyntheticPark {
        enterprises,
        years: &all,
        meters: &METERS,
        a_day: 24,
    };
    let first = park_id().to_string();
    let others = (1..parks).map(|nth| format!("{first}-{nth:02}"));
    let names: Vec<String> = [first.clone()].into_iter().chain(others).collect();
    let path = folder.join("lake");
    if !path.is_dir() {
        fs::create_dir_all(&path).expect("a folder");
        runtime.block_on(async {
            let lake = Lake::open(path.to_str().expect("UTF-8"), clock::system()).await;
            let lake = lake.expect("a lake");
            synthetic.register(&lake, &names).await;
            synthetic.fill(&lake).await;
        });
        for other in &names[1..] {
            link_tables(&path.join(&first), &path.join(other));
        }
    }
    println!(
        "{:<34} {:>12} {:>9} {:>9} {:>14}",
        format!("{parks} parks of {enterprises}, {years} years"),
        "first ms",
        "next ms",
        "p95 ms",
        "RSS MiB"
    );
    let queries: &[_] = if parks == 1 {
        &QUERIES
    } else {
        &PARK_LIST_QUERIES
    };
    for query in queries {
        runtime.block_on(measure(folder, *query, years));
    }
}

/// Hard-links the tables of a park without the sealed files. No query reads sealed files, and files never change.
fn link_tables(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (name, path) = (entry.file_name(), entry.path());
        match path.is_dir() {
            true if name.to_string_lossy().starts_with("day=") => {}
            true => link_tables(&path, &to.join(name)),
            false => fs::hard_link(&path, to.join(name)).expect("linked"),
        }
    }
}

async fn measure(folder: &Path, (name, query): (&str, Query), years: i16) {
    let [mqtt, grpc] = ports::free::<2>();
    let server = start(folder, mqtt, grpc);
    let mut client = connect(grpc).await;
    let mut took = Vec::new();
    for _query in 0..=QUERIES_AFTER_FIRST {
        let began = Instant::now();
        send_query(&mut client, query, years).await;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let first = took.remove(0);
    took.sort_by(f64::total_cmp);
    let (median, late) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    let rss = rss_mib(server.0.id());
    println!("{name:<34} {first:>12.1} {median:>9.2} {late:>9.2} {rss:>14}");
}

pub(super) fn start(folder: &Path, mqtt: SocketAddr, grpc: SocketAddr) -> Server {
    let child = Command::new(binary())
        .arg("up")
        .arg("--data")
        .arg(folder)
        .args(["--mqtt", &mqtt.to_string(), "--grpc", &grpc.to_string()])
        .env("RUST_LOG", "error")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Server(child.expect("started"))
}

/// The `greenpark` binary beside this one.
pub(super) fn binary() -> PathBuf {
    env::current_exe()
        .expect("a path")
        .with_file_name("greenpark")
}

pub(super) async fn connect(grpc: SocketAddr) -> IndicatorsClient<Channel> {
    let until = Instant::now() + START_TIMEOUT;
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        tick.tick().await;
        match IndicatorsClient::connect(format!("http://{grpc}")).await {
            Ok(client) => return client.max_decoding_message_size(ANSWER_BYTES_MAX),
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => {}
        }
    }
}

/// Sends a query and asserts its answer.
pub(super) async fn send_query(client: &mut IndicatorsClient<Channel>, query: Query, years: i16) {
    let year = 2020 + i32::from(years) - 1;
    let period = |period| {
        Some(Period {
            period: Some(period),
        })
    };
    let of_year = period(period::Period::Year(year));
    let of = |name: &str, period: Option<Period>| GetIndicatorRequest {
        name: name.to_owned(),
        period,
        ..Default::default()
    };
    let one = format!("parks/bench/enterprises/{}", enterprise(7));
    let request = match query {
        Query::Park => of("parks/bench", of_year),
        Query::Enterprise => of(&one, of_year),
        Query::Day => {
            let day = format!("{year}-06-17");
            let (first, last) = (day.clone(), day);
            of(&one, period(period::Period::Days(Days { first, last })))
        }
        Query::Month => of(
            "parks/bench",
            period(period::Period::Month(format!("{year}-06"))),
        ),
        Query::Ranking | Query::Parks => {
            let parent = match query {
                Query::Ranking => "parks/bench",
                _ => "parks/-",
            };
            let request = ListIndicatorsRequest {
                parent: parent.to_owned(),
                period: of_year,
                page_size: 1_000,
                ..Default::default()
            };
            let ranked = client.list_energy_intensities(request).await;
            let figures = ranked.expect("a ranking").into_inner().figures;
            // An enterprise that only sends readings has no value added and so no value.
            assert!(figures.iter().any(|of| !of.value.is_empty()));
            return;
        }
        Query::Progress | Query::ProgressOfParks => {
            let name = match query {
                Query::Progress => "parks/bench",
                _ => "parks/-",
            };
            let request = GetProgressRequest {
                name: name.to_owned(),
                year,
                ..Default::default()
            };
            let progress = client.get_progress(request).await.expect("progress");
            assert!(!progress.into_inner().targets.is_empty());
            return;
        }
    };
    let figure = client.get_energy_intensity(request).await;
    let figure = figure.expect("a figure").into_inner();
    assert!(!figure.components.is_empty(), "{figure:?}");
}

fn rss_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a resident size") / 1024
}
