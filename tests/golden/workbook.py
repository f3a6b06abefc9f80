"""Compares the workbook of an extract folder with its CSV files, cell by cell.

    python3 workbook.py FOLDER
"""

import csv
import sys
from decimal import Decimal
from pathlib import Path

from openpyxl import load_workbook


def same(cell, text: str) -> bool:
    if isinstance(cell, (int, float)):
        return Decimal(repr(cell)) == Decimal(text)
    return (cell or "") == text


def main() -> None:
    folder = Path(sys.argv[1])
    workbook = load_workbook(folder / "extract.xlsx", read_only=True)
    cells = 0
    for name, sheet in (("daily-totals.csv", "daily totals 日累计"), ("readings.csv", "readings 读数")):
        rows = csv.reader((folder / name).read_text(encoding="utf-8-sig").splitlines())
        for number, (expected, found) in enumerate(zip(rows, workbook[sheet].iter_rows(values_only=True), strict=True), 1):
            found = list(found) + [None] * (len(expected) - len(found))
            assert all(map(same, found, expected)), (sheet, number, found, expected)
            cells += len(expected)
    print(f"{cells} cells of the workbook are those of the CSV files")


if __name__ == "__main__":
    main()
