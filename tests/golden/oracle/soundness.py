"""When a verdict is given, by METHOD (i) alone: figures, the reasons against them, and the verdict of a plan's target.

Where METHOD leaves a number open, the choice is said at the function that makes it.
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
    """An enterprise: meters, and what is declared of it, in the order in which it is recorded."""

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
    """A figure of one period: its terms, what it was made of and why no verdict may stand on it."""

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
    """The meters on the side that counts, and what is to be said against sides and kinds of the year."""
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
    """The declared side, or the larger of the calendar year."""
    for of, side, valid_from in reversed(enterprise.sides):
        if of == medium and valid_from <= date(year, 1, 1):
            return side, True
    whole = {
        name: sum((sign(m) * measure(m, year_days(year), []).amount for m in meters), ZERO) for name, meters in sides.items()
    }
    return max(whole, key=whole.get), False


def declared(enterprise: Enterprise, year: int, period: list[date]) -> tuple[Decimal | None, str]:
    """Value added of the period, and why it is not as it should be: `prorated`, `undeclared` or nothing.

    Of a year and its months the one recorded later counts. A part of a longer period is taken by days."""
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
    """A figure of a year or a month. A member of a park counts on the days on which it is above designated size, one
    that is asked by its name on every day."""
    asked = [d for d in year_days(year) if month in (None, d.month)]
    told = Figure(indicator, year, ZERO, None, [])
    lacks: dict[str, set] = {"undeclared": set(), "prorated": set(), "silent": set()}
    for enterprise in members:
        period = asked if named else enterprise.member_days(asked)
        if not period:
            continue
        take(told, enterprise, period)
        if indicator == WASTE:
            continue
        told.final &= enterprise.final
        if not any(concerns(indicator, m) and m.kinds(year) for m in enterprise.meters):
            lacks["silent"].add(enterprise.name)
        value, lack = declared(enterprise, year, period)
        if lack:
            lacks[lack].add(enterprise.name)
        if value is not None:
            told.denominator = (told.denominator or ZERO) + value
    if indicator == WASTE:
        of = lambda flow: sum((p.amount for p in told.parts if p.meter.flow == flow), ZERO)
        told.numerator, told.denominator = of("utilized"), of("generated") + of("utilized_old_stock")
    elif told.denominator is not None:
        told.denominator = Decimal(rounded(told.denominator, 6))
    told.reasons += reasons_of(told)
    told.reasons += [told.against(kind, names=frozenset(names)) for kind, names in lacks.items() if names]
    return told


def take(told: Figure, enterprise: Enterprise, period: list[date]) -> None:
    """Adds what an enterprise's meters gave; those of the other side of a balance are told and do not count."""
    chosen, said = counts(enterprise, told.year)
    told.reasons += said if told.indicator == ENERGY else []
    for meter in enterprise.meters:
        if not meter.counted or not concerns(told.indicator, meter):
            continue
        part = measure(meter, period, enterprise.corrections)
        told.amounts[meter.quantity] = told.amounts.get(meter.quantity, ZERO) + part.amount
        if meter in chosen:
            told.parts.append(part)
            told.numerator += told.weight(part) * sign(meter) * part.amount


def reasons_of(told: Figure) -> list[Reason]:
    """The reasons that the terms of a figure and its meters give."""
    found = coverage(told) + implausible(told)
    for term, value in (("numerator", told.numerator), ("denominator", told.denominator)):
        if value is not None and value <= 0:
            found.append(told.against("not_positive", term=term, value=f"{value:f}"))
    if told.numerator <= 0:
        return found
    # Of waste both terms are numbers of meters, but the share is the numerator's.
    parts = [p for p in told.parts if told.indicator != WASTE or p.meter.flow == "utilized"]
    # Shares are of the numerator, and what is taken off it is as doubtful as what is put to it.
    share_of = lambda amount: sum((told.weight(p) * abs(amount(p)) for p in parts), ZERO) / told.numerator
    uncertain = share_of(lambda p: p.estimated + p.manual)
    if uncertain > ESTIMATED:
        found.append(told.against("estimated_share", share=rounded(uncertain, 6)))
    foreign = share_of(lambda p: ZERO if p.meter.registered else p.amount)
    if foreign > UNREGISTERED:
        names = frozenset(p.meter.name for p in parts if not p.meter.registered)
        found.append(told.against("unregistered_share", names=names, share=rounded(foreign, 6)))
    return found


def coverage(told: Figure) -> list[Reason]:
    """Received of expected; where no meter has an interval, days known of days due. Tickets are due on no day."""
    registered = [p for p in told.parts if p.meter.registered and p.meter.kind != "event"]
    of = {p.meter.name: (p.received, p.expected) for p in registered if p.expected}
    of = of or {p.meter.name: (p.known, p.due) for p in registered if p.due}
    asked = sum(due for _, due in of.values())
    if not asked:
        return []
    share = Decimal(sum(got for got, _ in of.values())) / asked
    short = frozenset(name for name, (got, due) in of.items() if due and Decimal(got) / due < COMPLETENESS)
    return [told.against("coverage", names=short, share=rounded(share, 6))] if share < COMPLETENESS else []


def implausible(told: Figure) -> list[Reason]:
    """What would move the figure, as a share of the term that is told; of waste, of the term that it moves more."""
    terms = [(told.numerator, told.parts)]
    if told.indicator == WASTE:
        used = [p for p in told.parts if p.meter.flow == "utilized"]
        terms = [(told.numerator, used), (told.denominator, [p for p in told.parts if p not in used])]
    share = ZERO
    for term, parts in terms:
        moved = sum((told.weight(p) * p.moved for p in parts), ZERO)
        share = max(share, moved / abs(term) if term else Decimal(bool(moved)))
    names = frozenset(p.meter.name for p in told.parts if p.moved)
    return [told.against("implausible", names=names, share=rounded(share, 6))] if share > IMPLAUSIBLE_MOVE else []


def late_change(then: Figure, now: Figure, names: frozenset) -> list[Reason]:
    """What came after `then` was final, as a share of the numerator that is told now."""
    share = abs(now.numerator - then.numerator) / abs(now.numerator)
    return [now.against("late_change", names=names, share=rounded(share, 6))] if share > LATE_MOVE and then.final else []


@dataclass
class Progress:
    """What a plan's target comes to: the verdict, and the change where one may be told."""

    reasons: list[Reason]
    verdict: str = "unknown"
    change: str = ""
    progress: str = ""


def judge_target(indicator: str, years: list[Figure]) -> Progress:
    """The verdict of the last of these years: a fall since the first, or a floor that is held in each."""
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
