//! `log adopt`: a lake goes on with another log.

use anyhow::Context;
use greenpark_archive::lake::Lake;
use greenpark_console::output::line;
use greenpark_runtime::clock;

use crate::{cli::log::AdoptArgs, settings::Settings};

/// Says what it means to adopt a log, and does so if that is wanted.
///
/// # Errors
/// The lake cannot be read or written.
pub async fn adopt(args: &AdoptArgs, settings: &Settings) -> anyhow::Result<()> {
    let root = &settings.lake.root;
    let lake = Lake::open(root, clock::system())
        .await
        .with_context(|| format!("open the lake at {root}"))?;
    let partitions = greenpark_processor::partitions_of(&lake)
        .await
        .context("read the lake")?;
    if partitions.is_empty() {
        line(&format!(
            "the lake at {root} was made from no log yet: it takes any"
        ));
        return Ok(());
    }
    for (partition, consumed) in &partitions {
        line(&format!(
            "partition {partition}: the lake at {root} has consumed {consumed} offsets of its log"
        ));
    }
    line(
        "whatever log comes next is read from its first record on. Nothing of the lake is removed; a reading that \
         it has already counts once, and where the log holds another value of it, that one is taken for newer, but \
         for what the log took before the newest record that the lake has: of that it is an older copy.",
    );
    if !args.yes {
        line("nothing was done; stop the processor and say it again with --yes");
        return Ok(());
    }
    greenpark_processor::adopt(&lake)
        .await
        .context("adopt another log")?;
    line("done; start the processor");
    Ok(())
}
