"""paho-mqtt across a kill -9 of the park: two clients, MQTT 3.1.1 and 5, kill it in the middle of their streams.

    killed.py PLAIN-ADDRESS PROCESS-ID

Whoever calls it starts the park again at the same address. The clients reconnect by themselves and send again what
was not acknowledged; every value names its reading, so that one that is lost, doubled or changed shows.
"""

import json
import os
import signal
import sys
from datetime import timedelta

import paho.mqtt.client as mqtt

from sender import QOS, VERSION, client, connected, ms, say, wait_until, yesterday

READINGS = 1500
ACKNOWLEDGED_BEFORE = 400


def main() -> int:
    address, process = sys.argv[1], int(sys.argv[2])
    instants = [yesterday(8) + timedelta(seconds=10 * n) for n in range(READINGS)]
    said = [(ms(at), f"{n}.{n:06}") for n, at in enumerate(instants, 1)]
    acknowledged = {}
    senders = []
    streams = ((mqtt.MQTTv311, "killed-v3", {"clean_session": False}), (mqtt.MQTTv5, "killed-v5", {}))
    for protocol, name, more in streams:
        sender = client(protocol, client_id=name, userdata=name, **more)
        acknowledged[name] = 0

        def count(_client, name, _mid, _reason, _properties):
            acknowledged[name] += 1

        sender.on_publish = count
        senders.append(connected(sender, address))
    for (at, value), instant in zip(said, instants):
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
        say(f"paho-mqtt {VERSION}, MQTT {version}, killed after {before[name]} acknowledgements", name, said,
            kind="interval")
    return 0


if __name__ == "__main__":
    sys.exit(main())
