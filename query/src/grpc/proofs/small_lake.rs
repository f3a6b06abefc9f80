//! The lake of an extract folder, and what follows from it.
//!
//! The service makes the tables and figures of a folder from the folder's own files, and a verifier makes them again:
//! both run this code, so equal files give equal bytes.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use greenpark_archive::{
    book::{Change, NewFile},
    error::{FileDecodeError, LakeOpenError, LakePublishError},
    file::FileKind,
    lake::Lake,
    transparency::published::read_entry_line,
};
use greenpark_model::{clock::Clock, day::Instant, id::EnterpriseId, indicator::Indicator};
use greenpark_proto::query::v1 as pb;
use object_store::memory::InMemory;
use prost::Message as _;
use serde::Serialize;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::{
        readings::extract::{self, Content, Format, Job},
        server::{QueryService, ServeError, Shared},
    },
    lake::scan::Selection,
    proof::{
        folder::{ENTRIES, Files, Manifest, READINGS, WORKBOOK},
        workbook::workbook,
    },
    register::name::Name,
    settings::QuerySettings,
};

/// Why the files of a folder make no lake.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SmallLakeError {
    /// A file is damaged, or is not a sealed file of this enterprise.
    #[error("'{path}' is no sealed file of this enterprise")]
    File {
        /// Its path in the folder.
        path: String,
        /// The cause; `None` if it is another enterprise's.
        #[source]
        source: Option<FileDecodeError>,
    },
    /// A line is no entry.
    #[error("{ENTRIES}, line {0}: is no entry of the reference table in its canonical form")]
    Entry(usize),
    /// The manifest's question cannot be asked.
    #[error("manifest.json asks for no enterprise, period, instant or choice that there is")]
    Question,
    /// The lake cannot be made.
    #[error("the lake of the folder cannot be made")]
    Open(#[from] LakeOpenError),
    /// The lake cannot be filled.
    #[error("the lake of the folder cannot be filled")]
    Publish(#[from] LakePublishError),
    /// The settings are wrong.
    #[error("the service over the folder cannot be made")]
    Serve(#[from] ServeError),
    /// The workbook cannot be made.
    #[error("the workbook cannot be made")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// A table or figure cannot be made.
    #[error("the tables of the folder cannot be made")]
    Query(#[source] Box<QueryError>),
}

/// A figure of an extract.
#[derive(Serialize)]
struct FigureLine {
    indicator: &'static str,
    value: String,
    unit: String,
    numerator: String,
    denominator: String,
    status: &'static str,
    sound: bool,
    /// The answer of the service, `park.query.v1.Figure`, in base64.
    answer: String,
    /// Why there is no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// Makes the tables and figures that follow from the sealed files and entries of a folder under `settings`, which have
/// the choices of the manifest.
pub(crate) async fn derive(
    manifest: &Manifest,
    files: &Files,
    settings: QuerySettings,
) -> Result<Files, SmallLakeError> {
    let selection = manifest.selection().ok_or(SmallLakeError::Question)?;
    let at = Instant::from_millis(manifest.as_of_ms);
    let clock = Clock::new(move || at);
    let lake = Lake::over(Arc::new(InMemory::new()), clock.clone());
    fill(&lake, &selection, files).await?;
    let shared = QueryService::new(lake, settings, clock).share_from_readings()?;
    let derived = derive_from(&Arc::new(shared), &selection).await;
    let mut derived = derived.map_err(|error| SmallLakeError::Query(Box::new(error)))?;
    let mut all = files.clone();
    all.extend(derived.clone());
    derived.insert(WORKBOOK.to_owned(), workbook(manifest, &all)?);
    Ok(derived)
}

/// Publishes the sealed files and the entries of a folder in `lake`.
async fn fill(lake: &Lake, selection: &Selection, files: &Files) -> Result<(), SmallLakeError> {
    let mut years: BTreeMap<i16, Vec<NewFile>> = BTreeMap::new();
    for (path, bytes) in files {
        let Some(name) = path.strip_prefix(READINGS) else {
            continue;
        };
        let file = sealed_file(name, bytes, &selection.enterprise);
        let file = file.map_err(|source| SmallLakeError::File {
            path: path.clone(),
            source,
        })?;
        years.entry(file.day.year()).or_default().push(file);
    }
    for (year, add) in years {
        let mut book = lake.book(&selection.park, year).await?;
        let change = Change {
            add,
            ..Change::default()
        };
        // Nothing is consumed, so there is no offset to commit.
        let _published = book.publish(change).await?;
    }
    let lines = files
        .get(ENTRIES)
        .map(|bytes| String::from_utf8_lossy(bytes));
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(lines.unwrap_or_default().lines()) {
        entries.push(read_entry_line(line).ok_or(SmallLakeError::Entry(number))?);
    }
    if !entries.is_empty() {
        lake.reference().append(entries).await?;
    }
    Ok(())
}

/// The sealed file of `name`, if it is one of `enterprise` alone.
fn sealed_file(
    name: &str,
    bytes: &Bytes,
    enterprise: &EnterpriseId,
) -> Result<NewFile, Option<FileDecodeError>> {
    let file = NewFile::read(name, bytes.clone()).map_err(Some)?;
    let (first, last) = &file.encoded.enterprises;
    let is_sealed =
        matches!(&file.kind, FileKind::Sealed { enterprise: of, .. } if of == enterprise);
    (is_sealed && first == enterprise && last == enterprise)
        .then_some(file)
        .ok_or(None)
}

async fn derive_from(shared: &Arc<Shared>, selection: &Selection) -> Result<Files, QueryError> {
    let mut derived = Files::new();
    for (name, content) in [
        ("readings.csv", Content::Readings),
        ("daily-totals.csv", Content::DailyTotals),
    ] {
        let job = Job {
            selection: selection.clone(),
            content,
            format: Format::Csv,
            scope: Scope::everything(),
        };
        derived.insert(name.to_owned(), extract::whole(shared, &job).await?.into());
    }
    let mut figures = Vec::new();
    for indicator in Indicator::ALL {
        figures.push(figure(shared, indicator, selection).await);
    }
    let text = serde_json::to_string_pretty(&figures).expect("texts and numbers are JSON") + "\n";
    derived.insert("figures.json".to_owned(), text.into());
    Ok(derived)
}

/// The question about a figure of the selected enterprise and days.
fn question(selection: &Selection) -> pb::GetIndicatorRequest {
    let (park, enterprise) = (selection.park.clone(), selection.enterprise.clone());
    let days = pb::Days {
        first: selection.range.first().to_string(),
        last: selection.range.last().to_string(),
    };
    pb::GetIndicatorRequest {
        name: Name::Enterprise(park, enterprise).to_string(),
        period: Some(pb::Period {
            period: Some(pb::period::Period::Days(days)),
        }),
        as_of: selection.as_of.map(timestamp),
        ..pb::GetIndicatorRequest::default()
    }
}

async fn figure(shared: &Arc<Shared>, indicator: Indicator, selection: &Selection) -> FigureLine {
    let request = question(selection);
    let answer = shared.get(Scope::everything(), indicator, &request).await;
    let text = |amount: &Option<pb::Amount>| {
        let amount = amount.as_ref();
        amount.map_or_else(String::new, |of| format!("{} {}", of.value, of.unit))
    };
    let (figure, refused) = match answer {
        Ok(figure) => (figure, None),
        Err(error) => (pb::Figure::default(), Some(error.to_string())),
    };
    FigureLine {
        indicator: indicator.as_str(),
        numerator: text(&figure.numerator),
        denominator: text(&figure.denominator),
        status: figure.status().as_str_name(),
        sound: refused.is_none() && figure.unsound.is_empty(),
        answer: STANDARD.encode(figure.encode_to_vec()),
        value: figure.value,
        unit: figure.unit,
        refused,
    }
}
