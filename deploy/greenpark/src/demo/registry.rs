//! Registers the demo park over gRPC: enterprises, meters and declared value added.
//!
//! It skips existing entries, so a later start declares only the months that have passed since.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_client::{
    connection::{QueryConnection, refusal},
    name,
};
use greenpark_console::progress::ProgressBar;
use greenpark_gateway::demo::{
    history::Latest,
    meter::{self, Meter},
    park::{ENTERPRISES, MeterPlace, MeterSpec, PARK},
};
use greenpark_model::{
    day::{CivilDay, DayRange},
    quantity::{Medium, MediumClass},
    water::WaterSource,
};
use greenpark_proto::query::v1 as api;
use greenpark_runtime::clock;

/// The entries of one page.
const PAGE_SIZE: i32 = 1_000;
/// The author of the demo's registrations and declarations.
const RECORDED_BY: &str = "greenpark demo";
/// Their evidence.
const EVIDENCE: &str = "generated";
/// The first year of the history.
const FIRST_YEAR: i16 = 2020;
const HOUR_S: u32 = 3_600;
/// The consumption from which a plant draws its water from the river.
const RIVER_LITERS_PER_HOUR: i64 = 100_000;

/// Registers the missing enterprises and meters, and declares the missing value added.
pub(super) async fn register(service: &QueryConnection) -> anyhow::Result<()> {
    let known: BTreeSet<String> = enterprises(service).await?.into_iter().collect();
    let metered: BTreeSet<String> = meters(service)
        .await?
        .into_iter()
        .filter(|m| m.recorded_at.is_some())
        .map(|m| m.name)
        .collect();
    let today = clock::now().day();
    let mut registry = service.registry();
    let count = ENTERPRISES
        .iter()
        .map(|e| 1 + e.meters.len())
        .sum::<usize>();
    let mut done = known.len() + metered.len();
    let mut progress_bar = (done < count).then(|| ProgressBar::new("registry", count as u64));
    for (index, spec) in ENTERPRISES.iter().enumerate() {
        let name = name::enterprise(PARK, spec.id);
        if !known.contains(&name) {
            let request = enterprise_request(index, name);
            registry
                .register_enterprise(request)
                .await
                .map_err(refusal)?;
        }
        for meter in Meter::all(index) {
            let name = name::meter(PARK, spec.id, meter.spec.id);
            if !metered.contains(&name) {
                let request = meter_request(meter, name, today);
                registry.register_meter(request).await.map_err(refusal)?;
                done += 1;
            }
        }
        if let Some(progress_bar) = &mut progress_bar {
            progress_bar.set(done as u64);
        }
    }
    if let Some(progress_bar) = progress_bar {
        progress_bar.finish();
    }
    declare(service).await
}

/// Requests the instant of the latest reading of every meter.
pub(super) async fn latest(service: &QueryConnection) -> anyhow::Result<Latest> {
    let mut latest = Latest::new();
    for meter in meters(service).await? {
        let Some(stamp) = meter.latest.as_ref().and_then(|reading| reading.instant) else {
            continue;
        };
        let ms = stamp.seconds * 1_000 + i64::from(stamp.nanos / 1_000_000);
        let mut parts = meter.name.split('/').skip(3).step_by(2);
        if let (Some(enterprise), Some(meter)) = (parts.next(), parts.next()) {
            latest.insert((enterprise.to_owned(), meter.to_owned()), ms);
        }
    }
    Ok(latest)
}

fn enterprise_request(index: usize, name: String) -> api::RegisterEnterpriseRequest {
    let spec = &ENTERPRISES[index];
    api::RegisterEnterpriseRequest {
        enterprise: Some(api::Enterprise {
            name,
            title: spec.title.to_owned(),
            industry: spec.industry.to_owned(),
            above_designated_size: spec.above_designated_size,
            valid_from: format!("{FIRST_YEAR}-01-01"),
            valid_to: String::new(),
            recorded_at: None,
        }),
        recorded_by: RECORDED_BY.to_owned(),
        evidence: EVIDENCE.to_owned(),
    }
}

fn meter_request(meter: Meter, name: String, today: CivilDay) -> api::RegisterMeterRequest {
    let decimal = |value: Option<i64>| value.map_or(String::new(), |v| v.to_string());
    let register = meter.rated_per_hour().is_some();
    api::RegisterMeterRequest {
        meter: Some(api::Meter {
            name,
            title: meter.spec.title.to_owned(),
            quantity: meter.spec.quantity.to_string(),
            kind: meter.spec.kind.as_str().to_owned(),
            interval_s: if register { HOUR_S } else { 0 },
            modulus: decimal(meter.modulus()),
            rated_per_hour: decimal(meter.rated_per_hour()),
            counted: meter.spec.place == MeterPlace::Main,
            water_source: water_source(meter.spec).map_or(String::new(), |s| s.to_string()),
            waste_code: waste_code(meter.spec.quantity.medium).to_owned(),
            verified_until: format!("{}-06-30", today.year() + 1),
            valid_from: format!("{FIRST_YEAR}-01-01"),
            latest: None,
            recorded_at: None,
            ..api::Meter::default()
        }),
        recorded_by: RECORDED_BY.to_owned(),
        evidence: EVIDENCE.to_owned(),
    }
}

/// Returns the source of a meter's water: the river for large plants, reclaimed water for make-up, and otherwise the
/// municipal supply.
fn water_source(spec: &MeterSpec) -> Option<WaterSource> {
    let is_intake = spec.quantity.medium != Medium::ReusedWater;
    if spec.quantity.medium.class() != MediumClass::Water || !is_intake {
        return None;
    }
    Some(if spec.title.ends_with("补水") {
        WaterSource::Reclaimed
    } else if spec.amount >= RIVER_LITERS_PER_HOUR {
        WaterSource::Surface
    } else {
        WaterSource::Municipal
    })
}

/// Returns the code of a waste: industry 900, which is any industry, and a serial that is invented except for fly ash.
fn waste_code(medium: Medium) -> &'static str {
    match medium {
        Medium::SmeltingSlag => "900-099-S01",
        Medium::FlyAsh => "900-001-S02",
        Medium::ByproductGypsum => "900-099-S11",
        _ => "",
    }
}

/// Declares the value added of every month up to this one. Months of this year are estimates; those of closed years are
/// final.
async fn declare(service: &QueryConnection) -> anyhow::Result<()> {
    let today = clock::now().day();
    let declared = statistics(service).await?;
    let expected = (0..ENTERPRISES.len()).flat_map(|index| months(index, today));
    let missing: Vec<api::Statistic> = expected
        .filter(|s| {
            let key = (s.enterprise.clone(), month_of(s));
            declared.get(&key) != Some(&(s.amount.clone(), s.r#final))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let request = api::DeclareStatisticsRequest {
        parent: format!("parks/{PARK}"),
        statistics: missing,
        recorded_by: RECORDED_BY.to_owned(),
        evidence: EVIDENCE.to_owned(),
    };
    service
        .registry()
        .declare_statistics(request)
        .await
        .map_err(refusal)?;
    Ok(())
}

fn months(index: usize, today: CivilDay) -> impl Iterator<Item = api::Statistic> {
    let enterprise = name::enterprise(PARK, ENTERPRISES[index].id);
    let (this_year, this_month) = (today.year(), today.date().month());
    let all = (FIRST_YEAR..=this_year).flat_map(|year| (1..=12).map(move |month| (year, month)));
    all.filter(move |&when| when <= (this_year, this_month))
        .filter_map(move |(year, month)| {
            let range = DayRange::month(year, month)?;
            let hundredths = meter::value_added(index, range.first(), range.days());
            Some(api::Statistic {
                enterprise: enterprise.clone(),
                series: "value_added".to_owned(),
                period: Some(api::Period {
                    period: Some(api::period::Period::Month(format!("{year}-{month:02}"))),
                }),
                amount: hundredths_text(hundredths),
                price_base: "constant-2020".to_owned(),
                r#final: year < this_year,
                recorded_at: None,
            })
        })
}

/// Formats hundredths as the service prints decimals.
fn hundredths_text(hundredths: i64) -> String {
    let micro = greenpark_model::amount::Amount::from_micro(hundredths * 10_000);
    micro
        .expect("a month's value added is below 10^12")
        .to_string()
}

fn month_of(statistic: &api::Statistic) -> String {
    match statistic.period.as_ref().and_then(|p| p.period.as_ref()) {
        Some(api::period::Period::Month(month)) => month.clone(),
        _ => String::new(),
    }
}

async fn enterprises(service: &QueryConnection) -> anyhow::Result<Vec<String>> {
    let mut registry = service.registry();
    let mut request = api::ListEnterprisesRequest {
        parent: format!("parks/{PARK}"),
        page_size: PAGE_SIZE,
        page_token: String::new(),
        ..api::ListEnterprisesRequest::default()
    };
    let mut names = Vec::new();
    loop {
        let page = match registry.list_enterprises(request.clone()).await {
            Ok(page) => page.into_inner(),
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(names),
            Err(status) => return Err(refusal(status)),
        };
        names.extend(page.enterprises.into_iter().map(|e| e.name));
        if page.next_page_token.is_empty() {
            return Ok(names);
        }
        request.page_token = page.next_page_token;
    }
}

async fn meters(service: &QueryConnection) -> anyhow::Result<Vec<api::Meter>> {
    let mut registry = service.registry();
    let mut request = api::ListMetersRequest {
        parent: format!("parks/{PARK}/enterprises/-"),
        page_size: PAGE_SIZE,
        page_token: String::new(),
        ..api::ListMetersRequest::default()
    };
    let mut meters = Vec::new();
    loop {
        let page = match registry.list_meters(request.clone()).await {
            Ok(page) => page.into_inner(),
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(meters),
            Err(status) => return Err(refusal(status)),
        };
        meters.extend(page.meters);
        if page.next_page_token.is_empty() {
            return Ok(meters);
        }
        request.page_token = page.next_page_token;
    }
}

/// Requests the declared statistics: amount and finality by enterprise and month.
async fn statistics(
    service: &QueryConnection,
) -> anyhow::Result<BTreeMap<(String, String), (String, bool)>> {
    let mut registry = service.registry();
    let mut request = api::ListStatisticsRequest {
        parent: format!("parks/{PARK}/enterprises/-"),
        page_size: PAGE_SIZE,
        page_token: String::new(),
        ..api::ListStatisticsRequest::default()
    };
    let mut declared = BTreeMap::new();
    loop {
        let page = match registry.list_statistics(request.clone()).await {
            Ok(page) => page.into_inner(),
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(declared),
            Err(status) => return Err(refusal(status)),
        };
        for statistic in page.statistics {
            let key = (statistic.enterprise.clone(), month_of(&statistic));
            declared.insert(key, (statistic.amount, statistic.r#final));
        }
        if page.next_page_token.is_empty() {
            return Ok(declared);
        }
        request.page_token = page.next_page_token;
    }
}

#[cfg(test)]
mod tests {
    use greenpark_model::waste_code::WasteCode;
    use jiff::civil::Date;

    use super::*;

    #[test]
    fn water_has_a_source_and_waste_a_code_that_the_service_reads() {
        let mut sources = BTreeSet::new();
        for spec in ENTERPRISES.iter().flat_map(|e| e.meters) {
            let medium = spec.quantity.medium;
            let source = water_source(spec);
            assert_eq!(source.is_some(), medium == Medium::FreshWater);
            sources.extend(source);
            let code = waste_code(medium);
            let is_waste = medium.class() == MediumClass::Waste;
            assert_eq!(!code.is_empty(), is_waste, "{}", spec.id);
            if is_waste {
                let read: Result<WasteCode, _> = code.parse();
                assert_eq!(read.map(|of| of.industry), Ok(900));
            }
        }
        assert_eq!(sources.len(), 3);
    }

    #[test]
    fn every_month_up_to_this_one_is_declared() {
        let today = CivilDay::from_date(Date::constant(2021, 3, 5));
        let months: Vec<api::Statistic> = months(0, today).collect();
        assert_eq!(months.len(), 15);
        assert!(months[11].r#final && !months[12].r#final);
        assert_eq!(month_of(&months[14]), "2021-03");
        assert!(
            months
                .iter()
                .all(|m| m.amount.parse::<greenpark_model::amount::Amount>().is_ok())
        );
    }
}
