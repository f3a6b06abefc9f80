"""paho-mqtt as a gateway that sends native JSON: over plain TCP, TLS with a password, and mutual TLS.

    native.py PLAIN-ADDRESS TLS-ADDRESS FOLDER-OF-CERTIFICATES

It uses MQTT 3.1.1 and 5, QoS 1 and the default settings of the library. With version 5 it numbers its messages and
waits for the receipt that names all of them as stored.
"""

import json
import ssl
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sender import VERSION, publish_and_wait, client, connect_and_wait, ms, report_sent, wait_until, yesterday

EPOCH = "1795392000"


def payloads() -> tuple[list, list]:
    """Six intervals in the three native forms, and their readings."""
    hours = [yesterday(8 + n) for n in range(6)]
    values = ["3.17", "4", "0.000001", "12.345678", "1024.5", "0.25"]
    one = [{"meter": "e-main", "quantity": "electricity", "kind": "interval", "at": at.isoformat(), "value": value}
           for at, value in zip(hours, values)]
    # A JSON number and a text are the same decimal; the third form is columnar.
    one[0]["value"] = float(values[0])
    columns = {"series": [{"meter": "e-main", "quantity": "electricity", "kind": "interval",
                           "from": hours[3].isoformat(), "step": 3_600_000, "value": values[3:]}]}
    sent = [(ms(at), value) for at, value in zip(hours, values)]
    return [one[0], one[1:3], columns], sent


def numbered(sequence: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("epoch", EPOCH), ("sequence", str(sequence))]
    return properties


def strict(folder: Path) -> ssl.SSLContext:
    """The default TLS context of Python 3.13 and later, on any version."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def send(address: str, access: str, gateway: str, protocol, prepare) -> None:
    version = "5" if protocol == mqtt.MQTTv5 else "3.1.1"
    enterprise = f"paho-{access}-v{version[0]}"
    sender = client(protocol)
    prepare(sender)
    receipts = []
    sender.on_message = lambda _c, _u, message: receipts.append(json.loads(message.payload))
    connect_and_wait(sender, address)
    base = f"park/demo/{enterprise}/{gateway}"
    bodies, sent = payloads()
    messages = [(f"{base}/up/readings", json.dumps(body), numbered(n + 1) if version == "5" else None)
                for n, body in enumerate(bodies)]
    publish_and_wait(sender, messages)
    if version == "5":
        sender.subscribe(f"{base}/down/receipt", 1)
        full = {"upTo": len(messages), "gaps": []}
        wait_until(lambda: any(r["epoch"] == int(EPOCH) and r["stored"] == full for r in receipts), "the receipt")
    sender.disconnect()
    sender.loop_stop()
    report_sent(f"paho-mqtt {VERSION}, MQTT {version}, {access}", enterprise, sent, kind="interval")


def main() -> int:
    plain, tls, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    own = [str(folder / name) for name in ("gw-certificate.pem", "gw-certificate.key")]

    def with_password(sender: mqtt.Client) -> None:
        sender.tls_set_context(strict(folder))
        sender.username_pw_set("gw-password", "a secret of its own")

    def with_certificate(sender: mqtt.Client) -> None:
        sender.tls_set(str(folder / "ca.pem"), *own)

    for protocol in (mqtt.MQTTv311, mqtt.MQTTv5):
        send(plain, "plain", "gw-plain", protocol, lambda _sender: None)
        send(tls, "password", "gw-password", protocol, with_password)
        send(tls, "certificate", "gw-certificate", protocol, with_certificate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
