"""Cases: small enterprises, each with one fault of METHOD (i) or none, and the verdict of METHOD on each.

The expected reasons are written by hand from METHOD's table; the oracle computes the numbers.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from meters import HOUR_MS, Correction, Meter, Reading, days, midnight, year_days
from soundness import ENERGY, FIRST, LAST, WASTE, WATER, Enterprise

YEARS = (FIRST, LAST)
CLEAN = frozenset()
JANUARY = days(date(2025, 1, 1), date(2025, 1, 31))
ALONE = "unclean"


@dataclass
class Step:
    """A change after the figure was final."""

    title: str
    expects: frozenset
    sends: list[tuple[str, list[Reading]]] = field(default_factory=list)  # meter, message
    corrections: list[Correction] = field(default_factory=list)
    withdraws: list[Correction] = field(default_factory=list)
    confirms: bool = False
    live: bool = True  # the gateway's clock was right before, so its readings count as late


@dataclass
class Case:
    title: str
    enterprises: list[Enterprise]
    expects: frozenset = CLEAN
    indicator: str = ENERGY
    steps: list[Step] = field(default_factory=list)
    split_withheld: bool = False
    park: str = ALONE
    judged: int = LAST
    finding: tuple[str, str] | None = None  # a check of data quality and the meter or enterprise that it names
    by_month: bool = False
    both_ways: bool = False

    @property
    def is_alone(self) -> bool:
        return self.park == ALONE

    @property
    def subject(self) -> str:
        return f"parks/{self.park}/enterprises/{self.enterprises[0].name}" if self.is_alone else f"parks/{self.park}"

    @property
    def years(self) -> list[int]:
        """The years behind a verdict: a floor must be kept in every year of the plan."""
        return list(range(FIRST + 1, self.judged + 1)) if self.indicator == WASTE else [FIRST, self.judged]


def against(kind: str, *years: int) -> frozenset:
    return frozenset((kind, year) for year in years or (LAST,))


def amounts(value, over: list[date], kind: str = "interval", hours: tuple = (0,)) -> list[Reading]:
    """Readings of the same amount at the same hours of every day."""
    value = Decimal(str(value))
    return [Reading(midnight(d) + h * HOUR_MS, value, kind) for d in over for h in hours]


def registers(a_day, over: list[date], start=1000) -> list[Reading]:
    """A register that is read at every midnight, including the one after the last day."""
    a_day, of = Decimal(str(a_day)), [*over, over[-1] + timedelta(1)]
    return [Reading(midnight(d), start + a_day * n, "register") for n, d in enumerate(of)]


def yearly(a_day, years=YEARS, **more) -> list[list[Reading]]:
    """One message of daily amounts for each year."""
    return [amounts(a_day, year_days(year), **more) for year in years]


def counters(a_day, years=YEARS) -> list[list[Reading]]:
    """A register that is read in these years, without consumption in the years between."""
    messages, start = [], Decimal(1000)
    for year in years:
        messages.append(registers(a_day, year_days(year), start))
        start = messages[-1][-1].value
    return messages


def changed(messages: list[list[Reading]], at: date, value) -> list[list[Reading]]:
    """The same messages with another amount on one day."""
    new = Decimal(str(value))
    replace = lambda r: Reading(r.at, new, r.kind) if r.at == midnight(at) else r
    return [[replace(r) for r in message] for message in messages]


def without(messages: list[list[Reading]], gap: list[date]) -> list[list[Reading]]:
    gone = {midnight(d) for d in gap}
    return [[r for r in message if r.at not in gone] for message in messages]


def value_added(base=100, judged=130, last=LAST) -> list[tuple[str, Decimal]]:
    return [(str(FIRST), Decimal(base)), (str(last), Decimal(judged))]


def monthly(year: int, amount) -> list[tuple[str, Decimal]]:
    return [(f"{year}-{month:02}", Decimal(str(amount))) for month in range(1, 13)]


def meter(messages=None, name: str = "e-main", **more) -> Meter:
    return Meter(name, yearly(100) if messages is None else messages, **more)


def one(name: str, *meters: Meter, declares=None, **more) -> list[Enterprise]:
    declares = value_added() if declares is None else declares
    return [Enterprise(name, list(meters) or [meter()], declares, **more)]


def first_days(n: int, value=100, year: int = LAST) -> list[Reading]:
    return amounts(value, year_days(year)[:n])


BASE_YEAR = amounts(100, year_days(FIRST))


def coverage() -> list[Case]:
    short, year = against("coverage"), year_days(LAST)
    quarters = (0, 6, 12, 18)
    four = lambda n: [amounts(25, year_days(FIRST), hours=quarters), amounts(25, year, hours=quarters)[:n]]
    register = counters(100)
    water = lambda n: Meter("w-main", [amounts(3, year_days(FIRST)), amounts(3, year[:n])], "fresh_water")
    halves = [
        meter([BASE_YEAR, amounts(100, year[:181])], "e-old", valid=(date(2020, 1, 1), date(2025, 6, 30))),
        meter([amounts(100, year[181:])], "e-new", valid=(date(2025, 7, 1), date(2099, 12, 31))),
    ]
    return [
        Case("clean, intervals", one("clean"), by_month=True),
        Case("clean, registers", one("clean-register", meter(register, kind="register"))),
        Case("clean, and missed", one("clean-missed", declares=value_added(100, 101))),
        Case("A1: 20 days of 365", one("days-20", meter([BASE_YEAR, first_days(20)])), short),
        Case("A1 with registers", one("days-20-register", meter([register[0], register[1][:20]], kind="register")), short),
        Case("20 days sent 20 times", one("days-20-again", meter([BASE_YEAR, *[first_days(20)] * 20])), short),
        Case("328 days", one("days-328", meter([BASE_YEAR, first_days(328)])), short),
        Case("329 days", one("days-329", meter([BASE_YEAR, first_days(329)]))),
        Case("1313 of 1460 quarters of days", one("of-four-1313", meter(four(1313), interval_s=21_600)), short),
        Case("1314 of 1460, exactly 0.9", one("of-four-1314", meter(four(1314), interval_s=21_600))),
        Case("no interval registered, 20 days", one("known-20", meter([BASE_YEAR, first_days(20)], interval_s=0)), short),
        Case("no interval registered, every day", one("known-all", meter(interval_s=0))),
        Case("20 days of the base year", one("base-20", meter([first_days(20, year=FIRST), amounts(100, year)])),
             against("coverage", FIRST)),
        Case("water short, energy", one("water-short", meter(), water(20))),
        Case("water short, water", one("water-short-w", meter(), water(20)), short, WATER),
        Case("energy short, water", one("energy-short-w", meter([BASE_YEAR, first_days(20)]), water(365)), indicator=WATER),
        Case("a meter takes over in July", one("two-halves", *halves)),
        Case("a sub-meter dead", one("sub-dead", meter(), Meter("e-sub", [first_days(20)], counted=False))),
    ]


def over_years(name: str, *others: Enterprise) -> list[Enterprise]:
    """A register that was read through 2020 and again from July 2025 on, with an even load."""
    first = lambda day: 1000 + 100 * (day - date(2020, 1, 1)).days
    spans = [days(date(2020, 1, 1), date(2020, 12, 30)), days(date(2025, 7, 1), date(2025, 12, 31))]
    silent = meter([registers(100, of, first(of[0])) for of in spans], kind="register", interval_s=0)
    return [*one(name, silent), *others]


def estimated() -> list[Case]:
    much, january = against("estimated_share"), (JANUARY[0], JANUARY[-1])
    by_hand = lambda amount: [Correction("e-main", *january, Decimal(str(amount)))]
    year, march = year_days(LAST), days(date(2025, 3, 1), date(2025, 3, 31))
    # 334 days of 90 are 30,060; 3,340 by hand are then a tenth of the whole.
    ninety = lambda: meter([amounts(90, year_days(FIRST)), amounts(90, year)])
    dead = lambda gap: meter([BASE_YEAR, *without([amounts(100, year)], gap)])
    of_march = lambda amount: [Correction("e-main", march[0], march[-1], Decimal(amount))]
    def gap(first: date, last: date, interval_s: int = 86_400) -> Meter:
        """A register through 2020 and from 2025 into 2026, with a gap."""
        messages = [registers(100, year_days(FIRST)), registers(100, days(date(2025, 1, 1), date(2026, 2, 1)), 37_600)]
        return meter(without(messages, days(first, last)), kind="register", interval_s=interval_s)
    over_the_end = lambda first: gap(first, date(2026, 1, 20), 0)
    june = [Correction("e-main", date(2025, 6, 1), date(2025, 6, 22), Decimal(2200))]
    return [
        Case("by hand, exactly a tenth", one("hand-tenth", ninety(), corrections=by_hand(3340))),
        Case("by hand, a hair more", one("hand-over", ninety(), corrections=by_hand("3340.000001")), much),
        Case("A5: March dead and set by hand", one("hand-dead", dead(march), corrections=of_march(3000))),
        Case("A5 with 1,000,000 kWh", one("hand-million", dead(march), corrections=of_march(1_000_000)), much),
        Case("a gap within the year", one("gap-within", gap(year[40], year[75]))),
        Case("a gap over the year's end, 30 days", one("gap-30", over_the_end(date(2025, 12, 3)))),
        Case("a gap over the year's end, 41 days", one("gap-41", over_the_end(date(2025, 11, 22))), much),
        Case("a gap of years", over_years("gap-years"), much, park="unclean-gap"),
        Case("a gap of years, beside a meter that was read", over_years("gap-years", Enterprise(
            "reads", [meter(yearly(100, range(FIRST, LAST + 1)))], value_added())), much, park="unclean-beside"),
        Case("30 days estimated and 22 by hand", one("gap-hand", over_the_end(date(2025, 12, 3)), corrections=june), much),
    ]


def not_positive() -> list[Case]:
    at = lambda *years: against("not_positive", *years)
    both = lambda base, judged: [amounts(base, year_days(FIRST)), amounts(judged, year_days(LAST))]
    fed_in = lambda base, judged: meter(both(base, judged), bidirectional=True)
    exports = [Meter("in", yearly(100), "electricity.purchased"),
               Meter("out", both(50, 150), "electricity.exported")]
    cases = [Case(f"A2: value added {a} to {b}", one(name, declares=value_added(a, b)), at(*years)) for name, a, b, years in (
        ("va-plus-minus", 1000, -500, [LAST]), ("va-minus-plus", -500, 1000, [FIRST]),
        ("va-minus-minus", -500, -1000, YEARS), ("va-plus-zero", 1000, 0, [LAST]), ("va-zero-plus", 0, 1000, [FIRST]))]
    pair = lambda name, base, judged: [Enterprise("steady", [meter()], value_added(1000, 1300)),
                                       Enterprise(name, [meter(yearly(10))], value_added(base, judged))]
    return cases + [
        Case("A2: feed-in above draw", one("fed-in", fed_in(100, -10)), at(LAST)),
        Case("A2: feed-in above draw in the base year", one("fed-in-base", fed_in(-10, 100)), at(FIRST)),
        Case("A2: energy and value added below zero",
             one("both-minus", fed_in(100, -10), declares=value_added(100, -50)), at(LAST)),
        Case("A2: energy of zero", one("zero", fed_in(100, 0)), at(LAST)),
        Case("A2: more exported than purchased", one("exports", *exports), at(LAST)),
        Case("A2: one of two members below zero", pair("turned", 500, -50), split_withheld=True, park="unclean-lmdi"),
        Case("two members above zero", pair("other", 500, 650), park="unclean-two"),
    ]


def sides() -> list[Case]:
    bought = lambda n=100: Meter("bought", yearly(n), "electricity.purchased")
    used = lambda n=30: Meter("used", yearly(n), "electricity")
    declared = lambda side, year=2020: [("electricity", side, date(year, 1, 1))]
    undeclared = lambda *years: against("side_undeclared", *years)
    kettle = Meter("kettle", [[Reading(midnight(date(2025, 5, 5)), Decimal(1))]], registered=False)
    swing = [amounts(200 if month < 7 else 1, [d for d in year_days(LAST) if d.month == month]) for month in range(1, 13)]
    swinging = Meter("bought", [BASE_YEAR, *swing], "electricity.purchased")
    dead = Meter("bought", [BASE_YEAR, first_days(20)], "electricity.purchased")
    sold = Meter("sold", yearly(20), "electricity.exported")
    return [
        Case("what is exported is taken off", one("exported", bought(), sold)),
        Case("A4: the kettle", one("kettle", bought(100_000), kettle), undeclared(), by_month=True),
        Case("A4: the kettle, supply declared", one("kettle-supply", bought(100_000), kettle, sides=declared("supply"))),
        Case("both sides, none declared", one("sides-none", bought(), used()), undeclared(*YEARS)),
        Case("both sides, supply declared", one("sides-supply", bought(), used(), sides=declared("supply"))),
        Case("both sides, consumption declared", one("sides-use", bought(), used(), sides=declared("consumption"))),
        Case("both sides, the other one dead", one("sides-dead", dead, used(), sides=declared("consumption"))),
        Case("both sides, declared since 2025", one("sides-since", bought(), used(), sides=declared("supply", 2025)),
             undeclared(FIRST)),
        Case("the larger side of the year, not of the month", one("sides-swing", swinging, used(50)), undeclared(*YEARS),
             by_month=True),
    ]


def registry() -> list[Case]:
    two = [*yearly(1), registers(1, year_days(FIRST)), registers(1, year_days(LAST), 5000)]
    foreign = lambda a_day: Meter("stranger", yearly(a_day), registered=False)
    much = against("unregistered_share", *YEARS)
    diesel = Meter("tank", yearly("0.001"), "diesel", registered=False)
    return [
        Case("A6: an unregistered meter of two kinds", one("two-kinds", meter(), Meter("stranger", two, registered=False)),
             against("kind_conflict", *YEARS)),
        Case("A6: a registered meter of two kinds", one("registered-kinds", meter([*yearly(100), *counters(100)])),
             finding=("kind", "e-main")),
        Case("unregistered, exactly 0.05", one("stranger-5", meter(yearly(95)), foreign(5))),
        Case("unregistered, a hair more", one("stranger-over", meter(yearly(95)), foreign("5.0001")), much),
        Case("unregistered alone", one("stranger-alone", foreign(100)), much),
        # 0.001 t of diesel and 100 kWh are 1.4571 kgce and 12.29 kgce.
        Case("unregistered diesel, by standard coal", one("stranger-diesel", meter(), diesel), much),
    ]


def implausible() -> list[Case]:
    doubt, day = against("implausible"), date(2025, 5, 5)
    rated = lambda value: meter(changed(yearly(100), day, value), rated=Decimal(5))
    unrated = lambda value: meter(changed(yearly(100), day, value))
    def leap(by: int, **more) -> Meter:
        later = lambda r: Reading(r.at, r.value + by, r.kind) if r.at > midnight(day) else r
        return meter([[later(r) for r in message] for message in counters(100)], kind="register", **more)
    sub = Meter("e-sub", changed(yearly(10), day, 900_000_000_000), counted=False)
    hourly = lambda over: amounts(1, over, hours=tuple(range(24)))
    spiked = [Reading(r.at, Decimal(400)) if r.at == midnight(day) + 3 * HOUR_MS else r for r in hourly(year_days(LAST))]
    two = changed(changed(yearly(100), day, -3000), date(2025, 6, 6), 3000)
    return [
        Case("A9: 9e11 kWh, rated", one("huge-rated", rated(900_000_000_000)), doubt),
        Case("A9: 9e11 kWh, unrated", one("huge", unrated(900_000_000_000)), doubt),
        Case("20 times the usual", one("twenty", unrated(2000))),
        Case("more than 20 times the usual", one("twenty-over", unrated("2000.000001")), doubt),
        Case("beyond the rating, under 0.5 % of the year", one("rated-little", rated(145))),
        Case("beyond the rating, over 0.5 % of the year", one("rated-much", rated(190)), doubt),
        Case("exactly rating times headroom", one("rated-bound", rated(144))),
        Case("A9: -3,000 kWh", one("minus-3000", unrated(-3000)), doubt),
        Case("-100 kWh", one("minus-100", unrated(-100))),
        Case("-3,000 and 3,000, rated", one("minus-and-plus", meter(two, rated=Decimal(5))), doubt),
        Case("a register leaps, rated", one("leap-rated", leap(50_000, rated=Decimal(5))), doubt),
        Case("A12: a register leaps, unrated", one("leap", leap(50_000)), doubt),
        Case("9e11 kWh at a sub-meter", one("huge-sub", meter(), sub)),
        Case("9e11 kWh bought and sold, rated", one("huge-both", *(
            Meter(name, changed(yearly(n), day, 900_000_000_000), f"electricity.{name}", rated=Decimal(5))
            for name, n in (("purchased", 100), ("exported", 20)))), doubt),
        Case("one hour of 400 for 1", one("hour-400", meter([hourly(year_days(FIRST)), spiked], interval_s=3600)), doubt),
    ]


def declarations() -> list[Case]:
    july = (date(2025, 7, 1), date(2099, 12, 31))
    half = [(date(2020, 1, 1), date(2020, 12, 31)), july]
    base, judged = value_added()
    silent = [Enterprise("loud", [meter()], value_added()), Enterprise("mute", [], value_added(10, 10))]
    lacks = [Enterprise("tells", [meter()], value_added()), Enterprise("lacks", [meter()], [base])]
    thirds = [Enterprise(name, [meter()], value_added(100, 100), index={2020: Decimal(1), 2025: Decimal("1.03")})
              for name in ("one", "two", "three")]
    return [
        Case("one member without value added", lacks, against("undeclared"), park="unclean-lacks"),
        Case("one member without a reading", silent, against("silent", *YEARS), park="unclean-silent"),
        # 184 of 365 days of 146 are 73.6: METHOD does not define how a part is rounded.
        Case("above size since July, a yearly figure", one("half", above=half, declares=value_added(100, 146)),
             against("prorated"), park="unclean-half"),
        Case("above size since July, monthly figures", one("half", above=half, declares=[base, *monthly(2025, 11)]),
             park="unclean-months"),
        Case("a year, then its months", one("months-later", declares=[base, judged, *monthly(2025, 11)]),
             finding=("declared-twice", "months-later")),
        Case("its months, then the year", one("year-later", declares=[base, *monthly(2025, 11), judged]),
             finding=("declared-twice", "year-later")),
        Case("deflated value added is rounded once", thirds, park="unclean-deflated"),
    ]


def running() -> list[Case]:
    """Running plans: whether a year is on schedule, and a forecast if the figure is sound."""
    every = range(FIRST, 2025)
    short = [*yearly(100, range(FIRST, 2024)), first_days(20, year=2024)]
    declares = lambda judged: [(str(year), Decimal(100 + (judged - 100) * (year - FIRST) / 4)) for year in every]
    return [
        Case("2024, on schedule", one("runs", meter(yearly(100, every)), declares=declares(120)), judged=2024),
        Case("2024, behind", one("runs-behind", meter(yearly(100, every)), declares=declares(104)), judged=2024),
        Case("2024, 20 days of it", one("runs-short", meter(short), declares=declares(120)), against("coverage", 2024),
             judged=2024),
    ]
