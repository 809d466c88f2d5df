"""What the admin API's answers mean, from a server that gives them."""

import pytest

from connection.admin import Admin
from connection.errors import SecurityError, UnreachableError
from operations.errors import NotDeployedError, StateUnavailableError, UnknownOrderError
from operations.state import order_status
from schemas.tienda.topics import NAMESPACE
from tests.unit.connection.admin_server import answering


def test_the_status_is_asked_of_the_function_ordenes() -> None:
    with answering((200, {"key": "a.1", "stringValue": "aprobada", "version": 3})) as (client, asked):
        assert order_status(Admin(client.url + "/"), "a.1") == "aprobada"
        assert asked == [f"/admin/v3/functions/{NAMESPACE}/ordenes/state/a.1"]


def test_a_proxy_leads_out_and_not_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering((200, {"stringValue": "aprobada"})) as (client, _):
        assert order_status(client, "a") == "aprobada"


@pytest.mark.parametrize(
    ("code", "reason", "kind", "said"),
    [
        (404, "key 'a' doesn't exist.", UnknownOrderError, r"no order a\. .*ask again"),
        (404, "'ordenes' is not found", NotDeployedError, r"deploy\.sh deploy"),
        (503, "State storage client is not done initializing", StateUnavailableError, "not done initializing"),
        (401, "who are you", SecurityError, "who are you"),
    ],
)
def test_each_refusal_says_what_it_means(code: int, reason: str, kind: type[Exception], said: str) -> None:
    with answering((code, {"reason": reason})) as (client, _), pytest.raises(kind, match=said):
        order_status(client, "a")


@pytest.mark.parametrize("body", [b"<html>", {"key": "a"}, [1]])
def test_another_server_is_told_from_pulsar(body: object) -> None:
    with answering((200, body)) as (client, _), pytest.raises(UnreachableError, match="does not answer as Pulsar"):
        order_status(client, "a")


def test_no_admin_api_is_told_with_the_address() -> None:
    with pytest.raises(UnreachableError, match=r"No Pulsar admin API at http://127\.0\.0\.1:1 \(Connection refused\)"):
        order_status(Admin("http://127.0.0.1:1"), "a")
