"""Cases in which the service and METHOD, read by its letter, do not agree. They are asked with `--disputed` alone.

A case leaves this file when METHOD says another thing or the service does."""

from datetime import date
from decimal import Decimal

from kinds import LOADS, OTHER_VALUE, ash, load, noon
from lives import BASE_YEAR, Case, Step, against, amounts, first_days, meter, one, over_years, value_added, without, yearly
from meters import HOUR_MS, Correction, Meter, Reading, days, midnight, year_days
from soundness import FIRST, LAST, WASTE, Enterprise

YEARS = (FIRST, LAST)


def disputed() -> list[Case]:
    moved, year = against("late_change"), year_days(LAST)
    base, judged = value_added()
    hours = tuple(range(24))
    hourly = lambda over: amounts(1, over, hours=hours)
    sixty = days(date(2025, 3, 1), date(2025, 4, 29))
    by_hand = [Correction("e-main", sixty[0], sixty[-1], Decimal(3000))]
    sold = [Correction("e-purchased", date(2025, 3, 1), date(2025, 3, 31), Decimal(3100))]
    balance = [Meter(f"e-{flow}", yearly(n), f"electricity.{flow}") for flow, n in (("purchased", 100), ("exported", 90))]
    counter = lambda year: [
        Reading(midnight(d) + h * HOUR_MS, Decimal(h * 4), "daily_counter") for d in year_days(year) for h in (6, 12, 18, 23)
    ]
    return [
        # METHOD (i): readings that arrived after the period was final, whichever way they came.
        Case("a backlog after final", one("backlog"), steps=[
            Step("three readings of a new gateway", moved, [noon(50)], live=False)]),
        Case("another value after final", one("backlog-value"), steps=[
            Step("150 for 100 kWh", moved, [OTHER_VALUE], live=False)]),
        # METHOD (h): what a register rose in a gap is real, whatever other meters of the park did meanwhile.
        Case("a gap of years, beside a meter that was read", over_years("gap-years", Enterprise(
            "reads", [meter(yearly(100, range(FIRST, LAST + 1)))], value_added())), against("estimated_share"),
             park="unclean-beside"),
        # METHOD (k): consumption of a day is its highest value before the restart, also of the first day.
        Case("a counter of the day, from its first reading", one("daily-first", meter(
            [counter(year) for year in YEARS], kind="daily_counter", interval_s=21_600))),
        # METHOD (i): received / expected by registered interval; a correction is not received.
        Case("60 days dead and set by hand", one("hand-60", meter([BASE_YEAR, *without([amounts(100, year)], sixty)]),
             corrections=by_hand), against("coverage")),
        # The same: hourly and daily readings are readings; 8,780 of 9,125 were received.
        Case("an hourly meter beside a dead daily one", one("hourly-dead",
             meter([hourly(year_days(FIRST)), hourly(year)], interval_s=3600),
             Meter("e-daily", [BASE_YEAR, first_days(20)]))),
        # METHOD (i): estimated + manual of the numerator; 3,100 by hand stand beside a numerator of 3,650.
        Case("by hand, beside what is sold", one("hand-sold", *balance, corrections=sold), against("estimated_share")),
        # The same: 5,000 for January and -5,000 for February are no measured year.
        Case("by hand, up and down", one("hand-both", corrections=[
            Correction("e-main", date(2025, 1, 1), date(2025, 1, 31), Decimal(5000)),
            Correction("e-main", date(2025, 2, 1), date(2025, 2, 28), Decimal(-5000))]), against("estimated_share")),
        # The same of unregistered meters: 20 sold beside a numerator of 80.
        Case("an unregistered meter of what is sold", one("stranger-sold", *(
            Meter(f"e-{flow}", yearly(n), f"electricity.{flow}", registered=flow == "purchased")
            for flow, n in (("purchased", 100), ("exported", 20)))), against("unregistered_share", *YEARS)),
        # METHOD (k): 1 to 48 letters, digits, `-_.`; no digit is asked for.
        Case("a ticket without a digit", ash("ticket-letters", [load(*LOADS[0], "A"), load(*LOADS[1], "B"),
             load(*LOADS[2], "C"), load(*LOADS[3], "D")]), indicator=WASTE),
        # Value added that nobody declared is not a number below or of zero.
        Case("no value added of 2025", one("undeclared", declares=[base]), against("undeclared")),
        Case("no value added of 2020", one("undeclared-base", declares=[judged]), against("undeclared", FIRST)),
    ]
