"""Holds what the park answers over gRPC against what a client says that it sent.

    SENDER | check.py GRPC-ADDRESS

A line of a sender is JSON: `client`, `enterprise`, `meter`, `kind` (register or interval), `unit` and `readings`,
each an instant in UTC milliseconds (null where the park stamps the arrival) and the decimal text that the meter
said. The readings must come back exactly, none more and none fewer, and the day's electricity must be what the
method makes of them. What is acknowledged must be there at the first question; only what was sent with QoS 0
(`"qos": 0`) may take its time.
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))
from ask import Asker

KCE_PER_KWH = Decimal("0.1229")
PER_KWH = {"kWh": Decimal(1), "MWh": Decimal(1000)}
PATIENCE_SECONDS = 30


def plain(value: Decimal) -> str:
    """The shortest decimal, as amounts are told."""
    return f"{value.normalize():f}"


def amount(sent: dict) -> Decimal:
    """What the readings come to: of a counter the last less the first, of intervals their sum."""
    values = [Decimal(value) * PER_KWH[sent["unit"]] for _, value in sent["readings"]]
    return sum(values) if sent["kind"] == "interval" else values[-1] - values[0]


def period(sent: dict) -> dict:
    """From the day of the first reading to tomorrow, in the park's civil days."""
    now = int(time.time() * 1000)
    first = min((at for at, _ in sent["readings"] if at is not None), default=now)
    day = lambda ms: datetime.fromtimestamp(ms / 1000, timezone(timedelta(hours=8))).date().isoformat()
    return {"days": {"first": day(first), "last": day(now + 86_400_000)}}


class Park:
    def __init__(self, address: str):
        self.indicators = Asker(address)
        self.readings = Asker(address, "park.query.v1.Readings")

    def told(self, enterprise: str, over: dict) -> list[tuple[str, int, Decimal]]:
        """Every reading of an enterprise: meter, instant and value in the canonical unit."""
        name = f"parks/demo/enterprises/{enterprise}"
        try:
            pages = list(self.readings.stream("StreamReadings", name=name, period=over))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return []
            raise
        return [
            (reading.meter.rsplit("/", 1)[1], reading.instant.ToMilliseconds(), Decimal(reading.value))
            for page in pages
            for reading in page.readings
        ]

    def difference(self, sent: dict) -> str:
        """What is not as it should be; empty where everything is."""
        over, unit = period(sent), PER_KWH[sent["unit"]]
        expected = [(sent["meter"], at, Decimal(value) * unit) for at, value in sent["readings"]]
        told = self.told(sent["enterprise"], over)
        # What the park stamped has the instant that it says.
        stamped = [(m, t[1] if at is None else at, v) for (m, at, v), t in zip(expected, told)]
        if len(told) != len(expected) or told != stamped:
            return f"{len(expected)} readings were sent, {len(told)} are told: {told[:9]} for {expected[:9]}"
        name = f"parks/demo/enterprises/{sent['enterprise']}"
        figure = self.indicators.call("GetEnergyIntensity", name=name, period=over)
        part = next((part for part in figure.components if part.quantity == "electricity"), None)
        due = amount(sent)
        if part is None or part.amount.value != plain(due):
            return f"electricity is {part and part.amount.value} kWh, and not {plain(due)}"
        tce = (due * KCE_PER_KWH / 1000).quantize(Decimal("0.000001"))
        if Decimal(figure.numerator.value) != tce or figure.coverage.received != len(expected):
            return f"{figure.numerator.value} tce of {figure.coverage.received} readings, and not {tce}"
        if figure.coverage.conflicts:
            return f"{figure.coverage.conflicts} readings contradict others"
        sent["figure"] = f"{part.amount.value} kWh, {figure.numerator.value} tce"
        return ""


def main() -> int:
    park, wrong = Park(sys.argv[1]), 0
    for line in sys.stdin:
        sent = json.loads(line)
        until = time.monotonic() + (PATIENCE_SECONDS if sent.get("qos") == 0 else 0)
        while (difference := park.difference(sent)) and time.monotonic() < until:
            time.sleep(0.1)
        wrong += bool(difference)
        count = len(sent["readings"])
        print(f"{sent['client']}: " + (difference or f"{count} readings of {sent['enterprise']}: {sent['figure']}"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
