//! What is registered and declared: enterprises, meters and statistics.

use arrow::array::RecordBatch;
use greenpark_proto::query::v1 as pb;

use super::super::{
    cells::{Cell, Column, Kind, batch},
    view::{Asking, Member},
    wanted::Wanted,
};
use crate::{error::QueryError, limits::PAGE_MAX, register::name::Name};

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
        let mut request = pb::ListEnterprisesRequest {
            parent: Name::Park(park.clone()).to_string(),
            page_size: page_size(),
            as_of: asking.as_of(),
            ..pb::ListEnterprisesRequest::default()
        };
        loop {
            let page = asking
                .shared
                .list_enterprises(asking.scope.clone(), &request)
                .await?;
            for of in page.enterprises {
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
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
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
        let mut request = pb::ListMetersRequest {
            parent: name_of(&member).to_string(),
            page_size: page_size(),
            as_of: asking.as_of(),
            ..pb::ListMetersRequest::default()
        };
        loop {
            let page = asking
                .shared
                .list_meters(asking.scope.clone(), &request)
                .await?;
            for of in page.meters {
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
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
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
        let mut request = pb::ListStatisticsRequest {
            parent: name_of(&member).to_string(),
            page_size: page_size(),
            as_of: asking.as_of(),
            ..pb::ListStatisticsRequest::default()
        };
        loop {
            let page = asking
                .shared
                .list_statistics(asking.scope.clone(), &request)
                .await?;
            for of in page.statistics {
                let mut row = named(&member).to_vec();
                row.extend([
                    Cell::text(of.series),
                    period_cell(of.period.as_ref()),
                    Cell::decimal(&of.amount)?,
                    Cell::text(of.price_base),
                    Cell::Truth(of.r#final),
                    Cell::instant(of.recorded_at.as_ref()),
                ]);
                rows.push(row);
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
    }
    made(asking, DECLARATIONS, &rows)
}

/// A year, quarter or month.
fn period_cell(period: Option<&pb::Period>) -> Cell {
    use pb::period::Period;
    match period.and_then(|period| period.period.as_ref()) {
        Some(Period::Year(year)) => Cell::text(year.to_string()),
        Some(Period::Quarter(text) | Period::Month(text)) => Cell::text(text.as_str()),
        _ => Cell::Null,
    }
}
