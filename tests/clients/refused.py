"""paho-mqtt at a listener with authentication: every wrong credential, topic and certificate is refused and counted.

    refused.py TLS-ADDRESS TLS-METRICS PLAIN-ADDRESS PLAIN-METRICS FOLDER-OF-CERTIFICATES FOLDER-OF-ANOTHER-AUTHORITY

Each case is one connection. The test checks what the client sees, the one reason that ingest counts, and that ingest
receives no reading. The same table on the level of packets is in ingest/src/listen/tests/identity.
"""

import ssl
import sys
import time
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt

from sender import PATIENCE_SECONDS, QOS, client, wait_until

V4, V5 = mqtt.MQTTv311, mqtt.MQTTv5
SECRET = "a secret of its own"
FOREIGN = "park/demo/refused/gw-plain/up/readings"
RECEIPTS = "park/demo/refused/gw-plain/down/receipt"
PAYLOAD = '{"meter":"e-main","quantity":"electricity","kind":"interval","at":"2025-06-05T08:00:00+08:00","value":1}'


class Counters:
    """The counters of a process at /metrics."""

    def __init__(self, address: str):
        self.url = f"http://{address}/metrics"

    def of(self, name: str, label: str = "") -> int:
        """The sum of a counter over the samples whose labels contain `label`."""
        lines = urllib.request.urlopen(self.url, timeout=10).read().decode().splitlines()
        return sum(int(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith(f"greenpark_ingest_{name}_total") and label in line)


def attempt(address: str, protocol, prepare, act=None) -> list[str]:
    """The answers that a new client gets on one connection, up to the expected refusal."""
    sender, seen = client(protocol), []
    prepare(sender)

    def connected(_client, _data, _flags, reason, _properties):
        seen.append(str(reason))
        if reason == 0 and act:
            act(sender)

    sender.on_connect = connected
    sender.on_publish = lambda _c, _d, _mid, reason, _p: seen.append(f"PUBACK {reason}")
    sender.on_subscribe = lambda _c, _d, _mid, reasons, _p: seen.append(f"SUBACK {reasons[0]}")
    host, port = address.rsplit(":", 1)
    try:
        sender.connect(host, int(port))
    except ssl.SSLCertVerificationError:
        return ["a certificate that is not to be trusted"]
    except ssl.SSLError:
        return ["no TLS"]
    until = time.monotonic() + PATIENCE_SECONDS
    # The loop ends at a refusal of CONNECT, at the end of the connection, and at an answer to the packet sent.
    while sender.loop(0.1) == mqtt.MQTT_ERR_SUCCESS and len(seen) < 2:
        if time.monotonic() > until:
            raise SystemExit(f"nothing came after {seen}")
    sender.disconnect()
    sender.loop(0.1)
    return seen


def secret(name: str, password: str | None, ca: Path):
    def prepare(sender: mqtt.Client) -> None:
        sender.tls_set(str(ca))
        sender.username_pw_set(name, password)
    return prepare


def certificate(name: str, folder: Path, ca: Path, user: str | None = None):
    def prepare(sender: mqtt.Client) -> None:
        sender.tls_set(str(ca), str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
        if user:
            sender.username_pw_set(user, SECRET)
    return prepare


def with_will(prepare):
    def also(sender: mqtt.Client) -> None:
        prepare(sender)
        sender.will_set(FOREIGN, PAYLOAD, QOS)
    return also


def main() -> int:
    tls, plain = sys.argv[1], sys.argv[3]
    counters = {tls: Counters(sys.argv[2]), plain: Counters(sys.argv[4])}
    ours, theirs = Path(sys.argv[5]), Path(sys.argv[6])
    ca = ours / "ca.pem"
    own = secret("gw-password", SECRET, ca)
    publish = lambda sender: sender.publish(FOREIGN, PAYLOAD, QOS)
    nobody = lambda sender: sender.publish("v1/devices/me/telemetry", PAYLOAD, QOS)
    receipts = lambda sender: sender.subscribe(RECEIPTS, 1)
    certified = certificate("gw-certificate", ours, ca)
    bad, denied, alert = ["Bad user name or password"], ["Not authorized"], []
    cases = [
        ("a wrong password", tls, V4, secret("gw-password", "another", ca), None, bad, "BadCredentials"),
        ("a wrong password", tls, V5, secret("gw-password", "another", ca), None, bad, "BadCredentials"),
        ("an empty password", tls, V5, secret("gw-password", "", ca), None, bad, "BadCredentials"),
        ("an unknown user", tls, V4, secret("gw-nobody", SECRET, ca), None, bad, "BadCredentials"),
        ("an unknown user", tls, V5, secret("gw-nobody", SECRET, ca), None, bad, "BadCredentials"),
        ("no name and no certificate", tls, V4, lambda s: s.tls_set(str(ca)), None, denied, "NoCredentials"),
        ("no name and no certificate", tls, V5, lambda s: s.tls_set(str(ca)), None, denied, "NoCredentials"),
        ("a certificate and another's name", tls, V5, certificate("gw-certificate", ours, ca, "gw-password"), None,
         denied, "OtherName"),
        ("a will for another gateway", tls, V4, with_will(own), None, denied, "Will"),
        ("a will for another gateway", tls, V5, with_will(own), None, denied, "Will"),
        ("a reading for another gateway", tls, V4, own, publish, ["Success"], "Publish"),
        ("a reading for another gateway", tls, V5, own, publish, ["Success", "PUBACK Not authorized"], "Publish"),
        ("the same with a certificate", tls, V5, certified, publish, ["Success", "PUBACK Not authorized"], "Publish"),
        ("the same with a certificate", tls, V4, certified, publish, ["Success"], "Publish"),
        ("a topic that names nobody", tls, V5, own, nobody, ["Success", "PUBACK Not authorized"], "Publish"),
        ("another gateway's receipts", tls, V4, own, receipts, ["Success", "SUBACK Unspecified error"], "Subscription"),
        ("another gateway's receipts", tls, V5, own, receipts, ["Success", "SUBACK Not authorized"], "Subscription"),
        ("everything of the park", tls, V5, own, lambda s: s.subscribe("park/#", 1),
         ["Success", "SUBACK Not authorized"], "Subscription"),
        ("a certificate of another authority", tls, V5, certificate("gw-certificate", theirs, ca), None, alert, "Tls"),
        ("the server's certificate as a client's", tls, V5, certificate("server", ours, ca), None, alert, "Tls"),
        ("a server that the client does not trust", tls, V5, secret("gw-password", SECRET, theirs / "ca.pem"), None,
         ["a certificate that is not to be trusted"], "Tls"),
        ("no TLS where it is spoken", tls, V5, lambda s: s.username_pw_set("gw-password", SECRET), None, alert, "Tls"),
        ("TLS where it is not spoken", plain, V5, own, None, ["no TLS"], "Tls"),
    ]
    received = {at: of.of("readings_received") for at, of in counters.items()}
    refused = {at: of.of("refused") for at, of in counters.items()}
    wrong = 0
    for what, address, protocol, prepare, act, expected, reason in cases:
        of = counters[address]
        before = of.of("refused", f'"{reason}"')
        seen = attempt(address, protocol, prepare, act)
        wait_until(lambda: of.of("refused", f'"{reason}"') > before, f"the count of {what} ({seen})")
        refused[address] += 1
        once = of.of("refused") == refused[address]
        wrong += seen != expected or not once
        version = "3.1.1" if protocol == V4 else "5"
        print(f"{what} (MQTT {version}): the client sees {', '.join(seen) or 'the end'}; counted as {reason}"
              + ("" if seen == expected else f", and not {expected}") + ("" if once else ", and not alone"))
    for address, of in counters.items():
        if of.of("readings_received") != received[address]:
            wrong += 1
            print(f"something of it was received at {address}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
