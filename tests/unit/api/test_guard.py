"""What the API refuses before any route sees it."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from api.guard import Rates

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
