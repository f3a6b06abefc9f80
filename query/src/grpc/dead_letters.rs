//! `park.query.v1.DeadLetters`.

mod filter;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use greenpark_archive::dead_letters::{Letter, LettersFile, LettersTable, Payloads};
use greenpark_model::id::{EnterpriseId, ParkId};
use greenpark_proto::query::v1::{self as pb, dead_letters_server::DeadLetters};
use tonic::{Request, Response, Status};

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::{
        DeadLettersRpc,
        paging::Page,
        registry::declare,
        server::{
            Shared,
            stream::{Ended, Responses, Sender, send},
        },
    },
    lake::dead_letters::{
        Counts, Filter, LetterName, Replay, Replays, View, by_enterprise, count, instant_key,
    },
    limits::OFFERED_MAX,
    register::name::Name,
};

/// The note of an answer that leaves out deleted letters.
const FINER_NOTE: &str =
    "letters that are not kept any more are not counted: of them only day and reason are known";

/// A file and its table.
struct Place<'a> {
    park: &'a ParkId,
    table: &'a LettersTable,
    file: LettersFile,
}

/// Tables of parks, with their files.
type Tables = Vec<(ParkId, LettersTable, Vec<LettersFile>)>;

impl Shared {
    /// The tables and files that may hold letters that `filter` selects and `scope` permits.
    async fn letter_tables(&self, scope: &Scope, filter: &Filter) -> Result<Tables, QueryError> {
        filter.check(scope)?;
        let mut tables = Vec::new();
        let parks = self.books.lake.letter_parks().await?;
        for park in parks {
            if !filter.has_park(&park) || !scope.sees(&park) {
                continue;
            }
            let mut table = self.books.lake.letters(&park);
            let mut files = table.files().await?;
            files.retain(|file| filter.has(scope, &park, file.enterprise()));
            files.retain(|file| filter.may_hold(file));
            tables.push((park, table, files));
        }
        Ok(tables)
    }

    async fn replays(&self) -> Result<Replays, QueryError> {
        let entries = self.books.lake.reference().entries().await?;
        Replays::read(&entries)
    }

    async fn list_letters(
        &self,
        scope: Scope,
        request: &pb::ListDeadLettersRequest,
    ) -> Result<pb::ListDeadLettersResponse, QueryError> {
        let filter = filter::parse(request.filter.as_ref())?;
        let page = Page::parse(request.page_size, &request.page_token, &filter.question())?;
        let tables = self.letter_tables(&scope, &filter).await?;
        let replays = self.replays().await?;
        let mut places: Vec<Place<'_>> = Vec::new();
        for (park, table, files) in &tables {
            let file = |file: &LettersFile| Place {
                park,
                table,
                file: file.clone(),
            };
            places.extend(files.iter().map(file));
        }
        places.sort_by_key(|place| std::cmp::Reverse(place.file.received().1));
        // One entry more than the page, to know if there is a next page.
        let most = page.size().saturating_add(1);
        let mut newest: BTreeMap<String, pb::DeadLetterEntry> = BTreeMap::new();
        for place in places {
            let next = instant_key(place.file.received().1);
            let is_full = newest.len() >= most;
            if is_full
                && newest
                    .last_key_value()
                    .is_some_and(|(last, _)| *last < next)
            {
                break;
            }
            let view = View {
                park: place.park,
                filter: &filter,
                replays: &replays,
            };
            let letters = place.table.read(&place.file, Payloads::Left).await?;
            for letter in letters.kept.into_iter().filter(|of| view.selects(of)) {
                let key = view.key(letter.received, letter.id);
                if page.begins_after(&key) {
                    newest.insert(key, entry(view, letter));
                }
                if newest.len() > most {
                    newest.pop_last();
                }
            }
        }
        let (letters, next_page_token) = page.cut(
            newest.into_iter().collect(),
            |of: &(String, pb::DeadLetterEntry)| of.0.clone(),
        );
        Ok(pb::ListDeadLettersResponse {
            letters: letters.into_iter().map(|(_, letter)| letter).collect(),
            next_page_token,
        })
    }

    async fn get_letter(
        &self,
        scope: Scope,
        request: &pb::GetDeadLetterRequest,
    ) -> Result<pb::DeadLetterEntry, QueryError> {
        let name = LetterName::parse("name", &request.name)?;
        scope.check(&name.of())?;
        let mut table = self.books.lake.letters(&name.park);
        let mut files = table.files().await?;
        files.retain(|file| *file.enterprise() == name.enterprise);
        files.sort_by_key(|file| std::cmp::Reverse(file.received().1));
        let mut known = Vec::new();
        for file in files {
            let letters = table.read(&file, Payloads::Left).await?;
            if letters.kept.iter().any(|letter| letter.id == name.id) {
                let letters = table.read(&file, Payloads::Taken).await?;
                let found = letters.kept.into_iter().find(|letter| letter.id == name.id);
                if let Some(letter) = found {
                    let view = View {
                        park: &name.park,
                        filter: &filter::parse(None)?,
                        replays: &self.replays().await?,
                    };
                    return Ok(entry(view, letter));
                }
            }
            let newest = letters
                .kept
                .iter()
                .rev()
                .map(|letter| letter.id.to_string());
            known.extend(newest.take(OFFERED_MAX.saturating_sub(known.len())));
        }
        Err(QueryError::NoLetter {
            name: name.to_string(),
            known,
        })
    }

    /// Counts the letters that `filter` selects, by enterprise and reason.
    pub(super) async fn letter_counts(
        &self,
        scope: &Scope,
        filter: &Filter,
    ) -> Result<BTreeMap<(ParkId, EnterpriseId), Counts>, QueryError> {
        let tables = self.letter_tables(scope, filter).await?;
        let replays = match filter.unreplayed {
            true => self.replays().await?,
            false => Replays::default(),
        };
        let mut all: BTreeMap<(ParkId, EnterpriseId), Counts> = BTreeMap::new();
        for (park, table, files) in &tables {
            let view = View {
                park,
                filter,
                replays: &replays,
            };
            for file in files {
                let of = (park.clone(), file.enterprise().clone());
                let letters = table.read(file, Payloads::Left).await?;
                count(&letters, view, all.entry(of).or_default());
            }
        }
        all.retain(|_, counts| !counts.is_empty());
        Ok(all)
    }

    async fn count_letters(
        &self,
        scope: Scope,
        request: &pb::CountDeadLettersRequest,
    ) -> Result<pb::CountDeadLettersResponse, QueryError> {
        let filter = filter::parse(request.filter.as_ref())?;
        let counts = self.letter_counts(&scope, &filter).await?;
        let each = counts.into_iter().flat_map(|((park, enterprise), counts)| {
            let name = Name::Enterprise(park, enterprise).to_string();
            counts
                .into_iter()
                .map(move |(code, of)| pb::DeadLetterCount {
                    name: name.clone(),
                    reason: code.as_str().to_owned(),
                    letters: of.letters,
                    kept: of.kept,
                    readings: of.readings,
                })
        });
        let mut notes = Vec::new();
        if filter.is_finer_than_numbers() {
            notes.push(FINER_NOTE.to_owned());
        }
        Ok(pb::CountDeadLettersResponse {
            counts: each.collect(),
            notes,
        })
    }

    async fn record_replay(
        &self,
        scope: Scope,
        request: &pb::RecordDeadLetterReplayRequest,
    ) -> Result<pb::RecordDeadLetterReplayResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let names = declare::replayed(request, provenance)?;
        for name in &names {
            scope.check(&name.of())?;
        }
        for ((park, enterprise), mut ids) in by_enterprise(&names) {
            let mut table = self.books.lake.letters(&park);
            for file in table.files().await? {
                if *file.enterprise() == enterprise && !ids.is_empty() {
                    let letters = table.read(&file, Payloads::Left).await?;
                    let there: BTreeSet<_> = letters.kept.iter().map(|of| of.id).collect();
                    ids.retain(|id| !there.contains(id));
                }
            }
            if let Some(&id) = ids.first() {
                let missing = LetterName {
                    park,
                    enterprise,
                    id,
                };
                return Err(QueryError::NoLetter {
                    name: missing.to_string(),
                    known: Vec::new(),
                });
            }
        }
        self.record(&scope, declare::replays(&names, provenance))
            .await?;
        Ok(pb::RecordDeadLetterReplayResponse {
            recorded: u32::try_from(names.len()).unwrap_or(u32::MAX),
        })
    }
}

/// Streams the selected letters; within an enterprise in the order of the log.
async fn letters(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::StreamDeadLettersRequest,
    to: Sender<pb::DeadLetterEntry>,
) -> Result<(), Ended> {
    let filter = filter::parse(request.filter.as_ref())?;
    let tables = shared.letter_tables(&scope, &filter).await?;
    let replays = shared.replays().await?;
    for (park, table, mut files) in tables {
        files.sort_by_key(LettersFile::place);
        let view = View {
            park: &park,
            filter: &filter,
            replays: &replays,
        };
        for file in files {
            let held = table.read(&file, Payloads::Taken).await?;
            let selected = |letter: &Letter| view.selects(letter);
            for letter in held.kept.into_iter().filter(selected) {
                send(&to, entry(view, letter), 1).await?;
            }
        }
    }
    Ok(())
}

/// Converts a dead letter with its replays.
fn entry(view: View<'_>, letter: Letter) -> pb::DeadLetterEntry {
    let replays = view.replays.of(view.park, letter.id).iter().map(replay);
    let replays = replays.collect();
    let name = LetterName {
        park: view.park.clone(),
        enterprise: letter.enterprise,
        id: letter.id,
    };
    pb::DeadLetterEntry {
        name: name.to_string(),
        gateway: letter.gateway.to_string(),
        received: Some(timestamp(letter.received)),
        topic: letter.topic,
        reason: letter.code.as_str().to_owned(),
        detail: letter.words,
        index: letter.index,
        readings: letter.readings,
        payload_bytes: letter.bytes,
        truncated: letter.truncated,
        payload: letter.payload,
        replays,
    }
}

fn replay(of: &Replay) -> pb::DeadLetterReplay {
    pb::DeadLetterReplay {
        recorded_at: Some(timestamp(of.recorded_at)),
        recorded_by: of.recorded_by.clone(),
        evidence: of.evidence.clone(),
    }
}

#[tonic::async_trait]
impl DeadLetters for DeadLettersRpc {
    type StreamDeadLettersStream = Responses<pb::DeadLetterEntry>;

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_letters(scope, message);
        let method = "ListDeadLetters";
        shared.answer(method, &request, work).await
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetDeadLetterRequest>,
    ) -> Result<Response<pb::DeadLetterEntry>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.get_letter(scope, message);
        let method = "GetDeadLetter";
        shared.answer(method, &request, work).await
    }

    async fn stream_dead_letters(
        &self,
        request: Request<pb::StreamDeadLettersRequest>,
    ) -> Result<Response<Self::StreamDeadLettersStream>, Status> {
        let response = self.0.stream("StreamDeadLetters", request, letters).await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::DeadLetterEntry>))
    }

    async fn count_dead_letters(
        &self,
        request: Request<pb::CountDeadLettersRequest>,
    ) -> Result<Response<pb::CountDeadLettersResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.count_letters(scope, message);
        let method = "CountDeadLetters";
        shared.answer(method, &request, work).await
    }

    async fn record_dead_letter_replay(
        &self,
        request: Request<pb::RecordDeadLetterReplayRequest>,
    ) -> Result<Response<pb::RecordDeadLetterReplayResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.record_replay(scope, message);
        let method = "RecordDeadLetterReplay";
        shared.answer(method, &request, work).await
    }
}
