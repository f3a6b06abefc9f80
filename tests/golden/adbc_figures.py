"""Flight SQL by ADBC: figures equal those of gRPC to the last digit, and the worked example of query/SQL.md runs.

    adbc_figures.py GRPC BINARY
"""

import decimal
import json
import subprocess
import sys

import adbc_driver_flightsql.dbapi as flightsql

grpc, binary = sys.argv[1:]


def asked(command, *words):
    """The answer of a command of ours, which asks over gRPC."""
    done = subprocess.run(
        [binary, command, *words, "--grpc", grpc, "--format", "json"], check=True, capture_output=True
    )
    return json.loads(done.stdout)


with flightsql.connect(f"grpc://{grpc}") as connection, connection.cursor() as cursor:
    tables = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    names = {t["table_name"] for c in tables for s in c["catalog_db_schemas"] for t in s["db_schema_tables"]}
    assert {"figures", "readings", "daily_totals", "targets"} <= names, names

    compared = 0
    for indicator, command in [("energy-intensity", "energy"), ("water-intensity", "water"), ("waste-utilization", "waste")]:
        cursor.execute(
            "SELECT name, value, numerator, denominator FROM figures "
            f"WHERE period = '2024' AND park = 'demo' AND indicator = '{indicator}'"
        )
        for name, value, numerator, denominator in cursor.fetchall():
            figure = asked("intensity", name, "--of", command, "--period", "2024")["figures"][0]
            for cell, text in [
                (value, figure["value"]),
                (numerator, (figure["numerator"] or {}).get("value", "")),
                (denominator, (figure["denominator"] or {}).get("value", "")),
            ]:
                same = cell is None if text in ("", None) else cell == decimal.Decimal(text)
                assert same, (name, indicator, cell, text)
                compared += 1
    assert compared > 30, compared

    cursor.execute(
        "SELECT meter, sum(consumption) AS kwh FROM daily_totals "
        "WHERE day BETWEEN DATE '2024-01-01' AND DATE '2024-12-31' "
        "AND enterprise = 'jiangbei-steel' AND quantity = 'electricity' GROUP BY meter ORDER BY kwh DESC"
    )
    table = cursor.fetch_arrow_table()
    assert table.num_rows > 0 and table.schema.field("kwh").type.scale == 6, table.schema
    cursor.execute(
        "SELECT count(*) FROM readings WHERE day BETWEEN DATE '2024-01-01' AND DATE '2024-12-31' "
        "AND enterprise = 'jiangbei-steel'"
    )
    (readings,) = cursor.fetchone()
    assert readings > 50_000, readings
    for refused in ["DROP TABLE figures", "COPY figures TO '/tmp/x.csv'", "SELECT * FROM '/etc/passwd'"]:
        try:
            cursor.execute(refused)
            cursor.fetchall()
        except flightsql.Error:
            continue
        raise AssertionError(f"{refused} was not refused")
print(f"ADBC: {compared} numbers of figures equal those of gRPC; {readings} readings counted; what writes is refused")
