"""What the API refuses before any route sees it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.guard import Guard, Rates
from api.problems import Problem
from api.settings import Settings

Start = Callable[..., TestClient]
PROBLEM = "application/problem+json"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8081", "localhost:8081", "[::1]:8081", "LOCALHOST"])
def test_names_of_this_machine_are_answered(open_api: Start, host: str) -> None:
    assert open_api().get("/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "localhost.example.org:8081", "", "a b"])
def test_a_foreign_name_that_leads_here_is_refused(open_api: Start, host: str) -> None:
    answer = open_api().get("/health/live", headers={"Host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (421, PROBLEM)
    assert "ALPES_API_URL" in answer.json()["detail"]


@pytest.mark.parametrize("origin", ["http://example.org", "null", "https://127.0.0.1:8081", "http://127.0.0.1:9"])
def test_a_foreign_page_is_refused(open_api: Start, origin: str) -> None:
    answer = open_api().post("/orders", json={}, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:alpes:problem:origin")


def test_a_page_of_the_api_itself_is_answered(open_api: Start) -> None:
    assert open_api().get("/health/live", headers={"Origin": "http://127.0.0.1:8081"}).status_code == 200


def test_a_client_gets_its_rate_and_no_more(open_api: Start) -> None:
    api = open_api(requests_per_second=3)
    codes = [api.get("/health/live").status_code for _ in range(5)]
    assert codes[:3] == [200, 200, 200]
    refused = api.get("/health/live")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


def test_a_bucket_fills_again_and_is_each_clients_own() -> None:
    now = [0.0]
    rates = Rates(2, lambda: now[0])
    assert [rates.allow("a") for _ in range(3)] == [True, True, False]
    assert rates.allow("b")
    now[0] = 0.5
    assert [rates.allow("a") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [rates.allow("a") for _ in range(3)] == [True, True, False]


def test_the_table_of_clients_is_bounded() -> None:
    rates = Rates(1, lambda: 0.0, most=2)
    assert [rates.allow(client) for client in "abac"] == [True, True, False, True]
    assert rates.allow("b"), "it asked least recently, so it was forgotten"


def test_an_error_of_the_framework_is_a_problem(open_api: Start) -> None:
    api = open_api()
    for answer, code in ((api.get("/nothing"), 404), (api.delete("/health/live"), 405)):
        assert (answer.status_code, answer.headers["content-type"]) == (code, PROBLEM)
        assert answer.json()["status"] == code
        assert "/docs" in answer.json()["detail"]
    assert api.delete("/health/live").headers["allow"] == "GET, HEAD"


def asked(app: Any, receive: Any, send: Any, **limits: float) -> None:
    """Send a request through a guard with these limits."""
    settings = Settings(service_url="", admin_url="", **limits)  # type: ignore[arg-type]
    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": [(b"host", b"localhost")]}
    asyncio.run(Guard(app, settings)(scope, receive, send))


async def never(*_: object) -> Any:
    await asyncio.Event().wait()


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    with pytest.raises(Problem, match=r"within 0\.05 s") as caught:
        asked(app, never, never, body_s=0.05)
    assert caught.value.status == 408


def test_a_body_that_does_not_come_ends_an_answer_that_has_begun_without_an_error() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert (await receive())["type"] == "http.disconnect"

    async def send(_message: Any) -> None:
        pass

    asked(app, never, send, body_s=0.05)


def test_a_client_that_does_not_read_a_stream_is_given_up() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"part", "more_body": True})

    with pytest.raises(TimeoutError):
        asked(app, never, never, part_s=0.05)


def test_only_so_many_requests_are_in_hand() -> None:
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def app(scope: Any, receive: Any, _send: Any) -> None:
        await guard(scope, receive, send)

    guard = Guard(app, Settings(service_url="", admin_url="", most_requests=1))
    scope = {"type": "http", "client": None, "headers": [(b"host", b"localhost")]}
    asyncio.run(guard(scope, never, send))
    assert answers[0]["status"] == 503
    assert b"did nothing" in answers[1]["body"]
