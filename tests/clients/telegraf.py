"""The payloads of Telegraf and EMQX Neuron, sent with paho-mqtt; the rules are influx.toml and neuron.toml.

    telegraf.py PLAIN-ADDRESS

The payloads have the format that Telegraf's `outputs.mqtt` writes with `data_format = "json"`, as single metrics and as
batches, and with `data_format = "influx"`; for Neuron it is the values format.
"""

import json
import sys

from sender import VERSION, publish_and_wait, client, connect_and_wait, ms, report_sent, yesterday

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
    sender = connect_and_wait(client(), sys.argv[1])
    instants = [ms(yesterday(8 + n)) for n in range(len(VALUES))]
    sent = list(zip(instants, VALUES))
    single = [json.dumps(metric(*one)) for one in sent[:2]]
    batch = json.dumps({"metrics": [metric(*one) for one in sent[2:]]})
    publish_and_wait(sender, [("telegraf/edge-1/json", body, None) for body in [*single, batch]])
    report_sent(f"Telegraf's JSON by paho-mqtt {VERSION}", "telegraf", sent, meter="e-7")

    lines = [line(*sent[0]), "".join(line(*one) for one in sent[1:])]
    publish_and_wait(sender, [("telegraf/edge-1/influx", body, None) for body in lines])
    report_sent(f"Influx lines by paho-mqtt {VERSION}", "influx", sent, meter="e-7")

    publish_and_wait(sender, [("/neuron/mqtt-1", json.dumps(upload(*one)), None) for one in sent])
    report_sent(f"Neuron's values by paho-mqtt {VERSION}", "neuron", sent)
    sender.disconnect()
    sender.loop_stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
