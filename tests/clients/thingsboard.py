"""ThingsBoard's own client library as a device and as a gateway; the rule is ingest/dialects/thingsboard.toml.

    thingsboard.py PLAIN-ADDRESS

It runs in a virtual environment of its own, because `tb-mqtt-client` ships another paho than PyPI's. The other requests
of the library to a ThingsBoard server (attributes, session limits) are refused or become dead letters, which must not
disturb it.
"""

import sys
from importlib.metadata import version

from tb_device_mqtt import TBDeviceMqttClient
from tb_gateway_mqtt import TBGatewayMqttClient

from sender import ms, report_sent, wait_until, yesterday

VALUES = ["500.5", "502.75", "505.125", "509"]


def wait_acknowledged(call) -> None:
    """Waits until the server has acknowledged the messages of a call."""
    wait_until(lambda: all(info.is_published() for info in call.message_info), "an acknowledgement")
    if call.get() != 0:
        raise SystemExit(f"tb-mqtt-client reports {call.get()}")


def main() -> int:
    host, port = sys.argv[1].rsplit(":", 1)
    name = f"tb-mqtt-client {version('tb-mqtt-client')}"
    stamped = [(ms(yesterday(8 + n)), value) for n, value in enumerate(VALUES[:3])]
    sent = [*stamped, (None, VALUES[3])]
    telemetry = [{"ts": at, "values": {"energy": float(value), "temperature": 21.5}} for at, value in stamped]

    device = TBDeviceMqttClient(host, int(port), "a-device-token")
    device.connect()
    wait_until(device.is_connected, "the connection")
    wait_acknowledged(device.send_telemetry(telemetry[0]))
    wait_acknowledged(device.send_telemetry(telemetry[1:]))
    # A reading without an instant gets that of its arrival.
    wait_acknowledged(device.send_telemetry({"energy": float(VALUES[3])}))
    report_sent(f"{name}, device", "tb-device", sent)
    device.disconnect()
    device.stop()

    gateway = TBGatewayMqttClient(host, int(port), "a-gateway-token")
    gateway.connect()
    wait_until(gateway.is_connected, "the connection")
    wait_acknowledged(gateway.gw_connect_device("Device A"))
    wait_acknowledged(gateway.gw_send_telemetry("Device A", telemetry[0]))
    wait_acknowledged(gateway.gw_send_telemetry("Device A", telemetry[1:]))
    wait_acknowledged(gateway.gw_send_telemetry("Device A", {"energy": float(VALUES[3])}))
    report_sent(f"{name}, gateway", "tb-gateway", sent)
    gateway.disconnect()
    gateway.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
