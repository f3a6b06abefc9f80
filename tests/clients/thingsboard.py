"""ThingsBoard's own client library as a device and as a gateway; the rule is ingest/dialects/thingsboard.toml.

    thingsboard.py PLAIN-ADDRESS

It runs in an environment of its own: `tb-mqtt-client` brings another paho than PyPI's. What the library asks of a
ThingsBoard server besides (attributes, session limits) is refused or a dead letter, and must not disturb it.
"""

import sys
from importlib.metadata import version

from tb_device_mqtt import TBDeviceMqttClient
from tb_gateway_mqtt import TBGatewayMqttClient

from sender import ms, say, wait_until, yesterday

VALUES = ["500.5", "502.75", "505.125", "509"]


def sent(told) -> None:
    """Waits until the server has acknowledged what a call has sent."""
    wait_until(lambda: all(info.is_published() for info in told.message_info), "an acknowledgement")
    if told.get() != 0:
        raise SystemExit(f"tb-mqtt-client tells {told.get()}")


def main() -> int:
    host, port = sys.argv[1].rsplit(":", 1)
    name = f"tb-mqtt-client {version('tb-mqtt-client')}"
    stamped = [(ms(yesterday(8 + n)), value) for n, value in enumerate(VALUES[:3])]
    said = [*stamped, (None, VALUES[3])]
    telemetry = [{"ts": at, "values": {"energy": float(value), "temperature": 21.5}} for at, value in stamped]

    device = TBDeviceMqttClient(host, int(port), "a-device-token")
    device.connect()
    wait_until(device.is_connected, "a yes to CONNECT")
    sent(device.send_telemetry(telemetry[0]))
    sent(device.send_telemetry(telemetry[1:]))
    # Without an instant it is that of the arrival.
    sent(device.send_telemetry({"energy": float(VALUES[3])}))
    say(f"{name}, device", "tb-device", said)
    device.disconnect()
    device.stop()

    gateway = TBGatewayMqttClient(host, int(port), "a-gateway-token")
    gateway.connect()
    wait_until(gateway.is_connected, "a yes to CONNECT")
    sent(gateway.gw_connect_device("Device A"))
    sent(gateway.gw_send_telemetry("Device A", telemetry[0]))
    sent(gateway.gw_send_telemetry("Device A", telemetry[1:]))
    sent(gateway.gw_send_telemetry("Device A", {"energy": float(VALUES[3])}))
    say(f"{name}, gateway", "tb-gateway", said)
    gateway.disconnect()
    gateway.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
