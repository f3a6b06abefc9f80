"""Reads a book with third-party tools and compares their results.

    python -m venv v && v/bin/pip install duckdb polars deltalake pyarrow
    v/bin/python tests/golden/read_lake.py LAKE PARK YEAR ENTERPRISE EXPECTED_SUM EXPECTED_FILES

DuckDB reads the sealed Parquet files of the enterprise; deltalake and Polars read the table. All must give exactly
EXPECTED_SUM from EXPECTED_FILES sealed files.
"""

import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
from deltalake import DeltaTable


def main() -> int:
    lake, park, year, enterprise, expected, files = sys.argv[1:7]
    expected, table = Decimal(expected), Path(lake) / park / year / "readings"

    delta = DeltaTable(str(table))
    in_force = [f for f in delta.file_uris() if Path(f).name.startswith(f"{enterprise}.r")]
    hot = [f for f in delta.file_uris() if Path(f).name.startswith("hot.")]

    query = "select sum(value) from read_parquet(?, hive_partitioning = true) where not superseded"
    [(duck,)] = duckdb.connect().execute(query, [in_force]).fetchall()
    arrow = delta.to_pyarrow_table(columns=["enterprise", "value", "superseded"])
    arrow = sum(
        value
        for name, value, old in zip(*(arrow.column(c).to_pylist() for c in arrow.column_names))
        if name == enterprise and not old
    )
    polars = (
        pl.scan_delta(str(table))
        .filter((pl.col("enterprise") == enterprise) & ~pl.col("superseded"))
        .select(pl.col("value").sum())
        .collect()
        .item()
    )
    sums = {"DuckDB over sealed files": duck, "deltalake": arrow, "Polars": polars}
    for tool, total in sums.items():
        print(f"{tool:<26} {total}")
    print(f"{'sealed files in force':<26} {len(in_force)}")
    print(f"{'hot files in force':<26} {len(hot)}")
    right = all(total == expected for total in sums.values()) and len(in_force) == int(files)
    print("as expected" if right else f"expected {expected} from {files} files")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
