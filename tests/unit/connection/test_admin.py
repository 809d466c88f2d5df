"""A broker that is busy with a topic is asked again; what it refuses for good is said with its reason."""

import socket
import threading
from collections.abc import Iterator

import pytest

from connection import admin
from connection.admin import Admin
from connection.errors import UnreachableError
from terminal.errors import CommandError
from tests.unit.connection.admin_server import answering


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "AGAIN_AFTER_SECONDS", (0.0, 0.0))


@pytest.fixture
def other_service() -> Iterator[str]:
    """An address where something answers that is no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail ready\r\n")
                connection.recv(10_000)

        thread = threading.Thread(target=greet)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_server_error_is_asked_again() -> None:
    with answering((500, {"reason": "Topic policies cache have not init."}), (503, ""), (200, {"a": 1})) as (
        client,
        asked,
    ):
        assert client.get("/p") == {"a": 1}
        assert asked == ["/p"] * 3


def test_a_server_error_that_stays_is_told_with_pulsars_reason() -> None:
    with answering((500, {"reason": "Topic policies\ncache have not init."})) as (client, asked):
        with pytest.raises(CommandError, match=r"refused /p: HTTP 500, Topic policies cache have not init\.$"):
            client.find("/p")
        assert len(asked) == 3


@pytest.mark.parametrize("body", ["", "no object", {}, {"reason": ""}])
def test_a_refusal_is_final_and_may_have_no_reason(body: object) -> None:
    with answering((403, body)) as (client, asked):
        with pytest.raises(CommandError, match=r"refused /p: HTTP 403\.$"):
            client.find("/p")
        assert asked == ["/p"]


def test_what_is_not_there_is_nothing_and_no_error() -> None:
    with answering((404, {"reason": "Topic not found"})) as (client, asked):
        assert client.find("/p") is None
        assert asked == ["/p"]


def test_a_port_that_speaks_something_else_is_told_in_one_line(other_service: str) -> None:
    with pytest.raises(UnreachableError, match=r"does not answer as Pulsar's admin API\. Start it") as told:
        Admin(other_service).find("/p")
    assert other_service in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "127.0.0.1:8080",
        "pulsar://127.0.0.1:6650",
        "http://",
        "http://127.0.0.1:80x",
        "http://127.0.0.1:99999",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_told_as_such(url: str) -> None:
    with pytest.raises(UnreachableError, match="is no address of Pulsar's admin API"):
        Admin(url)
