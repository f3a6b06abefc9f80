//! `park.query.v1.Registry`.

mod certificates;
pub(super) mod convert;
mod corrections;
pub(super) mod declare;
mod methods;
mod withdrawals;

use std::collections::BTreeMap;

use greenpark_model::{
    day::CivilDay,
    id::{EnterpriseId, ParkId},
};
use greenpark_proto::query::v1 as pb;

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::{paging::Page, registry::declare::Provenance, server::Shared},
    lake::latest_readings::{self, MeterPlace},
    register::{
        name::Name,
        registry::{Park, Registry},
    },
};

/// Parses a parent into its park and, unless it names all, its enterprise.
pub(super) fn parent(text: &str) -> Result<(ParkId, Option<EnterpriseId>), QueryError> {
    match Name::parse("parent", text)? {
        Name::Enterprises(park) => Ok((park, None)),
        Name::Enterprise(park, enterprise) => Ok((park, Some(enterprise))),
        other => Err(other.unfit("parent", "parks/P/enterprises/E or parks/P/enterprises/-")),
    }
}

impl Shared {
    pub(super) fn provenance<'a>(&self, by: &'a str, evidence: &'a str) -> Provenance<'a> {
        Provenance {
            by,
            evidence,
            at: self.now(),
        }
    }

    /// Appends entries to the reference table, if `scope` permits it. Returns their number.
    pub(super) async fn record(
        &self,
        scope: &Scope,
        mut entries: Vec<greenpark_archive::reference::ReferenceEntry>,
    ) -> Result<u32, QueryError> {
        scope.sign(&mut entries)?;
        let count = entries.len() as u64;
        let version = self.books.lake.reference().append(entries).await?;
        self.metrics.entries_recorded.inc_by(count);
        tracing::info!(entries = count, version, "entries recorded");
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn register_enterprise(
        &self,
        scope: Scope,
        request: &pb::RegisterEnterpriseRequest,
    ) -> Result<pb::Enterprise, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (park, id, entry) = declare::enterprise(request.enterprise.as_ref(), provenance)?;
        let name = Name::Enterprise(park, id);
        scope.check(&name)?;
        self.record(&scope, vec![entry]).await?;
        let answer = request.enterprise.clone().unwrap_or_default();
        Ok(pb::Enterprise {
            recorded_at: Some(timestamp(provenance.at)),
            ..answer
        })
    }

    async fn register_meter(
        &self,
        scope: Scope,
        request: &pb::RegisterMeterRequest,
    ) -> Result<pb::Meter, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let stated = declare::meter(request.meter.as_ref(), provenance)?;
        scope.check(&stated.name())?;
        let registry = self.registry().await?;
        let park = registry.park(&stated.park);
        let entry = stated.into_entry(&park.meters, provenance)?;
        self.record(&scope, vec![entry]).await?;
        let answer = request.meter.clone().unwrap_or_default();
        Ok(pb::Meter {
            latest: None,
            recorded_at: Some(timestamp(provenance.at)),
            ..answer
        })
    }

    async fn record_meter_change(
        &self,
        scope: Scope,
        request: &pb::RecordMeterChangeRequest,
    ) -> Result<pb::MeterChange, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let stated = declare::change(request.change.as_ref(), provenance)?;
        let name = stated.name();
        scope.check(&name)?;
        let registry = self.registry().await?;
        let change = stated.completed(&registry.park(&stated.park).meters)?;
        self.record(&scope, vec![stated.entry(change, provenance)])
            .await?;
        Ok(convert::change(
            &name.to_string(),
            stated.key.quantity,
            &change,
        ))
    }

    async fn declare_statistics(
        &self,
        scope: Scope,
        request: &pb::DeclareStatisticsRequest,
    ) -> Result<pb::DeclareStatisticsResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (park, entries) =
            declare::statistics(&request.parent, &request.statistics, provenance)?;
        for entry in &entries {
            scope.check(&Name::parse("statistics", &entry.subject)?)?;
        }
        if !scope.sees(&park) {
            return Err(QueryError::Hidden(request.parent.clone()));
        }
        let recorded = self.record(&scope, entries).await?;
        Ok(pb::DeclareStatisticsResponse { recorded })
    }

    async fn declare_calorific_values(
        &self,
        scope: Scope,
        request: &pb::DeclareCalorificValuesRequest,
    ) -> Result<pb::DeclareCalorificValuesResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (park, entries) =
            declare::calorific_values(&request.parent, &request.values, provenance)?;
        for entry in &entries {
            scope.check(&Name::parse("values", &entry.subject)?)?;
        }
        if !scope.sees(&park) {
            return Err(QueryError::Hidden(request.parent.clone()));
        }
        let recorded = self.record(&scope, entries).await?;
        Ok(pb::DeclareCalorificValuesResponse { recorded })
    }

    async fn declare_deflators(
        &self,
        scope: Scope,
        request: &pb::DeclareDeflatorsRequest,
    ) -> Result<pb::DeclareDeflatorsResponse, QueryError> {
        let provenance = self.provenance(&request.recorded_by, &request.evidence);
        let (name, entries) = declare::deflators(&request.parent, &request.deflators, provenance)?;
        scope.check_whole(&name)?;
        let recorded = self.record(&scope, entries).await?;
        Ok(pb::DeclareDeflatorsResponse { recorded })
    }

    async fn list_parks(
        &self,
        scope: Scope,
        request: &pb::ListParksRequest,
    ) -> Result<pb::ListParksResponse, QueryError> {
        let page = Page::parse(request.page_size, &request.page_token, "parks")?;
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        let parks = self.parks(&scope, &registry).await?;
        let (ids, next_page_token) = page.cut(parks, ParkId::to_string);
        let mut parks = Vec::with_capacity(ids.len());
        for park in ids {
            let years = self.years_of(&scope, &registry, &park).await?;
            let name = Name::Park(park).to_string();
            parks.push(pb::Park {
                name,
                years: years.into_iter().map(i32::from).collect(),
            });
        }
        Ok(pb::ListParksResponse {
            parks,
            next_page_token,
        })
    }

    /// The years in which permitted enterprises of `park` have readings.
    async fn years_of(
        &self,
        scope: &Scope,
        registry: &Registry,
        park: &ParkId,
    ) -> Result<Vec<i16>, QueryError> {
        let mut years = self.books.lake.years(park).await?;
        if !scope.permits_park(park) {
            let (registered, as_of) = (registry.park(park), registry.as_of);
            let mut permitted = Vec::new();
            for year in years {
                let found = self
                    .books
                    .enterprises(park, year, &registered, as_of)
                    .await?;
                if found
                    .iter()
                    .any(|enterprise| scope.permits(park, enterprise))
                {
                    permitted.push(year);
                }
            }
            years = permitted;
        }
        Ok(years)
    }

    pub(in crate::grpc) async fn list_enterprises(
        &self,
        scope: Scope,
        request: &pb::ListEnterprisesRequest,
    ) -> Result<pb::ListEnterprisesResponse, QueryError> {
        let Name::Park(park) = Name::parse("parent", &request.parent)? else {
            return Err(QueryError::invalid("parent", "is no park; write parks/P"));
        };
        let page = Page::parse(
            request.page_size,
            &request.page_token,
            &format!("enterprises {park}"),
        )?;
        if !scope.sees(&park) {
            return Err(QueryError::Hidden(request.parent.clone()));
        }
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        self.known_park(&scope, &registry, &park).await?;
        let (registered, today) = (registry.park(&park), self.moment(&registry).day());
        let entries: Vec<pb::Enterprise> = registered
            .enterprises
            .iter()
            .filter(|(id, _)| scope.permits(&park, id))
            .filter_map(|(id, dated)| {
                let name = Name::Enterprise(park.clone(), id.clone()).to_string();
                Some(convert::enterprise(name, dated.on(today)?))
            })
            .collect();
        let (enterprises, next_page_token) = page.cut(entries, |entry| entry.name.clone());
        Ok(pb::ListEnterprisesResponse {
            enterprises,
            next_page_token,
        })
    }

    pub(in crate::grpc) async fn list_meters(
        &self,
        scope: Scope,
        request: &pb::ListMetersRequest,
    ) -> Result<pb::ListMetersResponse, QueryError> {
        let (park, of) = parent(&request.parent)?;
        let page = Page::parse(
            request.page_size,
            &request.page_token,
            &format!("meters {}", request.parent),
        )?;
        scope.check(&Name::parse("parent", &request.parent)?)?;
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        self.known_park(&scope, &registry, &park).await?;
        let registered = registry.park(&park);
        let is_seen = |id: &EnterpriseId| scope.permits(&park, id);
        let of_park = (&park, &*registered);
        let newest =
            latest_readings::newest_books(&self.books, of_park, registry.as_of, is_seen).await?;
        let wanted = |id: &EnterpriseId| of.as_ref().is_none_or(|of| of == id);
        let mut meters = registered_meters(&registered, &park, self.moment(&registry).day());
        for series in newest.iter().flat_map(|book| &book.series) {
            let key = &series.key;
            let at = (
                key.enterprise.clone(),
                key.series.meter.clone(),
                key.series.quantity,
            );
            let known = registered
                .meters
                .get(&key.enterprise, &key.series)
                .is_some();
            if !known {
                meters.entry(at).or_insert_with(|| unregistered(&park, key));
            }
        }
        meters.retain(|(enterprise, ..), _| wanted(enterprise));
        let key = |((e, m, q), _): &(MeterPlace, pb::Meter)| format!("{e}/{m}/{q}");
        let mut listed: Vec<_> = meters.into_iter().collect();
        listed.sort_by_key(key);
        let (listed, next_page_token) = page.cut(listed, key);
        let places: Vec<MeterPlace> = listed.iter().map(|(place, _)| place.clone()).collect();
        let readings = latest_readings::readings(&self.books, &newest, &places).await?;
        let meters = listed
            .into_iter()
            .zip(readings)
            .map(|((_, meter), latest)| pb::Meter {
                latest: latest
                    .map(|of| convert::reading(&park, &of.enterprise, &of.series, of.newest)),
                ..meter
            })
            .collect();
        Ok(pb::ListMetersResponse {
            meters,
            next_page_token,
        })
    }

    pub(in crate::grpc) async fn list_statistics(
        &self,
        scope: Scope,
        request: &pb::ListStatisticsRequest,
    ) -> Result<pb::ListStatisticsResponse, QueryError> {
        let (park, of) = parent(&request.parent)?;
        let question = format!("statistics {}", request.parent);
        let page = Page::parse(request.page_size, &request.page_token, &question)?;
        scope.check(&Name::parse("parent", &request.parent)?)?;
        let registry = self.registry_as_of(request.as_of.as_ref()).await?;
        self.known_park(&scope, &registry, &park).await?;
        let registered = registry.park(&park);
        let mut all: Vec<(String, pb::Statistic)> = registered
            .statistics
            .iter()
            .filter(|(id, _)| of.as_ref().is_none_or(|of| of == *id) && scope.permits(&park, id))
            .flat_map(|(id, declared)| {
                let name = Name::Enterprise(park.clone(), id.clone()).to_string();
                declared.iter().map(move |d| {
                    let base = d
                        .price_base
                        .map(|base| base.to_string())
                        .unwrap_or_default();
                    let key = format!("{name} {} {} {base}", d.series, d.period);
                    (key, convert::statistic(&name, d))
                })
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let (statistics, next_page_token) = page.cut(all, |(key, _)| key.clone());
        let statistics = statistics
            .into_iter()
            .map(|(_, statistic)| statistic)
            .collect();
        Ok(pb::ListStatisticsResponse {
            statistics,
            next_page_token,
        })
    }
}

/// The meters with an entry valid today.
fn registered_meters(
    registered: &Park,
    park: &ParkId,
    today: CivilDay,
) -> BTreeMap<MeterPlace, pb::Meter> {
    registered
        .meters
        .iter()
        .filter_map(|(key, dated)| {
            let name = Name::Meter(park.clone(), key.enterprise.clone(), key.meter.clone());
            let place = (key.enterprise.clone(), key.meter.clone(), key.quantity);
            let name = name.to_string();
            let changes = registered.meters.changes(key).iter();
            let changes = changes
                .map(|c| convert::change(&name, key.quantity, c))
                .collect();
            let meter = convert::meter(name, dated.on(today)?);
            Some((place, pb::Meter { changes, ..meter }))
        })
        .collect()
}

fn unregistered(park: &ParkId, key: &greenpark_archive::rows::SeriesKey) -> pb::Meter {
    let name = Name::Meter(
        park.clone(),
        key.enterprise.clone(),
        key.series.meter.clone(),
    );
    pb::Meter {
        name: name.to_string(),
        quantity: key.series.quantity.to_string(),
        kind: key.series.kind.as_str().to_owned(),
        counted: true,
        ..pb::Meter::default()
    }
}
