"""The HTTP API as its callers see it, with the whole system behind it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from local_stack.settings import from_environment
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.e2e.serving import Api, served
from tests.e2e.tienda import ROOT, Tienda, stopped, wait_until
from tests.lanes import PATIENCE

ORDEN: dict[str, Any] = {"client_id": 7, "address": "Calle 93 # 13-24, Bogotá", "total_cents": 1250, "currency": "COP"}


@pytest.fixture(scope="module")
def api(stack: Tienda) -> Iterator[Api]:
    """The API that `./deploy.sh up` started."""
    url = from_environment(stack.environment).api_url
    with httpx.Client(base_url=url, timeout=60 * PATIENCE) as http:
        yield Api(http, url)


@pytest.mark.core
def test_an_order_is_taken_followed_and_told_again_with_the_same_answer(stack: Tienda, api: Api) -> None:
    key = f"api-{uuid.uuid4()}"
    taken = api.post(ORDEN, Idempotency_Key=key)
    assert (taken.status_code, taken.headers["location"]) == (202, f"/orders/{taken.json()['id']}")
    read = api.http.get(taken.headers["location"])
    assert (read.status_code, read.json()["id"]) == (200, taken.json()["id"]), "a write is read at once"
    ended = api.http.get(taken.headers["location"], params={"wait": 60}).json()
    assert ended["status"] in {"aprobada", "rechazada"}
    assert {name: ended[name] for name in ORDEN} == ORDEN

    again = api.post(ORDEN, Idempotency_Key=key)
    assert (again.status_code, again.content, again.headers["location"]) == (
        202,
        taken.content,
        taken.headers["location"],
    )
    other = api.post(ORDEN | {"total_cents": 1}, Idempotency_Key=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:alpes:problem:other-content")

    waited = api.post(ORDEN, Idempotency_Key=key, Prefer="wait=30")
    assert (waited.status_code, waited.json(), waited.headers["preference-applied"]) == (200, ended, "wait=30")
    assert len(stack.rows("ordenes", "SELECT 1 FROM ordenes WHERE id = %s", ended["id"])) == 1


@pytest.mark.core
def test_a_key_means_the_same_order_after_a_restart_and_to_another_api(stack: Tienda, api: Api) -> None:
    key = f"api-{uuid.uuid4()}"
    first = api.post(ORDEN, Idempotency_Key=key, Prefer="wait=60")
    assert first.status_code == 200
    with served(stack.service_url, stack.admin_url) as other:
        answers = other.post(ORDEN, Idempotency_Key=key), other.post(ORDEN | {"client_id": 8}, Idempotency_Key=key)
        assert [answer.status_code for answer in answers] == [202, 422]
        assert answers[0].json()["id"] == first.json()["id"]
        waited = other.post(ORDEN, Idempotency_Key=key, Prefer="wait=60")
        assert (waited.status_code, waited.json()) == (200, first.json()), "it saw the order's end nowhere yet"


def test_a_conflict_that_only_ordenes_knows_reaches_who_waits(stack: Tienda) -> None:
    order_id = f"api-{uuid.uuid4()}"
    with served(stack.service_url, stack.admin_url) as api:
        # Sent past this API, so that it can't know it.
        now_ms = time.time_ns() // 1_000_000
        order = CrearOrden(id=order_id, created_at_ms=now_ms, **ORDEN)
        stack.publish("crear-orden", [(order_id, order.SerializeToString())])
        stack.wait_ended(order_id, 1, 60)
        refused = api.post(ORDEN | {"id": order_id, "client_id": 8}, Prefer="wait=60")
        assert refused.status_code == 422
        assert "client_id" in refused.json()["detail"] or "other content" in refused.json()["detail"]
        same = api.post(ORDEN | {"id": order_id}, Prefer="wait=60")
        assert (same.status_code, same.json()["client_id"]) == (200, 7)


def test_a_request_that_is_in_hand_is_not_begun_twice(api: Api) -> None:
    async def both() -> list[int]:
        async with httpx.AsyncClient(base_url=api.url, timeout=60) as http:
            headers = {"Idempotency-Key": f"api-{uuid.uuid4()}"}
            answers = [http.post("/orders", json=ORDEN, headers=headers) for _ in range(8)]
            return sorted(answer.status_code for answer in await asyncio.gather(*answers))

    codes = asyncio.run(both())
    assert codes.count(202) >= 1
    assert set(codes) <= {202, 409}


@pytest.mark.core
def test_the_trace_the_totals_a_report_and_the_health_are_told(stack: Tienda, api: Api) -> None:
    order = api.post(ORDEN, Prefer="wait=60").json()
    trace = api.http.get(f"/orders/{order['id']}/trace").json()
    assert trace["looked_at"]["whole"]
    places = [hop["place"] for hop in trace["hops"]]
    assert places[:1] == ["crear-orden"]
    assert {"orden-creada", "transaccion-creada", "orden-actualizada"} <= set(places)

    totals = api.http.get("/totals", params={"currency": ["COP", "USD"]}).json()
    assert set(totals["orders"]) == {"aprobada", "rechazada", "expirada", "reembolsada"}
    assert set(totals["total_cents"]) == {"COP", "USD"}

    asked = api.http.post("/reports", json={"format": "csv", "tz": "America/Bogota"})
    assert asked.status_code == 202
    wait_until(lambda: stack.ended(order["id"]) == 1, 60, "Reporting has the order")
    report = api.http.get(api.http.post("/reports", json={}).headers["location"], params={"wait": 60})
    assert (report.status_code, report.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    assert order["id"] in report.text
    refused = api.http.get(
        api.http.post("/reports", json={"format": "papyrus"}).headers["location"], params={"wait": 60}
    )
    assert refused.status_code == 422
    assert "papyrus" in refused.json()["detail"]

    assert api.http.get("/health/ready").json()["ready"]
    assert "POST /orders" in re.sub(r"<[^>]+>", "", api.http.get("/docs").text)


def test_health_says_which_function_is_away(stack: Tienda, api: Api) -> None:
    with stopped(stack, "reporting"):
        answer = api.http.get("/health/ready")
        assert answer.status_code == 503
        assert "0 of 1" in answer.json()["parts"]["function reporting"]
        assert api.http.get("/health/live").status_code == 200


async def orders_until_the_api_ends(api: Api, number: signal.Signals) -> list[str]:
    """Post orders over 16 connections, signal the API after 100 of them; return the ids that were answered with 202."""
    taken: list[str] = []

    async def pour() -> None:
        async with httpx.AsyncClient(base_url=api.url, timeout=60) as http:
            while True:
                order_id = f"poured-{uuid.uuid4()}"
                with contextlib.suppress(httpx.TransportError):
                    answer = await http.post("/orders", json=ORDEN | {"id": order_id})
                    if answer.status_code == 202:
                        taken.append(order_id)
                        if len(taken) == 100 and api.process is not None:
                            api.process.send_signal(number)
                    continue
                return

    async with asyncio.timeout(120):
        await asyncio.gather(*(pour() for _ in range(16)))
    return taken


@pytest.mark.core
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_order_that_was_taken_is_lost_when_the_api_ends_under_load(stack: Tienda, number: signal.Signals) -> None:
    with served(stack.service_url, stack.admin_url) as api:
        taken = asyncio.run(orders_until_the_api_ends(api, number))
        assert api.process is not None
        assert api.process.wait(40) == (0 if number == signal.SIGTERM else -number)
    query = "SELECT count(*) FROM ordenes WHERE id = ANY(%s)"
    wait_until(lambda: stack.rows("reporting", query, taken) == [(len(taken),)], 120, "every order has ended")


def test_a_token_is_asked_for_where_there_are_tokens(stack: Tienda, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("a-token-of-this-test\n")
    with served(stack.service_url, stack.admin_url, "--token-file", str(file)) as api:
        assert api.http.get("/health/live").status_code == 200
        refused = api.post(ORDEN)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert api.post(ORDEN, Authorization="Bearer wrong").status_code == 401
        assert api.post(ORDEN, Authorization="Bearer a-token-of-this-test").status_code == 202


def test_the_examples_of_the_document_run_as_they_stand(api: Api) -> None:
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```\n(?:\n```json\n(.*?)```)?", text, re.DOTALL)
    assert blocks
    environment = os.environ | {"ALPES_API_URL": api.url}
    for script, shown in blocks:
        if "curl" not in script:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, script + done.stderr
        if shown:
            assert json.loads(shown).keys() == json.loads(done.stdout.strip().splitlines()[-1]).keys(), script
