"""Cases of METHOD (k) about kinds and identities, and about readings that arrive after a year was final."""

from datetime import date
from decimal import Decimal

from scenarios import (
    BASE_YEAR, CLEAN, Case, Step, against, amounts, changed, first_days, meter, one, value_added, without, yearly,
)
from meters import HOUR_MS, Correction, Meter, Reading, days, midnight, year_days
from soundness import FIRST, LAST, WASTE, Enterprise

YEARS = (FIRST, LAST)
PLAN_YEARS = range(FIRST + 1, LAST + 1)
MORNING, NOON = (midnight(date(2025, 3, 3)) + hour * HOUR_MS for hour in (8, 12))
LOADS = [(MORNING, "31.46"), (MORNING, "28.9"), (NOON, "31.46"), (NOON, "31.46")]


def load(at: int, tonnes: str, ticket: str | None = None) -> Reading:
    return Reading(at, Decimal(tonnes), "event", ticket)


def ash(name: str, *messages: list[Reading], a_day: str = "0.4", other_years: str = "120") -> list[Enterprise]:
    """Ash that is measured every day as it is generated, and weighed with tickets as it is used."""
    made = Meter("ash", yearly(a_day, PLAN_YEARS), "fly_ash.generated")
    before = [[load(midnight(date(year, 6, 1)), other_years, f"Y-{year}")] for year in range(FIRST + 1, LAST)]
    return one(name, made, Meter("scale", [*before, *messages], "fly_ash.utilized", "event", 0))


def tickets() -> list[Case]:
    plain = [load(*of) for of in LOADS]
    numbered = [load(*of, f"T-{n}") for n, of in enumerate(LOADS)]
    huge = [*plain, load(NOON + HOUR_MS, "-900")]
    short = one("ash-short",
                Meter("ash", [*yearly("0.4", range(2021, 2025)), first_days(20, "0.4")], "fly_ash.generated"),
                Meter("scale", yearly("0.3", PLAN_YEARS), "fly_ash.utilized"))
    minus = [Meter("ash", yearly(10, PLAN_YEARS), "fly_ash.generated"),
             Meter("used", yearly(-8, PLAN_YEARS), "fly_ash.utilized", bidirectional=True)]
    of = dict(indicator=WASTE)
    return [
        Case("A10: four tickets in one message", ash("tickets", plain), **of),
        Case("A10: four numbered tickets, a message each", ash("tickets-numbered", *[[r] for r in numbered]), **of),
        Case("A10: the same message again", ash("tickets-again", plain, plain), **of),
        Case("A10: without numbers, a message each",
             ash("tickets-apart", *[[r] for r in plain], a_day="0.2", other_years="60"), **of),
        Case("A10: a ticket weighed again", ash("tickets-twice", numbered, [load(MORNING, "30", "T-0")]), **of),
        Case("waste, one year below the floor", ash("ash-missed", numbered[:2]), **of),
        Case("waste, a ticket below zero", ash("ash-minus", huge), against("implausible"), **of),
        Case("waste, 20 days of 365", short, against("coverage"), **of),
        Case("A2: waste below zero", one("waste-minus", *minus), against("not_positive", *PLAN_YEARS), **of),
    ]


def daily(read_at: list[float], restart: float = 0) -> list[list[Reading]]:
    """A daily counter of 4 an hour that restarts at an hour of the day; its first reading is the start of the year."""
    messages = []
    for year in YEARS:
        first = Reading(int(midnight(date(year, 1, 1)) + restart * HOUR_MS), Decimal(0), "daily_counter")
        at = lambda day, hour: int(midnight(day) + (restart + hour) * HOUR_MS)
        rows = [Reading(at(d, h), Decimal(str(h * 4)), "daily_counter") for d in year_days(year) for h in read_at]
        messages.append([first, *rows])
    return messages


def daily_counters() -> list[Case]:
    of = dict(kind="daily_counter", interval_s=21_600)
    return [
        Case("A15: a counter of the day, read before midnight", one("daily", meter(daily([6, 12, 18, 23]), **of))),
        Case("A15: a counter of the day, read at midnight", one("daily-midnight", meter(daily([6, 12, 18, 24]), **of))),
        Case("A15: a counter that starts anew at 06:30",
             one("daily-630", meter(daily([5.5, 11.5, 17.5, 23.5], 6.5), restart="06:30", **of))),
    ]


def both_ways() -> list[Case]:
    def swinging(start: int) -> Meter:
        """A meter that runs backwards every other day: up by 150 and down by 36 in turn."""
        messages, at = [], Decimal(start)
        for year in YEARS:
            rows = []
            for n, day in enumerate([*year_days(year), date(year + 1, 1, 1)]):
                rows.append(Reading(midnight(day), at, "register"))
                at += 150 if n % 2 == 0 else -36
            at = rows[-1].value
            messages.append(rows)
        return meter(messages, kind="register", bidirectional=True)
    fed = meter(changed(yearly(100), date(2025, 5, 5), -1500), bidirectional=True)
    return [
        Case("A13: both ways, near 5,000", one("both-ways-high", swinging(5000)), both_ways=True),
        Case("A13: both ways, near 150", one("both-ways-low", swinging(150)), both_ways=True),
        Case("A13: both ways, intervals", one("both-ways-interval", fed), both_ways=True),
    ]


def noon(value, n: int = 3) -> tuple[str, list[Reading]]:
    """Additional amounts at noon of the first days of April 2025."""
    return "e-main", [Reading(midnight(date(2025, 4, 1 + i)) + 12 * HOUR_MS, Decimal(value)) for i in range(n)]


OTHER_VALUE = ("e-main", [Reading(midnight(date(2025, 4, 1)), Decimal(150))])


def late() -> list[Case]:
    moved = against("late_change")
    by_hand = Correction("e-main", date(2025, 4, 1), date(2025, 4, 2), Decimal(400))
    before = one("late-withdrawn", corrections=[by_hand])
    of_base = ("e-main", [Reading(midnight(date(2020, 4, 1)) + 12 * HOUR_MS, Decimal(150))])
    confirm = Step("recorded as final once more", CLEAN, confirms=True)
    return [
        Case("A14: a clock a year back", one("late-readings"), steps=[Step("three readings", moved, [noon(50)]), confirm]),
        Case("late, little", one("late-little"), steps=[Step("a reading of 36 kWh", CLEAN, [noon(36, 1)])]),
        Case("late, another value", one("late-value"), steps=[Step("150 for 100 kWh", moved, [OTHER_VALUE])]),
        Case("a backlog after final", one("backlog"), steps=[
            Step("three readings of a new gateway", moved, [noon(50)], live=False)]),
        Case("another value after final", one("backlog-value"), steps=[
            Step("150 for 100 kWh", moved, [OTHER_VALUE], live=False)]),
        Case("late of the base year", one("late-base"), steps=[
            Step("a reading of 2020", against("late_change", FIRST), [of_base])]),
        Case("by hand", before, steps=[Step("withdrawn after it was final", moved, withdraws=[by_hand])]),
        Case("late by hand", one("late-hand"), steps=[
            Step("a correction", moved, corrections=[by_hand]), Step("withdrawn", CLEAN, withdraws=[by_hand])]),
        Case("preliminary", one("preliminary", final=False), steps=[Step("three readings", CLEAN, [noon(50)])]),
    ]


def by_hand_and_undeclared() -> list[Case]:
    base, judged = value_added()
    sixty = days(date(2025, 3, 1), date(2025, 4, 29))
    dead = [Correction("e-main", sixty[0], sixty[-1], Decimal(3000))]
    sold = [Correction("e-purchased", date(2025, 3, 1), date(2025, 3, 31), Decimal(3100))]
    flows = lambda exported: ((flow, n) for flow, n in (("purchased", 100), ("exported", exported)))
    balance = [Meter(f"e-{flow}", yearly(n), f"electricity.{flow}") for flow, n in flows(90)]
    counter = lambda year: [
        Reading(midnight(d) + h * HOUR_MS, Decimal(h * 4), "daily_counter") for d in year_days(year) for h in (6, 12, 18, 23)
    ]
    return [
        # METHOD (k): the consumption of a day is its highest value before the restart, also on the first day.
        Case("A15: a counter of the day, from its first reading", one("daily-first", meter(
            [counter(year) for year in YEARS], kind="daily_counter", interval_s=21_600))),
        # METHOD (i): received / expected by registered interval; values set by hand were not received.
        Case("A5: 60 days dead and set by hand", one("hand-60", meter(
            [BASE_YEAR, *without([amounts(100, year_days(LAST))], sixty)]), corrections=dead), against("coverage")),
        # METHOD (i): estimated + manual of the numerator; here 3,100 by hand with a numerator of 3,650.
        Case("by hand, beside what is sold", one("hand-sold", *balance, corrections=sold), against("estimated_share")),
        # 5,000 for January and -5,000 for February are not a measured year, although they sum to zero.
        Case("by hand, up and down", one("hand-both", corrections=[
            Correction("e-main", date(2025, 1, 1), date(2025, 1, 31), Decimal(5000)),
            Correction("e-main", date(2025, 2, 1), date(2025, 2, 28), Decimal(-5000))]), against("estimated_share")),
        # The share of unregistered meters: 20 sold with a numerator of 80.
        Case("an unregistered meter of what is sold", one("stranger-sold", *(
            Meter(f"e-{flow}", yearly(n), f"electricity.{flow}", registered=flow == "purchased")
            for flow, n in flows(20))), against("unregistered_share", *YEARS)),
        # Undeclared value added is not the same as zero or negative value added.
        Case("no value added of 2025", one("undeclared", declares=[base]), against("undeclared")),
        Case("no value added of 2020", one("undeclared-base", declares=[judged]), against("undeclared", FIRST)),
    ]
