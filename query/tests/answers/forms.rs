//! Statutory forms over gRPC: filled in, published, verified, and what is wrong with them.

use std::{collections::BTreeMap, fs, io::Cursor};

use calamine::{Data, Reader as _, Xlsx};
use greenpark_proto::query::v1::{self as pb, folder_part::Part, proofs_client::ProofsClient};
use greenpark_query::verify::verify_form;
use tonic::{Code, Status};

use crate::{
    fixture::*,
    proofs::{NAME, published},
};

/// The files of a form of the enterprise `e`.
async fn form(
    world: &World,
    form: &str,
    period: Option<pb::Period>,
) -> Result<BTreeMap<String, Vec<u8>>, Status> {
    let mut client = ProofsClient::new(world.channel.clone());
    let request = pb::ExtractFormRequest {
        form: form.to_owned(),
        name: NAME.to_owned(),
        period,
        ..pb::ExtractFormRequest::default()
    };
    let mut parts = client.extract_form(request).await?.into_inner();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut open = String::new();
    while let Some(part) = parts.message().await? {
        match part.part.expect("a part") {
            Part::Path(path) => {
                files.insert(path.clone(), Vec::new());
                open = path;
            }
            Part::Data(data) => files.get_mut(&open).expect("begun").extend(data),
        }
    }
    Ok(files)
}

/// The cells of a sheet, as text.
fn sheet(workbook: &[u8], name: &str) -> Vec<Vec<String>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook)).expect("a workbook");
    let range = workbook.worksheet_range(name).expect("a sheet");
    let text = |cell: &Data| match cell {
        Data::Empty => String::new(),
        cell => cell.to_string(),
    };
    range
        .rows()
        .map(|row| row.iter().map(text).collect())
        .collect()
}

/// The row whose cell of the first columns is `title`.
fn row<'a>(rows: &'a [Vec<String>], title: &str) -> &'a [String] {
    let found = rows
        .iter()
        .find(|row| row.iter().take(2).any(|cell| cell == title));
    found.expect(title)
}

async fn declare(world: &mut World, all: &[(&str, &str)]) {
    let one = |(series, amount): &(&str, &str)| pb::Statistic {
        enterprise: NAME.to_owned(),
        series: (*series).to_owned(),
        period: period(year(2024)),
        amount: (*amount).to_owned(),
        r#final: true,
        ..pb::Statistic::default()
    };
    world.declare(PARK, all.iter().map(one).collect()).await;
}

#[tokio::test]
async fn form_205_1_has_meters_and_declarations_and_a_reason_for_every_empty_cell() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut world = published(&keys.path().join("proof.key")).await;
    declare(
        &mut world,
        &[
            ("non_production:electricity", "120"),
            ("purchase_cost:electricity", "3.5"),
            ("purchases:diesel", "12"),
        ],
    )
    .await;
    let files = form(&world, "205-1", period(year(2024)))
        .await
        .expect("a form");
    let workbook = &files["205-1.xlsx"];
    let rows = sheet(workbook, "205-1");
    let figure = world.energy(NAME, year(2024)).await;
    let consumed = &figure.components[0]
        .amount
        .as_ref()
        .expect("an amount")
        .value;
    let consumed: f64 = consumed.parse().expect("a number");
    let electricity = row(&rows, "电力");
    assert_eq!(electricity[1], "万千瓦时");
    let cell = |column: usize| electricity[column].parse::<f64>().expect("a number");
    assert!(
        (cell(6) * 10_000.0 - consumed).abs() < 1e-6,
        "{electricity:?}"
    );
    assert_eq!((cell(5), cell(9)), (3.5, 0.012));
    assert_eq!(electricity[3], "", "no stock is declared");
    assert_eq!(row(&rows, "原煤")[2], "01");
    assert_eq!(row(&rows, "能源合计")[2], "40");
    // Every empty cell of the form has a reason, and every number an origin.
    let (lineage, empty) = (
        sheet(workbook, "lineage 来源"),
        sheet(workbook, "empty cells 空缺"),
    );
    let cells = lineage.len() + empty.len() - 2;
    let text = 15 * 2 + 2;
    assert_eq!(cells, 15 * 14 - text, "15 rows of 14 columns");
    assert!(empty.iter().all(|row| !row[1].is_empty()));
    let checks = sheet(workbook, "checks 校验");
    let check = checks
        .iter()
        .find(|row| row[0] == "电力" && row[1].starts_with("consumed"));
    assert!(check.expect("a check")[2].starts_with("holds"));
    // The other way round: what nothing is known of is not 0.
    let diesel = row(&rows, "柴油");
    assert_eq!((diesel[4].as_str(), diesel[6].as_str()), ("12", ""));
}

#[tokio::test]
async fn the_waste_ledger_has_its_months_and_no_meter_is_not_zero() {
    let keys = tempfile::tempdir().expect("a folder");
    let world = published(&keys.path().join("proof.key")).await;
    let period = period(days("2024-01-01", "2024-03-31"));
    let files = form(&world, "waste-ledger", period).await.expect("a form");
    let rows = sheet(&files["waste-ledger.xlsx"], "waste-ledger");
    let of = |month: &str| row(&rows, month).to_vec();
    // 7 t and 5.5 t a day.
    assert_eq!(of("2024-01")[4..6], ["217", "170.5"]);
    assert_eq!(of("2024-03")[4..6], ["0", "0"], "its meters had no ticket");
    assert_eq!(of("2024-01")[7], "", "no meter of what is stored");
    let empty = sheet(&files["waste-ledger.xlsx"], "empty cells 空缺");
    let reasons = empty
        .iter()
        .filter(|row| row[1] == "there is no meter of fly_ash.stored");
    assert_eq!(reasons.count(), 3);
}

#[tokio::test]
async fn a_form_is_verified_by_what_lies_beside_it_and_a_changed_one_is_not() {
    let keys = tempfile::tempdir().expect("a folder");
    let world = published(&keys.path().join("proof.key")).await;
    let files = form(&world, "205-1", period(year(2024)))
        .await
        .expect("a form");
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("report.xlsx");
    for (name, bytes) in &files {
        let path = match name.as_str() {
            "205-1.xlsx" => place.clone(),
            name => folder.path().join(format!("report.xlsx.{name}")),
        };
        fs::write(path, bytes).expect("written");
    }
    let verified = verify_form(&place, None, None).await.expect("right");
    assert_eq!((verified.name.as_str(), verified.files), (NAME, 1));
    assert!(verified.remade.is_empty());
    for name in ["", ".manifest.json", ".extract.tlog-proof", ".policy.txt"] {
        let path = folder.path().join(format!("report.xlsx{name}"));
        let before = fs::read(&path).expect("readable");
        let mut changed = before.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, changed).expect("written");
        assert!(verify_form(&place, None, None).await.is_err(), "{name}");
        fs::write(&path, before).expect("written");
    }
    verify_form(&place, None, None).await.expect("right again");
}

#[tokio::test]
async fn a_wrong_request_says_what_to_write() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut world = published(&keys.path().join("proof.key")).await;
    let unknown = form(&world, "205-9", period(year(2024))).await;
    let unknown = unknown.expect_err("no such form");
    assert_eq!(unknown.code(), Code::InvalidArgument);
    assert!(format!("{unknown:?}").contains("205-1, waste-ledger"));
    let negative = pb::Statistic {
        enterprise: NAME.to_owned(),
        series: "closing_stock:raw_coal".to_owned(),
        period: period(year(2024)),
        amount: "-1".to_owned(),
        ..pb::Statistic::default()
    };
    let request = pb::DeclareStatisticsRequest {
        parent: format!("parks/{PARK}"),
        statistics: vec![negative],
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let refused = world.registry.declare_statistics(request).await;
    let refused = refused.expect_err("below zero");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
