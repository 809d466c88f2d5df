"""What the API says of an order before it asks Pulsar, and while Pulsar is away."""

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.bodies import parsed
from api.orders import model
from api.problems import Problem
from api.routes import orders
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.e2e.tienda import wait_until
from tests.unit.api.messages import message

Start = Callable[..., TestClient]
ORDEN: dict[str, Any] = {"client_id": 7, "address": "Calle 1", "total_cents": 100, "currency": "USD"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "a b"}, "id is 'a b'"),
        ({"id": ""}, "id is ''"),
        ({"id": ".."}, "no URL can name"),
        ({"client_id": 2**31}, "client_id"),
        ({"client_id": "7"}, "client_id"),
        ({"client_id": True}, "client_id"),
        ({"total_cents": -1}, "total_cents"),
        ({"total_cents": 1.5}, "total_cents"),
        ({"total_cents": 2**63}, "total_cents"),
        ({"total_cents": 10**400}, "total_cents"),
        ({"total_cents": None}, "total_cents"),
        ({"currency": "usd"}, "three capital letters"),
        ({"currency": "ZZZ"}, "doesn't have"),
        ({"address": ""}, "address must have"),
        ({"address": "x" * 1001}, "address must have"),
        ({"address": "\0"}, "address must have"),
        ({"direccion": {"pais": "Colombia"}}, "direccion.pais"),
        ({"direccion": {"street": "x"}}, "direccion.street"),
        ({"created_at_ms": 1_764_457_000}, "looks like seconds"),
        ({"created_at_ms": 10**300}, "created_at_ms"),
        ({"created_at_ms": 0}, "created_at_ms"),
        ({"status": "aprobada"}, "status"),
    ],
)
def test_a_bad_order_is_refused_with_the_field_that_is_wrong(
    open_api: Start, change: dict[str, Any], said: str
) -> None:
    answer = open_api().post("/orders", json=ORDEN | change)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert answer.json()["errors"]


@pytest.mark.parametrize("path", ["/orders", "/reports"])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 50_000, b'{"id": "\\ud800"}'])
def test_a_body_that_is_no_json_is_refused(open_api: Start, path: str, body: bytes) -> None:
    answer = open_api().post(path, content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:alpes:problem:json")


@pytest.mark.parametrize("path", ["/orders", "/reports"])
@pytest.mark.parametrize("body", ["[]", "null", '"x"', "1"])
def test_a_body_that_is_no_object_is_refused(open_api: Start, path: str, body: str) -> None:
    assert open_api().post(path, content=body).status_code == 422


@pytest.mark.parametrize("path", ["/orders", "/reports"])
def test_a_body_that_is_too_large_is_refused(open_api: Start, path: str) -> None:
    api = open_api()
    assert api.post(path, content=b" " * 70_000).status_code == 413

    def pieces() -> Any:
        for _ in range(70):
            yield b" " * 1000

    assert api.post(path, content=pieces()).status_code == 413


@pytest.mark.parametrize("key", ["", " ", "a b", "ñ".encode(), "x" * 256])
def test_a_bad_key_is_refused(open_api: Start, key: Any) -> None:
    answer = open_api().post("/orders", json=ORDEN, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:alpes:problem:key")


def test_a_key_and_an_id_are_one_too_many(open_api: Start) -> None:
    answer = open_api().post("/orders", json=ORDEN | {"id": "a"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:alpes:problem:two-keys")


def test_while_pulsar_is_away_an_order_is_not_taken_and_the_caller_knows_when_to_come_again(open_api: Start) -> None:
    answer = open_api().post("/orders", json=ORDEN)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:alpes:problem:not-taken")
    assert answer.headers["retry-after"] == "1"


def test_a_key_stands_for_the_same_id_for_ever() -> None:
    sent = parsed(model.OrdenEnviada, json.dumps(ORDEN).encode())
    assert model.order_id(sent, "8e03978e-40d5-43dd-bc93-6894a57f9324") == "4137cf1f-411b-5c59-972d-717a0b7363dd"
    for key in ("k", "8e03978e-40d5-43dd-bc93-6894a57f9324", "~" * 255):
        assert model.order_id(sent, key) == str(uuid.uuid5(model.KEYS, key))
    assert model.order_id(sent, '"k"') == model.order_id(sent, "k")
    assert model.order_id(sent, None) != model.order_id(sent, None)


def test_what_ordenes_compares_makes_the_content() -> None:
    def content(**change: Any) -> int:
        sent = parsed(model.OrdenEnviada, json.dumps(ORDEN | change).encode())
        return model.content(model.command(sent, "a", "", 1_764_457_000_000))

    assert content() == content(created_at_ms=1_764_457_999_000)
    assert content(address="", direccion={"calle": "Calle 1"}) == content()
    for change in ({"client_id": 8}, {"address": "Calle 2"}, {"total_cents": 101}, {"currency": "COP"}):
        assert content(**change) != content()
    # Python's hash of a number is the same for each of these pairs.
    assert content(client_id=-1) != content(client_id=-2)
    assert content(total_cents=0) != content(total_cents=2**61 - 1)


def test_a_valid_order_becomes_a_command_that_ordenes_accepts() -> None:
    sent = parsed(model.OrdenEnviada, json.dumps(ORDEN | {"direccion": {"calle": "Calle 1", "pais": "CO"}}).encode())
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    command = model.command(sent, "a", trace, 1_764_457_000_000)
    assert (command.id, command.created_at_ms, command.traceparent) == ("a", 1_764_457_000_000, trace)
    assert command.direccion.pais == "CO"
    found = model.content_of_command(command.SerializeToString(), 1)
    assert found == ("a", model.content(command))


def test_a_broken_trace_is_left_out() -> None:
    sent = parsed(model.OrdenEnviada, json.dumps(ORDEN).encode())
    assert not model.command(sent, "a", "nonsense", 1_764_457_000_000).traceparent


def test_a_problem_carries_its_members() -> None:
    with pytest.raises(Problem) as caught:
        parsed(model.OrdenEnviada, b'{"client_id": 1}')
    assert caught.value.members["errors"][0]["where"] == "total_cents"


def test_a_currency_that_ordenes_takes_besides_is_taken() -> None:
    sent = parsed(model.OrdenEnviada, json.dumps(ORDEN | {"currency": "PTS"}).encode())
    assert model.command(sent, "a", "", 1_764_457_000_000, {"PTS"}).currency == "PTS"
    with pytest.raises(Problem, match="doesn't have"):
        model.command(sent, "a", "", 1_764_457_000_000)


def known(api: TestClient, order_id: str) -> Any:
    """Make the API know an order that the broker has, while Pulsar is away; return what it holds open."""
    backend = api.app.state.backend  # type: ignore[attr-defined]
    backend.deployed.set()
    backend.commands.remember(order_id, 1)
    return backend


def test_an_order_that_was_taken_is_told_although_the_state_store_is_away(open_api: Start) -> None:
    api = open_api()
    known(api, "a")
    told = api.get("/orders/a", params={"wait": 1})
    assert (told.status_code, told.json()) == (200, {"id": "a", "status": "recibida"})
    unknown = api.get("/orders/b")
    assert (unknown.status_code, unknown.json()["type"]) == (503, "urn:alpes:problem:state")


def test_an_end_that_the_topics_tell_is_told_although_the_state_store_is_away(open_api: Start) -> None:
    api = open_api()
    backend = known(api, "a")
    event = OrdenActualizada(id="a", version=2, status="aprobada", updated_at_ms=2, **ORDEN)
    soon = threading.Timer(1, backend.outcomes.take, ("orden-actualizada", message(event.SerializeToString()), 0))
    soon.start()
    told = api.get("/orders/a", params={"wait": 60})
    assert (told.status_code, told.json()["status"]) == (200, "aprobada")


@pytest.mark.parametrize(
    ("stored", "again_s", "wait_s"),
    [(["creada", "aprobada"], 0.05, 60), (["", "creada"], 60.0, 1)],
    ids=["its end, meanwhile", "at the end of the wait"],
)
def test_what_only_the_state_store_knows_is_told_to_who_waits(
    open_api: Start, monkeypatch: pytest.MonkeyPatch, stored: list[str], again_s: float, wait_s: int
) -> None:
    found = iter(stored)
    monkeypatch.setattr(orders, "STORED_AGAIN_S", again_s)
    monkeypatch.setattr(orders, "order_status", lambda *_: next(found))
    api = open_api()
    known(api, "b")
    told = api.get("/orders/a", params={"wait": wait_s})
    assert (told.status_code, told.json()) == (200, {"id": "a", "status": stored[-1]})


def given_up(backend: Any) -> None:
    """Make the API remember that Pagos gave up order a, and then miss what came."""
    backend.outcomes.take("orden-creada-DLQ", message(b"", error_type="bug", error_message="Pagos failed"), 0)
    wait_until(lambda: backend.outcomes.find("a") is not None, 10, "the letter is remembered")
    backend.outcomes.miss()


@pytest.mark.parametrize(("stored", "status"), [("aprobada", 200), ("creada", 409)])
def test_an_order_that_was_given_up_and_replayed_unseen_is_told_as_it_is(
    open_api: Start, monkeypatch: pytest.MonkeyPatch, stored: str, status: int
) -> None:
    monkeypatch.setattr(orders, "order_status", lambda *_: stored)
    api = open_api()
    given_up(known(api, "b"))
    told = api.get("/orders/a")
    assert (told.status_code, told.json()["status"]) == (status, stored if status == 200 else 409)


def test_a_command_is_sent_again_whose_order_may_have_been_replayed_unseen(
    open_api: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def publish(_backend: Any, command: Any, _content: int) -> None:
        sent.append(command.id)

    monkeypatch.setattr(orders, "_publish", publish)
    api = open_api()
    backend = known(api, "b")
    given_up(backend)
    assert api.post("/orders", json=ORDEN | {"id": "a"}).status_code == 202
    assert sent == ["a"]
