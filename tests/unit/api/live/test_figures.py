"""Pulsar's own figures, read into what the page shows; what isn't known says why."""

from typing import Any, cast

import pytest

from api.live import figures as figures_module
from api.live.figures import Figures
from connection.admin import Admin
from connection.errors import AdminUnreachableError, RefusedError

FUNCTIONS = "/admin/v3/functions/alpes/tienda"
CONFIG = {"subName": "ordenes", "inputSpecs": {"persistent://alpes/tienda/crear-orden": {}}}
STATUS = {
    "numInstances": 1,
    "numRunning": 1,
    "instances": [{"instanceId": 0, "status": {"running": True, "numRestarts": 3}}],
}


class _Pulsar:
    """An admin API with these answers by path; an exception is raised."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            FUNCTIONS: ["ordenes"],
            f"{FUNCTIONS}/ordenes": CONFIG,
            f"{FUNCTIONS}/ordenes/status": STATUS,
            f"{FUNCTIONS}/ordenes/stats": {"instances": []},
        }
        self.stats: dict[str, Any] = {}

    def find(self, path: str) -> Any:
        found = self.stats if "partitioned-stats" in path else self.answers.get(path)
        if isinstance(found, Exception):
            raise found
        return found

    get = find

    def ask(self, path: str) -> Any:
        found = self.find(path)
        if found is None:
            raise RefusedError("no such key", 404, "no such key")
        return {"stringValue": found}


@pytest.fixture
def pulsar() -> _Pulsar:
    return _Pulsar()


@pytest.fixture
def figures(pulsar: _Pulsar) -> Figures:
    return Figures(cast("Admin", pulsar))


def test_what_was_sent_is_the_brokers_count_and_unknown_until_there_are_two(
    pulsar: _Pulsar, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    found = []
    for seconds, count in ((0, 1000), (2, 3000), (1, 3000), (1, 10), (1, 20)):
        now[0] += seconds
        pulsar.stats = {"msgInCounter": count}
        found.append(figures.sent_per_s())
    # After the third, the broker was restarted, and counts from zero.
    assert found == [None, 1000.0, 0.0, None, 10.0]


@pytest.mark.parametrize(
    ("backlog", "consumers", "batches", "messages"),
    [
        (0, [], 0, 0),
        (4, [{"avgMessagesPerEntry": 100}, {"avgMessagesPerEntry": 50}], 4, 300),
        (4, [{"avgMessagesPerEntry": 0}], 4, None),
        (4, [], 4, None),
    ],
    ids=["empty", "by the consumers' average", "nothing delivered yet", "no consumer"],
)
def test_messages_that_wait_are_batches_times_what_they_hold(
    pulsar: _Pulsar, figures: Figures, backlog: int, consumers: list[Any], batches: int, messages: int | None
) -> None:
    pulsar.stats = {"subscriptions": {"ordenes": {"msgBacklog": backlog, "consumers": consumers}}}
    (function,) = figures.functions()
    assert (function.as_json()["restarts"], function.as_json()["running"]) == (3, 1)
    assert function.as_json()["inputs"] == [
        {"topic": "crear-orden", "batches": batches, "messages": messages, "not_due": 0}
    ]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "it was deleted just now"),
        (AdminUnreachableError("No Pulsar admin API at x."), "No Pulsar admin API at x."),
        ({"inputSpecs": 7}, "Pulsar's answer about it is not as expected"),
    ],
)
def test_a_function_of_which_nothing_is_known_says_why(
    pulsar: _Pulsar, figures: Figures, answer: Any, problem: str
) -> None:
    pulsar.answers[f"{FUNCTIONS}/ordenes"] = answer
    (function,) = figures.functions()
    assert function.as_json()["problem"] == problem
    assert (function.as_json()["running"], function.as_json()["restarts"]) == (None, None)


def test_totals_are_the_state_stores_with_decimals_and_what_it_lacks_is_unknown(
    pulsar: _Pulsar, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures_module, "TOTALS_EVERY_S", 0.0)
    state = f"{FUNCTIONS}/reporting/state"
    pulsar.answers |= {f"{state}/total%3Aaprobada": "12", f"{state}/total_cents%3Aaprobada%3AJPY": "500"}
    found = figures.totals(["JPY", "USD"])
    assert found["orders"] == {"aprobada": 12, "rechazada": None, "expirada": None, "reembolsada": None}
    assert found["amounts"] == {"aprobada:JPY": "500 JPY"}
    # Nothing came lately: the store names the currencies that have orders.
    pulsar.answers |= {f"{state}/currencies": "COP JPY", f"{state}/total_cents%3Arechazada%3ACOP": "700"}
    found = figures.totals([])
    assert found["amounts"] == {"rechazada:COP": "7.00 COP", "aprobada:JPY": "500 JPY"}
    assert found["unread"] == []
    pulsar.answers[f"{state}/currencies"] = "A B C D E F G H I JPY K L"
    assert figures.totals(["L"])["unread"] == ["JPY", "K"]
    pulsar.answers[f"{state}/total%3Aaprobada"] = RefusedError("refused: HTTP 500.", 500, "")
    assert figures.totals([])["problem"] == "refused: HTTP 500."
