//! A year's scorecard of a park of 500 enterprises.

use std::{net::Ipv4Addr, sync::Arc};

use greenpark_archive::{
    book::{Change, NewFile},
    builder::RowsBuilder,
    file::FileKind,
    lake::Lake,
    reference::ReferenceEntry,
    rows::{Rows, SeriesKey},
    totals::TotalsRow,
};
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    fold::{Traits, fold_day},
    id::{EnterpriseId, MeterId},
    quantity::{Flow, Medium, Quantity},
    reading::{Flag, Kind, Series},
};
use greenpark_proto::query::v1::{
    GetProgressRequest, Verdict, indicators_client::IndicatorsClient,
};
use greenpark_query::{service::Service, settings::Settings};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    fixture::{NOW_MS, Place, new_file, park},
    measure::Measure,
};

/// Enterprises of the park.
const ENTERPRISES: usize = 500;
/// The plan's base year and the judged one.
const YEARS: [i16; 2] = [2020, 2021];
/// Scorecards after the first.
const QUESTIONS: u64 = 10;
/// Readings of each meter and day.
const A_DAY: i64 = 4;
/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// The first scorecard of a process, which reads the totals of both years, and the ones after it.
pub(crate) fn scorecard(runtime: &Runtime) {
    runtime.block_on(async {
        let place = Place::new();
        let lake = place.lake().await;
        register(&lake).await;
        for year in YEARS {
            fill(&lake, year).await;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = Service::new(lake, Settings::default(), Arc::new(|| Instant(NOW_MS)));
        tokio::spawn(service.serve(listener, std::future::pending()));
        let client = IndicatorsClient::connect(format!("http://{address}")).await;
        let mut client = client.expect("connected");
        let request = || GetProgressRequest {
            name: "parks/bench".to_owned(),
            year: i32::from(YEARS[1]),
            ..GetProgressRequest::default()
        };
        let measure = Measure::begin("scorecard, cold (500 enterprises, 2 years)");
        let first = client
            .get_scorecard(request())
            .await
            .expect("an answer")
            .into_inner();
        measure.end(1);
        assert_eq!(first.lines[0].verdict(), Verdict::Behind);
        let measure = Measure::begin("scorecard, warm (500 enterprises, 2 years)");
        for _question in 0..QUESTIONS {
            let again = client
                .get_scorecard(request())
                .await
                .expect("an answer")
                .into_inner();
            assert_eq!(again.lines[0].value, first.lines[0].value);
        }
        measure.end(QUESTIONS);
    });
}

fn enterprise(n: usize) -> String {
    format!("enterprise-{n:03}")
}

/// Registers the enterprises and their meters, and declares their value added.
async fn register(lake: &Lake) {
    let day = |text: &str| text.parse::<CivilDay>().expect("a day");
    let entry =
        |kind: &str, n: usize, valid: (CivilDay, Option<CivilDay>), body: String| ReferenceEntry {
            kind: kind.to_owned(),
            subject: format!("parks/bench/enterprises/{}", enterprise(n)),
            valid_from: valid.0,
            valid_to: valid.1,
            recorded_at: Instant(NOW_MS - 1_000),
            recorded_by: "bench".to_owned(),
            evidence: "none".to_owned(),
            body,
        };
    let mut entries = Vec::new();
    for n in 0..ENTERPRISES {
        let title = "{\"title\":\"\",\"industry\":\"C31\",\"above_designated_size\":true}";
        entries.push(entry(
            "enterprise",
            n,
            (day("2018-01-01"), None),
            title.to_owned(),
        ));
        for (meter, quantity) in [("main", "electricity"), ("water", "fresh_water")] {
            let body = format!(
                "{{\"title\":\"\",\"quantity\":\"{quantity}\",\"kind\":\"register\",\"interval_s\":{},\
                 \"counted\":true}}",
                DAY_S / A_DAY
            );
            let of_meter = entry("meter", n, (day("2018-01-01"), None), body);
            entries.push(ReferenceEntry {
                subject: format!("{}/meters/{meter}", of_meter.subject),
                ..of_meter
            });
        }
        for year in YEARS {
            let range = DayRange::year(year).expect("a year");
            let body = format!(
                "{{\"series\":\"value_added\",\"period\":\"{year}\",\"amount\":\"{}\",\
                 \"price_base\":\"constant-2020\",\"final\":true}}",
                1_000 + n
            );
            entries.push(entry(
                "statistic",
                n,
                (range.first(), Some(range.last())),
                body,
            ));
        }
    }
    let _version = lake.reference().append(entries).await.expect("recorded");
}

/// Seals every day of every enterprise of a year: electricity, water, and fly ash made and used.
async fn fill(lake: &Lake, year: i16) {
    let mut book = lake.book(&park(), year).await.expect("a book");
    let range = DayRange::year(year).expect("a year");
    let days: Vec<CivilDay> = range.iter().collect();
    for month in days.chunks(31) {
        let mut change = Change::default();
        for &day in month {
            for n in 0..ENTERPRISES {
                let rows = rows(n, day);
                let file = file(&enterprise(n), day, &rows);
                change
                    .totals
                    .extend(totals(&rows, day, file.encoded.sha256));
                change.add.push(file);
            }
        }
        let _published = book.publish(change).await.expect("published");
    }
}

fn rows(n: usize, day: CivilDay) -> Rows {
    let consumed = Quantity::consumed;
    let ash = |flow| Quantity {
        medium: Medium::FlyAsh,
        flow,
    };
    let series = [
        ("main", consumed(Medium::Electricity), Kind::Register),
        ("water", consumed(Medium::FreshWater), Kind::Register),
        ("ash", ash(Flow::Generated), Kind::Event),
        ("ash-used", ash(Flow::Utilized), Kind::Event),
    ];
    let mut builder = RowsBuilder::new();
    for (meter, quantity, kind) in series {
        let key = builder.key(&SeriesKey {
            enterprise: EnterpriseId::new(&enterprise(n)).expect("an id"),
            series: Series {
                meter: MeterId::new(meter).expect("an id"),
                quantity,
                kind,
            },
        });
        for step in 0..A_DAY {
            let since = i64::from(day.epoch_days()) * A_DAY + step;
            let value = if kind == Kind::Register {
                since * 1_000_000
            } else {
                1_000_000
            };
            let instant = day.start().0 + step * 86_400_000 / A_DAY;
            builder.push(key, instant, value, Flag::Normal.code());
        }
    }
    builder.finish().rows
}

fn file(enterprise: &str, day: CivilDay, rows: &Rows) -> NewFile {
    let kind = FileKind::Sealed {
        enterprise: EnterpriseId::new(enterprise).expect("an id"),
        revision: 1,
    };
    new_file(rows, day, kind)
}

fn totals(rows: &Rows, day: CivilDay, sha256: [u8; 32]) -> Vec<TotalsRow> {
    rows.spans()
        .map(|(key, span)| TotalsRow {
            enterprise: key.enterprise.clone(),
            series: key.series.clone(),
            day,
            revision: 1,
            sha256,
            rules: Traits::default().rules(key.series.kind).into(),
            fold: fold_day(key.series.kind, &Traits::default(), rows.columns(span)),
            duplicates: 0,
            conflicts: 0,
            late: 0,
        })
        .collect()
}
