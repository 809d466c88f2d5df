"""Takes the pictures of the live page that the documents show: `python -m tests.screenshots`, on a running stack.

It takes the stack that the environment names (eval "$(./deploy.sh env)"), and sends it orders for a while. Some of them
are refused, so that there are dead letters to see.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from connection.client import connected
from connection.publishing import ConfirmedPublisher
from schemas.tienda.topics import CREAR_ORDEN, full_name
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.browser import DESKTOP, PHONE, chromium

FOLDER = Path(__file__).parents[1] / "docs" / "images"
RATE = 300
FLOW_S = 75
MOST_BYTES = 150_000


def main() -> int:
    """Take every picture; return the exit code."""
    url = os.environ.get("ALPES_API_URL")
    if not url:
        print('Nothing to look at: eval "$(./deploy.sh env)" names the running stack.', file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        _take(browser, url)
    for picture in sorted(FOLDER.glob("live-*.png")):
        size = picture.stat().st_size
        print(f"{picture.relative_to(FOLDER.parents[1])}: {size:,} bytes")
        if size > MOST_BYTES:
            print(f"That is more than {MOST_BYTES:,}.", file=sys.stderr)
            return 1
    return 0


def _take(browser: Browser, url: str) -> None:
    # One that stays open, so that the others begin with what it has seen.
    first = _opened(browser, url, DESKTOP, "light")
    command = [sys.executable, "-m", "client", "send", "--orders", str(RATE * FLOW_S), "--rate", str(RATE)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sending:
        time.sleep(5)
        _send_wrong()
        time.sleep(FLOW_S - 25)
        first.get_by_role("button", name="Place the order").click()
        first.locator("#order-result [data-end]").wait_for(timeout=60_000)
        first.screenshot(path=FOLDER / "live-desktop.png")
        _opened(browser, url, DESKTOP, "dark").screenshot(path=FOLDER / "live-dark.png")
        _opened(browser, url, PHONE, "light").screenshot(path=FOLDER / "live-phone.png")
        lists = _opened(browser, url, DESKTOP, "light")
        lists.locator("#functions").scroll_into_view_if_needed()
        lists.evaluate("document.getElementById('functions').scrollIntoView()")
        lists.screenshot(path=FOLDER / "live-lists.png")
        sending.terminate()


def _opened(browser: Browser, url: str, viewport: ViewportSize, scheme: Literal["light", "dark"]) -> Page:
    context = browser.new_context(
        viewport=viewport, color_scheme=scheme, timezone_id="America/Bogota", reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url)
    page.locator('#connection[data-state="live"]').wait_for(timeout=60_000)
    page.locator("#function-rows td", has_text="running").first.wait_for(timeout=60_000)
    time.sleep(2)
    return page


def _send_wrong() -> None:
    """Send orders that Ordenes refuses, each for a reason of its own."""
    wrong = [
        CrearOrden(id="pedido-17", client_id=17, address="Carrera 7", total_cents=-5, currency="USD"),
        CrearOrden(id="pedido-18", client_id=18, address="Carrera 7", total_cents=900, currency="XYZ"),
    ]
    with connected(os.environ["PULSAR_SERVICE_URL"]) as client:
        publisher: ConfirmedPublisher[str] = ConfirmedPublisher(
            client, full_name(CREAR_ORDEN), lambda _id: None, lambda _id, why: print(why, file=sys.stderr)
        )
        for order in wrong:
            publisher.publish(order.id, order.SerializeToString(), order.id, {})
        publisher.finish()
        publisher.close()


if __name__ == "__main__":
    sys.exit(main())
