//! A run: send readings during faults, let the system come to rest, check, report.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use greenpark_archive::lake::Lake;
use greenpark_model::amount::Sum;
use greenpark_runtime::clock;
use tokio::runtime::Runtime;

use crate::{
    args::{Args, Front, Log},
    books::{self, Books},
    check::{self, LedgerVerdict, Oracle},
    dead_letters,
    gateway::{AckSource, DeliveryRecord, Gateway, LoadControl, WHOLE},
    installation::{self, InstallationOptions, TestInstallation},
    losses::DeliveryRecords,
    nemesis,
    plan::{GATEWAYS, LoadPlan, Missing},
    process,
    progress::Progress,
    query,
    report::{self, RunReport},
    restore::Operator,
    schedule::{FaultOptions, schedule},
    wait,
};

/// How long gateways may take to get everything acknowledged after the last fault.
const DRAIN: Duration = Duration::from_secs(600);
/// How long sealing may take after that; a day that was revised often waits for up to ten minutes.
const SEAL: Duration = Duration::from_secs(900);
/// Time without a new row, and with every day sealed, after which no more rows are expected.
const QUIET: Duration = Duration::from_secs(60);
/// How long dead letters may take to reach the lake after all rows.
const DEAD_LETTERS_WAIT: Duration = Duration::from_secs(60);

/// Executes the run that `args` describe, and writes the report.
///
/// # Errors
/// The run cannot be executed. Findings are not errors; they are in the verdict.
pub fn run(args: &Args) -> anyhow::Result<LedgerVerdict> {
    let began = Instant::now();
    let temporary = tempfile::tempdir()?;
    let folder = args.folder.as_deref().unwrap_or(temporary.path());
    let greenpark = binary(args)?;
    let sources = sources(args);
    let fault_options = fault_options(args)?;
    let faults = schedule(args.seed, args.kills, fault_options);
    let plan = LoadPlan::new(args.readings);
    let runtime = Runtime::new()?;
    let mut progress = Progress::new(faults.len());
    let options = InstallationOptions {
        greenpark: &greenpark,
        sources: &sources,
        log: args.log,
        mosquitto: fault_options.mosquitto,
        disk: fault_options.disk,
    };
    let mut installation = TestInstallation::new(&fresh(folder, "faults")?, options)?;
    installation.open()?;
    let (control, gateways, now) = gateways(plan, AckSource::of(args), args.seed, &installation);
    let mut operator = Operator::new(plan, &now, &control, &runtime);
    let fault_log = nemesis::run(&mut installation, &faults, &mut operator, &mut progress)?;
    let (losses, adopted) = (operator.losses, operator.adopted);
    progress.begin_stage("the nemesis rests: draining and sealing");
    let mut verdict = LedgerVerdict::new();
    let records = come_to_rest(
        &mut installation,
        (&control, gateways),
        plan,
        &runtime,
        &mut verdict,
    )?;
    progress.begin_stage("checking");
    let mut oracle = Oracle {
        plan,
        records: &records,
        losses: &losses,
        missing: Missing::default(),
    };
    wait_for_dead_letters(&mut installation, &oracle, &runtime)?;
    let books = examine(
        &mut installation,
        &sources,
        (&mut oracle, adopted),
        &runtime,
        &mut verdict,
    )?;
    progress.begin_stage("the same readings without faults");
    let faultless =
        run_without_faults(plan, args.seed, &fresh(folder, "calm")?, options, &runtime)?;
    check::bytes(&oracle, &books, &faultless, &mut verdict);
    let report = RunReport {
        losses: &losses,
        adopted,
        args,
        fault_options,
        fault_log: &fault_log,
        verdict: &verdict,
        records: &records,
        control: &control,
        installation: &installation,
        took: began.elapsed(),
    };
    report::write(&report)?;
    Ok(verdict)
}

/// Combines what the command line requests and what the machine allows.
fn fault_options(args: &Args) -> anyhow::Result<FaultOptions> {
    let mosquitto = args.front() == Front::Mosquitto;
    ensure!(
        args.log == Log::Kafka || !mosquitto,
        "--front mosquitto goes with --log kafka"
    );
    ensure!(
        args.restores == 0 || args.receipts || !mosquitto,
        "--restores behind Mosquitto goes with --receipts"
    );
    let fail_points = !args.random_only && process::can_inject();
    Ok(FaultOptions {
        log: args.log,
        mosquitto,
        receipts: args.receipts,
        fail_points,
        disk: installation::can_mount(),
        partition_ms: args.partition.saturating_mul(1_000),
        restores: args.restores,
    })
}

/// The source tree, by default the one that this was built from.
fn sources(args: &Args) -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    args.sources.clone().unwrap_or_else(default)
}

fn binary(args: &Args) -> anyhow::Result<PathBuf> {
    let beside = || Some(env::current_exe().ok()?.with_file_name("greenpark"));
    let path = args
        .greenpark
        .clone()
        .or_else(beside)
        .context("name --greenpark")?;
    ensure!(
        path.is_file(),
        "{} is not there: cargo build --release -p greenpark, or name --greenpark",
        path.display()
    );
    Ok(path.canonicalize()?)
}

fn fresh(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    ensure!(!path.exists(), "{} is there already", path.display());
    fs::create_dir_all(&path)?;
    Ok(path.canonicalize()?)
}

fn gateways(
    plan: LoadPlan,
    ack_source: AckSource,
    seed: u64,
    installation: &TestInstallation,
) -> (
    Arc<LoadControl>,
    Vec<JoinHandle<DeliveryRecord>>,
    DeliveryRecords,
) {
    let control = Arc::new(LoadControl::default());
    let mut records = DeliveryRecords::new();
    let start = |number| {
        let gateway = Gateway::new(
            plan,
            (number, ack_source),
            seed,
            installation.mqtt,
            Arc::clone(&control),
        );
        records.push(gateway.record());
        thread::spawn(move || gateway.run())
    };
    let gateways = (0..GATEWAYS).map(start).collect();
    (control, gateways, records)
}

/// Lets everything run without faults until all messages are acknowledged and every day is sealed, or until the
/// time is over.
fn come_to_rest(
    installation: &mut TestInstallation,
    (control, gateways): (&LoadControl, Vec<JoinHandle<DeliveryRecord>>),
    plan: LoadPlan,
    runtime: &Runtime,
    verdict: &mut LedgerVerdict,
) -> anyhow::Result<Vec<DeliveryRecord>> {
    installation.ensure(None)?;
    control.permitted.store(WHOLE, Ordering::Relaxed);
    wait::until(DRAIN, || {
        // A service manager would restart processes that end by themselves. The check finds lasting failures.
        let up = installation.ensure(None).is_ok();
        (up && gateways.iter().all(JoinHandle::is_finished)).then_some(())
    });
    control.stop.store(true, Ordering::Relaxed);
    let joined = gateways.into_iter().map(JoinHandle::join);
    let records: Result<Vec<DeliveryRecord>, _> = joined.collect();
    let records = records.map_err(|_| anyhow::anyhow!("a gateway panicked"))?;
    let corrections = (0..plan.readings())
        .filter(|&s| plan.is_corrected(s))
        .count() as u64;
    let whole = plan.readings() + corrections;
    let lake = runtime.block_on(Lake::open(&installation.lake(), clock::system()))?;
    let mut last = (0, Instant::now());
    let sealed = wait::until(SEAL, || {
        let up = installation.ensure(None).is_ok();
        let (hot, rows) = runtime.block_on(books::progress(&lake)).ok()?;
        if last.0 != rows || hot > 0 {
            last = (rows, Instant::now());
        }
        wait::pause(Duration::from_millis(200));
        // Lost rows never come; the check reports them.
        let settled = rows >= whole || last.1.elapsed() > QUIET;
        (up && hot == 0 && settled).then_some(())
    });
    if sealed.is_none() {
        verdict.note("unfinished", || "days that are not sealed".to_owned());
    }
    Ok(records)
}

/// Waits until the lake has the expected dead letters. They have their own reader, which a kill delays by the
/// session timeout of Kafka. Lost dead letters never come; the check reports them.
fn wait_for_dead_letters(
    installation: &mut TestInstallation,
    oracle: &Oracle<'_>,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let mut result = Ok(());
    wait::until(DEAD_LETTERS_WAIT, || {
        wait::pause(Duration::from_millis(200));
        let names = installation
            .ensure(None)
            .and_then(|()| runtime.block_on(dead_letters::archived(&installation.lake())))
            .map(|archived| archived.names);
        match names {
            Ok(names) => check::dead_letters_due(oracle)
                .all(|name| names.contains(&name))
                .then_some(()),
            Err(error) => {
                result = Err(error);
                Some(())
            }
        }
    });
    result
}

/// Compares the lake and the answers with the oracle, and returns the books. A log was adopted `adopted` times.
fn examine(
    installation: &mut TestInstallation,
    sources: &Path,
    (oracle, adopted): (&mut Oracle<'_>, u32),
    runtime: &Runtime,
    verdict: &mut LedgerVerdict,
) -> anyhow::Result<Books> {
    // Stopping the processes makes them write everything that still waits.
    let dead_letter_bytes = read_dead_letters(installation, sources, runtime)?;
    let books = runtime.block_on(books::read(&installation.lake()))?;
    oracle.missing = oracle.losses.missing(oracle.plan, oracle.records, &books);
    installation.ensure(None)?;
    check_answers(oracle, installation, runtime, verdict);
    installation.halt()?;
    check::rows(oracle, &books, verdict);
    check::messages(oracle, &books, verdict);
    check::totals(oracle, &books, verdict);
    let archived = runtime.block_on(dead_letters::archived(&installation.lake()))?;
    // An adopted log has only the dead letters since the loss of its predecessor; the lake has all of them.
    if adopted == 0 {
        let names = dead_letters::names(&dead_letter_bytes);
        check::dead_letters(oracle, &names, verdict);
    }
    check::archived(oracle, &archived, verdict);
    Ok(books)
}

/// Compares the answers of the query service with the oracle.
fn check_answers(
    oracle: &Oracle<'_>,
    installation: &TestInstallation,
    runtime: &Runtime,
    verdict: &mut LedgerVerdict,
) {
    for ((name, year), (micro, readings)) in check::years(oracle.plan, &oracle.missing) {
        let expected = Sum(micro).to_string();
        match runtime.block_on(query::electricity(installation.grpc, &name, year)) {
            Ok((Some(kwh), received)) if kwh == expected && received == readings => {}
            Ok(answer) => verdict.note("unseen", || {
                format!("{name} {year}: {answer:?} for {expected} of {readings}")
            }),
            Err(error) => verdict.note("unseen", || format!("{name} {year}: {error:#}")),
        }
    }
}

/// Stops the processes and reads every dead letter of the log.
fn read_dead_letters(
    installation: &mut TestInstallation,
    sources: &Path,
    runtime: &Runtime,
) -> anyhow::Result<Vec<u8>> {
    for process in installation.processes.values_mut() {
        process.stop()?;
    }
    match installation.kafka {
        None => runtime.block_on(dead_letters::embedded(&installation.log())),
        Some(kafka) => dead_letters::kafka(&dead_letters::jars(sources)?, &kafka.to_string()),
    }
}

/// Sends the same readings to an installation without faults, and returns its books.
fn run_without_faults(
    plan: LoadPlan,
    seed: u64,
    folder: &Path,
    options: InstallationOptions<'_>,
    runtime: &Runtime,
) -> anyhow::Result<Books> {
    let options = InstallationOptions {
        log: Log::Embedded,
        mosquitto: false,
        disk: false,
        ..options
    };
    let mut installation = TestInstallation::new(folder, options)?;
    // The order of delivery differs from that of the run with faults.
    let (control, gateways, _) =
        gateways(plan, AckSource::Puback, seed.wrapping_add(1), &installation);
    let mut verdict = LedgerVerdict::new();
    come_to_rest(
        &mut installation,
        (&control, gateways),
        plan,
        runtime,
        &mut verdict,
    )?;
    ensure!(
        verdict.holds(),
        "the run without faults did not come to its end"
    );
    installation
        .processes
        .values_mut()
        .try_for_each(|process| process.stop())?;
    runtime.block_on(books::read(&installation.lake()))
}
