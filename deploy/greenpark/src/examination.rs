//! What the doctor examines, taken from the settings of the services and the arguments of `doctor`.

use greenpark_doctor::{
    DoctorArgs,
    installation::{Installation, InstalledLog},
};
use greenpark_processor::dead_letter_group;
use greenpark_runtime::settings::Mistakes;

use crate::{
    node_args::NodeArgs,
    settings::{LogKind, Settings},
};

/// Overrides `settings` by the arguments.
///
/// # Errors
/// [`Mistakes`] of the arguments.
pub(crate) fn apply(args: &DoctorArgs, settings: &mut Settings) -> Result<(), Mistakes> {
    let mut problems = Vec::new();
    settings.place(&NodeArgs {
        data: args.data.clone(),
        ..NodeArgs::default()
    });
    if let Some(brokers) = &args.kafka {
        settings.kafka.brokers.clone_from(brokers);
        settings.log.kind = LogKind::Kafka;
    }
    if let Some(broker) = &args.mqtt {
        let subscribe = settings.subscribe.get_or_insert_default();
        subscribe.broker.clone_from(broker);
        subscribe.check(&mut problems);
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Mistakes(problems)),
    }
}

/// The installation that `settings` describe.
pub(crate) fn installation(settings: &Settings) -> Installation {
    let group = settings.processor.group.clone();
    Installation {
        lake_root: settings.lake.root.clone(),
        grace: settings.processor.grace,
        dead_letter_group: dead_letter_group(&group),
        group,
        log: match settings.log.kind {
            LogKind::Embedded => InstalledLog::Embedded {
                folder: settings.embedded_log.folder.clone(),
                settings: settings.embedded_log.to_log(),
            },
            LogKind::Kafka => InstalledLog::Kafka(settings.kafka.to_log()),
        },
        subscribe: settings.subscribe.clone(),
    }
}
