"""What Telegraf and EMQX Neuron publish, sent with paho-mqtt; the rules are influx.toml and neuron.toml.

    telegraf.py PLAIN-ADDRESS

The payloads have the form that Telegraf's `outputs.mqtt` writes with `data_format = "json"`, one metric a message and
batches, and with `data_format = "influx"`; Neuron's is its values format.
"""

import json
import sys

from sender import VERSION, acknowledged, client, connected, ms, say, yesterday

VALUES = ["10000.125", "10003.25", "10007.5", "10011.75"]


def metric(at_ms: int, value: str) -> dict:
    return {"fields": {"energy": float(value), "voltage": 231.5, "status": "ok"}, "name": "modbus",
            "tags": {"host": "edge-1", "meter": "e-7", "slave_id": "1"}, "timestamp": at_ms // 1000}


def line(at_ms: int, value: str) -> str:
    return f'modbus,host=edge\\ 1,meter=e-7,slave_id=1 energy={value},voltage=231i,status="ok, a=b" {at_ms}000000\n'


def upload(at_ms: int, value: str) -> dict:
    return {"node": "modbus", "group": "energy", "timestamp": at_ms, "values": {"total": float(value)},
            "errors": {"current": 3002}}


def main() -> int:
    sender = connected(client(), sys.argv[1])
    instants = [ms(yesterday(8 + n)) for n in range(len(VALUES))]
    said = list(zip(instants, VALUES))
    single = [json.dumps(metric(*one)) for one in said[:2]]
    batch = json.dumps({"metrics": [metric(*one) for one in said[2:]]})
    acknowledged(sender, [("telegraf/edge-1/json", body, None) for body in [*single, batch]])
    say(f"Telegraf's JSON by paho-mqtt {VERSION}", "telegraf", said, meter="e-7")

    lines = [line(*said[0]), "".join(line(*one) for one in said[1:])]
    acknowledged(sender, [("telegraf/edge-1/influx", body, None) for body in lines])
    say(f"Influx lines by paho-mqtt {VERSION}", "influx", said, meter="e-7")

    acknowledged(sender, [("/neuron/mqtt-1", json.dumps(upload(*one)), None) for one in said])
    say(f"Neuron's values by paho-mqtt {VERSION}", "neuron", said)
    sender.disconnect()
    sender.loop_stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
