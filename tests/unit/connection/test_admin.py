"""A broker that is busy with a topic is asked again; a final refusal is shown with its reason."""

import socket
import threading
from collections.abc import Iterator

import pytest

from connection.admin import Admin
from connection.errors import (
    AdminUnreachableError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    SecurityError,
    UnreachableError,
)
from tests.unit.connection.admin_server import HOST, answering


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


def test_a_redirection_is_followed_with_the_same_request_and_the_new_host() -> None:
    with answering((200, HOST)) as (leader, asked), answering((307, leader.url)) as (client, _):
        assert client.request("PUT", "/p", {"a": 1}) == leader.url.removeprefix("http://")
        assert asked == ["PUT /p"]


def test_a_server_error_that_stays_is_told_with_pulsars_reason() -> None:
    with answering((500, {"reason": "Topic policies\ncache have not init."})) as (client, asked):
        with pytest.raises(RefusedError, match=r"refused /p: HTTP 500, Topic policies cache have not init\.$"):
            client.find("/p")
        assert len(asked) == 3


@pytest.mark.parametrize("body", ["", "no object", {}, {"reason": ""}])
def test_a_refusal_is_final_and_may_have_no_reason(body: object) -> None:
    with answering((412, body)) as (client, asked):
        with pytest.raises(RefusedError, match=r"refused /p: HTTP 412\.$"):
            client.find("/p")
        assert asked == ["/p"]


@pytest.mark.parametrize(
    ("code", "body", "kind", "said"),
    [
        (401, {"message": "Authentication required"}, SecurityError, r"doesn't accept who we are\.$"),
        (401, {"reason": "not you"}, ForbiddenError, r"^This process may not GET /p at http://[^ ]+ \(not you\)\.$"),
        (403, {"reason": "not you"}, ForbiddenError, r"^This process may not GET /p at http://[^ ]+ \(not you\)\.$"),
    ],
)
def test_a_refusal_that_is_about_who_we_are_is_told_as_such(
    code: int, body: dict[str, str], kind: type[Exception], said: str
) -> None:
    with answering((code, body)) as (client, _), pytest.raises(kind, match=said):
        client.find("/p")


def test_what_is_not_there_is_nothing_and_no_error() -> None:
    with answering((404, {"reason": "Topic not found"})) as (client, asked):
        assert client.find("/p") is None
        assert asked == ["/p"]


def test_what_must_be_there_and_is_not_is_an_error_of_its_own() -> None:
    with (
        answering((404, {"reason": "Topic not found"})) as (client, _),
        pytest.raises(NotFoundError, match=r"no /p\.$"),
    ):
        client.get("/p")


def test_an_answer_of_nothing_is_none() -> None:
    with answering((204, b"")) as (client, _):
        assert client.find("/p") is None


def test_a_change_is_never_asked_for_twice() -> None:
    with answering((500, {"reason": "busy"})) as (client, asked):
        for change in (client.put, client.post, client.create):
            with pytest.raises(RefusedError, match=r"refused (PUT|POST) /p: HTTP 500, busy\.$"):
                change("/p", {"a": 1})
        with pytest.raises(RefusedError, match=r"refused DELETE /p: HTTP 500, busy\.$"):
            client.delete("/p")
        assert asked == ["PUT /p", "POST /p", "PUT /p", "DELETE /p"]


def test_what_is_there_already_need_not_be_created_and_what_is_not_there_need_not_be_deleted() -> None:
    with answering((409, {"reason": "exists"}), (204, b""), (404, {"reason": "none"}), (204, b"")) as (client, _):
        assert not client.create("/p", {})
        assert client.create("/p", {})
        assert not client.delete("/p")
        assert client.delete("/p")


def test_an_answer_need_not_be_json_where_text_is_asked_for() -> None:
    with answering((200, b"4.0.8")) as (client, _):
        assert client.text("/admin/v2/brokers/version") == "4.0.8"


def test_a_port_that_speaks_something_else_is_told_in_one_line(other_service: str) -> None:
    with pytest.raises(AdminUnreachableError, match=r"does not answer as Pulsar's admin API\.$") as told:
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
