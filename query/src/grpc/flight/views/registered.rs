//! What is registered and declared: enterprises, meters and statistics.

use arrow::array::RecordBatch;
use futures::{FutureExt as _, future::BoxFuture};
use greenpark_proto::query::v1 as pb;

use super::super::{
    cells::{Cell, Column, Kind, batch},
    view::{Asking, Member},
    wanted::Wanted,
};
use crate::{error::QueryError, grpc::asked::period_text, limits::PAGE_MAX, register::name::Name};

pub(super) const ENTERPRISES: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("title", Kind::Text),
    ("industry", Kind::Text),
    ("above_designated_size", Kind::Truth),
    ("valid_from", Kind::Day),
    ("valid_to", Kind::Day),
];

pub(super) const METERS: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("title", Kind::Text),
    ("quantity", Kind::Text),
    ("kind", Kind::Text),
    ("interval_s", Kind::Integer),
    ("multiplier", Kind::Decimal),
    ("counted", Kind::Truth),
    ("water_source", Kind::Text),
    ("waste_code", Kind::Text),
    ("valid_from", Kind::Day),
    ("valid_to", Kind::Day),
];

pub(super) const DECLARATIONS: &[Column] = &[
    ("name", Kind::Text),
    ("park", Kind::Text),
    ("enterprise", Kind::Text),
    ("series", Kind::Text),
    ("period", Kind::Text),
    ("amount", Kind::Decimal),
    ("price_base", Kind::Text),
    ("final", Kind::Truth),
    ("recorded_at", Kind::Instant),
];

/// The largest page.
fn page_size() -> i32 {
    i32::try_from(PAGE_MAX).unwrap_or(i32::MAX)
}

/// The entries of a page, and the token of the next one; it is empty after the last.
type Page<'a, T> = BoxFuture<'a, Result<(Vec<T>, String), QueryError>>;

/// All entries of a list that comes in pages; `page` asks for the one after a token.
async fn every_page<'a, T>(
    mut page: impl FnMut(String) -> Page<'a, T>,
) -> Result<Vec<T>, QueryError> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (entries, next) = page(token).await?;
        all.extend(entries);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

/// The name of a member.
pub(super) fn name_of((park, enterprise): &Member) -> Name {
    Name::Enterprise(park.clone(), enterprise.clone())
}

/// The cells that name a member: its name, park and enterprise.
pub(super) fn named(member: &Member) -> [Cell; 3] {
    let (park, enterprise) = member;
    [
        Cell::text(name_of(member).to_string()),
        Cell::text(park.as_str()),
        Cell::text(enterprise.as_str()),
    ]
}

/// A counted batch of rows.
pub(super) fn made(
    asking: &Asking,
    columns: &[Column],
    rows: &[Vec<Cell>],
) -> Result<Vec<RecordBatch>, QueryError> {
    let batch = batch(columns, rows)?;
    asking.made(&batch)?;
    Ok(vec![batch])
}

pub(super) async fn enterprises(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let mut rows = Vec::new();
    for park in asking.parks(wanted).await? {
        let parent = Name::Park(park.clone()).to_string();
        let listed = every_page(|page_token| {
            let request = pb::ListEnterprisesRequest {
                parent: parent.clone(),
                page_size: page_size(),
                page_token,
                as_of: asking.as_of(),
            };
            async move {
                let page = asking
                    .shared
                    .list_enterprises(asking.scope.clone(), &request);
                let page = page.await?;
                Ok((page.enterprises, page.next_page_token))
            }
            .boxed()
        });
        let listed = listed.await?;
        for of in listed {
            let id = of.name.rsplit('/').next().unwrap_or_default().to_owned();
            rows.push(vec![
                Cell::text(of.name),
                Cell::text(park.as_str()),
                Cell::text(id),
                Cell::text(of.title),
                Cell::text(of.industry),
                Cell::Truth(of.above_designated_size),
                Cell::day(&of.valid_from),
                Cell::day(&of.valid_to),
            ]);
        }
    }
    made(asking, ENTERPRISES, &rows)
}

pub(super) async fn meters(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let mut rows = Vec::new();
    for member in asking.members(wanted).await? {
        let [_, park, enterprise] = named(&member);
        let parent = name_of(&member).to_string();
        let listed = every_page(|page_token| {
            let request = pb::ListMetersRequest {
                parent: parent.clone(),
                page_size: page_size(),
                page_token,
                as_of: asking.as_of(),
            };
            async move {
                let page = asking.shared.list_meters(asking.scope.clone(), &request);
                let page = page.await?;
                Ok((page.meters, page.next_page_token))
            }
            .boxed()
        });
        let listed = listed.await?;
        for of in listed {
            rows.push(vec![
                Cell::text(of.name),
                park.clone(),
                enterprise.clone(),
                Cell::text(of.title),
                Cell::text(of.quantity),
                Cell::text(of.kind),
                Cell::count(of.interval_s),
                Cell::decimal(&of.multiplier)?,
                Cell::Truth(of.counted),
                Cell::text(of.water_source),
                Cell::text(of.waste_code),
                Cell::day(&of.valid_from),
                Cell::day(&of.valid_to),
            ]);
        }
    }
    made(asking, METERS, &rows)
}

pub(super) async fn declarations(
    asking: &Asking,
    wanted: &Wanted,
) -> Result<Vec<RecordBatch>, QueryError> {
    let mut rows = Vec::new();
    for member in asking.members(wanted).await? {
        let parent = name_of(&member).to_string();
        let listed = every_page(|page_token| {
            let request = pb::ListStatisticsRequest {
                parent: parent.clone(),
                page_size: page_size(),
                page_token,
                as_of: asking.as_of(),
            };
            async move {
                let page = asking
                    .shared
                    .list_statistics(asking.scope.clone(), &request);
                let page = page.await?;
                Ok((page.statistics, page.next_page_token))
            }
            .boxed()
        });
        let listed = listed.await?;
        for of in listed {
            let mut row = named(&member).to_vec();
            row.extend([
                Cell::text(of.series),
                Cell::text(period_text(of.period.as_ref())),
                Cell::decimal(&of.amount)?,
                Cell::text(of.price_base),
                Cell::Truth(of.r#final),
                Cell::instant(of.recorded_at.as_ref()),
            ]);
            rows.push(row);
        }
    }
    made(asking, DECLARATIONS, &rows)
}
