"""What an instance listens on: at one address, if the worker's environment names it."""

from types import SimpleNamespace
from typing import Any

from alpes_runtime._listening import listen_at_one_address


def modules() -> dict[str, Any]:
    """Return Pulsar's modules, with what they listen on noted."""
    heard: list[str] = []
    listening = SimpleNamespace(add_insecure_port=heard.append)
    return {
        "heard": heard,
        "server": SimpleNamespace(grpc=Grpc(lambda _pool: listening)),
        "prometheus_client_fix": SimpleNamespace(
            start_http_server=lambda port, addr="": heard.append(f"{addr}:{port} metrics")
        ),
    }


class Grpc:
    """The module grpc."""

    def __init__(self, server: Any) -> None:
        self.server = server


def serve(found: dict[str, Any]) -> list[str]:
    """Do what the instance does once its function is there."""
    found["server"].grpc.server(None).add_insecure_port("[::]:4711")
    found["prometheus_client_fix"].start_http_server(4712)
    heard: list[str] = found["heard"]
    return heard


def test_it_listens_at_the_address_that_is_named() -> None:
    found = modules()
    for _ in range(3):
        listen_at_one_address({"ALPES_INSTANCE_ADDRESS": "127.0.0.1"}, found)
    assert serve(found) == ["127.0.0.1:4711", "127.0.0.1:4712 metrics"]


def test_without_a_name_it_listens_as_pulsar_does() -> None:
    found = modules()
    listen_at_one_address({}, found)
    assert serve(found) == ["[::]:4711", ":4712 metrics"]


def test_another_pulsar_without_these_modules_is_left_alone() -> None:
    listen_at_one_address({"ALPES_INSTANCE_ADDRESS": "127.0.0.1"}, {})
