"""Compares the park's answers over gRPC with the readings that a client reports as sent.

    SENDER | check.py GRPC-ADDRESS

A line of a sender is JSON: `client`, `enterprise`, `meter`, `kind` (register or interval), `unit` and `readings`. Each
reading is an instant in UTC milliseconds (null if the park stamps the arrival) and the decimal text from the meter.
The answers must have exactly these readings, and the electricity that the method computes from them. Acknowledged
readings must be there at the first query; only readings sent with QoS 0 (`"qos": 0`) may come later.
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))
from ask import ReflectionClient

KCE_PER_KWH = Decimal("0.1229")
PER_KWH = {"kWh": Decimal(1), "MWh": Decimal(1000)}
PATIENCE_SECONDS = 30


def plain(value: Decimal) -> str:
    """The shortest decimal, as in amounts."""
    return f"{value.normalize():f}"


def amount(sent: dict) -> Decimal:
    """The amount of the readings: for a register the last less the first, for intervals their sum."""
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
        self.indicators = ReflectionClient(address)
        self.readings = ReflectionClient(address, "park.query.v1.Readings")

    def stored(self, enterprise: str, over: dict) -> list[tuple[str, int, Decimal]]:
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
        """The first difference from the expected answers; empty if there is none."""
        over, unit = period(sent), PER_KWH[sent["unit"]]
        expected = [(sent["meter"], at, Decimal(value) * unit) for at, value in sent["readings"]]
        stored = self.stored(sent["enterprise"], over)
        # A reading that the park stamped has the instant of the park.
        stamped = [(m, t[1] if at is None else at, v) for (m, at, v), t in zip(expected, stored)]
        if len(stored) != len(expected) or stored != stamped:
            return f"{len(expected)} readings were sent, {len(stored)} are stored: {stored[:9]} for {expected[:9]}"
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
