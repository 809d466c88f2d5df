"""Pages share one source, which follows the system only while there is a page; a slow page is dropped."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from api.live import hub as hub_module
from api.live import stream
from api.live.hub import MOST_PAGES, WAITING_TEXTS, Hub
from api.live.stream import EventStream

Tell = Callable[[dict[str, Any]], None]


class _Source:
    """A source that says what it is told to say."""

    made: "list[_Source]"

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def snapshot(self) -> dict[str, Any]:
        return {"all": True}


@pytest.fixture
def sources() -> list[_Source]:
    return []


@pytest.fixture
def hub(sources: list[_Source], monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.05)

    def make(tell: Tell) -> _Source:
        sources.append(_Source(tell))
        return sources[-1]

    return Hub(make)


def values(text: str | None) -> tuple[str, Any]:
    assert text is not None
    name, data, *rest = text.split("\n")
    assert rest == ["", ""]
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_page_gets_a_snapshot_then_what_is_new_and_pages_share_a_source(hub: Hub, sources: list[_Source]) -> None:
    async def run() -> None:
        async with hub.page() as first, hub.page() as second:
            assert len(sources) == 1
            threading.Thread(target=sources[0].tell, args=({"n": "two\nlines"},)).start()
            for page in (first, second):
                assert values(await page.get()) == ("snapshot", {"all": True})
                assert values(await asyncio.wait_for(page.get(), 5)) == ("second", {"n": "two\nlines"})
        assert hub.follows

    asyncio.run(run())


def test_following_stops_some_time_after_the_last_page_and_begins_again_with_the_next(
    hub: Hub, sources: list[_Source]
) -> None:
    async def run() -> None:
        assert not hub.follows
        async with hub.page():
            assert sources[0].running
        async with hub.page():
            assert len(sources) == 1
        await _until(lambda: not hub.follows and not sources[0].running)
        async with hub.page():
            assert len(sources) == 2
        await hub.close()
        assert not sources[1].running

    asyncio.run(run())


def test_a_page_that_takes_nothing_is_dropped_and_the_others_go_on(hub: Hub, sources: list[_Source]) -> None:
    async def run() -> None:
        async with hub.page() as slow, hub.page() as quick:
            await quick.get()
            for number in range(WAITING_TEXTS + 1):
                sources[0].tell({"n": number})
                assert values(await asyncio.wait_for(quick.get(), 5))[1] == {"n": number}
            assert await slow.get() is None
            assert slow.empty()

    asyncio.run(run())


def test_there_is_a_bound_on_open_pages(hub: Hub) -> None:
    async def run() -> None:
        opened = [hub.page() for _ in range(MOST_PAGES)]
        for page in opened[:-1]:
            await page.__aenter__()
        assert not hub.full
        await opened[-1].__aenter__()
        assert hub.full
        await opened[0].__aexit__(None, None, None)
        assert not hub.full

    asyncio.run(run())


class _Page:
    """A browser's end of a request."""

    def __init__(self, *, accepts: bool = True) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self._accepts = accepts

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not self._accepts:
            await asyncio.Event().wait()
        self.sent.append(message)

    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - some of it happens in threads
            await asyncio.sleep(0.01)


def test_the_stream_sends_heartbeats_and_ends_when_the_page_has_gone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.02)

    async def run() -> None:
        page = _Page()
        answer = asyncio.create_task(EventStream(hub)({"type": "http"}, page.receive, page.send))
        await _until(lambda: ": heartbeat\n\n" in page.text())
        assert page.text().startswith("retry: 2000\n\nevent: snapshot\n")
        headers = dict(page.sent[0]["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        page.gone.set()
        await asyncio.wait_for(answer, 5)
        await _until(lambda: not hub.follows)

    asyncio.run(run())


def test_a_stream_ends_when_the_api_does(hub: Hub) -> None:
    async def run() -> None:
        page = _Page()
        answer = asyncio.create_task(EventStream(hub)({"type": "http"}, page.receive, page.send))
        await _until(lambda: "snapshot" in page.text())
        hub.end_pages()
        await asyncio.wait_for(answer, 5)
        assert page.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        late = _Page()
        await asyncio.wait_for(EventStream(hub)({"type": "http"}, late.receive, late.send), 5)
        await hub.close()

    asyncio.run(run())


def test_a_page_that_accepts_no_byte_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_S", 0.05)

    async def run() -> None:
        page = _Page(accepts=False)
        await asyncio.wait_for(EventStream(hub)({"type": "http"}, page.receive, page.send), 5)
        assert not hub.full
        await hub.close()

    asyncio.run(run())
