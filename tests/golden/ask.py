"""Queries intensity and progress with only server reflection: no .proto file, no generated code.

    python -m venv v && v/bin/pip install grpcio grpcio-reflection protobuf
    v/bin/python tests/golden/ask.py 127.0.0.1:50051 parks/demo 2025
"""

import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


class ReflectionClient:
    """Calls the methods of a service as its reflection describes them."""

    def __init__(self, address: str, service: str = "park.query.v1.Indicators"):
        self.channel = grpc.insecure_channel(address)
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        self.service = pool.FindServiceByName(service)

    def call(self, method: str, **fields):
        return self._ask(self.channel.unary_unary, method, fields)

    def stream(self, method: str, **fields):
        """Calls a method that answers with a stream, and returns its messages."""
        return self._ask(self.channel.unary_stream, method, fields)

    def _ask(self, kind, method: str, fields: dict):
        described = self.service.FindMethodByName(method)
        request = GetMessageClass(described.input_type)(**fields)
        ask = kind(
            f"/{self.service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        return ask(request, timeout=30)


def main() -> int:
    address, name, year = sys.argv[1], sys.argv[2], int(sys.argv[3])
    call = ReflectionClient(address).call
    figure = call("GetEnergyIntensity", name=name, period={"year": year})
    print(f"{figure.name} {year}: {figure.value} {figure.unit}")
    print(f"  {figure.numerator.value} tce over {figure.denominator.value} 10k-yuan")
    progress = call("GetProgress", name=name, plan="chongqing-parks-14fyp")
    for target in progress.targets:
        change = target.change_percent or target.current.value
        print(f"  {target.target.indicator}: {change} %, progress {target.progress_percent or '-'} %")
    return 0 if figure.value and len(progress.targets) == 3 else 1


if __name__ == "__main__":
    sys.exit(main())
