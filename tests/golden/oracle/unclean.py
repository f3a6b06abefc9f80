"""Runs parks with faulty data on a service of their own, and compares every verdict with METHOD (i) and (k).

    v/bin/pip install paho-mqtt grpcio grpcio-reflection protobuf
    v/bin/python tests/golden/oracle/unclean.py PATH-OF-THE-BINARY [--disputed] [WORD-OF-A-TITLE]

Everything works as for a user: registry and declarations by `greenpark import`, readings over MQTT with QoS 1,
queries over gRPC by reflection. Figures, reasons and verdicts must equal those of the method to the last digit.
"""

import copy
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import dead_letters
import kinds
import scenarios
import soundness as s
from assessment import rounded
from disputed import disputed
from meters import ZERO, day_of, days
from service import Service

RPC = {s.ENERGY: "GetEnergyIntensity", s.WATER: "GetWaterIntensity", s.WASTE: "GetWasteUtilization"}
PLAN = "chongqing-parks-14fyp"
GROUPS = (
    scenarios.coverage, scenarios.estimated, scenarios.not_positive, scenarios.sides, scenarios.registry,
    scenarios.implausible, scenarios.declarations, scenarios.running, kinds.tickets, kinds.daily_counters,
    kinds.both_ways, kinds.late, kinds.by_hand_and_undeclared,
)


def plain(value: Decimal) -> str:
    """The shortest decimal, as in amounts."""
    text = f"{value.normalize():f}"
    return "0" if text in ("-0", "") else text


class Differences:
    """The differences within one case."""

    def __init__(self):
        self.compared, self.found = 0, []

    def same(self, what: str, answer, expected) -> None:
        self.compared += 1
        if answer != expected:
            self.found.append(f"{what}: the service gives {answer!r}, the method gives {expected!r}")


def compare_reasons(diff: Differences, where: str, answer, expected: list, kind_of) -> None:
    """Compares the reasons: their kinds, years, names and numbers."""
    key = lambda r: (kind_of(r), r.year, r.term)
    due_of = {(r.kind, r.year, r.term): r for r in expected}
    diff.same(f"{where} reasons", sorted(map(key, answer)), sorted(due_of))
    for of in answer:
        due = due_of.get(key(of))
        if due is None:
            continue
        what = f"{where} {due.kind} {due.year or ''}".rstrip()
        diff.same(f"{what} share", of.share, due.share)
        if due.value:
            diff.same(f"{what} {due.term}", Decimal(of.value), Decimal(due.value))
        if due.names:
            diff.same(f"{what} names", sorted(n.rsplit("/", 1)[-1] for n in of.names), sorted(due.names))


def compare_figure(diff: Differences, where: str, answer, due: s.Figure, status: str) -> None:
    diff.same(f"{where} value", answer.value, "" if due.value is None else rounded(due.value, 6))
    numerator = rounded(due.numerator, 6) if due.indicator == s.ENERGY else plain(due.numerator)
    diff.same(f"{where} numerator", answer.numerator.value, numerator)
    if due.denominator is not None:
        diff.same(f"{where} denominator", answer.denominator.value, plain(due.denominator))
    for part in answer.components:
        diff.same(f"{where} {part.quantity}", part.amount.value, plain(due.amounts.get(part.quantity, ZERO)))
    if not any(r.kind in ("undeclared", "silent") for r in due.reasons):
        diff.same(f"{where} status", status, due.status)
    expected = sum(p.expected for p in due.parts)
    if all(p.meter.registered and p.expected for p in due.parts) and len(due.amounts) == 1:
        share = min(Decimal(sum(p.received for p in due.parts)) / expected, Decimal(1)) if expected else ZERO
        diff.same(f"{where} completeness", answer.coverage.completeness, rounded(share, 6))


@dataclass
class Late:
    """The figures when they were final, and the meters that have sent something since."""

    then: list[s.Figure]
    names: frozenset
    before: s.Progress  # the last answer before the change
    until: int  # a second at which that answer was still valid


class Run:
    """Compares the answers of a service with the method, and counts."""

    service: Service

    def __init__(self):
        self.wrong, self.compared, self.cases = 0, 0, 0

    def figure(self, case: scenarios.Case, members: list, year: int, month: int | None = None) -> s.Figure:
        return s.figure(case.indicator, members, year, case.is_alone, month)

    def ask(self, case: scenarios.Case, period: dict, indicator: str = ""):
        return self.service.indicators.call(RPC[indicator or case.indicator], name=case.subject, period=period)

    def kind_of(self, reason) -> str:
        return self.service.name_of("UnsoundKind", "UNSOUND_KIND_", reason.kind)

    def check(self, case: scenarios.Case, title: str, members: list, expects, late=None) -> s.Progress:
        """Checks a case and prints one line: the verdict of METHOD, and whether the service agrees."""
        diff = Differences()
        years = [self.figure(case, members, year) for year in case.years]
        for year, final in zip(years, late.then if late else []):
            year.reasons += s.late_change(final, year, late.names)
        expected = s.judge_target(case.indicator, years)
        diff.same("the oracle beside the table", sorted({(r.kind, r.year) for r in expected.reasons}), sorted(expects))
        for due in years:
            self.compare(diff, case, due, {"year": due.year}, str(due.year))
        if case.by_month:
            self.months(diff, case, members)
            self.running(diff, case)
        self.progress(diff, case, expected)
        self.beside(diff, case, members)
        if late:
            self.as_before(diff, case, late)
        self.print_case(title, expected, diff)
        return expected

    def compare(self, diff: Differences, case: scenarios.Case, due: s.Figure, period: dict, where: str) -> None:
        answer = self.ask(case, period)
        status = self.service.name_of("PeriodStatus", "PERIOD_STATUS_", answer.status)
        compare_figure(diff, where, answer, due, status)
        compare_reasons(diff, where, answer.unsound, [replace(r, year=0) for r in due.reasons], self.kind_of)

    def months(self, diff: Differences, case: scenarios.Case, members: list) -> None:
        """Checks that months sum to their year, and are prorated if the year is declared as a whole."""
        answer = [self.ask(case, {"month": f"{case.judged}-{month:02}"}) for month in range(1, 13)]
        for month, of in enumerate(answer, 1):
            due = self.figure(case, members, case.judged, month)
            diff.same(f"month {month} numerator", of.numerator.value, rounded(due.numerator, 6))
            diff.same(f"month {month} reasons", sorted(map(self.kind_of, of.unsound)), sorted(r.kind for r in due.reasons))
        year = self.ask(case, {"year": case.judged})
        diff.same("the sum of months", sum(Decimal(of.numerator.value) for of in answer), Decimal(year.numerator.value))

    def running(self, diff: Differences, case: scenarios.Case) -> None:
        """Checks that the current year is open: its remaining days and, for some time after midnight, yesterday."""
        today = day_of(int(time.time() * 1000))
        answer = self.ask(case, {"year": today.year})
        left = len(days(today, date(today.year, 12, 31)))
        open_days = [r.count for r in answer.unsound if self.kind_of(r) == "open"]
        diff.same("open days of this year", len(open_days) == 1 and open_days[0] - left in (0, 1), True)
        diff.same("status of this year", self.service.name_of("PeriodStatus", "PERIOD_STATUS_", answer.status), "operational")

    def progress(self, diff: Differences, case: scenarios.Case, expected: s.Progress) -> None:
        verdict = lambda of: self.service.name_of("Verdict", "VERDICT_", of.verdict)
        of_plan = dict(name=case.subject, plan=PLAN, year=case.judged)
        answer = self.service.indicators.call("GetProgress", **of_plan)
        target = next(t for t in answer.targets if t.target.indicator == case.indicator)
        diff.same("verdict", verdict(target), expected.verdict)
        compare_reasons(diff, "progress", target.unsound, expected.reasons, self.kind_of)
        card = self.service.indicators.call("GetScorecard", **of_plan)
        line = next(line for line in card.lines if line.id == case.indicator)
        diff.same("verdict of the scorecard", verdict(line), expected.verdict)
        if case.indicator == s.WASTE:
            return
        is_sound = expected.verdict != "unknown"
        compared = {"progress": target, "like for like": target.like_for_like, "fixed panel": target.fixed_panel}
        for what, of in compared.items():
            diff.same(f"{what} change", of.change_percent, expected.change)
            diff.same(f"{what} progress", of.progress_percent, expected.progress)
        diff.same("progress of the scorecard", line.progress_percent, expected.progress)
        is_split = is_sound and not case.split_withheld
        diff.same("a split", target.HasField("split"), is_split)
        diff.same("reasons against a split", bool(target.split_unsound), not is_split)
        if case.judged < s.LAST:
            diff.same("a forecast", target.HasField("forecast"), is_sound)
            diff.same("reasons against a forecast", bool(target.forecast_unsound), not is_sound)

    def as_before(self, diff: Differences, case: scenarios.Case, late: "Late") -> None:
        """Checks that a query as of before the change gives the former answer."""
        of_plan = dict(name=case.subject, plan=PLAN, year=case.judged, as_of={"seconds": late.until})
        answer = self.service.indicators.call("GetProgress", **of_plan)
        target = next(t for t in answer.targets if t.target.indicator == case.indicator)
        verdict = self.service.name_of("Verdict", "VERDICT_", target.verdict)
        diff.same("as of before", (verdict, target.change_percent), (late.before.verdict, late.before.change))

    def beside(self, diff: Differences, case: scenarios.Case, members: list) -> None:
        """Checks the expected finding of data quality, and import and export of bidirectional meters."""
        if case.finding:
            report = self.service.quality.call("GetQuality", name=case.subject, period={"year": case.judged})
            found = {(f.check, f.name.rsplit("/", 1)[-1]) for f in report.findings}
            diff.same(f"the finding {case.finding}", case.finding in found, True)
        if case.both_ways:
            question = dict(name=case.subject, period={"year": case.judged})
            parts = self.service.indicators.stream("Explain", indicator=case.indicator, question=question)
            answer = {p.meter.meter.rsplit("/", 1)[-1]: p.meter for p in parts if p.HasField("meter")}
            for part in self.figure(case, members, case.judged).parts:
                of = answer[part.meter.name]
                diff.same("net", of.amount.value, plain(part.amount))
                diff.same("export", of.export.value, plain(part.exported))

    def print_case(self, title: str, expected: s.Progress, diff: Differences) -> None:
        why = ", ".join(f"{r.kind} {r.year} {r.share or r.value}".strip() for r in expected.reasons)
        self.line(f"{title}: {expected.verdict} {why or expected.change}".rstrip(), diff)

    def line(self, title: str, diff: Differences) -> None:
        self.cases += 1
        self.compared += diff.compared
        self.wrong += bool(diff.found)
        print(f"{'DIFFERS' if diff.found else 'agrees '}  {title}", flush=True)
        for line in diff.found:
            print(f"         {line}")


def after(members: list, step: scenarios.Step) -> list:
    """The enterprises after a step."""
    changed = copy.deepcopy(members)
    of = changed[0]
    for name, message in step.sends:
        next(m for m in of.meters if m.name == name).messages.append(message)
    of.corrections = [c for c in of.corrections + step.corrections if c not in step.withdraws]
    return changed


def run(made: Run, cases: list) -> None:
    service = made.service
    service.register(cases)
    service.publish(cases)
    service.wait_closed(cases, RPC)
    service.declare(cases)
    state = {}
    for case in cases:
        expected = made.check(case, case.title, case.enterprises, case.expects)
        state[case.title] = (case.enterprises, case.enterprises, expected)
    for nth in range(max((len(case.steps) for case in cases), default=0)):
        due, until = [case for case in cases if len(case.steps) > nth], int(time.time()) + 1
        # A whole second separates everything recorded before from everything that follows.
        service.wait_until(lambda: time.time() > until, "the next second")
        service.perform_step(due, nth)
        service.wait_closed(due, RPC)
        for case in due:
            step, (then, now, before) = case.steps[nth], state[case.title]
            now = after(now, step)
            then = now if step.confirms else then
            names = frozenset([m for m, _ in step.sends] or [c.meter for c in step.corrections + step.withdraws])
            late = Late([made.figure(case, then, year) for year in case.years], names, before, until)
            expected = made.check(case, f"{case.title}, then {step.title}", now, step.expects, late)
            state[case.title] = (then, now, expected)


def main() -> int:
    words = [word for word in sys.argv[2:] if word != "--disputed"]
    is_disputed = "--disputed" in sys.argv
    every = disputed() if is_disputed else [case for group in GROUPS for case in group()]
    cases = [case for case in every if all(word in case.title for word in words)]
    made = Run()
    with tempfile.TemporaryDirectory() as folder, Service(sys.argv[1], Path(folder)) as made.service:
        run(made, cases)
    if not words and not is_disputed:
        strict = {"DECODE__LATE": "dead-letter"}
        with tempfile.TemporaryDirectory() as folder, Service(sys.argv[1], Path(folder), **strict) as made.service:
            dead_letters.run(made, Differences, RPC)
    print(f"{made.cases} cases, {made.compared} values compared, {made.wrong} cases differ")
    return 0 if made.cases and not made.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
