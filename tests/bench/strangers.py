"""Attacks by strangers on a service: how much memory they cost, and how long an authorized gateway waits meanwhile.

    python3 tests/bench/strangers.py [--bin target/release/greenpark] [--only NAME]

Each attack runs against its own `greenpark up` with small budgets, and prints a line of JSON: resident memory before,
the maximum during the attack, and the allowed growth, in MiB; then how long an authorized gateway waits for its PUBACK.
It fails if memory grows by more than the attacked budget plus 64 MiB, or if an authorized gateway waits a second.

- `unfinished`: 600 connections, each with half of a PUBLISH of 400 KiB.
- `login`: 2,000 connections before a login, each with half of a CONNECT of 200 KiB.
- `inflated`: 200 calls without a token, each some kilobytes that gzip inflates to four megabytes.
- `idle`: 1,100 idle connections to the query service, at 1,024 descriptors.
- `series`: three times 320,000 unknown meters.
- `users`: 90 logins a second by unknown users, while an authorized gateway reconnects again and again.
- `sparkplug`: messages of one kilobyte that inflate to half a million metrics.
- `streams`: 60 clients that request 600,000 readings of an open day and read none.
- `days`: messages of 20 KB with readings of ten thousand days.

It needs Linux and is not part of any test. On two virtual cores on 2026-11-30 memory grew by 32, 7, 11, 11, 205, 9, 12,
196 and 11 MiB in this order. An authorized gateway waited at most 0.01 s, and 0.51 s during the guesses at passwords.
"""

import argparse
import gzip
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ports import free_ports

HERE = Path(__file__).resolve().parents[2]
SLACK_MIB = 64
INGEST_MIB, PROCESSOR_MIB, QUERY_MIB, CACHE_MIB = 192, 256, 64, 16
SETTINGS = f"""
[listen]
linger = "1ms"
[ingest]
memory = "{INGEST_MIB}MiB"
[processor]
memory = "{PROCESSOR_MIB}MiB"
flush_interval = "1s"
quiet = "1s"
[query]
memory = "{QUERY_MIB}MiB"
cache = "{CACHE_MIB}MiB"
"""
SPARKPLUG = """
[[decode.rules]]
filter = "spBv1.0/#"
format = "sparkplug"
park = "p1"
enterprise = "{1}"
gateway = "{3}"
map = [{ field = "Energy", meter = "m", quantity = "electricity" }]
[[decode.rules]]
filter = "park/+/+/+/up/readings"
format = "json"
"""


def text(of):
    data = of.encode()
    return struct.pack(">H", len(data)) + data


def packet(head, body):
    length, left = b"", len(body)
    while True:
        length += bytes([left % 128 | (128 if left > 127 else 0)])
        left //= 128
        if not left:
            return bytes([head]) + length + body


def connect(client, user=None, password=None):
    flags = 2 | (0xC0 if user else 0)
    body = text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + text(client)
    if user:
        body += text(user) + text(password)
    return packet(0x10, body)


def publish(number, payload, gateway="g1", topic="readings"):
    body = text(f"park/p1/e1/{gateway}/up/{topic}") + struct.pack(">H", number)
    return packet(0x32, body + payload)


def reading(meter, at=1, value=1):
    return f'{{"meter":"{meter}","quantity":"electricity","kind":"interval","at":{at},"value":{value}}}'


class Service:
    """A `greenpark up` for one attack, and its memory."""

    def __init__(self, binary, folder, settings="", descriptors=None, users=None):
        self.mqtt, self.grpc = free_ports(2)
        config = Path(folder) / "settings.toml"
        listen = "[listen]\nlinger = \"1ms\"\n"
        if users:
            (Path(folder) / "users").write_text(users)
            (Path(folder) / "access.toml").write_text('[[rule]]\nusers = ["g1"]\npublish = ["p1/e1/g1"]\n')
            listen += f'users = {{ file = "{folder}/users" }}\naccess = {{ file = "{folder}/access.toml" }}\n'
        config.write_text(SETTINGS.replace("[listen]\nlinger = \"1ms\"\n", listen) + settings)
        limit = lambda: descriptors and resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        self.output = open(Path(folder) / "up.log", "w")
        self.process = subprocess.Popen(
            [binary, "up", "--config", str(config), "--data", f"{folder}/data", "--mqtt", f"127.0.0.1:{self.mqtt}",
             "--grpc", f"127.0.0.1:{self.grpc}"], env=os.environ | {"RUST_LOG": "error"}, stdout=self.output,
            stderr=self.output, preexec_fn=limit)
        for port in (self.mqtt, self.grpc):
            self.until(lambda port=port: socket.create_connection(("127.0.0.1", port), 1).close() is None)
        self.before, self.most = self.rss(), 0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def until(self, done, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.process.poll() is not None:
                    break
                if done():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"not in {seconds} s: {Path(self.output.name).read_text()}")

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def watch(self):
        while not self.over.wait(0.02):
            try:
                self.most = max(self.most, self.rss())
            except (OSError, StopIteration):
                return

    def open(self, data=b""):
        stream = socket.create_connection(("127.0.0.1", self.mqtt), 10)
        stream.settimeout(20)
        try:
            stream.sendall(data)
        except OSError:
            pass
        return stream

    def session(self, client="g1", user=None, password=None):
        stream = self.open(connect(client, user, password))
        if stream.recv(4) != b"\x20\x02\x00\x00":
            raise SystemExit(f"{client} is refused")
        return stream

    def wait_of_a_gateway(self, user=None, password=None):
        """Seconds from CONNECT to PUBACK of an authorized gateway."""
        began = time.monotonic()
        stream = self.session("right", user, password)
        stream.sendall(publish(7, reading("m-right").encode()))
        if stream.recv(4)[0] != 0x40:
            raise SystemExit("the right gateway is not acknowledged")
        stream.close()
        return time.monotonic() - began

    def stop(self):
        self.over.set()
        self.watcher.join()
        alive = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        return alive


def send_all(service, payloads, topic="readings"):
    """Publishes each payload and waits for every PUBACK, with 64 messages in flight."""
    stream = service.session("strangers")
    number = under_way = 0
    def acknowledged():
        left = 4
        while left:
            got = stream.recv(left)
            if not got:
                raise SystemExit("the connection ended")
            left -= len(got)
    for payload in payloads:
        number = number % 65_000 + 1
        stream.sendall(publish(number, payload, topic=topic))
        under_way += 1
        if under_way == 64:
            acknowledged()
            under_way -= 1
    for _ in range(under_way):
        acknowledged()
    stream.close()


def unfinished(service):
    body = text("park/p1/e1/g9/up/readings") + struct.pack(">H", 7) + b"x" * 400_000
    half = packet(0x32, body)[:200_000]
    return [service.open(connect(f"half-{n}") + half) for n in range(600)]


def login(service):
    body = text("MQTT") + bytes([4, 0xC2]) + struct.pack(">H", 60) + text("c") + text("u" * 60_000) + text("p" * 60_000)
    half = packet(0x10, body)[:60_000]
    return [service.open(half) for _ in range(2_000)]


def inflated(service):
    message = b"\x0a" + b"\x80\x80\x80\x02" + b"x" * (4 << 20)
    squeezed = gzip.compress(message)
    framed = b"\x01" + struct.pack(">I", len(squeezed)) + squeezed
    path = b"/park.query.v1.Registry/DeclareStatistics"
    return [http2_call(service.grpc, path, framed, squeezed=True) for _ in range(200)]


def http2_call(port, path, framed, squeezed=False):
    """One gRPC call without a token, written by hand: literal headers, no dynamic table."""
    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
    headers = b"".join(literal(name, value) for name, value in (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
        (b"content-type", b"application/grpc"), (b"grpc-encoding", b"gzip" if squeezed else b"identity"),
        (b"te", b"trailers")))
    frame = lambda kind, flags, stream, data: struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data
    stream = socket.create_connection(("127.0.0.1", port), 10)
    stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, headers) + frame(0, 1, 1, framed))
    return stream


def idle(service):
    held = []
    for _ in range(1_100):
        try:
            held.append(socket.create_connection(("127.0.0.1", service.grpc), 2))
        except OSError:
            break
    return held


def series(service):
    # The meter names in a message are a few dozen bytes each.
    for turn in range(3):
        payloads = ("[" + ",".join(reading(f"stranger-{turn}-{n}", at=int(time.time() * 1000)) for n in range(at, at + 500)) + "]"
                    for at in range(0, 320_000, 500))
        send_all(service, (payload.encode() for payload in payloads))


def users(service):
    over = threading.Event()
    def knock():
        count = 0
        while not over.is_set():
            began = time.monotonic()
            held = [service.open(connect(f"x{count}-{n}", f"nobody-{count}-{n}", "wrong")) for n in range(9)]
            count += 1
            over.wait(max(0, 0.1 - (time.monotonic() - began)))
            for stream in held:
                stream.close()
    knocking = threading.Thread(target=knock)
    knocking.start()
    waits = []
    for _ in range(20):
        waits.append(service.wait_of_a_gateway("g1", "right"))
    over.set()
    knocking.join()
    return max(waits)


def sparkplug(service):
    """Messages of a kilobyte that inflate to half a million metrics of two bytes each."""
    field = lambda number, data: bytes([number << 3 | 2]) + varint(len(data)) + data
    inner = field(2, b"") * 500_000
    algorithm = field(1, b"algorithm") + field(15, b"GZIP")
    payload = field(2, algorithm) + field(4, b"SPBV1.0_COMPRESSED") + field(5, gzip.compress(inner))
    streams = [service.session(f"sparkplug-{n}") for n in range(8)]
    for number in range(1, 9):
        for stream in streams:
            body = text("spBv1.0/e1/NDATA/g1") + struct.pack(">H", number)
            stream.sendall(packet(0x32, body + payload))
    for stream in streams:
        stream.recv(4)
    return streams


def varint(number):
    digits = b""
    while number > 127:
        digits += bytes([number % 128 | 128])
        number //= 128
    return digits + bytes([number])


def days(service):
    """Sends columns with a step of one day."""
    values = ",".join("1" for _ in range(9_905))
    def payload(turn):
        return (f'{{"series":[{{"meter":"m{turn}","quantity":"steam","from":1000000000000,"step":86400000,'
                f'"value":[{values}]}}]}}').encode()
    send_all(service, (payload(turn) for turn in range(50)))


def streams(service):
    """Opens calls for all readings of an enterprise and reads none."""
    values, step = ",".join("1" for _ in range(10_000)), 40
    begin = int(time.time() * 1000) - 600_000 * step
    def payload(first):
        return (f'{{"series":[{{"meter":"m","quantity":"electricity","kind":"interval","from":{begin + first * step},"step":{step},'
                f'"value":[{values}]}}]}}').encode()
    send_all(service, (payload(first) for first in range(0, 600_000, 10_000)))
    field = lambda number, data: bytes([number << 3 | 2]) + varint(len(data)) + data
    year = b"\x20" + varint(time.gmtime(begin / 1000 + 8 * 3_600).tm_year)
    message = field(1, b"parks/p1/enterprises/e1") + field(2, year)
    framed = b"\x00" + struct.pack(">I", len(message)) + message
    calls = [http2_call(service.grpc, b"/park.query.v1.Readings/StreamReadings", framed) for _ in range(60)]
    told = [call.recv(1 << 16) for call in calls]
    if not all(told):
        raise SystemExit("a call was closed without a word")
    time.sleep(15)
    return calls


# For each attack: its function, the budget that it attacks, and the settings that it needs.
ATTACKS = {
    "unfinished": (unfinished, INGEST_MIB, {}),
    "login": (login, INGEST_MIB, {"users": True}),
    "inflated": (inflated, QUERY_MIB, {"settings": 'grants = [{ token_sha256 = "' + "0" * 64 + '", names = ["parks/-"] }]\n'}),
    "idle": (idle, QUERY_MIB, {"descriptors": 1_024}),
    "series": (series, INGEST_MIB + PROCESSOR_MIB + QUERY_MIB + CACHE_MIB, {}),
    "users": (users, INGEST_MIB, {"users": True}),
    "sparkplug": (sparkplug, INGEST_MIB + PROCESSOR_MIB, {"settings": SPARKPLUG}),
    "streams": (streams, INGEST_MIB + PROCESSOR_MIB + QUERY_MIB + CACHE_MIB, {}),
    "days": (days, INGEST_MIB + PROCESSOR_MIB + QUERY_MIB + CACHE_MIB, {}),
}


def password_line(binary, folder):
    file = Path(folder) / "made"
    subprocess.run([binary, "passwd", str(file), "g1"], input=b"right\n", check=True, stderr=subprocess.DEVNULL)
    return file.read_text()


def attack(binary, name):
    work, budget, needs = ATTACKS[name]
    with tempfile.TemporaryDirectory() as folder:
        needs = dict(needs)
        login_as = ("g1", "right") if needs.get("users") else (None, None)
        if needs.get("users"):
            needs["users"] = password_line(binary, folder)
        service = Service(binary, folder, **needs)
        before = service.wait_of_a_gateway(*login_as)
        service.before = service.rss()
        held = work(service)
        time.sleep(1.5)
        waited = max([service.wait_of_a_gateway(*login_as)] + ([held] if isinstance(held, float) else []))
        for stream in held if isinstance(held, list) else []:
            stream.close()
        alive = service.stop()
        grew = service.most - service.before
        told = {"attack": name, "before_mib": round(service.before), "most_mib": round(service.most),
                "grew_mib": round(grew), "allowed_mib": budget + SLACK_MIB, "waited_s": round(waited, 3),
                "waited_before_s": round(before, 3), "alive": alive}
        print(json.dumps(told), flush=True)
        return alive and grew <= budget + SLACK_MIB and waited < 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=str(HERE / "target/release/greenpark"))
    parser.add_argument("--only", choices=ATTACKS)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (8_192, 8_192))
    names = [args.only] if args.only else list(ATTACKS)
    failed = [name for name in names if not attack(args.bin, name)]
    if failed:
        sys.exit(f"beyond what is allowed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
