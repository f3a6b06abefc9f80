//! Flight SQL: the views show what the services answer, to whom they answer it, and nothing else can be done.

use std::collections::BTreeSet;

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::{Decimal128Type, Int64Type},
    util::display::array_value_to_string,
};
use arrow_flight::{FlightInfo, sql::client::FlightSqlServiceClient};
use futures::TryStreamExt as _;
use greenpark_query::{
    QuerySettings,
    settings::{Grant, Token},
};
use tonic::transport::Channel;

use crate::fixture::*;

const VIEWS: [&str; 9] = [
    "daily_totals",
    "declarations",
    "enterprises",
    "figures",
    "meters",
    "quality",
    "readings",
    "targets",
    "waste",
];

/// A statement that shows all of a view.
fn all_of(view: &str) -> String {
    let of = match view {
        "daily_totals" | "readings" => " WHERE day BETWEEN DATE '2024-01-01' AND DATE '2024-12-31'",
        "figures" | "quality" | "waste" => " WHERE period = '2024'",
        _ => "",
    };
    format!("SELECT * FROM {view}{of}")
}

/// The parks `p` and `q`, each with the enterprises `e` and `f`; bearers of `all`, `park` (of `p`) and `own` (of `e` of
/// `p`), and `nobody`, who has no grant. The first service filled the lake.
async fn world() -> (World, World) {
    let grant = |token: &str, name: &str| Grant {
        token_sha256: sha256(token.as_bytes()),
        names: vec![name.to_owned()],
        holder: token.to_owned(),
        declares: false,
    };
    let mut open = World::new().await;
    for park in ["p", "q"] {
        for id in ["e", "f"] {
            open.register_enterprise(park, id, true).await;
            let value = value_added(park, id, year(2024), "12.5");
            open.declare(park, vec![value]).await;
        }
        let days = ["e", "f"].map(|id| {
            let (power, waste) = ("1200.000001", "3.5");
            let of = [
                ("electricity", power),
                ("fly_ash.generated", "4"),
                ("fly_ash.utilized", waste),
            ];
            one_day(id, day("2024-05-01"), &of)
        });
        open.seal(park, &days, 1, With::Totals).await;
    }
    let closed = open
        .another_with(QuerySettings {
            grants: vec![
                grant("all", "parks/-"),
                grant("park", "parks/p"),
                grant("own", "parks/p/enterprises/e"),
            ],
            tokens: vec![Token {
                name: "nobody".to_owned(),
                sha256: sha256(b"nobody"),
            }],
            ..QuerySettings::default()
        })
        .await;
    (open, closed)
}

fn client(world: &World, token: &str) -> FlightSqlServiceClient<Channel> {
    let mut client = FlightSqlServiceClient::new(world.channel.clone());
    client.set_token(token.to_owned());
    client
}

async fn fetch(
    client: &mut FlightSqlServiceClient<Channel>,
    info: FlightInfo,
) -> Result<Vec<RecordBatch>, String> {
    let ticket = info.endpoint[0].ticket.clone().expect("a ticket");
    let results = client
        .do_get(ticket)
        .await
        .map_err(|error| error.to_string())?;
    let batches: Result<Vec<RecordBatch>, _> = results.try_collect().await;
    batches.map_err(|error| error.to_string())
}

/// The result of a statement.
async fn ask(world: &World, token: &str, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let mut client = client(world, token);
    let info = client.execute(sql.to_owned(), None).await;
    fetch(&mut client, info.map_err(|error| error.to_string())?).await
}

/// The texts of a column; null is empty.
fn column(batches: &[RecordBatch], name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for batch in batches {
        let column = batch.column_by_name(name).expect("a column");
        texts.extend((0..batch.num_rows()).map(|row| match column.is_null(row) {
            true => String::new(),
            false => array_value_to_string(column, row).expect("a text"),
        }));
    }
    texts
}

#[tokio::test]
async fn figures_are_those_of_the_service_to_the_last_digit() {
    let (filled, world) = world().await;
    let sql = format!(
        "{} AND indicator = 'energy-intensity' ORDER BY name",
        all_of("figures")
    );
    let shown = ask(&world, "all", &sql).await.expect("figures");
    let names = column(&shown, "name");
    assert_eq!(
        names.len(),
        7,
        "all parks, two parks and four enterprises: {names:?}"
    );
    let (values, numerators) = (column(&shown, "value"), column(&shown, "numerator"));
    let mut asker = world.indicators.clone();
    for (row, name) in names.iter().enumerate() {
        let request = crate::access_roles::bearing(get(name, year(2024)), "all");
        let figure = asker
            .get_energy_intensity(request)
            .await
            .expect("a figure")
            .into_inner();
        let six = |text: &str| {
            let (whole, places) = text.split_once('.').unwrap_or((text, ""));
            format!("{whole}.{places:0<6}")
        };
        assert_eq!(values[row], six(&figure.value), "{name}");
        assert_eq!(numerators[row], six(value(&figure.numerator)), "{name}");
    }
    world.stop().await;
    filled.stop().await;
}

#[tokio::test]
async fn analysts_group_sort_and_join_what_they_see() {
    let (filled, world) = world().await;
    let sql = "SELECT t.park, sum(t.consumption) AS kwh, count(*) AS rows \
               FROM daily_totals t JOIN enterprises e ON t.park = e.park AND t.enterprise = e.enterprise \
               WHERE t.day BETWEEN DATE '2024-05-01' AND DATE '2024-05-31' AND t.quantity LIKE 'electricity%' \
               GROUP BY t.park ORDER BY t.park";
    let shown = ask(&world, "all", sql).await.expect("totals");
    assert_eq!(column(&shown, "park"), ["p", "q"]);
    let sums = shown[0]
        .column_by_name("kwh")
        .expect("a sum")
        .as_primitive::<Decimal128Type>();
    assert_eq!(sums.value(0), 2_400_000_002);
    assert_eq!(
        shown[0]
            .column_by_name("rows")
            .expect("a count")
            .as_primitive::<Int64Type>()
            .value(1),
        2
    );
    let sql = "SELECT enterprise, value FROM readings WHERE instant >= '2024-05-01T00:00:00+08:00' \
               AND instant < '2024-05-02T00:00:00+08:00' AND quantity = 'fly_ash.utilized' AND park = 'q' \
               ORDER BY enterprise";
    let shown = ask(&world, "all", sql).await.expect("readings");
    assert_eq!(column(&shown, "enterprise"), ["e", "f"]);
    assert_eq!(column(&shown, "value"), ["3.500000", "3.500000"]);
    let percent = ask(&world, "own", &all_of("waste"))
        .await
        .expect("a ledger");
    let fly_ash = column(&percent, "category")
        .iter()
        .position(|of| of == "fly_ash");
    assert_eq!(
        column(&percent, "utilized")[fly_ash.expect("fly ash")],
        "3.500000"
    );
    world.stop().await;
    filled.stop().await;
}

#[tokio::test]
async fn every_view_shows_what_its_caller_may_read_and_nothing_else() {
    let (filled, world) = world().await;
    let mut shown_rows = 0;
    for view in VIEWS {
        for (token, parks, enterprises) in [
            ("all", &["", "p", "q"][..], &["", "e", "f"][..]),
            ("park", &["p"], &["", "e", "f"]),
            ("own", &["p"], &["e"]),
        ] {
            let shown = ask(&world, token, &all_of(view)).await;
            let shown = shown.unwrap_or_else(|error| panic!("{view} by {token}: {error}"));
            let set = |texts: Vec<String>| texts.into_iter().collect::<BTreeSet<String>>();
            let seen = set(column(&shown, "park"));
            assert!(
                seen.iter().all(|park| parks.contains(&&**park)),
                "{view} {token}: {seen:?}"
            );
            if view != "targets" {
                let seen = set(column(&shown, "enterprise"));
                let only = seen.iter().all(|id| enterprises.contains(&&**id));
                assert!(only, "{view} {token}: {seen:?}");
            }
            let rows: usize = shown.iter().map(RecordBatch::num_rows).sum();
            let is_empty = rows == 0;
            // Progress is that of parks, and no park is the enterprise's; meters are known from readings.
            assert_eq!(
                is_empty,
                (view, token) == ("targets", "own"),
                "{view} {token}"
            );
            shown_rows += rows;
        }
        for (token, why) in [
            ("nobody", "no grant of yours permits"),
            ("guess", "a credential is needed"),
        ] {
            let refused = ask(&world, token, &all_of(view))
                .await
                .expect_err("refused");
            assert!(refused.contains(why), "{refused}");
        }
        // Asking for others by name shows nothing of them.
        let of_others = match all_of(view) {
            sql if sql.contains("WHERE") => format!("{sql} AND park = 'q'"),
            sql => format!("{sql} WHERE park = 'q'"),
        };
        let shown = ask(&world, "own", &of_others)
            .await
            .expect("an empty answer");
        assert_eq!(
            shown.iter().map(RecordBatch::num_rows).sum::<usize>(),
            0,
            "{view}"
        );
    }
    assert!(shown_rows > 100, "{shown_rows}");
    world.stop().await;
    filled.stop().await;
}

#[tokio::test]
async fn a_statement_reads_views_and_can_do_nothing_else() {
    let (filled, world) = world().await;
    let long = format!("SELECT {}", "1 + ".repeat(20_000) + "1");
    for sql in [
        "CREATE TABLE mine AS SELECT 1",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE EXTERNAL TABLE mine STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "DROP TABLE enterprises",
        "INSERT INTO enterprises SELECT * FROM enterprises",
        "DELETE FROM enterprises",
        "UPDATE enterprises SET title = 'x'",
        "COPY enterprises TO '/tmp/enterprises.csv'",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "PREPARE mine AS SELECT 1",
        "EXECUTE mine",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT * FROM information_schema.tables",
        "SHOW TABLES",
        "SHOW ALL",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM datafusion.public.enterprises",
        "SELECT * FROM sealed",
        "SELEC 1",
        "",
        &long,
    ] {
        let refused = ask(&world, "all", sql).await;
        let start: String = sql.chars().take(40).collect();
        let refused = refused.expect_err(&start);
        assert!(
            refused.contains("invalid argument") || refused.contains("InvalidArgument"),
            "{start}: {refused}"
        );
    }
    for (sql, hint) in [
        ("SELECT * FROM readings", "WHERE day BETWEEN"),
        (
            "SELECT * FROM readings WHERE day > DATE '2024-01-01'",
            "WHERE day BETWEEN",
        ),
        ("SELECT * FROM daily_totals", "WHERE day BETWEEN"),
        ("SELECT * FROM figures", "WHERE period = '2024'"),
        (
            "SELECT * FROM figures WHERE period = '2024-13'",
            "write a month",
        ),
        ("SELECT nothing FROM enterprises", "nothing"),
    ] {
        let refused = ask(&world, "all", sql).await.expect_err(sql);
        assert!(refused.contains(hint), "{sql}: {refused}");
    }
    // A flood ends by itself, and the service goes on.
    let flood = "SELECT count(DISTINCT a.value * 1000000 + b.value) FROM generate_series(1, 100000) a \
                 CROSS JOIN generate_series(1, 100000) b";
    let refused = ask(&world, "all", flood).await.expect_err("refused");
    assert!(refused.contains("memory"), "{refused}");
    assert!(ask(&world, "all", "SELECT 1").await.is_ok());
    world.stop().await;
    filled.stop().await;
}

#[tokio::test]
async fn a_ticket_serves_the_caller_that_asked_for_it_alone() {
    let (filled, world) = world().await;
    let (mut all, mut own) = (client(&world, "all"), client(&world, "own"));
    let info = all
        .execute("SELECT * FROM enterprises".to_owned(), None)
        .await;
    let info = info.expect("a ticket");
    let refused = fetch(&mut own, info.clone()).await.expect_err("refused");
    assert!(refused.contains("not yours"), "{refused}");
    assert!(fetch(&mut all, info.clone()).await.is_ok());
    // A prepared statement likewise.
    let mut prepared = all
        .prepare("SELECT name FROM enterprises".to_owned(), None)
        .await
        .expect("prepared");
    let schema = prepared.dataset_schema().expect("a schema");
    assert_eq!(schema.field(0).name(), "name");
    let info = prepared.execute().await.expect("a ticket");
    assert!(fetch(&mut own, info.clone()).await.is_err());
    let shown = fetch(&mut all, info).await.expect("rows");
    assert_eq!(column(&shown, "name").len(), 4);
    prepared.close().await.expect("closed");
    world.stop().await;
    filled.stop().await;
}

#[tokio::test]
async fn a_client_finds_the_views_before_it_asks() {
    use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, SqlInfo};

    let (filled, world) = world().await;
    let mut client = client(&world, "own");
    let info = client
        .get_tables(CommandGetTables {
            include_schema: true,
            ..CommandGetTables::default()
        })
        .await;
    let tables = fetch(&mut client, info.expect("tables"))
        .await
        .expect("tables");
    assert_eq!(column(&tables, "table_name"), VIEWS);
    let info = client.get_catalogs().await.expect("catalogs");
    let catalogs = fetch(&mut client, info).await.expect("catalogs");
    assert_eq!(column(&catalogs, "catalog_name"), ["greenpark"]);
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await;
    let schemas = fetch(&mut client, info.expect("schemas"))
        .await
        .expect("schemas");
    assert_eq!(column(&schemas, "db_schema_name"), ["public"]);
    let info = client.get_table_types().await.expect("types");
    let types = fetch(&mut client, info).await.expect("types");
    assert_eq!(column(&types, "table_type"), ["VIEW"]);
    let info = client
        .get_sql_info(vec![SqlInfo::FlightSqlServerReadOnly])
        .await;
    let infos = fetch(&mut client, info.expect("infos"))
        .await
        .expect("infos");
    assert_eq!(infos[0].num_rows(), 1);
    world.stop().await;
    filled.stop().await;
}
