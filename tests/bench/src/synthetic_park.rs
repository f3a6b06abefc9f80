//! A synthetic park: enterprises with the same meters, which are registered, declared for and sealed for whole years.

use std::sync::Arc;

use greenpark_archive::{
    book::{Change, NewFile},
    builder::RowsBuilder,
    file::FileKind,
    lake::Lake,
    meters::Meters,
    reference::ReferenceEntry,
    rows::{ReadingRows, SeriesKey},
    totals::TotalsRow,
};
use greenpark_model::{
    day::{CivilDay, DayRange, Instant},
    fold::{MeterProfile, fold_day},
    id::{EnterpriseId, MeterId},
    quantity::Quantity,
    reading::{Flag, Kind, Series},
};

use crate::fixture::{NOW_MS, new_file, park};

/// Seconds in a day.
const DAY_S: i64 = 86_400;
/// Number of days whose files are published at once.
const DAYS_AT_ONCE: usize = 31;

/// The size of the park; all its enterprises are alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyntheticPark<'a> {
    pub(crate) enterprises: usize,
    pub(crate) years: &'a [i16],
    /// Name, quantity and kind of each meter.
    pub(crate) meters: &'a [(&'a str, &'a str, Kind)],
    /// Readings a day of each meter.
    pub(crate) a_day: i64,
}

/// The id of the enterprise with this number.
pub(crate) fn enterprise(n: usize) -> String {
    format!("enterprise-{n:03}")
}

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

impl SyntheticPark<'_> {
    /// Registers the enterprises of `parks` and their registers, and declares their value added.
    pub(crate) async fn register(&self, lake: &Lake, parks: &[String]) {
        let entries = parks
            .iter()
            .flat_map(|park| (0..self.enterprises).flat_map(|n| self.entries(park, n)));
        let _version = lake
            .reference()
            .append(entries.collect())
            .await
            .expect("recorded");
    }

    fn entries(&self, park: &str, n: usize) -> Vec<ReferenceEntry> {
        let of_enterprise = format!("parks/{park}/enterprises/{}", enterprise(n));
        let entry = |kind: &str, subject: String, valid: (CivilDay, Option<CivilDay>), body| {
            ReferenceEntry {
                kind: kind.to_owned(),
                subject,
                valid_from: valid.0,
                valid_to: valid.1,
                recorded_at: Instant::from_millis(NOW_MS - 1_000),
                recorded_by: "bench".to_owned(),
                evidence: "none".to_owned(),
                body,
            }
        };
        let always = (day("2018-01-01"), None);
        let title = "{\"title\":\"\",\"industry\":\"C31\",\"above_designated_size\":true}";
        let mut entries = vec![entry(
            "enterprise",
            of_enterprise.clone(),
            always,
            title.to_owned(),
        )];
        let registers = self
            .meters
            .iter()
            .filter(|(.., kind)| *kind == Kind::Register);
        for (meter, quantity, _) in registers {
            let body = format!(
                "{{\"title\":\"\",\"quantity\":\"{quantity}\",\"kind\":\"register\",\"interval_s\":{},\
                 \"counted\":true}}",
                DAY_S / self.a_day
            );
            entries.push(entry(
                "meter",
                format!("{of_enterprise}/meters/{meter}"),
                always,
                body,
            ));
        }
        for &year in self.years {
            let range = DayRange::year(year).expect("a year");
            let body = format!(
                "{{\"series\":\"value_added\",\"period\":\"{year}\",\"amount\":\"{}\",\
                 \"price_base\":\"constant-2020\",\"final\":true}}",
                1_000 + n
            );
            let whole = (range.first(), Some(range.last()));
            entries.push(entry("statistic", of_enterprise.clone(), whole, body));
        }
        entries
    }

    /// Seals every day of every enterprise of the first park.
    pub(crate) async fn fill(&self, lake: &Lake) {
        let entries = lake.reference().entries().await.expect("readable");
        let meters = Meters::read(&entries)
            .expect("readable")
            .remove(park().as_str());
        let meters = Arc::new(meters.unwrap_or_default());
        for &year in self.years {
            let mut book = lake.book(&park(), year).await.expect("a book");
            let range = DayRange::year(year).expect("a year");
            let days: Vec<CivilDay> = range.iter().collect();
            for days in days.chunks(DAYS_AT_ONCE) {
                let _published = book.publish(self.change(days)).await.expect("published");
                book.roll_up(&meters).await.expect("rolled up");
            }
        }
    }

    fn change(&self, days: &[CivilDay]) -> Change {
        let mut change = Change::default();
        for &day in days {
            for n in 0..self.enterprises {
                let rows = self.rows(n, day);
                let file = file(&enterprise(n), day, &rows);
                change
                    .totals
                    .extend(totals(&rows, day, file.encoded.sha256));
                change.add.push(file);
            }
        }
        change
    }

    fn rows(&self, n: usize, day: CivilDay) -> ReadingRows {
        let mut builder = RowsBuilder::new();
        for &(meter, quantity, kind) in self.meters {
            let quantity: Quantity = quantity.parse().expect("a quantity");
            let key = builder.key(&SeriesKey {
                enterprise: EnterpriseId::new(&enterprise(n)).expect("an id"),
                series: Series {
                    meter: MeterId::new(meter).expect("an id"),
                    quantity,
                    kind,
                },
            });
            for step in 0..self.a_day {
                let since = i64::from(day.epoch_days()) * self.a_day + step;
                let value = if kind == Kind::Register {
                    since * 1_000_000
                } else {
                    1_000_000
                };
                let instant = day.start().millis() + step * DAY_S * 1_000 / self.a_day;
                builder.push(key, instant, value, Flag::Normal.code());
            }
        }
        builder.finish().rows
    }
}

fn file(enterprise: &str, day: CivilDay, rows: &ReadingRows) -> NewFile {
    let kind = FileKind::Sealed {
        enterprise: EnterpriseId::new(enterprise).expect("an id"),
        revision: 1,
    };
    new_file(rows, day, kind)
}

fn totals(rows: &ReadingRows, day: CivilDay, sha256: [u8; 32]) -> Vec<TotalsRow> {
    rows.spans()
        .map(|(key, span)| TotalsRow {
            enterprise: key.enterprise.clone(),
            series: key.series.clone(),
            day,
            revision: 1,
            sha256,
            rules: MeterProfile::default().rules(key.series.kind).into(),
            fold: fold_day(
                key.series.kind,
                &MeterProfile::default(),
                rows.columns(span),
            ),
            duplicates: 0,
            conflicts: 0,
            late: 0,
        })
        .collect()
}
