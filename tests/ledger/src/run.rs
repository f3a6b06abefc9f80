//! A run: load and faults, rest, check, report.

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
use tokio::runtime::Runtime;

use crate::{
    args::{Args, Front, Log},
    ask,
    books::{self, Books},
    check::{self, Verdict},
    gateway::{Belief, Gateway, Record, Valve, WHOLE},
    letters,
    losses::Records,
    nemesis,
    plan::{LINES, Missing, Plan},
    process,
    progress::Progress,
    report::{self, Told},
    restore::Operator,
    schedule::{Means, schedule},
    site::{self, Form, Site},
    wait,
};

/// How long gateways may take to get everything acknowledged when the nemesis rests.
const DRAIN: Duration = Duration::from_secs(600);
/// How long sealing may take then; a day that was revised often waits for up to ten minutes.
const SEAL: Duration = Duration::from_secs(900);
/// After how long without a new row, and with every day sealed, no more rows come.
const QUIET: Duration = Duration::from_secs(60);
/// How long dead letters may take to the lake when all rows are there.
const LETTERS: Duration = Duration::from_secs(60);

/// Runs what `args` say, and writes the report.
///
/// # Errors
/// The run could not be made. What it found is in the verdict.
pub fn run(args: &Args) -> anyhow::Result<Verdict> {
    let began = Instant::now();
    let temporary = tempfile::tempdir()?;
    let folder = args
        .folder
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    let greenpark = binary(args)?;
    let sources = args
        .sources
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let means = means(args)?;
    let faults = schedule(args.seed, args.kills, means);
    let plan = Plan::new(args.readings);
    let runtime = Runtime::new()?;
    let mut progress = Progress::new(faults.len());
    let form = Form {
        greenpark: &greenpark,
        sources: &sources,
        log: args.log,
        mosquitto: means.mosquitto,
        disk: means.disk,
    };
    let mut site = Site::new(&fresh(&folder, "faults")?, form)?;
    site.open()?;
    let (valve, gateways, now) = gateways(plan, Belief::of(args), args.seed, &site);
    let mut operator = Operator::new(plan, &now, &valve, &runtime);
    let done = nemesis::run(&mut site, &faults, &mut operator, &mut progress)?;
    let (losses, adopted) = (operator.losses, operator.adopted);
    progress.stage("the nemesis rests: draining and sealing");
    let mut verdict = Verdict::new();
    let records = rest(&mut site, (&valve, gateways), plan, &runtime, &mut verdict)?;
    progress.stage("checking");
    let mut held = check::Told {
        plan,
        records: &records,
        losses: &losses,
        missing: Missing::default(),
    };
    wait_for_letters(&mut site, &held, &runtime)?;
    let books = examine(
        &mut site,
        &sources,
        (&mut held, adopted),
        &runtime,
        &mut verdict,
    )?;
    progress.stage("the same readings without faults");
    let calm = calm(plan, args.seed, &fresh(&folder, "calm")?, form, &runtime)?;
    check::bytes(&held, &books, &calm, &mut verdict);
    let told = Told {
        losses: &losses,
        adopted,
        args,
        means,
        done: &done,
        verdict: &verdict,
        records: &records,
        valve: &valve,
        site: &site,
        took: began.elapsed(),
    };
    report::write(&told)?;
    Ok(verdict)
}

/// What the command line asks for and the place allows.
fn means(args: &Args) -> anyhow::Result<Means> {
    let mosquitto = args.front() == Front::Mosquitto;
    ensure!(
        args.log == Log::Kafka || !mosquitto,
        "--front mosquitto goes with --log kafka"
    );
    ensure!(
        args.restores == 0 || args.receipts || !mosquitto,
        "--restores behind Mosquitto goes with --receipts"
    );
    let points = !args.random_only && process::can_inject();
    Ok(Means {
        log: args.log,
        mosquitto,
        receipts: args.receipts,
        points,
        disk: site::can_mount(),
        partition_ms: args.partition.saturating_mul(1_000),
        restores: args.restores,
    })
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
    let place = folder.join(name);
    ensure!(!place.exists(), "{} is there already", place.display());
    fs::create_dir_all(&place)?;
    Ok(place.canonicalize()?)
}

fn gateways(
    plan: Plan,
    belief: Belief,
    seed: u64,
    site: &Site,
) -> (Arc<Valve>, Vec<JoinHandle<Record>>, Records) {
    let valve = Arc::new(Valve::default());
    let mut records = Records::new();
    let start = |line| {
        let gateway = Gateway::new(plan, (line, belief), seed, site.mqtt, Arc::clone(&valve));
        records.push(gateway.record());
        thread::spawn(move || gateway.run())
    };
    let gateways = (0..LINES).map(start).collect();
    (valve, gateways, records)
}

/// Everything runs unharmed until all is acknowledged and every day is sealed, or patience ends.
fn rest(
    site: &mut Site,
    (valve, gateways): (&Valve, Vec<JoinHandle<Record>>),
    plan: Plan,
    runtime: &Runtime,
    verdict: &mut Verdict,
) -> anyhow::Result<Vec<Record>> {
    site.ensure(None)?;
    valve.open.store(WHOLE, Ordering::Relaxed);
    wait::until(DRAIN, || {
        // A service manager would start what ends by itself; what cannot is told by the check.
        let up = site.ensure(None).is_ok();
        (up && gateways.iter().all(JoinHandle::is_finished)).then_some(())
    });
    valve.stop.store(true, Ordering::Relaxed);
    let joined = gateways.into_iter().map(JoinHandle::join);
    let records: Result<Vec<Record>, _> = joined.collect();
    let records = records.map_err(|_| anyhow::anyhow!("a gateway panicked"))?;
    let corrections = (0..plan.readings())
        .filter(|&s| plan.is_corrected(s))
        .count() as u64;
    let whole = plan.readings() + corrections;
    let lake = runtime.block_on(Lake::open(&site.lake()))?;
    let mut last = (0, Instant::now());
    let sealed = wait::until(SEAL, || {
        let up = site.ensure(None).is_ok();
        let (hot, rows) = runtime.block_on(books::progress(&lake)).ok()?;
        if last.0 != rows || hot > 0 {
            last = (rows, Instant::now());
        }
        wait::pause(Duration::from_millis(200));
        // What is lost never comes: the check tells it.
        let settled = rows >= whole || last.1.elapsed() > QUIET;
        (up && hot == 0 && settled).then_some(())
    });
    if sealed.is_none() {
        verdict.note("unfinished", || "days that are not sealed".to_owned());
    }
    Ok(records)
}

/// Waits until the lake has the dead letters that are due: they have a reader of their own, which a kill sets back by
/// as long as Kafka holds a member of its group for alive. What is lost never comes: the check tells it.
fn wait_for_letters(
    site: &mut Site,
    told: &check::Told<'_>,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let mut result = Ok(());
    wait::until(LETTERS, || {
        wait::pause(Duration::from_millis(200));
        let names = site
            .ensure(None)
            .and_then(|()| runtime.block_on(letters::archived(&site.lake())))
            .map(|archived| archived.names);
        match names {
            Ok(names) => check::letters_due(told)
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

/// Holds what rests and what is answered against what gateways were told; returns what rests. A log was adopted so
/// often.
fn examine(
    site: &mut Site,
    sources: &Path,
    (told, adopted): (&mut check::Told<'_>, u32),
    runtime: &Runtime,
    verdict: &mut Verdict,
) -> anyhow::Result<Books> {
    // What stops writes what still waits.
    let dead = dead_letters(site, sources, runtime)?;
    let books = runtime.block_on(books::read(&site.lake()))?;
    told.missing = told.losses.missing(told.plan, told.records, &books);
    site.ensure(None)?;
    answers(told, site, runtime, verdict);
    site.halt()?;
    check::rows(told, &books, verdict);
    check::messages(told, &books, verdict);
    check::totals(told, &books, verdict);
    let archived = runtime.block_on(letters::archived(&site.lake()))?;
    // A log that came in the place of a lost one has only what came since; the lake has them all.
    if adopted == 0 {
        check::letters(told, &letters::names(&dead), verdict);
    }
    check::archived(told, &archived, verdict);
    Ok(books)
}

/// What the service answers is the oracle's.
fn answers(told: &check::Told<'_>, site: &Site, runtime: &Runtime, verdict: &mut Verdict) {
    for ((name, year), (micro, readings)) in check::years(told.plan, &told.missing) {
        let expected = Sum(micro).to_string();
        match runtime.block_on(ask::electricity(site.grpc, &name, year)) {
            Ok((Some(told), received)) if told == expected && received == readings => {}
            Ok(told) => verdict.note("unseen", || {
                format!("{name} {year}: {told:?} for {expected} of {readings}")
            }),
            Err(error) => verdict.note("unseen", || format!("{name} {year}: {error:#}")),
        }
    }
}

/// Ends the processes and reads every dead letter.
fn dead_letters(site: &mut Site, sources: &Path, runtime: &Runtime) -> anyhow::Result<Vec<u8>> {
    for process in site.parts.values_mut() {
        process.stop()?;
    }
    match site.kafka {
        None => runtime.block_on(letters::embedded(&site.log())),
        Some(kafka) => letters::kafka(&letters::jars(sources)?, &kafka.to_string()),
    }
}

/// The books of the same readings, sent to an installation that nobody disturbs.
fn calm(
    plan: Plan,
    seed: u64,
    folder: &Path,
    form: Form<'_>,
    runtime: &Runtime,
) -> anyhow::Result<Books> {
    let form = Form {
        log: Log::Embedded,
        mosquitto: false,
        disk: false,
        ..form
    };
    let mut site = Site::new(folder, form)?;
    // Another order of delivery than that of the run with faults.
    let (valve, gateways, _) = gateways(plan, Belief::Puback, seed.wrapping_add(1), &site);
    let mut verdict = Verdict::new();
    rest(&mut site, (&valve, gateways), plan, runtime, &mut verdict)?;
    ensure!(
        verdict.holds(),
        "the run without faults did not come to its end"
    );
    site.parts
        .values_mut()
        .try_for_each(|process| process.stop())?;
    runtime.block_on(books::read(&site.lake()))
}
