"""Looks at the live page while a run goes on: reads its events, or opens it in a browser."""

import json
import shutil
import threading
import time
import urllib.request
from typing import Any, NamedTuple

from bench.child import Link
from bench.errors import BenchError, NotReachableError

OPEN_S = 60.0
"""Longest wait until the page shows something."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Watched(NamedTuple):
    """What an open page got.

    Attributes
    ----------
    seconds
        How many seconds it was told of.
    ended
        How many orders ended in them.
    unknown
        In how many of them that wasn't known.
    every
        The largest k of a sample of one order in k.
    """

    seconds: int
    ended: int
    unknown: int
    every: int


def watch(link: Link, url: str) -> Watched:
    """Read the page's events until the parent says that it is enough."""
    points: list[dict[str, Any]] = []
    begun = threading.Event()
    reader = threading.Thread(target=_read, args=(url, points, begun), daemon=True)
    reader.start()
    if not begun.wait(OPEN_S):
        raise BenchError(f"{url}/live/events sent nothing for {OPEN_S:.0f} s.")
    points.clear()
    link.ready()
    link.wait()
    # The last second is told when it is over.
    time.sleep(2)
    known = [each["point"]["ended"] for each in points if each["point"]["ended"] is not None]
    every = max((each["headline"]["every"] for each in points), default=1)
    return Watched(len(points), sum(known), len(points) - len(known), every)


def _read(url: str, points: list[dict[str, Any]], begun: threading.Event) -> None:
    with urllib.request.urlopen(f"{url}/live/events", timeout=OPEN_S) as answer:  # noqa: S310 - http
        name = ""
        for line in answer:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name == "second":
                points.append(json.loads(value))
                begun.set()


def browse(link: Link, url: str) -> None:
    """Keep the page open in a browser of this machine until the parent says that it is enough."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the other way needs no browser

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise NotReachableError("There is no chromium here: install it, or leave out --browser.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        page.locator('#connection[data-state="live"]').wait_for(timeout=OPEN_S * 1000)
        link.ready()
        link.wait()
        browser.close()
