//! Rows to payloads, and the real steel file where it is at hand.

use std::{collections::BTreeSet, io::Write, path::Path};

use greenpark_model::{
    amount::{Amount, Sum},
    day::Instant as Moment,
};

use super::*;

const TWO_METERS: &str = "park = \"p\"\nenterprise = \"e\"\ngateway = \"g\"\nquantity = \"fresh_water\"\n\
    kind = \"register\"\nbatch = 3\n[columns]\ninstant = \"t\"\nvalue = \"v\"\nmeter = \"m\"\n\
    [time]\nformat = \"%Y-%m-%d %H:%M\"\noffset = \"+08:00\"\n";

fn file(suffix: &str, text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new()
        .suffix(suffix)
        .tempfile()
        .expect("a temporary file");
    file.write_all(text).expect("room on the disk");
    file
}

fn mapping(text: &str) -> Mapping {
    Mapping::load(file(".toml", text.as_bytes()).path()).expect("a mapping")
}

#[test]
fn rows_become_columns_by_meter() {
    let csv = file(
        ".csv",
        b"\xef\xbb\xbft,v,m\n2026-01-01 00:00,3.1700000762939453,a\n2026-01-01 00:00,4,b\n2026-01-01 01:00,,a\n\
          2026-01-01 01:00,5.50,a\n2026-01-01 02:00,6,b\n",
    );
    let mapping = mapping(TWO_METERS);
    let (rows, problems) = Rows::read(csv.path(), &mapping).expect("rows");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!((rows.len(), rows.skipped()), (4, 1));
    let payloads: Vec<Bytes> = rows
        .batches(3)
        .map(|order| encode(&rows, order, &mapping))
        .collect();
    let text = String::from_utf8(payloads[0].to_vec()).expect("text");
    assert!(
        text.contains("3.1700000762939453") && text.contains("5.50"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_slice(&payloads[0]).expect("JSON");
    assert_eq!(json["series"][0]["meter"], "a");
    assert_eq!(json["series"][0]["at"][1], 1_767_200_400_000_i64);
    assert_eq!(json["series"][1]["value"][0], 4);
    assert!(payloads[1].starts_with(b"{\"meter\":\"b\""));
}

#[test]
fn a_column_of_tickets_goes_with_its_events() {
    let csv = file(
        ".csv",
        b"t,v,m,no\n2026-01-01 00:00,31.46,a,WB-17\n2026-01-01 00:00,31.46,a,\n2026-01-01 24:00,5,a,18\n",
    );
    let events = TWO_METERS
        .replace("fresh_water", "raw_coal")
        .replace("register", "event")
        .replace("[time]", "ticket = \"no\"\n[time]");
    let mapping = mapping(&events);
    let (rows, problems) = Rows::read(csv.path(), &mapping).expect("rows");
    assert_eq!(problems, Vec::<String>::new());
    let order = rows.batches(3).next().expect("a batch");
    let json: serde_json::Value =
        serde_json::from_slice(&encode(&rows, order, &mapping)).expect("JSON");
    let series = &json["series"][0];
    assert_eq!(series["ticket"], serde_json::json!(["WB-17", null, "18"]));
    assert_eq!(series["at"][2], 1_767_283_200_000_i64);
    let single = encode(&rows, &order[2..], &mapping);
    assert!(single.ends_with(b"\"ticket\":\"18\"}"));
}

#[test]
fn a_file_of_a_spreadsheet_is_read_and_its_lines_are_counted_as_an_editor_does() {
    let csv = file(
        ".csv",
        b"\xef\xbb\xbft;v;m\r\n2026-01-01 00:00;3.5;a\r\n2026-01-01 01:00;1,204.50;a\r\n2026-01-01 02:00;x;a\r\n",
    );
    let (rows, problems) = Rows::read(csv.path(), &mapping(TWO_METERS)).expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains(".csv:3: ") && problems[0].contains("such as 1204.50"));
    assert!(problems[1].contains(".csv:4: "), "{problems:?}");
}

#[test]
fn a_batch_larger_than_a_packet_is_cut_and_loses_nothing() {
    let text: String = (0..65_000)
        .map(|n| format!("2026-01-01 00:00,{n}.123456789012,m\n"))
        .collect();
    let csv = file(".csv", format!("t,v,m\n{text}").as_bytes());
    let mapping = mapping(&TWO_METERS.replace("batch = 3", "batch = 65000"));
    let (rows, _) = Rows::read(csv.path(), &mapping).expect("rows");
    let order = rows.batches(65_000).next().expect("a batch");
    let cut = payloads(&rows, order, &mapping);
    assert!(cut.len() > 1);
    assert!(
        cut.iter()
            .all(|(payload, _)| payload.len() <= PAYLOAD_BYTES_MAX)
    );
    assert_eq!(
        cut.iter().map(|(_, readings)| readings).sum::<u32>(),
        65_000
    );
}

#[test]
fn wrong_lines_are_told_with_their_numbers() {
    let csv = file(
        ".csv",
        b"t,v,m\n2026-01-01 00:00,x,a\n2026-13-01 00:00,1,a\n2026-01-01 00:00,1.,a/b\n",
    );
    let (rows, problems) = Rows::read(csv.path(), &mapping(TWO_METERS)).expect("a file");
    assert!(rows.is_empty());
    for (problem, line) in problems.iter().zip([2, 3, 4]) {
        assert!(problem.contains(&format!(".csv:{line}: ")), "{problem}");
    }
    assert_eq!(problems.len(), 3);
    let csv = file(".csv", b"time,v,m\n");
    let error = Rows::read(csv.path(), &mapping(TWO_METERS)).expect_err("a column is missing");
    assert!(
        error
            .to_string()
            .contains("has no column 't'; it has time, v, m"),
        "{error}"
    );
}

#[test]
fn a_shuffle_is_a_permutation_that_its_seed_decides() {
    let text: String = (0..500)
        .map(|n| format!("2026-01-01 00:00,{n},m\n"))
        .collect();
    let csv = file(".csv", format!("t,v,m\n{text}").as_bytes());
    let order = |seed: u64| {
        let (mut rows, _) = Rows::read(csv.path(), &mapping(TWO_METERS)).expect("rows");
        rows.shuffle(seed);
        rows.batches(usize::MAX).next().expect("a batch").to_vec()
    };
    let (once, again, other) = (order(7), order(7), order(8));
    assert_eq!(once, again);
    assert_ne!(once, other);
    assert_eq!(once.iter().collect::<BTreeSet<_>>().len(), 500);
    assert!(
        once.iter()
            .zip(0..)
            .filter(|&(&row, place)| row == place)
            .count()
            < 20
    );
}

#[test]
fn the_steel_year_has_every_quarter_once_and_its_sum() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../../shared/data/steel_industry.csv.gz");
    if !path.exists() {
        line("the steel data set is not at hand; nothing is tested here");
        return;
    }
    let mapping =
        Mapping::load(&root.join("maps/steel_industry.toml")).expect("the shipped mapping");
    let (rows, problems) = Rows::read(&path, &mapping).expect("rows");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(rows.len(), 35_040);
    let all = rows.batches(usize::MAX).next().expect("a batch");
    let instants: BTreeSet<i64> = all.iter().map(|&row| rows.row(row).instant).collect();
    let first = Moment(*instants.first().expect("a first")).to_string();
    let last = Moment(*instants.last().expect("a last")).to_string();
    assert_eq!(
        (first.as_str(), last.as_str()),
        ("2018-01-01T00:00:00+08:00", "2018-12-31T23:45:00+08:00")
    );
    assert_eq!(instants.len(), 35_040);
    let sum: Sum = all
        .iter()
        .map(|&row| Sum::from(rows.row(row).value.parse::<Amount>().expect("a decimal")))
        .sum();
    assert_eq!(sum.to_string(), "959640.31");
}
