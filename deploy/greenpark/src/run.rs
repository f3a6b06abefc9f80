//! Runs a command line and returns the exit code.

use std::{ffi::OsString, path::Path};

use anyhow::Context;
use clap::Parser;
use futures::{FutureExt as _, future::LocalBoxFuture};
use greenpark_client::{
    access, assessment, checkpoint, dead_letters, explain, extract, form, import, indicators,
    materials, quality, scorecard, statement,
};
use greenpark_console::output::{self, line};
use greenpark_doctor::DoctorArgs;
use greenpark_gateway::replay::{self, mapping::MappingError};
use greenpark_query::StatisticSeries;
use greenpark_runtime::{clock, exit, logging, settings::Mistakes, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    adopt,
    assembly::{self, Roles},
    backup,
    cli::{
        Cli, Command, ConfigCommand, DemoArgs,
        backup::{BackupArgs, RestoreArgs},
        dead_letters::DeadLettersCommand,
        log::LogCommand,
    },
    dead_letter_replay, demo, examination, groups,
    node_args::NodeArgs,
    passwd, pki,
    recompute::{self, RecomputeArgs},
    settings::Settings,
    verify,
};

/// The default log filter of a command whose output is an answer.
const QUIET: &str = "warn";

/// Runs the command in `arguments`; the code is one of [`exit`].
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> LocalBoxFuture<'static, u8> {
    // Boxed here, so that a change of the library is not compiled again with the binary.
    run_line(arguments.into_iter().collect()).boxed_local()
}

async fn run_line(arguments: Vec<OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A failure is ignored: nobody reads a closed terminal.
            let _ = error.print();
            return if error.use_stderr() {
                exit::USAGE
            } else {
                exit::SUCCESS
            };
        }
    };
    match command(cli).await {
        Ok(()) => exit::SUCCESS,
        Err(error) => {
            line(&format!("greenpark: {error:#}"));
            let usage = error.is::<Mistakes>() || error.is::<MappingError>();
            if usage { exit::USAGE } else { exit::FAILURE }
        }
    }
}

async fn run_backup(args: &BackupArgs) -> anyhow::Result<()> {
    quiet()?;
    backup::backup(&args.folder, &placed(&args.place)?).await
}

async fn run_restore(args: &RestoreArgs) -> anyhow::Result<()> {
    quiet()?;
    let settings = placed(&args.place)?;
    backup::restore(&args.folder, &settings, !args.without_log).await
}

/// Loads the settings and applies the arguments of a node.
fn placed(place: &NodeArgs) -> anyhow::Result<Settings> {
    let mut settings = load(place.config.as_deref())?;
    settings.place(place);
    Ok(settings)
}

async fn run_log(command: &LogCommand) -> anyhow::Result<()> {
    quiet()?;
    match command {
        LogCommand::Adopt(args) => adopt::adopt(args, &placed(&args.place)?).await,
        LogCommand::Groups(args) => groups::list(&placed(&args.place)?).await,
        LogCommand::Forget(args) => groups::forget(&args.group, &placed(&args.place)?).await,
    }
}

async fn command(cli: Cli) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Demo(cli.demo)) {
        Command::Demo(args) => run_demo(&args).await,
        Command::Up(place) => serve(&place, Roles::All).await,
        Command::Ingest(place) => serve(&place, Roles::Ingest).await,
        Command::Processor(place) => serve(&place, Roles::Processor).await,
        Command::Query(place) => serve(&place, Roles::Query).await,
        Command::Replay(args) => {
            quiet()?;
            replay::replay(&args, shutdown()?).await
        }
        Command::Import(args) => {
            quiet()?;
            import::import(&args, declared_series).await
        }
        Command::Statement(command) => {
            quiet()?;
            statement::state(&command).await
        }
        Command::Access(command) => {
            quiet()?;
            access::run(&command).await
        }
        Command::Intensity(args) => {
            quiet()?;
            indicators::intensity(&args, clock::now().day().year()).await
        }
        Command::Progress(args) => {
            quiet()?;
            indicators::progress(&args).await
        }
        Command::Scorecard(args) => {
            quiet()?;
            scorecard::scorecard(&args).await
        }
        Command::Certificates(args) => {
            quiet()?;
            assessment::certificates(&args).await
        }
        Command::Extract(args) => quietly(extract::extract(&args)).await,
        Command::Form(args) => quietly(form::form(&args)).await,
        Command::Verify(args) => quietly(Box::pin(verify::verify(&args))).await,
        Command::Checkpoint(args) => quietly(checkpoint::checkpoint(&args)).await,
        Command::WaterBalance(args) => quietly(materials::water_balance(&args)).await,
        Command::WasteLedger(args) => quietly(materials::waste_ledger(&args)).await,
        Command::Quality(args) => quietly(quality::quality(&args)).await,
        Command::DeadLetters(command) => run_dead_letters(&command).await,
        Command::Log(command) => run_log(&command).await,
        Command::Backup(args) => run_backup(&args).await,
        Command::Restore(args) => run_restore(&args).await,
        Command::Explain(args) => {
            quiet()?;
            explain::explain(&args).await
        }
        Command::Recompute(args) => run_recompute(&args).await,
        Command::Doctor(args) => run_doctor(&args).await,
        Command::Pki(args) => pki::pki(&args),
        Command::Passwd(args) => passwd::passwd(&args),
        Command::Config(command) => run_config(&command),
    }
}

/// Runs a command whose output is an answer.
async fn quietly(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    quiet()?;
    command.await
}

fn run_config(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check(args) => {
            load(args.config.as_deref())?;
            line("the settings have no mistakes");
            Ok(())
        }
        ConfigCommand::Print(args) => output::answer(
            &load(args.config.as_deref())?
                .to_toml()
                .context("print the settings")?,
        ),
    }
}

async fn run_dead_letters(command: &DeadLettersCommand) -> anyhow::Result<()> {
    quiet()?;
    match command {
        DeadLettersCommand::List(args) => dead_letters::list(args).await,
        DeadLettersCommand::Show(args) => dead_letters::show(args).await,
        DeadLettersCommand::Export(args) => dead_letters::export(args).await,
        DeadLettersCommand::Replay(args) => dead_letter_replay::replay(args).await,
    }
}

async fn run_recompute(args: &RecomputeArgs) -> anyhow::Result<()> {
    quiet()?;
    let mut settings = load(args.config.as_deref())?;
    settings.place(&NodeArgs {
        data: args.data.clone(),
        ..NodeArgs::default()
    });
    recompute::recompute(args, settings).await
}

async fn run_doctor(args: &DoctorArgs) -> anyhow::Result<()> {
    // The report contains the errors that libraries would log.
    logs(&logging::LoggingSettings {
        filter: "off".to_owned(),
        ..logging::LoggingSettings::default()
    })?;
    let mut settings = load(args.config.as_deref())?;
    examination::apply(args, &mut settings)?;
    let installation = examination::installation(&settings);
    greenpark_doctor::doctor(args, &installation, &clock::system()).await
}

async fn run_demo(args: &DemoArgs) -> anyhow::Result<()> {
    let mut settings = load(args.place.config.as_deref())?;
    settings.place(&args.place);
    if args.place.config.is_none() {
        // The terminal is for the progress bars and the verdict.
        settings.logs.filter = QUIET.to_owned();
    }
    logs(&settings.logs)?;
    let shutdown = shutdown()?;
    let access = demo::access::close(&mut settings).context("make the certificates of the demo")?;
    let mut running = assembly::start(&settings, Roles::All).await?;
    let shown = {
        let until_verdict = args.until_verdict;
        let demo = demo::run(&settings, &running, access, until_verdict, shutdown.clone())?;
        tokio::select! {
            shown = demo => shown,
            name = running.any_end() => Err(anyhow::anyhow!("{name} ended by itself")),
        }
    };
    let stopped = running.stop().await;
    shown?;
    Ok(stopped?)
}

/// Parses the name of a declared series as the query service does; returns true if it is money.
fn declared_series(name: &str) -> Result<bool, String> {
    let series = name.parse::<StatisticSeries>();
    let series = series.map_err(|error| error.to_string())?;
    Ok(series.has_prices())
}

/// Runs services until a signal.
async fn serve(place: &NodeArgs, roles: Roles) -> anyhow::Result<()> {
    let mut settings = load(place.config.as_deref())?;
    settings.place(place);
    logs(&settings.logs)?;
    let shutdown = shutdown()?;
    // A start may wait for the log or the lake.
    let mut running = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        running = assembly::start(&settings, roles) => running?,
    };
    let addresses = [("MQTT", running.mqtt), ("gRPC", running.grpc)];
    for (name, address) in addresses.into_iter().filter_map(|(n, a)| Some((n, a?))) {
        line(&format!("{name} at {address}"));
    }
    let failed = tokio::select! {
        () = shutdown.cancelled() => None,
        name = running.any_end() => Some(name),
    };
    let stopped = running.stop().await;
    match (failed, stopped) {
        (_, Err(error)) => Err(error.into()),
        (Some(name), Ok(())) => Err(anyhow::anyhow!("{name} ended by itself")),
        (None, Ok(())) => Ok(()),
    }
}

fn load(file: Option<&Path>) -> anyhow::Result<Settings> {
    Ok(Settings::load(file, std::env::vars())?)
}

fn logs(settings: &logging::LoggingSettings) -> anyhow::Result<()> {
    let overriding = std::env::var("RUST_LOG").ok();
    Ok(logging::install(settings, overriding.as_deref())?)
}

fn quiet() -> anyhow::Result<()> {
    logs(&logging::LoggingSettings {
        filter: QUIET.to_owned(),
        ..logging::LoggingSettings::default()
    })
}

fn shutdown() -> anyhow::Result<CancellationToken> {
    signal::shutdown().context("listen for signals")
}
