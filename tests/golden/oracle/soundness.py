"""Verdicts by METHOD (i) alone: figures, the reasons against them, and the verdict on a plan's target.

If METHOD leaves a number open, the function that chooses it documents the choice.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from assessment import rounded
from meters import FOREVER, ZERO, Correction, Meter, Part, measure, year_days

HUNDRED = Decimal(100)
COMPLETENESS, ESTIMATED, UNREGISTERED = Decimal("0.9"), Decimal("0.1"), Decimal("0.05")
IMPLAUSIBLE_MOVE, LATE_MOVE = Decimal("0.005"), Decimal("0.001")
ENERGY, WATER, WASTE = "energy-intensity", "water-intensity", "waste-utilization"
TARGET = {ENERGY: Decimal("0.16"), WATER: Decimal("0.20"), WASTE: Decimal(70)}
FIRST, LAST = 2020, 2025
# Tonnes of standard coal of a kWh and of a tonne: METHOD (a).
TCE = {"electricity": Decimal("0.1229") / 1000, "diesel": Decimal("1.4571")}
SIDES = {
    "consumption": {"": 1, "transformed_in": 1, "transformed_out": -1, "recovered": -1},
    "supply": {"purchased": 1, "produced": 1, "exported": -1, "stock_change": -1},
}


@dataclass
class Enterprise:
    """An enterprise: its meters, and its declarations in the order of recording."""

    name: str
    meters: list[Meter]
    value_added: list[tuple[str, Decimal]]
    above: list[tuple[date, date]] = field(default_factory=lambda: [FOREVER])
    sides: list[tuple[str, str, date]] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    final: bool = True
    index: dict[int, Decimal] | None = None  # the price index of each year, where value added is nominal

    def member_days(self, period: list[date]) -> list[date]:
        return [d for d in period if any(first <= d <= last for first, last in self.above)]


@dataclass(frozen=True)
class Reason:
    kind: str
    year: int
    names: frozenset = frozenset()
    share: str = ""
    term: str = ""
    value: str = ""


@dataclass
class Figure:
    """A figure of one period: its terms, the parts behind it, and the reasons against a verdict."""

    indicator: str
    year: int
    numerator: Decimal
    denominator: Decimal | None
    parts: list[Part]
    amounts: dict[str, Decimal] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    final: bool = True

    @property
    def value(self) -> Decimal | None:
        if self.denominator is None or self.numerator <= 0 or self.denominator <= 0:
            return None
        return self.numerator * (HUNDRED if self.indicator == WASTE else 1) / self.denominator

    @property
    def status(self) -> str:
        if any(r.kind == "prorated" for r in self.reasons):
            return "operational"
        return "final" if self.final else "preliminary"

    def weight(self, part: Part) -> Decimal:
        return TCE[part.meter.medium] if self.indicator == ENERGY else Decimal(1)

    def against(self, kind: str, **of) -> Reason:
        return Reason(kind, self.year, **of)


def sign(meter: Meter) -> int:
    return {**SIDES["consumption"], **SIDES["supply"]}.get(meter.flow, 1)


def counts(enterprise: Enterprise, year: int) -> tuple[list[Meter], list[Reason]]:
    """The meters on the side that counts, and the reasons about sides and kinds in the year."""
    meters = [m for m in enterprise.meters if m.counted]
    chosen, reasons = list(meters), []
    for meter in meters:
        if not meter.registered and len(meter.kinds(year)) > 1:
            reasons.append(Reason("kind_conflict", year, frozenset([meter.name])))
    for medium in {m.medium for m in meters} & set(TCE):
        sides = {name: [m for m in meters if m.medium == medium and m.flow in flows] for name, flows in SIDES.items()}
        if not all(any(m.kinds(year) for m in of) for of in sides.values()):
            continue
        side, is_declared = side_of(enterprise, medium, year, sides)
        if not is_declared:
            reasons.append(Reason("side_undeclared", year, frozenset([f"{enterprise.name} {medium}"])))
        chosen = [m for m in chosen if m.medium != medium or m in sides[side]]
    return chosen, reasons


def side_of(enterprise: Enterprise, medium: str, year: int, sides: dict) -> tuple[str, bool]:
    """The declared side, or the larger side of the calendar year, and whether it is declared."""
    for of, side, valid_from in reversed(enterprise.sides):
        if of == medium and valid_from <= date(year, 1, 1):
            return side, True
    whole = {
        name: sum((sign(m) * measure(m, year_days(year), []).amount for m in meters), ZERO) for name, meters in sides.items()
    }
    return max(whole, key=whole.get), False


def declared(enterprise: Enterprise, year: int, period: list[date]) -> tuple[Decimal | None, str]:
    """Value added of the period, and its defect: `prorated`, `undeclared` or none.

    Of a year and its months the one recorded later counts. Part of a longer period is prorated by days."""
    recorded = [p for p, _ in enterprise.value_added if p.startswith(str(year))]
    if not recorded:
        return None, "undeclared"
    of, index = dict(enterprise.value_added), (enterprise.index or {}).get(year, Decimal(1))
    if recorded[-1] == str(year):
        every = year_days(year)
        whole = of[str(year)] * len(period) / len(every) / index
        return whole, "" if len(period) == len(every) else "prorated"
    months = {f"{d.year}-{d.month:02}" for d in period}
    if not months <= set(recorded):
        return None, "undeclared"
    return sum((of[month] for month in months), ZERO) / index, ""


def concerns(indicator: str, meter: Meter) -> bool:
    return {ENERGY: meter.medium in TCE, WATER: meter.quantity == "fresh_water", WASTE: meter.medium == "fly_ash"}[indicator]


def figure(indicator: str, members: list[Enterprise], year: int, named: bool, month: int | None = None) -> Figure:
    """The figure of a year or a month. A member of a park counts on the days on which it is above designated size; an
    enterprise that is queried by name counts on every day."""
    whole_period = [d for d in year_days(year) if month in (None, d.month)]
    result = Figure(indicator, year, ZERO, None, [])
    lacks: dict[str, set] = {"undeclared": set(), "prorated": set(), "silent": set()}
    for enterprise in members:
        period = whole_period if named else enterprise.member_days(whole_period)
        if not period:
            continue
        add_enterprise(result, enterprise, period)
        if indicator == WASTE:
            continue
        result.final &= enterprise.final
        if not any(concerns(indicator, m) and m.kinds(year) for m in enterprise.meters):
            lacks["silent"].add(enterprise.name)
        value, lack = declared(enterprise, year, period)
        if lack:
            lacks[lack].add(enterprise.name)
        if value is not None:
            result.denominator = (result.denominator or ZERO) + value
    if indicator == WASTE:
        of = lambda flow: sum((p.amount for p in result.parts if p.meter.flow == flow), ZERO)
        result.numerator, result.denominator = of("utilized"), of("generated") + of("utilized_old_stock")
    elif result.denominator is not None:
        result.denominator = Decimal(rounded(result.denominator, 6))
    result.reasons += reasons_of(result)
    result.reasons += [result.against(kind, names=frozenset(names)) for kind, names in lacks.items() if names]
    return result


def add_enterprise(result: Figure, enterprise: Enterprise, period: list[date]) -> None:
    """Adds the parts of an enterprise's meters; meters on the other side of a balance are listed but do not count."""
    chosen, side_reasons = counts(enterprise, result.year)
    result.reasons += side_reasons if result.indicator == ENERGY else []
    for meter in enterprise.meters:
        if not meter.counted or not concerns(result.indicator, meter):
            continue
        part = measure(meter, period, enterprise.corrections)
        result.amounts[meter.quantity] = result.amounts.get(meter.quantity, ZERO) + part.amount
        if meter in chosen:
            result.parts.append(part)
            result.numerator += result.weight(part) * sign(meter) * part.amount


def reasons_of(result: Figure) -> list[Reason]:
    """The reasons that follow from the terms of a figure and its meters."""
    found = coverage(result) + implausible(result)
    for term, value in (("numerator", result.numerator), ("denominator", result.denominator)):
        if value is not None and value <= 0:
            found.append(result.against("not_positive", term=term, value=f"{value:f}"))
    if result.numerator <= 0:
        return found
    # For waste both terms come from meters, but the share is that of the numerator.
    parts = [p for p in result.parts if result.indicator != WASTE or p.meter.flow == "utilized"]
    # Shares refer to the numerator, and a subtracted amount is as doubtful as an added one.
    share_of = lambda amount: sum((result.weight(p) * abs(amount(p)) for p in parts), ZERO) / result.numerator
    uncertain = share_of(lambda p: p.estimated + p.manual)
    if uncertain > ESTIMATED:
        found.append(result.against("estimated_share", share=rounded(uncertain, 6)))
    foreign = share_of(lambda p: ZERO if p.meter.registered else p.amount)
    if foreign > UNREGISTERED:
        names = frozenset(p.meter.name for p in parts if not p.meter.registered)
        found.append(result.against("unregistered_share", names=names, share=rounded(foreign, 6)))
    return found


def coverage(result: Figure) -> list[Reason]:
    """Received of expected; if no meter has an interval, days known of days due. Tickets are due on no day."""
    registered = [p for p in result.parts if p.meter.registered and p.meter.kind != "event"]
    of = {p.meter.name: (p.received, p.expected) for p in registered if p.expected}
    of = of or {p.meter.name: (p.known, p.due) for p in registered if p.due}
    total_due = sum(due for _, due in of.values())
    if not total_due:
        return []
    share = Decimal(sum(got for got, _ in of.values())) / total_due
    short = frozenset(name for name, (got, due) in of.items() if due and Decimal(got) / due < COMPLETENESS)
    return [result.against("coverage", names=short, share=rounded(share, 6))] if share < COMPLETENESS else []


def implausible(result: Figure) -> list[Reason]:
    """The implausible amounts as a share of the reported term; for waste, of the term that they move more."""
    terms = [(result.numerator, result.parts)]
    if result.indicator == WASTE:
        used = [p for p in result.parts if p.meter.flow == "utilized"]
        terms = [(result.numerator, used), (result.denominator, [p for p in result.parts if p not in used])]
    share = ZERO
    for term, parts in terms:
        moved = sum((result.weight(p) * p.moved for p in parts), ZERO)
        share = max(share, moved / abs(term) if term else Decimal(bool(moved)))
    names = frozenset(p.meter.name for p in result.parts if p.moved)
    return [result.against("implausible", names=names, share=rounded(share, 6))] if share > IMPLAUSIBLE_MOVE else []


def late_change(then: Figure, now: Figure, names: frozenset) -> list[Reason]:
    """The change after `then` was final, as a share of the numerator that is reported now."""
    share = abs(now.numerator - then.numerator) / abs(now.numerator)
    return [now.against("late_change", names=names, share=rounded(share, 6))] if share > LATE_MOVE and then.final else []


@dataclass
class Progress:
    """The progress towards a plan's target: the verdict, and the change if one may be reported."""

    reasons: list[Reason]
    verdict: str = "unknown"
    change: str = ""
    progress: str = ""


def judge_target(indicator: str, years: list[Figure]) -> Progress:
    """The verdict of the last of these years: a fall since the first, or a floor that is kept in each."""
    target, reasons = TARGET[indicator], [reason for year in years for reason in year.reasons]
    if reasons:
        return Progress(reasons)
    if indicator == WASTE:
        return Progress([], "met" if all(year.value >= target for year in years) else "missed")
    base, current = years
    left = current.value / base.value
    change = rounded((left - 1) * HUNDRED, 4).replace("-0.0000", "0.0000")
    reached = left.ln() / (1 - target).ln()
    if current.year == LAST:
        verdict = "met" if 1 - left >= target else "missed"
    else:
        is_due = reached >= Decimal(current.year - base.year) / (LAST - FIRST)
        verdict = "on_schedule" if is_due else "behind"
    return Progress([], verdict, change, rounded(reached * HUNDRED, 4))
