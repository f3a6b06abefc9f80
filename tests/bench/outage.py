"""Measures an outage of the log for ten minutes under a live load: the memory of ingest and the processor, and how
fast they catch up.

    python3 tests/bench/outage.py [--front listen|subscribe] [--batch 1] [--seconds 600] [--rate 20000]
                                  [--connections 20] [--bin target/release/greenpark]

Starts its own Kafka, `greenpark ingest`, `greenpark processor` and four replays. Each replay is of one enterprise whose
RATE / 4 meters are read once a second, today; a message has BATCH readings. With `--front subscribe` the replays send
to a Mosquitto to which ingest subscribes. The script stops Kafka (SIGSTOP: it does not answer, and its sockets stay
open) for SECONDS, then lets it continue. It prints one line of JSON: peak resident memory of both processes in MiB
before, during and after the outage, and the rates at which the backlog reached the log and the books. It fails if a
reading is missing, or if ingest or the processor used more memory than its setting `memory`; `duplicates` is the number
of readings that came twice and were dropped. It needs Linux, Java, Maven and, for a subscriber, Mosquitto. It is not
part of any test.

Results on two virtual cores, with an outage of ten minutes at 20,000 readings a second, 13,200,000 readings in all, none
missing and none twice: On 2026-11-27 at Greenpark's own listener with single readings, ingest used 98 MiB of its 256
and the processor 334 of its 512; the backlog of 12,000,000 was in the books 36 s after Kafka was back, including the
reconnects of the senders: 17.7 times live. On 2026-11-26 behind Mosquitto with 100 readings a message, while builds ran
during the outage: 233 and 180 MiB, 60 s, 11.0 times live.
"""

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from ports import free_ports

HERE = Path(__file__).resolve().parents[2]
ENTERPRISES = 4
MAP = """
park = "outage"
enterprise = "works-{n}"
gateway = "g{n}"
quantity = "electricity"
kind = "interval"
unit = "kWh"
batch = {batch}
[columns]
instant = "at"
value = "kwh"
meter = "meter"
[time]
format = "%Y-%m-%d %H:%M:%S"
offset = "+08:00"
stamp = "start"
"""
# The memory that ingest and the processor may use: the defaults of their settings.
BOUNDS_MIB = {"ingest": 256, "processor": 512}
CHINA = datetime.timezone(datetime.timedelta(hours=8))
BEFORE_S = 30  # of live load before the outage
AFTER_S = 30  # of live load after the outage, in addition to the backlog


def write_rows(path, seconds, meters):
    """Writes a reading of each meter and second from now on."""
    begin = datetime.datetime.now(CHINA).replace(tzinfo=None, microsecond=0)
    with open(path, "w") as out:
        out.write("at,meter,kwh\n")
        for second in range(seconds):
            at = begin + datetime.timedelta(seconds=second)
            out.writelines(f"{at},m{meter},{(second + meter) % 997}.5\n" for meter in range(meters))


def metric(port, name):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    lines = [line for line in text.splitlines() if line.startswith(name) and not line.startswith("#")]
    return int(sum(float(line.split()[-1]) for line in lines))


def peak_mib(process):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


def wait(until, what, patience):
    end = time.monotonic() + patience
    while not until():
        if time.monotonic() > end:
            sys.exit(f"outage.py: {what} did not come within {patience} s")
        time.sleep(0.5)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--front", choices=["listen", "subscribe"], default="listen")
    parse.add_argument("--batch", type=int, default=1)
    parse.add_argument("--seconds", type=int, default=600)
    parse.add_argument("--rate", type=int, default=20_000)
    parse.add_argument("--connections", type=int, default=20)
    parse.add_argument("--bin", default=str(HERE / "target/release/greenpark"))
    args = parse.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenpark-outage-") as folder:
        told = run(args, Path(folder))
    print(json.dumps(told))
    over = [name for name, most in BOUNDS_MIB.items() if told["peak_mib"]["after"][name] > most]
    if over:
        sys.exit(f"outage.py: {' and '.join(over)} took more than {BOUNDS_MIB}")


def run(args, folder):
    kafka_port, controller, mqtt, broker, ingest_health, processor_health = free_ports(6)
    shared = f'[log]\nkind = "kafka"\n[kafka]\nbrokers = "127.0.0.1:{kafka_port}"\npartitions = 1\n'
    if args.front == "subscribe":
        shared += f'[subscribe]\nbroker = "127.0.0.1:{broker}"\n'
    settings = {"ingest": ingest_health, "processor": processor_health}
    for name, health in settings.items():
        memory = f'[{name}]\nmemory = "{BOUNDS_MIB[name]}MiB"\n'
        text = f'[process]\nhealth = "127.0.0.1:{health}"\n[lake]\nroot = "{folder}/lake"\n{memory}{shared}'
        (folder / f"{name}.toml").write_text(text)
    started = []
    running = {}

    def start(what, *arguments):
        command = [str(HERE / f"deploy/{what}/start.sh"), *arguments, "--dir", str(folder / what)]
        # Its own session, because the end of the shell that started this script would continue stopped processes of ours.
        subprocess.run(command, check=True, stdout=sys.stderr, start_new_session=True)
        started.append(what)
        return int((folder / what / f"{what}.pid").read_text())

    kafka = start("kafka", "--port", str(kafka_port), "--controller-port", str(controller))
    try:
        if args.front == "subscribe":
            # A queue that is large enough for everything, because Mosquitto drops messages beyond it.
            start("mosquitto", "--port", str(broker), "--queue", "8192")
        for name in settings:
            command = [args.bin, name, "--config", str(folder / f"{name}.toml"), "--mqtt", f"127.0.0.1:{mqtt}"]
            running[name] = subprocess.Popen(command, stderr=open(folder / f"{name}.log", "w"))
            # One after the other, because the first one creates the topics.
            wait(lambda n=name: alive(settings[n]), name, 60)
        return measure(args, folder, broker if args.front == "subscribe" else mqtt, settings, running, kafka)
    finally:
        os.kill(kafka, signal.SIGCONT)
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(60)
        for what in started:
            stop = [str(HERE / f"deploy/{what}/stop.sh"), "--dir", str(folder / what)]
            subprocess.run(stop, check=False, stdout=sys.stderr)


def alive(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).close()
        return True
    except OSError:
        return False


def senders(args, folder, mqtt):
    seconds, meters = BEFORE_S + args.seconds + AFTER_S, args.rate // ENTERPRISES
    write_rows(folder / "rows.csv", seconds, meters)
    for n in range(ENTERPRISES):
        (folder / f"map{n}.toml").write_text(MAP.format(n=n, batch=args.batch))
        replay = [args.bin, "replay", str(folder / "rows.csv"), "--map", str(folder / f"map{n}.toml")]
        replay += ["--mqtt", f"127.0.0.1:{mqtt}", "--speed", str(meters), "--inflight", "60000"]
        replay += ["--connections", str(max(1, args.connections // ENTERPRISES)), "--patience", str(args.seconds * 2 + 120)]
        yield subprocess.Popen(replay, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def measure(args, folder, mqtt, settings, running, kafka):
    accepted = lambda: metric(settings["ingest"], "greenpark_ingest_readings_accepted")
    stored = lambda: metric(settings["processor"], "greenpark_processor_readings")
    total = args.rate // ENTERPRISES * ENTERPRISES * (BEFORE_S + args.seconds + AFTER_S)
    sending = list(senders(args, folder, mqtt))
    wait(lambda: stored() > args.rate, "the first reading", 300)
    time.sleep(BEFORE_S)
    before = {name: peak_mib(process) for name, process in running.items()}
    os.kill(kafka, signal.SIGSTOP)
    at_stop = accepted()
    time.sleep(args.seconds)
    if Path(f"/proc/{kafka}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        sys.exit("outage.py: Kafka was continued too early")
    during = {name: peak_mib(process) for name, process in running.items()}
    os.kill(kafka, signal.SIGCONT)
    began = time.monotonic()
    backlog = args.rate * args.seconds
    # Caught up means that all readings that are due by now are in the log, and then in the books.
    due = lambda: min(total, at_stop + backlog + int((time.monotonic() - began) * args.rate))
    wait(lambda: accepted() >= due() - args.rate, "the backlog in the log", args.seconds * 2 + 120)
    in_log = time.monotonic() - began
    wait(lambda: stored() >= due() - args.rate, "the backlog in the books", args.seconds * 2 + 120)
    in_books = time.monotonic() - began
    said = [sender.communicate(timeout=600)[0].strip() for sender in sending]
    wait(lambda: stored() >= total, "every reading", 120)
    after = {name: peak_mib(process) for name, process in running.items()}
    return {
        "front": args.front,
        "batch": args.batch,
        "rate": args.rate,
        "away_s": args.seconds,
        "peak_mib": {"before": before, "away": during, "after": after},
        "log_s": round(in_log, 1),
        "log_times_live": round((backlog / in_log + args.rate) / args.rate, 1),
        "books_s": round(in_books, 1),
        "books_times_live": round((backlog / in_books + args.rate) / args.rate, 1),
        "accepted": accepted(),
        "stored": stored(),
        "sent": total,
        "duplicates": metric(settings["processor"], "greenpark_processor_duplicates"),
        "senders": said,
    }


main()
