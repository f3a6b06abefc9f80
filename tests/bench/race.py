"""Compares the ranking of a park over a year by Greenpark and by other tools on the same files in one run.

    tests/bench/race.sh [ENTERPRISESxYEARS]      makes a lake, installs the tools from PyPI, and runs this

Each tool reads the sealed Parquet files of the year in three ways: all rows; the daily totals, which have the first and
the last register of each day; and only the files of the first and the last day. In a fourth way DuckDB finds the last
two among all files by their folders. All ways but the first assume that registers only rise, that no day was sealed
twice and that no meter was changed, which is true for this lake. Greenpark is queried over gRPC, and also judges
coverage, revisions and soundness. Each result must equal Greenpark's to the last digit. Tools that are not installed
are skipped.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

from ports import free_ports

sys.path.append(str(Path(__file__).resolve().parents[1] / "golden"))
from ask import ReflectionClient  # noqa: E402

PARK = "parks/bench"
# The columns of an instant and a register in readings, and of the first and the last ones in totals.
READING = ("instant", "value")
FIRST = ("first_instant", "first_register")
LAST = ("last_instant", "last_register")


class Greenpark:
    """A freshly started service."""

    def __init__(self, binary, data):
        mqtt, grpc = free_ports(2)
        self.log = tempfile.TemporaryFile()
        command = [binary, "up", "--data", data, "--mqtt", f"127.0.0.1:{mqtt}", "--grpc", f"127.0.0.1:{grpc}"]
        self.service = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while True:
            try:
                self.asker = ReflectionClient(f"127.0.0.1:{grpc}")
                return
            except Exception as error:  # The reflection client raises what its channel raises.
                if time.monotonic() > until or self.service.poll() is not None:
                    raise SystemExit(f"{binary} up --data {data} does not answer: {error}") from error

    def ranking(self, year):
        answer = self.asker.call("ListEnergyIntensities", parent=PARK, period={"year": year}, page_size=1000)
        return answer.figures

    def stop(self):
        self.service.terminate()
        self.service.wait()


def duckdb_rows(files, first, last, days=None):
    import duckdb

    of_days = "" if days is None else f"AND day IN {tuple(days)}"
    with duckdb.connect() as database:
        rows = database.execute(
            f"""SELECT enterprise, quantity, sum(rise) FROM (
                  SELECT enterprise, meter, quantity,
                         arg_max({last[1]}, {last[0]}) - arg_min({first[1]}, {first[0]}) AS rise
                  FROM read_parquet(?, hive_partitioning = {days is not None}, hive_types_autocast = false)
                  WHERE kind = 'register' {of_days} GROUP BY ALL)
                GROUP BY ALL""",
            [files],
        ).fetchall()
    return {(enterprise, quantity): rise for enterprise, quantity, rise in rows}


def polars_rows(files, first, last):
    import polars

    def at(of):
        return polars.col(of[1]).sort_by(of[0])

    rows = (
        polars.scan_parquet(files, hive_partitioning=False)
        .filter(polars.col("kind").cast(polars.String) == "register")
        .group_by("enterprise", "meter", "quantity")
        .agg((at(last).last() - at(first).first()).alias("rise"))
        .group_by("enterprise", "quantity")
        .agg(polars.col("rise").sum())
        .collect()
    )
    return {(enterprise, quantity): rise for enterprise, quantity, rise in rows.iter_rows()}


def pandas_rows(files, first, last):
    import pyarrow.dataset

    columns = [*dict.fromkeys(["enterprise", "meter", "quantity", "kind", *first, *last])]
    rows = pyarrow.dataset.dataset(files, format="parquet").to_table(columns=columns).to_pandas()
    rows = rows[rows["kind"] == "register"].sort_values(first[0])
    of_meter = rows.groupby(["enterprise", "meter", "quantity"], observed=True)
    rise = (of_meter[last[1]].last() - of_meter[first[1]].first()).groupby(["enterprise", "quantity"], observed=True)
    return rise.sum().to_dict()


def chdb_rows(files, first, last):
    import chdb

    # A statement with the names of all files would be too long; the folders have only these files.
    folders = sorted({str(Path(path).parent) for path in files})
    if len(folders) > 2:
        folders = [f"{Path(folders[0]).parent}/day=*"]
    union = " UNION ALL ".join(
        f"SELECT enterprise, meter, quantity, kind, {', '.join(dict.fromkeys([*first, *last]))} "
        f"FROM file('{folder}/*.parquet', Parquet)"
        for folder in folders
    )
    text = chdb.query(
        f"""SELECT enterprise, quantity, sum(rise) FROM (
              SELECT enterprise, meter, quantity,
                     argMax({last[1]}, {last[0]}) - argMin({first[1]}, {first[0]}) AS rise
              FROM ({union}) WHERE kind = 'register' GROUP BY enterprise, meter, quantity)
            GROUP BY enterprise, quantity""",
        "CSV",
    )
    lines = (line.replace('"', "").split(",") for line in str(text).splitlines())
    return {(enterprise, quantity): Decimal(rise) for enterprise, quantity, rise in lines}


TOOLS = {
    "DuckDB": ("duckdb", duckdb_rows),
    "Polars": ("polars", polars_rows),
    "pandas": ("pandas", pandas_rows),
    "chDB": ("chdb", chdb_rows),
}


def timed(ask, times):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        answer = ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3, answer


def check(name, rises, figures):
    """Checks that the rises of the registers equal the numerators of the figures."""
    for figure in figures:
        enterprise = figure.name.rsplit("/", 1)[1]
        for part in figure.components:
            expected, found = Decimal(part.amount.value), rises[enterprise, part.quantity]
            if expected != found:
                raise SystemExit(f"{name}: {enterprise} {part.quantity}: {found}, but Greenpark answers {expected}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", default="target/release/greenpark")
    arguments.add_argument("--data", required=True, help="the folder that has the lake in it")
    arguments.add_argument("--year", type=int, required=True)
    arguments.add_argument("--times", type=int, default=3, help="how often another tool is asked")
    asked = arguments.parse_args()
    year = asked.year

    book = Path(asked.data, "lake", "bench", f"{year:04}").resolve()
    every = sorted(str(path) for path in book.glob("readings/day=*/*.parquet"))
    totals = sorted(str(path) for path in book.glob("totals/*.parquet"))
    days = [str(date(year, 1, 1)), str(date(year, 12, 31))]
    ends = [path for path in every if Path(path).parent.name.removeprefix("day=") in days]
    all_of = str(book / "readings/day=*/*.parquet")
    ways = [
        ("all rows", (every, READING, READING)),
        ("totals of days", (totals, FIRST, LAST)),
        ("first and last day", (ends, READING, READING)),
    ]
    service = Greenpark(asked.bin, asked.data)
    try:
        first, figures = timed(lambda: service.ranking(year), 1)
        next_ms, _ = timed(lambda: service.ranking(year), 20)
        print(f"ranking of {len(figures)} enterprises, {len(every)} files of {year}\n")
        print("| | ms | times Greenpark's |\n|---|---|---|")
        print(f"| Greenpark, the first question | {first:.0f} | {first / next_ms:.1f} |")
        print(f"| Greenpark, the next | {next_ms:.1f} | 1 |")
        for name, (module, ask) in TOOLS.items():
            if importlib.util.find_spec(module) is None:
                print(f"| {name} | not installed | |")
                continue
            for what, of in ways:
                took, rises = timed(lambda ask=ask, of=of: ask(*of), asked.times)
                check(name, rises, figures)
                print(f"| {name}, {what} | {took:.0f} | {took / next_ms:.0f} |", flush=True)
            if ask is duckdb_rows:
                took, rises = timed(lambda: duckdb_rows(all_of, READING, READING, days), asked.times)
                check(name, rises, figures)
                print(f"| {name}, the same found among all files | {took:.0f} | {took / next_ms:.0f} |", flush=True)
    finally:
        service.stop()


if __name__ == "__main__":
    main()
