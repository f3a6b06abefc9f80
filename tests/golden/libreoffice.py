"""The workbook of an extract folder as LibreOffice reads it: its sheets equal the CSV files beside it.

    libreoffice.py FOLDER WORK
"""

import csv
import decimal
import pathlib
import shutil
import subprocess
import sys

folder, work = map(pathlib.Path, sys.argv[1:])
program = shutil.which("soffice") or shutil.which("libreoffice")
if program is None:
    print("LibreOffice is not there: the workbook was not opened with it")
    sys.exit(0)
workbook = next(folder.glob("*.xlsx"))
out = work / "libreoffice"
# 44: comma, 34: quotes, 76: UTF-8; -1: a file for each sheet, as the cells are stored and not as they are shown.
flags = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
subprocess.run(
    [program, f"-env:UserInstallation=file://{work}/office", "--headless", "--convert-to", flags, "--outdir", out, workbook],
    check=True,
    capture_output=True,
)


def same(left, right):
    """True if two cells say the same: as texts or as numbers."""
    if left == right:
        return True
    if {left.lower(), right.lower()} in ({"true", "1"}, {"false", "0"}):
        return True
    try:
        return decimal.Decimal(left) == decimal.Decimal(right)
    except decimal.InvalidOperation:
        return False


def table(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


compared = 0
for name, of_workbook in [("daily-totals.csv", "daily totals 日累计"), ("readings.csv", "readings 读数")]:
    source, sheet = folder / name, out / f"{workbook.stem}-{of_workbook}.csv"
    ours, theirs = table(source), table(sheet)
    assert len(ours) == len(theirs), (source.name, len(ours), len(theirs))
    for line, (left, right) in enumerate(zip(ours, theirs), 1):
        for place, (a, b) in enumerate(zip(left, right)):
            assert same(a, b), f"{source.name}, line {line}, column {place + 1}: {a!r} is not {b!r}"
            compared += 1
print(f"LibreOffice: {compared} cells equal those of the CSV files")
