"""A report is read from one making of it, whatever else lies in the topic, and is given up only when it must be."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from api import reports
from api.backend import MOST_STREAMS
from api.reports import Unfinished, new_id, parts
from api.routes.reports import file_name
from connection.admin import Admin
from connection.client import Client
from schemas.tienda.topics import REPORTE_GENERADO
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
from tests.unit.connection.fake_pulsar import FakePulsar, sent

NOW_MS = 1_764_457_000_000
REPORT = new_id(NOW_MS)
LAST = 2


def part(making: int, number: int, *, of: str = REPORT, error: str = "") -> tuple[str, ReporteGenerado]:
    """Return a part whose content says what it is; the third is the last."""
    return of, ReporteGenerado(
        report_id=of,
        generated_at_ms=making,
        part=number,
        content=b"" if error else f"{making}{'abc'[number]}".encode(),
        last=number == LAST or bool(error),
        error=error,
    )


def topic(*lie: tuple[str, ReporteGenerado]) -> FakePulsar:
    """Return a Pulsar in which these parts lie."""
    messages = [sent(place, of, each.SerializeToString()) for place, (of, each) in enumerate(lie)]
    start = f"{REPORTE_GENERADO}-partition-0/messageid/{NOW_MS - reports.CLOCK_TOLERANCE_MS}"
    return FakePulsar({REPORTE_GENERADO: messages}, {start: {"ledgerId": 1, "entryId": 0}})


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "NEXT_PART_S", 0.01)


def fetched(pulsar: FakePulsar, wait_s: float = 0) -> list[ReporteGenerado]:
    return list(parts(cast("Client", pulsar), cast("Admin", pulsar), REPORT, wait_s, threading.Event()))


def read(*lie: tuple[str, ReporteGenerado]) -> bytes:
    return b"".join(each.content for each in fetched(topic(*lie)))


def test_a_report_is_read_from_its_first_part_to_its_last() -> None:
    assert read(part(1, 0), part(1, 1), part(1, 2)) == b"1a1b1c"


@pytest.mark.parametrize("again", [0, 1])
def test_parts_that_come_again_count_once(again: int) -> None:
    assert read(part(1, 0), part(1, 1), part(1, again), part(1, 2)) == b"1a1b1c"


def test_of_a_report_that_was_begun_twice_the_whole_making_is_read() -> None:
    assert read(part(1, 0), part(2, 0), part(2, 1), part(2, 2)) == b"2a2b2c"
    assert read(part(1, 0), part(2, 0), part(1, 1), part(1, 2), part(2, 1)) == b"1a1b1c"


def test_what_lies_in_the_topic_is_read_even_without_any_patience() -> None:
    other = new_id(NOW_MS)
    foreign = [part(9, number, of=other) for number in range(3)]
    assert read(*foreign, part(1, 0), *foreign, part(1, 1), *foreign, part(1, 2)) == b"1a1b1c"


def test_a_report_that_has_not_begun_is_none() -> None:
    assert read() == read(part(9, 0, of=new_id(NOW_MS))) == b""
    assert read(part(1, 1), part(1, 2)) == b"", "its beginning is missing"


def test_a_report_that_begins_while_it_is_waited_for_is_read() -> None:
    pulsar = topic(part(9, 0, of=new_id(NOW_MS)))

    def publish() -> None:
        (_, stored), place = next(iter(pulsar.lie.items())), 1
        for number in range(3):
            of, each = part(1, number)
            stored.append(sent(place + number, of, each.SerializeToString()))

    opened = pulsar.open_reader

    def open_reader(name: str, *start: Any) -> Any:
        if len(pulsar.opened) == 1:
            # The topic has been read to its end.
            publish()
        return opened(name, *start)

    pulsar.open_reader = open_reader  # type: ignore[method-assign,assignment]
    assert b"".join(each.content for each in fetched(pulsar, wait_s=5)) == b"1a1b1c"


def test_a_report_whose_rest_does_not_come_is_unfinished() -> None:
    with pytest.raises(Unfinished, match="after part 1 of more"):
        read(part(1, 0), part(1, 1))


def test_a_report_that_is_begun_anew_while_it_is_read_is_unfinished_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "NEXT_PART_S", 60.0)
    pulsar = topic(part(1, 0))
    following = parts(cast("Client", pulsar), cast("Admin", pulsar), REPORT, 0, threading.Event())
    # The first part is read by a reader that sees what comes until then.
    opened = pulsar.open_reader

    def open_reader(name: str, *start: Any) -> Any:
        if len(pulsar.opened) == 1:
            of, each = part(2, 0)
            next(iter(pulsar.lie.values())).append(sent(1, of, each.SerializeToString()))
        return opened(name, *start)

    pulsar.open_reader = open_reader  # type: ignore[method-assign,assignment]
    assert next(following).content == b"1a"
    began = time.monotonic()
    with pytest.raises(Unfinished, match="anew"):
        next(following)
    assert time.monotonic() - began < 30


def test_why_there_is_no_report_is_the_one_part_that_is_told() -> None:
    assert [each.error for each in fetched(topic(part(1, 0), part(1, 1), part(1, 1, error="too long")))] == ["too long"]
    assert [each.error for each in fetched(topic(part(1, 0), part(2, 0, error="no zone")))] == ["no zone"]
    assert read(part(1, 0, error="too long"), part(2, 0), part(2, 1), part(2, 2)) == b"2a2b2c"


def test_who_stops_reading_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "NEXT_PART_S", 60.0)
    stop = threading.Event()
    pulsar = topic(part(1, 0))
    following = parts(cast("Client", pulsar), cast("Admin", pulsar), REPORT, 0, stop)
    assert next(following).content == b"1a"
    stop.set()
    assert list(following) == []


@pytest.mark.parametrize(
    ("format_", "name"),
    [
        ("csv", "reporte.csv"),
        ("csv-excel", "reporte.csv"),
        ("markdown", "reporte.md"),
        ("parquet", "reporte.parquet"),
        ('"\r\n', "reporte"),
    ],
)
def test_a_report_is_kept_under_a_name_that_says_its_format(format_: str, name: str) -> None:
    assert file_name(ReporteGenerado(format=format_)) == name


def test_readers_that_wait_for_reports_hold_nothing_else_up(
    open_api: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, api = threading.Event(), open_api()
    api.app.state.backend.deployed.set()  # type: ignore[attr-defined]

    def waits(*_: Any) -> Iterator[ReporteGenerado]:
        go_on.wait(60)
        yield from ()

    monkeypatch.setattr(reports, "parts", waits)
    with ThreadPoolExecutor(MOST_STREAMS) as callers:
        waiting = [callers.submit(api.get, f"/reports/{REPORT}") for _ in range(MOST_STREAMS)]
        while not api.app.state.backend.streams.locked():  # type: ignore[attr-defined]
            time.sleep(0.01)
        assert api.get(f"/reports/{REPORT}").status_code == 503, "so many are the most"
        assert api.get("/health").status_code == 503
        assert api.get("/totals").status_code == 503
        assert not any(each.done() for each in waiting)
        go_on.set()
        assert {each.result().status_code for each in waiting} == {202}


def test_asking_for_the_head_of_a_report_leaves_no_reader_behind(
    open_api: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[threading.Event] = []

    def endless(*given: Any) -> Iterator[ReporteGenerado]:
        stops.append(given[-1])
        for number in range(1_000):
            if given[-1].wait(0.01):
                return
            yield ReporteGenerado(part=number, content=b"x", content_type="text/csv", format="csv")

    api = open_api()
    api.app.state.backend.deployed.set()  # type: ignore[attr-defined]
    monkeypatch.setattr(reports, "parts", endless)
    for _ in range(2 * MOST_STREAMS):
        head = api.head(f"/reports/{REPORT}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-disposition"] == 'attachment; filename="reporte.csv"'
    assert all(stop.is_set() for stop in stops)


def test_who_does_not_read_a_report_is_given_up_and_leaves_no_reader_behind(
    open_api: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    def endless(*_: Any) -> Iterator[ReporteGenerado]:
        try:
            for number in range(1_000):
                yield ReporteGenerado(part=number, content=b"x", content_type="text/csv", format="csv")
        finally:
            closed.append(True)

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message.get("more_body"):
            await never()

    api = open_api(part_s=0.02)
    app: Any = api.app
    app.state.backend.deployed.set()
    monkeypatch.setattr(reports, "parts", endless)
    request = {"type": "http", "method": "GET", "path": f"/reports/{REPORT}", "query_string": b"", "client": None}
    assert api.portal is not None
    for _ in range(2 * MOST_STREAMS):
        api.portal.call(app, {**request, "headers": [(b"host", b"localhost")]}, never, send)
    assert len(closed) == 2 * MOST_STREAMS
    assert not app.state.backend.streams.locked()
