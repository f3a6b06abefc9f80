//! Rows to payloads, and the real steel file where it is at hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

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
    let (rows, problems) = CsvRows::read(csv.path(), &mapping).expect("rows");
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
    let (rows, problems) = CsvRows::read(csv.path(), &mapping).expect("rows");
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

/// Five loads on two weighbridges, none with a ticket: two of `a` at 08:00, two equal ones at 09:30.
const LOADS: &[u8] =
    b"t,v,m\n2026-01-01 08:00,31.46,a\n2026-01-01 09:30,31.46,a\n2026-01-01 08:00,7,b\n\
    2026-01-01 08:00,28.9,a\n2026-01-01 09:30,31.46,a\n";

fn events(batch: usize) -> Mapping {
    let of_coal = TWO_METERS.replace("fresh_water", "raw_coal");
    let events = of_coal.replace("register", "event");
    mapping(&events.replace("batch = 3", &format!("batch = {batch}")))
}

fn rows(csv: &[u8], mapping: &Mapping) -> CsvRows {
    let (rows, problems) = CsvRows::read(file(".csv", csv).path(), mapping).expect("rows");
    assert_eq!(problems, Vec::<String>::new());
    rows
}

/// What the lake has of all messages: an event is its meter, its instant and its place among those of its
/// message, and counts once.
fn lake(rows: &CsvRows, mapping: &Mapping) -> BTreeMap<(String, i64, u32), Amount> {
    let mut lake = BTreeMap::new();
    for (payload, _) in messages(rows, mapping) {
        let json: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        let single = std::slice::from_ref(&json);
        for series in json["series"].as_array().map_or(single, Vec::as_slice) {
            let list = |key: &str| match &series[key] {
                serde_json::Value::Array(list) => list.clone(),
                only => vec![only.clone()],
            };
            let meter = series["meter"].as_str().expect("a meter");
            let mut places = BTreeMap::new();
            for (at, value) in list("at").iter().zip(list("value")) {
                let at = at.as_i64().expect("an instant");
                let place = places.entry(at).or_insert(0u32);
                *place += 1;
                let amount = value.to_string().parse().expect("a decimal");
                lake.insert((meter.to_owned(), at, *place), amount);
            }
        }
    }
    lake
}

#[test]
fn loads_of_one_minute_all_count_however_they_are_sent() {
    let in_one = events(5);
    let truth = lake(&rows(LOADS, &in_one), &in_one);
    let of_a = truth.iter().filter(|((meter, ..), _)| meter == "a");
    let tons: Sum = of_a.map(|(_, &amount)| Sum::from(amount)).sum();
    assert_eq!(tons.to_string(), "123.28");
    assert_eq!(truth.len(), 5);
    for batch in 1..=5 {
        let mapping = events(batch);
        assert_eq!(lake(&rows(LOADS, &mapping), &mapping), truth);
        for seed in 0..20 {
            let mut rows = rows(LOADS, &mapping);
            rows.shuffle(seed);
            assert_eq!(lake(&rows, &mapping), truth, "batch {batch}, seed {seed}");
        }
    }
}

#[test]
fn only_events_without_a_ticket_stay_together() {
    let lengths = |rows: &CsvRows, size: usize| -> Vec<usize> {
        let batches = rows.batches(size);
        batches.map(<[u32]>::len).collect()
    };
    let free: Vec<Vec<usize>> = (1..=4)
        .map(|size| lengths(&rows(LOADS, &events(size)), size))
        .collect();
    assert_eq!(free, [vec![2, 2, 1], vec![2, 2, 1], vec![2, 3], vec![4, 1]]);
    let registers = mapping(TWO_METERS);
    let of_registers = lengths(&rows(LOADS, &registers), 2);
    assert_eq!(of_registers, [2, 2, 1]);
    let in_order = rows(LOADS, &registers);
    assert!(in_order.batches(2).flatten().copied().eq(0..5));
    let ticketed = String::from_utf8(LOADS.to_vec()).expect("text");
    let ticketed = ticketed.replace(",a\n", ",a,7\n").replace(",b\n", ",b,8\n");
    let ticketed = ticketed.replace("t,v,m", "t,v,m,no");
    let with_tickets = TWO_METERS
        .replace("register", "event")
        .replace("[time]", "ticket = \"no\"\n[time]");
    let of_tickets = lengths(&rows(ticketed.as_bytes(), &mapping(&with_tickets)), 1);
    assert_eq!(of_tickets, [1; 5]);
}

#[test]
fn a_cut_for_the_size_of_a_packet_is_between_minutes() {
    let loads = |minute: &str, count: u32| -> String {
        (0..count)
            .map(|n| format!("2026-01-01 {minute},{n}.123456789012,m\n"))
            .collect()
    };
    let csv = format!(
        "t,v,m\n{}{}",
        loads("00:00", 10_000),
        loads("01:00", 25_000)
    );
    let mapping = events(40_000);
    let rows = rows(csv.as_bytes(), &mapping);
    assert_eq!(
        oversized(&rows, &mapping, Path::new("loads.csv")),
        Vec::<String>::new()
    );
    let sent: Vec<u32> = messages(&rows, &mapping).map(|(_, count)| count).collect();
    assert_eq!(sent, [10_000, 25_000]);
}

#[test]
fn more_loads_of_a_minute_than_a_message_holds_name_their_line() {
    let mapping = events(1);
    for (count, value) in [(BATCH_READINGS_MAX + 1, "1"), (40_000, "1.123456789012")] {
        let loads = format!("2026-01-01 01:00,{value},m\n").repeat(count);
        let csv = format!("t,v,m\n2026-01-01 00:00,1,m\n2026-01-01 00:30,,m\n{loads}");
        let rows = rows(csv.as_bytes(), &mapping);
        let problems = oversized(&rows, &mapping, Path::new("loads.csv"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        let told = format!("loads.csv:4: {count} events of meter 'm'");
        assert!(problems[0].starts_with(&told), "{}", problems[0]);
    }
}

#[test]
fn a_column_of_tickets_makes_another_epoch() {
    let csv = b"t,v,m,no\n2026-01-01 08:00,1,a,7\n2026-01-01 09:00,1,a,8\n";
    let ticketed = TWO_METERS
        .replace("register", "event")
        .replace("[time]", "ticket = \"no\"\n[time]");
    let (free, ticketed) = (
        mapping(&TWO_METERS.replace("register", "event")),
        mapping(&ticketed),
    );
    let epoch = |mapping: &Mapping| resume::epoch(&rows(csv, mapping), mapping);
    assert_eq!(epoch(&free), epoch(&free));
    assert_ne!(epoch(&free), epoch(&ticketed));
}

#[test]
fn a_file_that_a_chinese_spreadsheet_saves_is_read() {
    let text = "时间,电量,表\r\n2026-01-01 00:00,3.5,a\r\n2026-01-01 01:00,4,a\r\n";
    let named = TWO_METERS
        .replace("\"t\"", "\"时间\"")
        .replace("\"v\"", "\"电量\"")
        .replace("\"m\"", "\"表\"");
    let mapping = mapping(&named);
    let (gbk, ..) = encoding_rs::GBK.encode(text);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&gbk).expect("a vector");
    let packed = packed.finish().expect("a vector");
    let utf16 = text.replace(',', "\t");
    let mut little: Vec<u8> = vec![0xff, 0xfe];
    little.extend(utf16.encode_utf16().flat_map(u16::to_le_bytes));
    let mut big: Vec<u8> = vec![0xfe, 0xff];
    big.extend(utf16.encode_utf16().flat_map(u16::to_be_bytes));
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let cases: [(&str, &[u8]); 5] = [
        (".csv", &gbk),
        (".csv.gz", &packed),
        (".csv", &little),
        (".csv", &big),
        (".csv", &marked),
    ];
    for (suffix, bytes) in cases {
        let (rows, problems) = CsvRows::read(file(suffix, bytes).path(), &mapping).expect("rows");
        assert_eq!(problems, Vec::<String>::new());
        let values: Vec<&str> = (0..2).map(|row| rows.row(row).value).collect();
        assert_eq!((rows.len(), values), (2, vec!["3.5", "4"]));
    }
}

#[test]
fn a_broken_byte_names_its_line() {
    let csv = [
        "t,v,m,备注\n2026-01-01 00:00,1,a,好\n2026-01-01 01:00,2,a,".as_bytes(),
        b"\xe5\xa5\n2026-01-01 02:00,3,a,\n",
    ]
    .concat();
    let csv = file(".csv", &csv);
    let (_, problems) = CsvRows::read(csv.path(), &mapping(TWO_METERS)).expect("a file");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains(".csv:3: is neither UTF-8 nor GBK"),
        "{problems:?}"
    );
}

#[test]
fn a_file_of_a_spreadsheet_is_read_and_its_lines_are_counted_as_an_editor_does() {
    let csv = file(
        ".csv",
        b"\xef\xbb\xbft;v;m\r\n2026-01-01 00:00;3.5;a\r\n2026-01-01 01:00;1,204.50;a\r\n2026-01-01 02:00;x;a\r\n",
    );
    let (rows, problems) = CsvRows::read(csv.path(), &mapping(TWO_METERS)).expect("rows");
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
    let (rows, _) = CsvRows::read(csv.path(), &mapping).expect("rows");
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
    let (rows, problems) = CsvRows::read(csv.path(), &mapping(TWO_METERS)).expect("a file");
    assert!(rows.is_empty());
    for (problem, line) in problems.iter().zip([2, 3, 4]) {
        assert!(problem.contains(&format!(".csv:{line}: ")), "{problem}");
    }
    assert_eq!(problems.len(), 3);
    let csv = file(".csv", b"time,v,m\n");
    let error = CsvRows::read(csv.path(), &mapping(TWO_METERS)).expect_err("a column is missing");
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
        let (mut rows, _) = CsvRows::read(csv.path(), &mapping(TWO_METERS)).expect("rows");
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
    let (rows, problems) = CsvRows::read(&path, &mapping).expect("rows");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(rows.len(), 35_040);
    let all = rows.batches(usize::MAX).next().expect("a batch");
    let instants: BTreeSet<i64> = all.iter().map(|&row| rows.row(row).instant).collect();
    let first = Moment::from_millis(*instants.first().expect("a first")).to_string();
    let last = Moment::from_millis(*instants.last().expect("a last")).to_string();
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

#[test]
fn a_speed_is_a_rate_or_max() {
    assert_eq!("max".parse(), Ok(Speed::Max));
    assert_eq!("250".parse(), Ok(Speed::PerSecond(250)));
    assert!("0".parse::<Speed>().is_err() && "fast".parse::<Speed>().is_err());
}
