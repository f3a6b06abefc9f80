"""Two paho-mqtt clients, MQTT 3.1.1 and 5, which kill -9 the park in the middle of their streams.

    killed.py PLAIN-ADDRESS PROCESS-ID

The caller starts the park again at the same address. The clients reconnect by themselves and resend unacknowledged
messages. Every value identifies its reading, so that a lost, doubled or changed one is noticed.
"""

import json
import os
import signal
import sys
from datetime import timedelta

import paho.mqtt.client as mqtt

from sender import QOS, VERSION, client, connect_and_wait, ms, report_sent, wait_until, yesterday

READINGS = 1500
ACKNOWLEDGED_BEFORE = 400


def main() -> int:
    address, process = sys.argv[1], int(sys.argv[2])
    instants = [yesterday(8) + timedelta(seconds=10 * n) for n in range(READINGS)]
    sent = [(ms(at), f"{n}.{n:06}") for n, at in enumerate(instants, 1)]
    acknowledged = {}
    senders = []
    streams = ((mqtt.MQTTv311, "killed-v3", {"clean_session": False}), (mqtt.MQTTv5, "killed-v5", {}))
    for protocol, name, more in streams:
        sender = client(protocol, client_id=name, userdata=name, **more)
        acknowledged[name] = 0

        def count(_client, name, _mid, _reason, _properties):
            acknowledged[name] += 1

        sender.on_publish = count
        senders.append(connect_and_wait(sender, address))
    for (at, value), instant in zip(sent, instants):
        for sender in senders:
            body = {"meter": "e-main", "quantity": "electricity", "kind": "interval", "at": instant.isoformat(),
                    "value": value}
            name = sender.user_data_get()
            sender.publish(f"park/demo/{name}/{name}/up/readings", json.dumps(body), QOS)
    wait_until(lambda: min(acknowledged.values()) >= ACKNOWLEDGED_BEFORE, "the first acknowledgements")
    os.kill(process, signal.SIGKILL)
    before = dict(acknowledged)
    if max(before.values()) >= READINGS:
        raise SystemExit(f"the kill came too late: {before}")
    wait_until(lambda: min(acknowledged.values()) == READINGS, f"the last acknowledgements after {before}")
    for sender in senders:
        sender.disconnect()
        sender.loop_stop()
        name = sender.user_data_get()
        version = {"killed-v3": "3.1.1", "killed-v5": "5"}[name]
        report_sent(f"paho-mqtt {VERSION}, MQTT {version}, killed after {before[name]} acknowledgements", name, sent,
            kind="interval")
    return 0


if __name__ == "__main__":
    sys.exit(main())
