//! `park.query.v1.Readings`: streams of readings and extracts, no faster than the client reads.

pub(crate) mod extract;

use std::sync::Arc;

use arrow::{
    array::{Array as _, RecordBatch},
    datatypes::{Decimal128Type, TimestampMillisecondType},
};
use futures::TryStreamExt as _;
use greenpark_model::{amount::Amount, day::Instant, id::MeterId, quantity::Quantity};
use greenpark_proto::query::v1::{self as pb, readings_server::Readings};
use tonic::{Request, Response, Status};

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::{
        ReadingsRpc,
        readings::extract::{Content, Format, Job},
        server::{
            Shared,
            stream::{Ended, Responses, Sender, send},
        },
    },
    lake::{
        record_batches::{OptionalTexts, Texts, numbers},
        scan::{Scan, Selection},
    },
    limits::STREAM_PAGE_READINGS,
    register::name::Name,
};

impl Shared {
    /// Parses the selection of a request. Its enterprise must exist.
    pub(crate) async fn select(
        &self,
        scope: &Scope,
        name: &Name,
        period: Option<&pb::Period>,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<Selection, QueryError> {
        let (park, enterprise, meter) = match name.clone() {
            Name::Enterprise(park, enterprise) => (park, enterprise, None),
            Name::Meter(park, enterprise, meter) => (park, enterprise, Some(meter)),
            other => {
                let wanted = "parks/P/enterprises/E or parks/P/enterprises/E/meters/M";
                return Err(other.unfit("name", wanted));
            }
        };
        scope.check(name)?;
        let (registry, range) = self.parse_range(period, as_of).await?;
        self.known_park(scope, &registry, &park).await?;
        self.known_enterprise(scope, &registry, &park, &enterprise)
            .await?;
        Ok(Selection {
            park,
            enterprise,
            meter,
            range,
            as_of: registry.as_of,
        })
    }
}

/// Streams the pages of a selection.
async fn pages(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::StreamReadingsRequest,
    to: Sender<pb::ReadingsPage>,
) -> Result<(), Ended> {
    let name = Name::parse("name", &request.name)?;
    let selection = shared
        .select(
            &scope,
            &name,
            request.period.as_ref(),
            request.as_of.as_ref(),
        )
        .await?;
    let mut sent = 0u64;
    match send_pages(&shared, &scope, &selection, &to, &mut sent).await {
        // Nothing was sent yet, so a newer snapshot will do.
        Err(Ended::Failed(error)) if sent == 0 && error.is_file_replaced() => {
            shared.metrics.retried.inc();
            send_pages(&shared, &scope, &selection, &to, &mut sent).await
        }
        result => result,
    }
}

async fn send_pages(
    shared: &Shared,
    scope: &Scope,
    selection: &Selection,
    to: &Sender<pb::ReadingsPage>,
    sent: &mut u64,
) -> Result<(), Ended> {
    let scan = Scan::open(&shared.books, scope, selection.clone()).await?;
    let (mut batches, _) = scan.run(&shared.books).await?;
    let enterprise = Name::Enterprise(selection.park.clone(), selection.enterprise.clone());
    let mut page = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(QueryError::Scan)? {
        let mut from = 0;
        while from < batch.num_rows() {
            let many = (batch.num_rows() - from).min(STREAM_PAGE_READINGS - page.len());
            readings(&batch.slice(from, many), &enterprise, &mut page)?;
            from += many;
            if page.len() == STREAM_PAGE_READINGS {
                *sent += page.len() as u64;
                let readings = std::mem::take(&mut page);
                shared.metrics.readings_sent.inc_by(readings.len() as u64);
                let rows = readings.len();
                send(to, pb::ReadingsPage { readings }, rows).await?;
            }
        }
    }
    if !page.is_empty() {
        shared.metrics.readings_sent.inc_by(page.len() as u64);
        let rows = page.len();
        send(to, pb::ReadingsPage { readings: page }, rows).await?;
    }
    Ok(())
}

/// Appends the rows of `batch` to `page`.
fn readings(
    batch: &RecordBatch,
    enterprise: &Name,
    page: &mut Vec<pb::Reading>,
) -> Result<(), QueryError> {
    let meters = Texts::new(batch, "meter", |text| {
        MeterId::new(text)
            .ok()
            .map(|meter| format!("{enterprise}/meters/{meter}"))
    })?;
    let quantities = Texts::new(batch, "quantity", |text| text.parse::<Quantity>().ok())?;
    let kinds = Texts::new(batch, "kind", |text| Some(text.to_owned()))?;
    let flags = Texts::new(batch, "flag", |text| Some(text.to_owned()))?;
    let instants = numbers::<TimestampMillisecondType>(batch, "instant")?.values();
    let values = numbers::<Decimal128Type>(batch, "value")?.values();
    let tickets = OptionalTexts::new(batch, "ticket", |text| Some(text.to_owned()))?;
    let received = numbers::<TimestampMillisecondType>(batch, "late_received")?;
    let gateways = OptionalTexts::new(batch, "late_gateway", |text| Some(text.to_owned()))?;
    for row in 0..batch.num_rows() {
        let quantity = quantities.get(row)?;
        let value = i64::try_from(values[row])
            .ok()
            .and_then(|v| Amount::from_micro(v).ok());
        let value =
            value.ok_or_else(|| QueryError::Broken("a value is out of range".to_owned()))?;
        page.push(pb::Reading {
            meter: meters.get(row)?.clone(),
            quantity: quantity.to_string(),
            kind: kinds.get(row)?.clone(),
            instant: Some(timestamp(Instant::from_millis(instants[row]))),
            value: value.to_string(),
            unit: quantity.medium.unit().symbol().to_owned(),
            flag: flags.get(row)?.clone(),
            ticket: tickets.get(row)?.cloned().unwrap_or_default(),
            late_received: received
                .is_valid(row)
                .then(|| timestamp(Instant::from_millis(received.value(row)))),
            late_gateway: gateways.get(row)?.cloned().unwrap_or_default(),
        });
    }
    Ok(())
}

/// Streams an extract and its manifest.
async fn extract(
    shared: Arc<Shared>,
    scope: Scope,
    request: pb::ExtractRequest,
    to: Sender<pb::ExtractChunk>,
) -> Result<(), Ended> {
    let name = Name::parse("name", &request.name)?;
    if !matches!(name, Name::Enterprise(..)) {
        return Err(name.unfit("name", "parks/P/enterprises/E").into());
    }
    let content = match pb::ExtractContent::try_from(request.content) {
        Ok(pb::ExtractContent::Unspecified | pb::ExtractContent::Readings) => Content::Readings,
        Ok(pb::ExtractContent::DailyTotals) => Content::DailyTotals,
        Err(_) => {
            return Err(QueryError::invalid("content", "is none of the known contents").into());
        }
    };
    let format = match pb::ExtractFormat::try_from(request.format) {
        Ok(pb::ExtractFormat::Unspecified | pb::ExtractFormat::Parquet) => Format::Parquet,
        Ok(pb::ExtractFormat::Csv) => Format::Csv,
        Err(_) => return Err(QueryError::invalid("format", "is none of the known formats").into()),
    };
    let selection = shared
        .select(
            &scope,
            &name,
            request.period.as_ref(),
            request.as_of.as_ref(),
        )
        .await?;
    let job = Job {
        selection,
        content,
        format,
        scope,
    };
    extract::run(&shared, &job, &to).await
}

#[tonic::async_trait]
impl Readings for ReadingsRpc {
    type StreamReadingsStream = Responses<pb::ReadingsPage>;
    type ExtractStream = Responses<pb::ExtractChunk>;

    async fn stream_readings(
        &self,
        request: Request<pb::StreamReadingsRequest>,
    ) -> Result<Response<Self::StreamReadingsStream>, Status> {
        let response = self.0.stream("StreamReadings", request, pages).await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::ReadingsPage>))
    }

    async fn extract(
        &self,
        request: Request<pb::ExtractRequest>,
    ) -> Result<Response<Self::ExtractStream>, Status> {
        let response = self.0.stream("Extract", request, extract).await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::ExtractChunk>))
    }
}
