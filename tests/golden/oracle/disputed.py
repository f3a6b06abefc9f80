"""Cases in which the service contradicts the literal text of METHOD. They run only with `--disputed`.

A case is removed when METHOD or the service changes."""

from kinds import LOADS, ash, load
from scenarios import BASE_YEAR, Case, amounts, first_days, meter, one
from meters import Meter, year_days
from soundness import FIRST, LAST, WASTE


def disputed() -> list[Case]:
    hours = tuple(range(24))
    hourly = lambda over: amounts(1, over, hours=hours)
    return [
        # METHOD (i): hourly and daily readings are readings; 8,780 of 9,125 were received.
        Case("an hourly meter beside a dead daily one", one("hourly-dead",
             meter([hourly(year_days(FIRST)), hourly(year_days(LAST))], interval_s=3600),
             Meter("e-daily", [BASE_YEAR, first_days(20)]))),
        # METHOD (k): 1 to 48 letters, digits, `-_.`; a digit is not required.
        Case("a ticket without a digit", ash("ticket-letters", [load(*LOADS[0], "A"), load(*LOADS[1], "B"),
             load(*LOADS[2], "C"), load(*LOADS[3], "D")]), indicator=WASTE),
    ]
