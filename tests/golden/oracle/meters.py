"""The contribution of a meter to a period by METHOD (h), (i) and (k) alone: amounts, implausible values, coverage.

All numbers are decimal. The inputs are the messages of gateways and the registry; nothing here depends on how greenpark
computes. Loads are even in all cases, so the amount between two registers across the edge of a period is split by time.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

DAY_MS, HOUR_MS, SHANGHAI_MS = 86_400_000, 3_600_000, 8 * 3_600_000
ZERO = Decimal(0)
IMPLAUSIBLE_TIMES = 20
FOREVER = (date(2020, 1, 1), date(2099, 12, 31))
COUNTERS = ("register", "daily_counter")


def midnight(day: date) -> int:
    """The start of a civil day in Asia/Shanghai, in UTC milliseconds."""
    return (day - date(1970, 1, 1)).days * DAY_MS - SHANGHAI_MS


def day_of(at: int) -> date:
    return date(1970, 1, 1) + timedelta((at + SHANGHAI_MS) // DAY_MS)


def hour_of(at: int) -> int:
    return (at + SHANGHAI_MS) % DAY_MS // HOUR_MS


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(n) for n in range((last - first).days + 1)]


def year_days(year: int) -> list[date]:
    return days(date(year, 1, 1), date(year, 12, 31))


@dataclass(frozen=True)
class Reading:
    at: int
    value: Decimal
    kind: str = "interval"
    ticket: str | None = None


@dataclass
class Meter:
    """The registration of a meter, and its messages in the order of the log."""

    name: str
    messages: list[list[Reading]]
    quantity: str = "electricity"
    kind: str = "interval"
    interval_s: int = 86_400
    registered: bool = True
    counted: bool = True
    rated: Decimal | None = None
    headroom: Decimal = Decimal("1.2")
    bidirectional: bool = False
    restart: str = ""
    valid: tuple = FOREVER

    @property
    def medium(self) -> str:
        return self.quantity.partition(".")[0]

    @property
    def flow(self) -> str:
        return self.quantity.partition(".")[2]

    def distinct(self) -> list[Reading]:
        """The readings of the registered kind in order of time; of each identity the one that is later in the log."""
        of: dict[tuple, Reading] = {}
        for message in self.messages:
            nth: dict[int, int] = {}
            for reading in message:
                nth[reading.at] = nth.get(reading.at, 0) + 1
                number = reading.ticket or (nth[reading.at] if reading.kind == "event" else 1)
                of[reading.kind, reading.at, number] = reading
        return sorted((r for r in of.values() if r.kind == self.kind), key=lambda r: r.at)

    def kinds(self, year: int) -> set[str]:
        return {r.kind for message in self.messages for r in message if day_of(r.at).year == year}


@dataclass
class Correction:
    meter: str
    first: date
    last: date
    amount: Decimal
    reason: str = "a test"


@dataclass
class Part:
    """The contribution of a meter to a period."""

    meter: Meter
    amount: Decimal = ZERO
    estimated: Decimal = ZERO
    manual: Decimal = ZERO
    exported: Decimal = ZERO
    moved: Decimal = ZERO
    received: int = 0
    expected: int = 0
    known: int = 0
    due: int = 0


def steps(meter: Meter) -> list[tuple[int, int, Decimal]]:
    """The amounts that a meter measured: start, end and amount of each step."""
    rows = meter.distinct()
    if meter.kind == "daily_counter":
        return daily_steps(meter, rows)
    if meter.kind == "register":
        return [(a.at, b.at, b.value - a.value) for a, b in zip(rows, rows[1:])]
    lasts = meter.interval_s * 1000 if meter.kind == "interval" else 0
    return [(r.at, r.at + lasts, r.value) for r in rows]


def daily_steps(meter: Meter, rows: list[Reading]) -> list[tuple[int, int, Decimal]]:
    """The steps of a daily counter. The highest value between two restarts counts. A reading at a restart closes the run
    before it, unless the counter has already fallen."""
    hour, minute = (int(part) for part in (meter.restart or "00:00").split(":"))
    shift = (hour * 60 + minute) * 60_000
    made, run, at, high = [], None, 0, ZERO
    for row in rows:
        of = (row.at + SHANGHAI_MS - shift) // DAY_MS
        begins = of * DAY_MS + shift - SHANGHAI_MS
        closes = row.at == begins and run == of - 1 and row.value >= high
        if not closes and of != run:
            run, at, high = of, begins, ZERO
        if row.value > high:
            made.append((at, row.at, row.value - high))
            high = row.value
        at = row.at
    return made


def usual_of(meter: Meter, made: list) -> dict[int, Decimal]:
    """The median amount of a meter by hour of the day; the amounts of a counter are scaled to an hour."""
    by_hour: dict[int, list[Decimal]] = {}
    for begin, end, amount in made:
        an_hour = amount * HOUR_MS / (end - begin) if meter.kind in COUNTERS else amount
        by_hour.setdefault(hour_of(begin), []).append(an_hour)
    return {hour: median(amounts) for hour, amounts in by_hour.items()}


def measure(meter: Meter, period: list[date], corrections: list[Correction]) -> Part:
    part, within = Part(meter), set(period)
    by_hand = [c for c in corrections if c.meter == meter.name and c.first in within]
    set_by_hand = {d for c in by_hand for d in days(c.first, c.last)}
    part.amount = sum((c.amount for c in by_hand), ZERO)
    part.manual = sum((abs(c.amount) for c in by_hand), ZERO)
    made = steps(meter)
    usual, read = usual_of(meter, made), within - set_by_hand
    for step in made:
        covered = within_days(meter, step, read)
        if covered:
            judge(part, step, covered, usual[hour_of(step[0])])
    cover(part, within, set_by_hand)
    return part


def within_days(meter: Meter, step: tuple, wanted: set[date]) -> int:
    """The milliseconds of a step within these days. An interval or event belongs to the day of its instant."""
    begin, end, _ = step
    if meter.kind not in COUNTERS:
        return max(end - begin, 1) if day_of(begin) in wanted else 0
    touched = [midnight(day) for day in days(day_of(begin), day_of(end - 1)) if day in wanted]
    return sum(min(end, at + DAY_MS) - max(begin, at) for at in touched)


def judge(part: Part, step: tuple, covered: int, usual: Decimal) -> None:
    """Adds the share of a step that `covered` milliseconds have, or excludes it as implausible. An excluded amount would
    move a figure by all of it. A suspicious interval or event counts, and would move it by its excess over the usual."""
    meter, (begin, end, amount) = part.meter, step
    lasts = max(end - begin, 1)
    taken, is_counter = amount * covered / lasts, meter.kind in COUNTERS
    if is_counter:
        usual = usual * lasts / HOUR_MS
    most = None if meter.rated is None else meter.rated * meter.headroom * lasts / HOUR_MS
    if (amount < 0 and not meter.bidirectional) or (most is not None and abs(amount) > most):
        part.moved += abs(taken)
        return
    if most is None and amount > IMPLAUSIBLE_TIMES * usual > 0:
        part.moved += taken - (ZERO if is_counter else usual)
        if is_counter:
            return
    part.amount += taken
    part.exported += max(-taken, ZERO)
    part.estimated += abs(taken) if covered != lasts else ZERO


def cover(part: Part, within: set[date], set_by_hand: set[date]) -> None:
    """Counts the readings received and expected by interval, and the days known and due."""
    meter, rows = part.meter, part.meter.distinct()
    first, last = meter.valid
    due = {d for d in within if first <= d <= last}
    read = {day_of(r.at) for r in rows}
    part.due = len(due)
    if meter.kind == "register" and rows:
        read |= set(days(min(read), max(read)))
    part.known = len(due & (read | set_by_hand))
    if meter.interval_s:
        part.expected = len(due) * 86_400 // meter.interval_s
        part.received = sum(day_of(r.at) in due for r in rows)
