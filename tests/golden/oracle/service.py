"""A greenpark process for a test: started on free ports, fed as a user feeds it, stopped at the end."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import grpc
import paho.mqtt.client as mqtt

sys.path.insert(0, str(Path(__file__).parent.parent))
from ask import ReflectionClient
from meters import Reading

PATIENCE_SECONDS = 300
WHO = ["--recorded-by", "golden", "--evidence", "unclean.py"]


def wait_until(done, what: str) -> None:
    """Polls until `done` returns true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come within {PATIENCE_SECONDS} s")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Service:
    """Started on entering, with settings that differ from the defaults as `SECTION__NAME="value"`."""

    wait_until = staticmethod(wait_until)

    def __init__(self, binary: str, folder: Path, **settings):
        self.binary, self.folder = binary, folder
        self.mqtt_port, self.grpc_port = free_ports(2)
        self.grpc = f"127.0.0.1:{self.grpc_port}"
        self.settings = {f"GREENPARK__{name}": value for name, value in settings.items()}

    def __enter__(self):
        place = ["--data", str(self.folder / "data"), "--mqtt", f"127.0.0.1:{self.mqtt_port}", "--grpc", self.grpc]
        self.log = open(self.folder / "service.log", "wb")
        environment = {**os.environ, **self.settings}
        self.process = subprocess.Popen([self.binary, "up", *place], env=environment, stderr=self.log, stdout=self.log)
        wait_until(lambda: self.listens(self.mqtt_port) and self.listens(self.grpc_port), "the service")
        self.indicators = ReflectionClient(self.grpc)
        self.quality = ReflectionClient(self.grpc, "park.query.v1.Quality")
        self.dead_letters = ReflectionClient(self.grpc, "park.query.v1.DeadLetters")
        self.sender = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self.sender.max_inflight_messages_set(100)
        self.sender.connect("127.0.0.1", self.mqtt_port)
        self.sender.loop_start()
        wait_until(self.sender.is_connected, "the connection")
        return self

    def __exit__(self, *_failure):
        self.sender.disconnect()
        self.sender.loop_stop()
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.log.close()

    def listens(self, port: int) -> bool:
        if self.process.poll() is not None:
            raise SystemExit((self.folder / "service.log").read_text()[-2000:])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def name_of(self, enum: str, prefix: str, number: int) -> str:
        """The name of an enum value as METHOD writes it."""
        known = self.indicators.service.file.pool.FindEnumTypeByName(f"park.query.v1.{enum}")
        return known.values_by_number[number].name.removeprefix(prefix).lower()

    def import_file(self, park: str, what: str, columns: str, rows: list) -> None:
        """Imports a file, unless it would be empty."""
        if not rows:
            return
        file = self.folder / f"{what}.csv"
        with open(file, "w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([columns.split(","), *rows])
        self.command("import", "--park", park, f"--{what}", file, *WHO, "--grpc", self.grpc)

    def register(self, cases: list) -> None:
        for park, enterprises in by_park(cases).items():
            rows = [(e.name, e.name, "C31", "true", first, open_end(last)) for e in enterprises for first, last in e.above]
            self.import_file(park, "enterprises", "enterprise,title,industry,above_designated_size,valid_from,valid_to", rows)
            columns = ("enterprise,meter,title,quantity,kind,interval_s,rated_per_hour,headroom,counted,valid_from,"
                       "valid_to,bidirectional,restart")
            rows = [
                (e.name, m.name, m.name, m.quantity, m.kind, m.interval_s, m.rated or "", m.headroom if m.rated else "",
                 yes(m.counted), m.valid[0], open_end(m.valid[1]), yes(m.bidirectional), m.restart)
                for e in enterprises for m in e.meters if m.registered
            ]
            self.import_file(park, "meters", columns, rows)

    def publish(self, cases: list) -> None:
        """Publishes every message of every meter; each meter has its own gateway."""
        self.publish_and_wait([
            (park, e.name, f"gw-{m.name}", m.name, m.quantity, message)
            for park, enterprises in by_park(cases).items() for e in enterprises for m in e.meters for message in m.messages
        ])

    def publish_and_wait(self, messages: list) -> None:
        """Publishes with QoS 1 and returns when everything is acknowledged."""
        sent = []
        for park, enterprise, gateway, meter, quantity, readings in messages:
            body = [reading_of(meter, quantity, r) for r in readings]
            sent.append(self.sender.publish(f"park/{park}/{enterprise}/{gateway}/up/readings", json.dumps(body), 1))
        for info in sent:
            info.wait_for_publish(PATIENCE_SECONDS)
            if not info.is_published():
                raise SystemExit(f"message {info.mid} is not acknowledged")

    def replay(self, mapping: str, rows: str) -> None:
        """Sends a CSV file by `greenpark replay`."""
        (self.folder / "map.toml").write_text(mapping)
        (self.folder / "rows.csv").write_text(rows)
        files = (self.folder / "rows.csv", "--map", self.folder / "map.toml")
        self.command("replay", *files, "--mqtt", f"127.0.0.1:{self.mqtt_port}")

    def command(self, *arguments) -> None:
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")

    def wait_closed(self, cases: list, rpc: dict) -> None:
        """Waits until every day of the years behind a verdict is sealed."""
        for park, indicator in {(f"parks/{case.park}", case.indicator) for case in cases}:
            for year in {year for case in cases for year in case.years}:
                wait_until(lambda: self.is_closed(park, rpc[indicator], year), f"the end of {year} of {park}")

    def is_closed(self, name: str, method: str, year: int) -> bool:
        try:
            answer = self.indicators.call(method, name=name, period={"year": year})
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DEADLINE_EXCEEDED):
                return False
            raise
        return answer.coverage.open_days == 0

    def declare(self, cases: list, again: bool = False) -> None:
        for park, enterprises in by_park(cases).items():
            if not again:
                rows = [(e.name, medium, side, since, "") for e in enterprises for medium, side, since in e.sides]
                self.import_file(park, "sides", "enterprise,medium,side,valid_from,valid_to", rows)
                self.correct(park, [(e, c) for e in enterprises for c in e.corrections])
            index = {year: by for e in enterprises for year, by in (e.index or {}).items() if year > 2020}
            rows = [("price-index", year, "constant-2020", by, "") for year, by in index.items()]
            self.import_file(park, "deflators", "form,year,base,value,industry", rows)
            # One file for each position in the order, because a later file is recorded later.
            last = max(len(e.value_added) for e in enterprises)
            runs = [[(e, e.value_added[n]) for e in enterprises if n < len(e.value_added)] for n in range(last)]
            for run in runs:
                rows = [(e.name, "value_added", p, amount, base_of(e), yes(e.final)) for e, (p, amount) in run]
                self.import_file(park, "statistics", "enterprise,series,period,amount,price_base,final", rows)

    def correct(self, park: str, corrections: list) -> None:
        rows = [(e.name, c.meter, *measured(e, c.meter), c.first, c.last, c.amount, c.reason) for e, c in corrections]
        self.import_file(park, "corrections", "enterprise,meter,quantity,kind,first,last,amount,reason", rows)

    def perform_step(self, cases: list, nth: int) -> None:
        """Performs a step of each case: readings, corrections, withdrawals, or its statistics once more."""
        messages = []
        for case in cases:
            step, of = case.steps[nth], case.enterprises[0]
            gateway = f"gw-{of.name}"
            if step.live and step.sends:
                newest = Reading(int(time.time() * 1000), Decimal(1), "gauge")
                messages.append((case.park, of.name, gateway, "clock", "electricity", [newest]))
            for meter, message in step.sends:
                quantity = next(m.quantity for m in of.meters if m.name == meter)
                messages.append((case.park, of.name, gateway, meter, quantity, message))
            self.correct(case.park, [(of, c) for c in step.corrections])
            rows = [("correction", of.name, c.meter, "electricity", c.first, c.last, c.reason) for c in step.withdraws]
            self.import_file(case.park, "withdrawals", "of,enterprise,meter,quantity,first,last,reason", rows)
            if step.confirms:
                self.declare([case], again=True)
        self.publish_and_wait(messages)


def measured(enterprise, meter: str) -> tuple[str, str]:
    of = next(m for m in enterprise.meters if m.name == meter)
    return of.quantity, of.kind


def by_park(cases: list) -> dict:
    parks: dict[str, list] = {}
    for case in cases:
        parks.setdefault(case.park, []).extend(case.enterprises)
    return parks


def base_of(enterprise) -> str:
    return "current" if enterprise.index else "constant-2020"


def yes(of: bool) -> str:
    return "true" if of else "false"


def open_end(last) -> str:
    return "" if last.year == 2099 else str(last)


def reading_of(meter: str, quantity: str, reading) -> dict:
    body = {"meter": meter, "quantity": quantity, "kind": reading.kind, "at": reading.at, "value": f"{reading.value:f}"}
    return {**body, "ticket": reading.ticket} if reading.ticket else body
