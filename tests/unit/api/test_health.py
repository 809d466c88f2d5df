"""However many ask how Pulsar is, it is asked once, and nobody else waits for that."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from api.routes import health
from connection.admin import Admin

MANY = 20


def test_all_who_ask_at_once_share_one_look(
    open_api: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, go_on = [0], threading.Event()

    def look(_admin: Admin) -> dict[str, str]:
        looks[0] += 1
        assert go_on.wait(60)
        return {"broker": f"look {looks[0]}"}

    monkeypatch.setattr(health, "_look", look)
    api = open_api()
    with ThreadPoolExecutor(MANY) as callers:
        asked = [callers.submit(api.get, "/health/ready") for _ in range(MANY)]
        assert api.get("/health/live").status_code == 200
        assert not any(each.done() for each in asked)
        go_on.set()
        answers = {each.result().json()["parts"]["broker"] for each in asked}
    assert len(answers) < MANY / 2, answers
    assert looks[0] < MANY / 2
