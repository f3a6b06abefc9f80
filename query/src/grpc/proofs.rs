//! `park.query.v1.Proofs`: checkpoints of the transparency log, and extract folders.

mod form;
mod held;
mod small_lake;
pub mod verify;

use std::{collections::BTreeSet, sync::Arc};

use greenpark_archive::{reference::ReferenceEntry, transparency::published::entry_line};
use greenpark_model::day::{CivilDay, Instant};
use greenpark_proto::query::v1::{self as pb, proofs_server::Proofs};
use tonic::{Request, Response, Status};
use tracing::warn;

use self::{held::Held, small_lake::derive};
use crate::{
    access::{grants::GRANT, scope::Scope},
    error::{QueryError, with_causes},
    figures::convert::timestamp,
    grpc::{
        ProofsRpc,
        readings::extract::{Content, Format, Job, totals},
        rules_text,
        server::{
            Shared,
            stream::{Ended, Responses, Sender, send},
        },
    },
    lake::scan::Selection,
    limits::{CHUNK_BYTES, FOLDER_BYTES_MAX},
    proof::{
        folder::{
            CONSISTENCY, Choices, ENTRIES, FORMAT, FileDigest, Files, MANIFEST, Manifest, POLICY,
            PROOF, READINGS, README, readme,
        },
        publisher::{PublishError, Publisher, RULES},
    },
    reference::shipped,
    register::{certificates::ASSESSMENT_BASIS, name::Name, registry::body::DEFLATOR},
    settings::QuerySettings,
};

/// What figures are made with, apart from readings and entries: shipped data files, those of the settings, and rules.
/// Names and texts.
pub(crate) fn published_data(settings: &QuerySettings) -> std::io::Result<Vec<(String, String)>> {
    let (_, files) = Choices::of(settings)?;
    let shipped = shipped::FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let own = files
        .into_iter()
        .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned()));
    let rules = (RULES.to_owned(), rules_text());
    Ok(shipped.chain(own).chain([rules]).collect())
}

#[tonic::async_trait]
impl Proofs for ProofsRpc {
    type ExtractFolderStream = Responses<pb::FolderPart>;
    type ExtractFormStream = Responses<pb::FolderPart>;

    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::Checkpoint>, Status> {
        let older = request.get_ref().older_size;
        let work = |_| self.0.checkpoint(older);
        self.0.answer("GetCheckpoint", &request, work).await
    }

    async fn extract_folder(
        &self,
        request: Request<pb::ExtractFolderRequest>,
    ) -> Result<Response<Self::ExtractFolderStream>, Status> {
        let response = self
            .0
            .stream("ExtractFolder", request, extract_folder)
            .await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::FolderPart>))
    }

    async fn extract_form(
        &self,
        request: Request<pb::ExtractFormRequest>,
    ) -> Result<Response<Self::ExtractFormStream>, Status> {
        let response = self.0.stream("ExtractForm", request, form::extract).await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::FolderPart>))
    }
}

impl Shared {
    fn published_by(&self) -> Result<&Publisher, QueryError> {
        self.publisher.as_deref().ok_or_else(|| {
            let text = "this service keeps no transparency log: name its keys with query.proof_key";
            QueryError::Precondition("proof_key", text.to_owned())
        })
    }

    async fn checkpoint(&self, older: u64) -> Result<pb::Checkpoint, QueryError> {
        let publisher = self.published_by()?;
        let (note, path) = publisher.checkpoint(older).await.map_err(not_published)?;
        Ok(pb::Checkpoint {
            note: note.to_string(),
            policy: publisher.policy().to_string(),
            consistency: path.ok_or_else(|| larger(older))?,
        })
    }
}

fn larger(older: u64) -> QueryError {
    let text = format!(
        "{older} is more than the log has; its checkpoint is of another log, or the log was cut"
    );
    QueryError::invalid("older_size", text)
}

/// The error for the caller; the operator finds the causes in the service's log.
fn not_published(error: PublishError) -> QueryError {
    let text = with_causes(&error);
    warn!(error = text, "nothing could be published");
    let text = "nothing can be published now, and an extract that is not published proves nothing: the service's log says why";
    QueryError::Precondition("transparency", text.to_owned())
}

/// Makes a folder, publishes its manifest, and sends its files.
async fn extract_folder(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::ExtractFolderRequest,
    to: Sender<pb::FolderPart>,
) -> Result<(), Ended> {
    let held = Held::parse(&request.held)?;
    let asked = (
        request.name.as_str(),
        request.period.as_ref(),
        request.as_of.as_ref(),
    );
    let (selection, as_of) = select(&shared, &scope, asked).await?;
    let job = Job {
        selection,
        content: Content::DailyTotals,
        format: Format::Csv,
        scope,
    };
    let (manifest, files) = make(&shared, &job).await?;
    let files = publish(&shared, &to, (&manifest, files), request.older_size).await?;
    send_files(&shared, &to, (files, &held), as_of).await
}

/// The enterprise and days of an extract, and its instant: one for every file, so that the same question as of it gives
/// the same files.
async fn select(
    shared: &Shared,
    scope: &Scope,
    (name, period, as_of): (&str, Option<&pb::Period>, Option<&prost_types::Timestamp>),
) -> Result<(Selection, Instant), QueryError> {
    let name = Name::parse("name", name)?;
    if !matches!(name, Name::Enterprise(..)) {
        return Err(name.unfit("name", "parks/P/enterprises/E"));
    }
    let mut selection = shared.select(scope, &name, period, as_of).await?;
    shared.published_by()?;
    let as_of = *selection.as_of.get_or_insert(shared.now());
    Ok((selection, as_of))
}

/// Publishes a manifest, and adds it and what proves it to its files.
async fn publish(
    shared: &Shared,
    to: &Sender<pb::FolderPart>,
    (manifest, mut files): (&Manifest, Files),
    older: u64,
) -> Result<Files, Ended> {
    let publisher = shared.published_by()?;
    let text = manifest.text();
    let proved = publisher.prove(manifest.leaf(&text), older).await;
    let proved = proved.map_err(not_published)?;
    to.entry
        .extracted(&FileDigest::of(text.as_bytes()).sha256)
        .await?;
    let path = proved.consistency.ok_or_else(|| larger(older))?;
    if older > 0 {
        let head = format!("older {older}\n");
        let lines = path.iter().fold(head, |text, hash| text + hash + "\n");
        files.insert(CONSISTENCY.to_owned(), lines.into());
    }
    files.insert(POLICY.to_owned(), publisher.policy().to_string().into());
    files.insert(PROOF.to_owned(), proved.proof.to_string().into());
    files.insert(MANIFEST.to_owned(), text.into());
    Ok(files)
}

/// Sends what the caller does not hold of `files`, as of an instant.
async fn send_files(
    shared: &Shared,
    to: &Sender<pb::FolderPart>,
    (files, held): (Files, &Held<'_>),
    as_of: Instant,
) -> Result<(), Ended> {
    let mut as_of = Some(timestamp(as_of));
    for (path, mut rest) in files {
        let kept = rest.split_to(held.bytes_of(&path, &rest));
        shared.metrics.extract_bytes.inc_by(rest.len() as u64);
        let begun = pb::FolderPart {
            part: Some(pb::folder_part::Part::Path(path)),
            kept: kept.len() as u64,
            as_of: as_of.take(),
        };
        send(to, begun, 0).await?;
        while !rest.is_empty() {
            let next = rest.split_to(rest.len().min(CHUNK_BYTES));
            let next = pb::FolderPart {
                part: Some(pb::folder_part::Part::Data(next)),
                ..pb::FolderPart::default()
            };
            send(to, next, 0).await?;
        }
    }
    Ok(())
}

/// The manifest and the files that it names.
async fn make(shared: &Shared, job: &Job) -> Result<(Manifest, Files), QueryError> {
    let selection = &job.selection;
    let made = totals::make(shared, job).await?;
    refuse_open(&made.open)?;
    let sealed = made
        .sources
        .iter()
        .filter(|source| source.revision.is_some());
    let mut files = Files::new();
    let mut bytes = 0;
    for source in sealed {
        let found = shared.books.lake.bytes_of(&source.path).await?;
        let found = found.ok_or(QueryError::FileReplaced)?;
        bytes += found.len();
        if bytes > FOLDER_BYTES_MAX {
            return Err(QueryError::TooLarge);
        }
        // The path within the table, which names the day.
        let name = source.path.rsplitn(3, '/').take(2).collect::<Vec<_>>();
        let name = name.into_iter().rev().collect::<Vec<_>>().join("/");
        files.insert(format!("{READINGS}{name}"), found);
    }
    files.insert(ENTRIES.to_owned(), entries(shared, job).await?.into());
    let io = |error: std::io::Error| QueryError::Broken(format!("a file of the settings: {error}"));
    let (choices, own) = Choices::of(&shared.settings).map_err(io)?;
    files.extend(own);
    let mut manifest = manifest_of(shared, selection, choices);
    let derived = derive(&manifest, &files, choices_of(&shared.settings)).await;
    files.extend(derived.map_err(|error| QueryError::Broken(with_causes(&error)))?);
    files.insert(README.to_owned(), readme(&manifest).into());
    let digests = files
        .iter()
        .map(|(path, bytes)| (path.clone(), FileDigest::of(bytes)));
    manifest.files = digests.collect();
    Ok((manifest, files))
}

/// The manifest of an extract that names no file yet.
fn manifest_of(shared: &Shared, selection: &Selection, choices: Choices) -> Manifest {
    let at = selection.as_of.unwrap_or_else(|| shared.now());
    let digest = |text: &str| FileDigest::of(text.as_bytes()).sha256;
    let shipped = shipped::FILES.iter();
    Manifest {
        format: FORMAT.to_owned(),
        form: None,
        name: Name::Enterprise(selection.park.clone(), selection.enterprise.clone()).to_string(),
        first: selection.range.first().to_string(),
        last: selection.range.last().to_string(),
        as_of: at.to_string(),
        as_of_ms: at.millis(),
        made_by: concat!("greenpark ", env!("CARGO_PKG_VERSION")).to_owned(),
        open: shared.settings.open,
        choices,
        shipped: shipped
            .map(|(name, text)| ((*name).to_owned(), digest(text)))
            .collect(),
        rules: digest(&rules_text()),
        files: std::collections::BTreeMap::new(),
    }
}

/// The settings that figures depend on.
fn choices_of(settings: &QuerySettings) -> QuerySettings {
    QuerySettings {
        factor_files: settings.factor_files.clone(),
        carbon_files: settings.carbon_files.clone(),
        grid_region: settings.grid_region.clone(),
        waste_files: settings.waste_files.clone(),
        waste_set: settings.waste_set.clone(),
        quality_file: settings.quality_file.clone(),
        assessment_file: settings.assessment_file.clone(),
        plan_files: settings.plan_files.clone(),
        open: true,
        ..QuerySettings::default()
    }
}

/// Refuses days that are not sealed: their readings may still change, and no file of them is published.
fn refuse_open(open: &[CivilDay]) -> Result<(), QueryError> {
    let Some(last) = open.last() else {
        return Ok(());
    };
    let days: BTreeSet<String> = open.iter().take(5).map(ToString::to_string).collect();
    let days = days.into_iter().collect::<Vec<_>>().join(", ");
    Err(QueryError::invalid(
        "period",
        format!(
            "needs {} day(s) that are not sealed yet ({days}): the first and last midnight are decided by the days beside \
             the period; ask again when {last} is sealed, or an earlier period",
            open.len()
        ),
    ))
}

/// Kinds of entries about a park that the figures of its enterprises use.
const SHARED: [&str; 2] = [DEFLATOR, ASSESSMENT_BASIS];

/// The entries of the reference table by the instant of `job` that concern its enterprise, a canonical line each.
async fn entries(shared: &Shared, job: &Job) -> Result<String, QueryError> {
    let selection = &job.selection;
    let at = selection.as_of.unwrap_or_else(|| shared.now());
    let park = Name::Park(selection.park.clone()).to_string();
    let enterprise =
        Name::Enterprise(selection.park.clone(), selection.enterprise.clone()).to_string();
    let sees_park = job.scope.permits_park(&selection.park);
    let concerns = |entry: &&ReferenceEntry| {
        let subject = &entry.subject;
        let below = subject.strip_prefix(&enterprise);
        let is_its = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_parks = *subject == park || *subject == Name::Parks.to_string();
        let is_shared = is_parks && (sees_park || SHARED.contains(&entry.kind.as_str()));
        entry.kind != GRANT && entry.recorded_at <= at && (is_its || is_shared)
    };
    let all = shared.books.lake.reference().entries().await?;
    let lines = all.entries.iter().filter(concerns).map(entry_line);
    Ok(lines.fold(String::new(), |text, line| text + &line + "\n"))
}
