"""What a meter gives to a period, by METHOD (h), (i) and (k) alone: amounts, what is set aside, and what is known.

Everything is decimal. A life is what a gateway sends and what the registry says; nothing here knows how greenpark
does it. Loads are even in all lives, so what lies between two registers over a period's edge is taken by time.
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
    """When a civil day in Asia/Shanghai begins, in UTC milliseconds."""
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
    """What the registry says of a meter, and the messages that it sends, in the order of the log."""

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
        """One reading an identity, the later in the log, of the kind that counts; in order of time."""
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
    """What a meter gives to a period."""

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
    """What a meter says that it measured: from when, to when, how much."""
    rows = meter.distinct()
    if meter.kind == "daily_counter":
        return daily_steps(meter, rows)
    if meter.kind == "register":
        return [(a.at, b.at, b.value - a.value) for a, b in zip(rows, rows[1:])]
    lasts = meter.interval_s * 1000 if meter.kind == "interval" else 0
    return [(r.at, r.at + lasts, r.value) for r in rows]


def daily_steps(meter: Meter, rows: list[Reading]) -> list[tuple[int, int, Decimal]]:
    """Of each run between two restarts the highest value counts; a reading at the restart closes the run before it,
    unless it has fallen already."""
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
    """The median of a meter's amounts by hour of the day, its like hours; of a counter, in the time of each step."""
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
    """How many milliseconds of a step lie within these days; an interval and an event are of the day of their instant."""
    begin, end, _ = step
    if meter.kind not in COUNTERS:
        return max(end - begin, 1) if day_of(begin) in wanted else 0
    touched = [midnight(day) for day in days(day_of(begin), day_of(end - 1)) if day in wanted]
    return sum(min(end, at + DAY_MS) - max(begin, at) for at in touched)


def judge(part: Part, step: tuple, covered: int, usual: Decimal) -> None:
    """Takes what `covered` milliseconds have of a step, or sets it aside. What is set aside would move a figure by
    all of it; what is suspicious counts, and would move it by what it is more than usual."""
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
    """Readings received and expected by interval; days known and due."""
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
