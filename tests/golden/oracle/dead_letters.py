"""METHOD (k), `late` and `ticket`, with late readings refused: each becomes a dead letter, and the figure stays."""

import time
from datetime import timedelta
from decimal import Decimal

import scenarios
from kinds import noon
from meters import DAY_MS, HOUR_MS, Reading, day_of
from soundness import WASTE

LATE_MAX_MS = 7 * DAY_MS
PARK = scenarios.ALONE
MAP = """
park = "{park}"
enterprise = "{enterprise}"
gateway = "gw"
meter = "e-main"
quantity = "electricity"
kind = "interval"
[columns]
instant = "at"
value = "kwh"
[time]
format = "%Y-%m-%d %H:%M"
offset = "+08:00"
stamp = "start"
"""


class Sender:
    """Sends intervals of one meter, one in each message, and knows the newest instant and the limit of lateness."""

    def __init__(self, service):
        self.service = service
        self.newest = int(time.time() * 1000) // HOUR_MS * HOUR_MS
        self.edge = self.newest - LATE_MAX_MS

    def send(self, enterprise: str, gateway: str, *rows: tuple, quantity: str = "electricity") -> None:
        readings = [of if isinstance(of, Reading) else Reading(of[0], Decimal(of[1])) for of in rows]
        self.service.publish_and_wait([(PARK, enterprise, gateway, "e-main", quantity, [r]) for r in readings])

    def replay(self, enterprise: str, rows: list) -> None:
        """Sends the same through `greenpark replay`."""
        lines = [f"{day_of(at)} 00:00,{value}" for at, value in rows]
        self.service.replay(MAP.format(park=PARK, enterprise=enterprise), "\n".join(["at,kwh", *lines]))


def run(made, differences, rpc) -> None:
    service, sender = made.service, Sender(made.service)
    newest, edge, send = sender.newest, sender.edge, sender.send

    def compare(title: str, enterprise: str, amounts: list[str], letters: dict) -> None:
        """Checks the amounts of the last weeks, and the number of dead letters of each gateway and reason."""
        diff, name = differences(), f"parks/{PARK}/enterprises/{enterprise}"
        weeks = {"first": str(day_of(newest) - timedelta(40)), "last": str(day_of(newest))}
        method = rpc[WASTE] if enterprise == "tickets" else rpc[scenarios.ENERGY]
        answer = service.indicators.call(method, name=name, period={"days": weeks})
        diff.same("amounts", [part.amount.value for part in answer.components], amounts)
        kept = lambda: service.dead_letters.call("ListDeadLetters", filter={"parent": name}).letters
        service.wait_until(lambda: len(kept()) >= sum(letters.values()), f"the dead letters of {name}")
        found: dict[tuple, int] = {}
        for letter in kept():
            key = (letter.gateway, letter.reason)
            found[key] = found.get(key, 0) + 1
            diff.same("it says late", "late: " in letter.detail, letter.reason == "too-late")
        diff.same("dead letters", found, letters)
        made.line(title, diff)

    late = ("gw", "too-late")
    send("edge", "gw", (newest, 1), (edge, 10), (edge - 1, 100))
    compare("seven days behind and a millisecond more", "edge", ["11"], {late: 1})
    send("two", "gw-a", (newest, 1))
    send("two", "gw-b", (edge - DAY_MS, 10))
    compare("what a gateway says first is measured by nothing", "two", ["11"], {})
    send("backlog", "gw", *[(newest - n * DAY_MS, 1) for n in range(30, -1, -1)])
    compare("a backlog in order", "backlog", ["31"], {})
    send("replayed", "gw", (newest, 1))
    sender.replay("replayed", [(edge - n * DAY_MS, 10) for n in (3, 2)])
    compare("a replay is exempt", "replayed", ["21"], {})
    load = lambda ticket, value: Reading(newest, Decimal(value), "event", ticket)
    longest = "T" + "1" * 47
    send("tickets", "gw", load(longest, 1), load(f"{longest}1", 10), load("T 1", 100), load("#2", 1000),
         load("T-1_2.3", 10_000), quantity="fly_ash.utilized")
    compare("tickets of 48 letters and of 49, with a space, with #", "tickets", ["10001"], {("gw", "bad-field"): 3})
    clock_back(made, sender, rpc)
    compare("its three readings are dead letters", "clock", ["1"], {("gw-clock", "too-late"): 3})


def clock_back(made, sender: Sender, rpc) -> None:
    """Checks that a gateway whose clock restarts a year back changes nothing of last year's final figure."""
    case = scenarios.Case("A14: a clock a year back, set apart", scenarios.one("clock"))
    made.service.register([case])
    made.service.publish([case])
    made.service.wait_closed([case], rpc)
    made.service.declare([case])
    made.check(case, case.title, case.enterprises, scenarios.CLEAN)
    sender.send("clock", "gw-clock", (sender.newest, 1), *noon(50)[1])
    made.check(case, f"{case.title}, then three readings", case.enterprises, scenarios.CLEAN)
