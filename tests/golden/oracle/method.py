"""The figures of a park from its raw readings by the method alone; nothing here depends on how greenpark computes.

All numbers are decimal. Third-party readers (deltalake, pandas) read readings, registry and declarations from the Delta
tables of the lake; factors and plans come from the files that ship with the service.
"""

import json
import tomllib
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

getcontext().prec = 60
SHANGHAI_MS = 8 * 3_600_000
DAY_MS = 86_400_000
VALID = {"N", "S"}
BULK = ["coal_gangue", "fly_ash", "tailings", "smelting_slag", "byproduct_gypsum"]


def day_of(ms: int) -> int:
    """The civil day of an instant, as days since 1970."""
    return (ms + SHANGHAI_MS) // DAY_MS


def first_day(year: int) -> int:
    return (pd.Timestamp(year=year, month=1, day=1) - pd.Timestamp("1970-01-01")).days


def rounded(value: Decimal, places: int) -> str:
    return str(value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN))


@dataclass
class Meter:
    """The registrations of one meter and quantity, the latest first."""

    entries: list = field(default_factory=list)

    def on(self, day: int):
        for valid_from, valid_to, body in self.entries:
            if valid_from <= day and (valid_to is None or day <= valid_to):
                return body
        return None


class Park:
    """A park's registry, declarations and readings."""

    def __init__(self, lake: Path, park: str, years: range):
        self.park, self.years = park, years
        self.meters: dict[tuple, Meter] = {}
        self.above: dict[str, Meter] = {}
        self.value_added: dict[str, dict[str, Decimal]] = {}
        self._read_reference(lake / "reference")
        self.series: dict[tuple, pd.DataFrame] = {}
        frames = []
        for year in range(years.start, years.stop + 1):
            table = lake / park / str(year) / "readings"
            if table.is_dir():
                frames.append(self._read_readings(table))
        rows = pd.concat(frames, ignore_index=True)
        for key, of_series in rows.groupby(["enterprise", "meter", "quantity", "kind"], sort=True):
            self.series[key] = of_series.sort_values("ms", ignore_index=True)

    def _read_reference(self, table: Path) -> None:
        entries = DeltaTable(str(table))
        files = sorted(entries.file_uris(), key=lambda uri: Path(uri).name)
        rows = pd.concat([pd.read_parquet(uri) for uri in files], ignore_index=True)
        epoch = pd.Timestamp("1970-01-01")
        for row in rows.itertuples():
            parts = row.subject.split("/")
            if parts[:2] != ["parks", self.park] or len(parts) < 4:
                continue
            body, enterprise = json.loads(row.body), parts[3]
            valid_from = (pd.Timestamp(row.valid_from) - epoch).days
            valid_to = None if pd.isna(row.valid_to) else (pd.Timestamp(row.valid_to) - epoch).days
            entry = (valid_from, valid_to, body)
            if row.kind == "meter":
                key = (enterprise, parts[5], body["quantity"])
                self.meters.setdefault(key, Meter()).entries.insert(0, entry)
            elif row.kind == "enterprise":
                self.above.setdefault(enterprise, Meter()).entries.insert(0, entry)
            elif row.kind == "statistic" and body["series"] == "value_added":
                if body["price_base"] == "constant-2020":
                    declared = self.value_added.setdefault(enterprise, {})
                    declared[body["period"]] = Decimal(body["amount"])

    @staticmethod
    def _read_readings(table: Path) -> pd.DataFrame:
        columns = ["enterprise", "meter", "quantity", "kind", "instant", "value", "flag", "superseded"]
        rows = DeltaTable(str(table)).to_pyarrow_table(columns=columns)
        frame = pd.DataFrame({name: rows.column(name).to_pandas() for name in columns if name not in ("instant", "value")})
        frame["ms"] = rows.column("instant").cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pandas()
        # Millionths as integers are exact and fast to add.
        micro = pc.multiply(rows.column("value"), pa.scalar(Decimal(1_000_000)))
        frame["micro"] = pc.cast(micro, pa.int64()).to_pandas()
        return frame[~frame["superseded"]]

    def enterprises(self, year: int) -> list[str]:
        """The enterprises above designated size on some day of the year."""
        days = range(first_day(year), first_day(year + 1))
        return sorted(
            e for e, dated in self.above.items() if any((dated.on(d) or {}).get("above_designated_size") for d in days)
        )

    def consumption(self, enterprise: str, year: int) -> dict[str, Decimal]:
        """The consumption of the enterprise's counted meters in the year, by quantity."""
        total: dict[str, Decimal] = {}
        for (of, meter, quantity, kind), rows in self.series.items():
            if of != enterprise or kind == "gauge":
                continue
            body = self.meters.get((of, meter, quantity), Meter()).on(first_day(year))
            if body is not None and not body["counted"]:
                continue
            rows = rows[rows["flag"].isin(VALID)]
            if kind == "register":
                micro = register_consumption(rows, body or {}, year)
            else:
                within = (rows["ms"] >= start(year)) & (rows["ms"] < start(year + 1))
                micro = int(sum(rows.loc[within, "micro"].tolist()))
            if micro or kind == "register":
                total[quantity] = total.get(quantity, Decimal(0)) + Decimal(micro).scaleb(-6)
        return total

    def received(self, enterprise: str, year: int, quantities: set[str]) -> tuple[int, int]:
        """Readings received from counted meters with an interval, and the expected number."""
        got = expected = 0
        for (of, meter, quantity), dated in self.meters.items():
            body = dated.on(first_day(year))
            if of != enterprise or quantity not in quantities or not body or not body["counted"] or not body["interval_s"]:
                continue
            expected += (start(year + 1) - start(year)) // (body["interval_s"] * 1000)
            for (e, m, q, _), rows in self.series.items():
                if (e, m, q) == (of, meter, quantity):
                    got += int(((rows["ms"] >= start(year)) & (rows["ms"] < start(year + 1))).sum())
        return got, expected

    def complete(self, enterprise: str, year: int) -> tuple[int, int]:
        """Readings received from meters with an interval, capped for each meter and day at the expected number; and the
        expected number."""
        counted = expected = 0
        for (of, meter, quantity), dated in self.meters.items():
            if of != enterprise:
                continue
            got: dict[int, int] = {}
            for (e, m, q, _), rows in self.series.items():
                if (e, m, q) == (of, meter, quantity):
                    days = (rows["ms"] + SHANGHAI_MS) // DAY_MS
                    for day, count in days.value_counts().items():
                        got[day] = got.get(day, 0) + int(count)
            for day in range(first_day(year), first_day(year + 1)):
                body = dated.on(day)
                if body and body["interval_s"]:
                    a_day = 86_400 // body["interval_s"]
                    expected += a_day
                    counted += min(got.get(day, 0), a_day)
        return counted, expected

    def declared(self, enterprise: str, year: int) -> Decimal:
        """Value added of a year: as declared for the year, or the sum of its months."""
        of = self.value_added.get(enterprise, {})
        if str(year) in of:
            return of[str(year)]
        return sum((of[f"{year}-{month:02}"] for month in range(1, 13)), Decimal(0))


def start(year: int) -> int:
    return first_day(year) * DAY_MS - SHANGHAI_MS


def register_consumption(rows: pd.DataFrame, body: dict, year: int) -> int:
    """The difference of a register between two midnights in millionths, with rollovers by its modulus."""
    modulus = int(Decimal(body["modulus"]).scaleb(6)) if "modulus" in body else None
    running, cumulative, before = 0, [], None
    for register in rows["micro"].tolist():
        if before is not None:
            step = register - before
            if step < 0:
                if modulus is None:
                    raise ValueError("a register fell and has no modulus: this park has other cases than these")
                step += modulus
            running += step
        before = register
        cumulative.append(running)
    instants = rows["ms"].tolist()
    return at(instants, cumulative, start(year + 1)) - at(instants, cumulative, start(year))


def at(instants: list[int], cumulative: list[int], when: int) -> int:
    """The consumption up to an instant, interpolated between its neighbors."""
    if not instants or when <= instants[0]:
        return 0
    if when >= instants[-1]:
        return cumulative[-1]
    low, high = 0, len(instants) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if instants[middle] <= when else (low, middle)
    step = cumulative[high] - cumulative[low]
    return cumulative[low] + step * (when - instants[low]) // (instants[high] - instants[low])


class Factors:
    """Standard coal at calorific value."""

    def __init__(self, file: Path):
        entries = tomllib.loads(file.read_text())["factor"]
        usable = [e for e in entries if e.get("basis") in (None, "calorific") and e["unit"].startswith("kgce/")]
        self.of = {}
        for entry in usable:
            self.of.setdefault(entry["medium"], Decimal(entry["kgce_per_unit"]))


class Carbon:
    """Carbon dioxide by the grid factor of the year and region, location-based, and the fuels' factors."""

    UNITS = {"t": 0, "m3": 0, "kWh": 0, "10^4 m3": 4, "GJ": 3}

    def __init__(self, file: Path, region: str):
        entries = tomllib.loads(file.read_text())
        self.grid = {e["year"]: Decimal(e["kg_per_kwh"]) / 1000 for e in entries["grid"] if e["region"] == region}
        self.fuels = {
            e["medium"]: Decimal(e["tco2_per_unit"]).scaleb(-self.UNITS[e["unit"]]) for e in entries["fuel"]
        }

    def tonnes(self, amounts: dict[str, Decimal], year: int) -> Decimal:
        factor = lambda q: self.grid[year] if q == "electricity" else self.fuels[q]
        return sum((a * factor(q) for q, a in amounts.items() if q in ENERGY), Decimal(0))


ENERGY = {
    "electricity", "natural_gas", "steam", "heat", "raw_coal", "washed_coal", "coke", "diesel", "gasoline",
    "fuel_oil", "lpg", "lng", "coke_oven_gas", "blast_furnace_gas",
}


def energy(amounts: dict[str, Decimal], factors: Factors) -> Decimal:
    """Tonnes of standard coal."""
    return sum((a * factors.of[q] / 1000 for q, a in amounts.items() if q in ENERGY), Decimal(0))


def water(amounts: dict[str, Decimal], _factors: Factors) -> Decimal:
    return amounts.get("fresh_water", Decimal(0))


def waste(amounts: dict[str, Decimal]) -> tuple[Decimal, Decimal]:
    """The utilized amount, and its denominator."""
    flow = lambda name: sum((amounts.get(f"{m}.{name}", Decimal(0)) for m in BULK), Decimal(0))
    return flow("utilized"), flow("generated") + flow("utilized_old_stock")


def log_mean(x: Decimal, y: Decimal) -> Decimal:
    return x if x == y else (x - y) / (x.ln() - y.ln())


def lmdi(members: list[tuple[Decimal, Decimal, Decimal, Decimal]]) -> tuple[Decimal, Decimal]:
    """Structure and efficiency of Σe ÷ Σv from (e0, v0, e1, v1) of each member, all positive."""
    v0, v1 = sum(m[1] for m in members), sum(m[3] for m in members)
    structure = efficiency = Decimal(0)
    for e0, w0, e1, w1 in members:
        weight = log_mean(e1 / v1, e0 / v0)
        structure += weight * ((w1 / v1).ln() - (w0 / v0).ln())
        efficiency += weight * ((e1 / w1).ln() - (e0 / w0).ln())
    return structure, efficiency
