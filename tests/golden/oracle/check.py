"""Compares the answers of the service with the results of the method from the raw readings, to the last digit.

    python -m venv v && v/bin/pip install pandas deltalake pyarrow grpcio grpcio-reflection protobuf
    v/bin/python tests/golden/oracle/check.py LAKE 127.0.0.1:50051 PARK

It compares for every enterprise, the park and every year of the parks' plan: amounts, intensities, waste rate,
completeness, and carbon dioxide if the grid factor is published; gross and assessed energy; the quality index of the
last year; then progress, its schedule and the terms of the split.
"""

import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import assessment
import method as m
from ask import ReflectionClient

ROOT = Path(__file__).parents[3]
YEARS = range(2020, 2026)
TARGETS = {"energy-intensity": Decimal("0.16"), "water-intensity": Decimal("0.20")}


class Check:
    def __init__(self):
        self.compared, self.wrong = 0, []

    def same(self, what: str, answer: str, expected: str) -> None:
        self.compared += 1
        if answer != expected:
            self.wrong.append(f"{what}: the service gives {answer}, the method gives {expected}")


def plain(value: Decimal) -> str:
    """The shortest decimal, as in amounts."""
    text = f"{value.normalize():f}"
    return "0" if text in ("-0", "") else text


def figures(check: Check, ask: ReflectionClient, name: str, year: int, amounts, declared, quality, factors) -> None:
    answer = ask.call("GetEnergyIntensity", name=name, period={"year": year})
    tce = m.energy(amounts, factors)
    for part in answer.components:
        check.same(f"{name} {year} {part.quantity}", part.amount.value, plain(amounts[part.quantity]))
    check.same(f"{name} {year} tce", answer.numerator.value, m.rounded(tce, 6))
    check.same(f"{name} {year} value added", answer.denominator.value, plain(declared))
    check.same(f"{name} {year} energy intensity", answer.value, m.rounded(tce / declared, 6))
    got, expected = quality
    check.same(f"{name} {year} expected", str(answer.coverage.expected), str(expected))
    if expected:
        share = min(Decimal(got) / Decimal(expected), Decimal(1))
        check.same(f"{name} {year} completeness", answer.coverage.completeness, m.rounded(share, 6))
    answer = ask.call("GetWaterIntensity", name=name, period={"year": year})
    check.same(f"{name} {year} water intensity", answer.value, m.rounded(m.water(amounts, factors) / declared, 6))
    answer = ask.call("GetWasteUtilization", name=name, period={"year": year})
    used, available = m.waste(amounts)
    rate = m.rounded(used * 100 / available, 6) if available else ""
    check.same(f"{name} {year} waste rate", answer.value, rate)


def both_bases(check: Check, ask: ReflectionClient, registry: ReflectionClient, name: str, sums_of, factors) -> None:
    """Checks gross and assessed energy of every year, with the certificates and raw materials in the registry."""
    certificates = registry.call("ListCertificates", parent=name, page_size=1000).certificates
    parent = name if "/enterprises/" in name else f"{name}/enterprises/-"
    statistics = registry.call("ListStatistics", parent=parent, page_size=1000).statistics
    energy, value = sums_of(YEARS[0])
    base = m.energy(energy, factors), value
    for year in YEARS:
        amounts, value = sums_of(year)
        used = [c for c in certificates if c.year == year]
        raw = sum(
            (
                Decimal(s.amount) * factors.of[s.series.split(":")[1]] / 1000
                for s in statistics
                if s.series.startswith("raw_material:") and s.period.year == year
            ),
            Decimal(0),
        )
        answer = ask.call("GetEnergyIntensity", name=name, period={"year": year})
        assessment.compare(check, answer, m.energy(amounts, factors), value, base, used, raw)


def carbon(check: Check, ask: ReflectionClient, name: str, year: int, amounts, declared, factors, emissions) -> None:
    tonnes = emissions.tonnes(amounts, year)
    answer = ask.call("GetCarbonIntensity", name=name, period={"year": year})
    check.same(f"{name} {year} carbon dioxide", answer.numerator.value, m.rounded(tonnes, 6))
    check.same(f"{name} {year} carbon intensity", answer.value, m.rounded(tonnes / declared, 6))
    answer = ask.call("GetCarbonPerEnergy", name=name, period={"year": year})
    check.same(f"{name} {year} carbon per energy", answer.value, m.rounded(tonnes / m.energy(amounts, factors), 6))


def complete(check: Check, ask: ReflectionClient, name: str, year: int, counted) -> None:
    answer = ask.call("GetQuality", name=name, period={"year": year})
    of = {index.name: index.value for index in answer.indices}
    share = m.rounded(Decimal(counted[0]) / Decimal(counted[1]), 6)
    check.same(f"{name} {year} quality completeness", of["completeness"], share)


def progress(check: Check, ask: ReflectionClient, name: str, by_year, members) -> None:
    answer = ask.call("GetProgress", name=name, plan="chongqing-parks-14fyp")
    first, last = YEARS[0], YEARS[-1]
    for target in answer.targets:
        required = TARGETS.get(target.target.indicator)
        if required is None:
            continue
        values = by_year[target.target.indicator]
        for point in target.years:
            fall = 1 - values[point.year] / values[first]
            scheduled = 1 - (((1 - required).ln() * (point.year - first)) / (last - first)).exp()
            what = f"{name} {target.target.indicator} {point.year}"
            check.same(f"{what} change", point.change_percent, m.rounded(-fall * 100, 4).replace("-0.0000", "0.0000"))
            due = m.rounded(-scheduled * 100, 4).replace("-0.0000", "0.0000")
            check.same(f"{what} schedule", point.scheduled_percent, due)
        fall = 1 - values[last] / values[first]
        reached = (1 - fall).ln() / (1 - required).ln()
        check.same(f"{name} {target.target.indicator} progress", target.progress_percent, m.rounded(reached * 100, 4))
        terms = [target.split.structure, target.split.efficiency, target.split.entered, target.split.left,
                 target.split.unsplit, target.split.rounding]
        check.same(f"{name} terms of the split", str(sum(map(Decimal, terms)) - Decimal(target.split.change)), str(Decimal(0).scaleb(-12)))
        structure, efficiency = m.lmdi(members[target.target.indicator])
        for term, answered_term, made in (("structure", target.split.structure, structure),
                                      ("efficiency", target.split.efficiency, efficiency)):
            # Terms have twelve decimals for each member, so a sum may differ by one unit of the last for each.
            room = Decimal(len(members[target.target.indicator])) * Decimal(1).scaleb(-12)
            near = abs(Decimal(answered_term) - made) <= room
            check.same(f"{name} {target.target.indicator} {term}", "near" if near else answered_term, "near")


def main() -> int:
    lake, address, park_id = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    ask, check = ReflectionClient(address), Check()
    factors = m.Factors(ROOT / "query/data/factors/gbt-2589-2020.toml")
    emissions = m.Carbon(ROOT / "query/data/carbon/ghg-2025.toml", "chongqing")
    quality_of = ReflectionClient(address, "park.query.v1.Quality")
    registry = ReflectionClient(address, "park.query.v1.Registry")
    totals: dict[int, tuple] = {}
    park = m.Park(lake, park_id, YEARS)
    by_year = {name: {} for name in TARGETS}
    activity: dict[str, dict] = {}
    for year in YEARS:
        sums, value, quality, whole = {}, Decimal(0), [0, 0], [0, 0]
        for enterprise in park.enterprises(year):
            amounts, declared = park.consumption(enterprise, year), park.declared(enterprise, year)
            got = park.received(enterprise, year, m.ENERGY)
            name = f"parks/{park_id}/enterprises/{enterprise}"
            figures(check, ask, name, year, amounts, declared, got, factors)
            activity.setdefault(enterprise, {})[year] = (amounts, declared)
            if year in emissions.grid:
                carbon(check, ask, name, year, amounts, declared, factors, emissions)
            if year == YEARS[-1]:
                counted = park.complete(enterprise, year)
                complete(check, quality_of, name, year, counted)
                whole = [whole[0] + counted[0], whole[1] + counted[1]]
            for quantity, amount in amounts.items():
                sums[quantity] = sums.get(quantity, Decimal(0)) + amount
            value += declared
            quality = [quality[0] + got[0], quality[1] + got[1]]
        figures(check, ask, f"parks/{park_id}", year, sums, value, quality, factors)
        if year in emissions.grid:
            carbon(check, ask, f"parks/{park_id}", year, sums, value, factors, emissions)
        if year == YEARS[-1]:
            complete(check, quality_of, f"parks/{park_id}", year, whole)
        totals[year] = (sums, value)
        by_year["energy-intensity"][year] = m.energy(sums, factors) / value
        by_year["water-intensity"][year] = m.water(sums, factors) / value
    first, last = YEARS[0], YEARS[-1]
    members = {
        name: [
            (of(a[first][0], factors), a[first][1], of(a[last][0], factors), a[last][1])
            for a in activity.values()
            if of(a[first][0], factors) and of(a[last][0], factors)
        ]
        for name, of in (("energy-intensity", m.energy), ("water-intensity", m.water))
    }
    progress(check, ask, f"parks/{park_id}", by_year, members)
    both_bases(check, ask, registry, f"parks/{park_id}", lambda year: totals[year], factors)
    for enterprise, years in activity.items():
        if all(year in years for year in YEARS):
            name = f"parks/{park_id}/enterprises/{enterprise}"
            both_bases(check, ask, registry, name, years.__getitem__, factors)
    for line in check.wrong[:40]:
        print(line)
    print(f"{check.compared} figures compared, {len(check.wrong)} differ")
    return 0 if check.compared and not check.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
