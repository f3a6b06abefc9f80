"""Shared by the Python senders: a paho client with default settings, and the report of the sent readings."""

import json
import os
import time
from datetime import datetime, timedelta, timezone

import paho.mqtt
import paho.mqtt.client as mqtt

QOS = 1
# As long as a CI run can wait for a client.
PATIENCE_SECONDS = 60
SHANGHAI = timezone(timedelta(hours=8))


def yesterday(hour: int, minute: int = 0) -> datetime:
    """A time of the civil day in Asia/Shanghai before the day on which the run began."""
    began = datetime.fromtimestamp(int(os.environ["CLIENTS_BEGAN"]), SHANGHAI)
    return (began - timedelta(days=1)).replace(hour=hour, minute=minute, second=0, microsecond=0)


def ms(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000


def report_sent(client: str, enterprise: str, readings: list, meter: str = "e-main", kind: str = "register", **more) -> None:
    """Prints the sent and acknowledged readings for check.py."""
    print(json.dumps({"client": client, "enterprise": enterprise, "meter": meter, "kind": kind, "unit": "kWh",
                      "readings": readings, **more}), flush=True)


def wait_until(done, what: str) -> None:
    """Polls until `done` returns true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come within {PATIENCE_SECONDS} s")
        time.sleep(0.01)


def client(protocol=mqtt.MQTTv311, **more) -> mqtt.Client:
    return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=protocol, **more)


def connect_and_wait(sender: mqtt.Client, address: str) -> mqtt.Client:
    """Connects, and returns when the server has accepted the connection."""
    host, port = address.rsplit(":", 1)
    sender.connect(host, int(port))
    sender.loop_start()
    wait_until(sender.is_connected, "the connection")
    return sender


def publish_and_wait(sender: mqtt.Client, messages: list) -> None:
    """Publishes, and returns when everything is acknowledged."""
    sent = [sender.publish(topic, payload, QOS, properties=properties) for topic, payload, properties in messages]
    for info in sent:
        info.wait_for_publish(PATIENCE_SECONDS)
        if not info.is_published():
            raise SystemExit(f"message {info.mid} is not acknowledged")


VERSION = paho.mqtt.__version__
