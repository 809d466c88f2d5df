"""The live page in a real browser, on the real system: it shows what happens, and lets people act."""

import os
import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, ViewportSize, expect

from local_stack import api as http_api
from local_stack.settings import from_environment
from schemas.tienda.topics import NAMESPACE
from tests.browser import DESKTOP, PHONE, chromium, violations
from tests.e2e.serving import served
from tests.e2e.tienda import Tienda, new_prefix, orders, wait_until
from tests.lanes import PATIENCE
from tests.stack import asked

WAIT_MS = 30_000 * PATIENCE
expect.set_options(timeout=WAIT_MS)
AWAY = ("pulsar://127.0.0.1:1", "http://127.0.0.1:1")
HIDDEN = "\u202eevil\u200b<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, stack: Tienda) -> Iterator[Page]:
    """The page, connected; a test fails if the page logs an error."""
    with opened(browser, stack) as found:
        yield found


class opened:  # noqa: N801 - a context manager
    """Open the page with some options of a browser's context."""

    def __init__(self, browser: Browser, stack: Tienda, **options: Any) -> None:
        self._context = browser.new_context(viewport=options.pop("viewport", DESKTOP), **options)
        self._context.set_default_timeout(WAIT_MS)
        self._url = from_environment(stack.environment).api_url
        self.errors: list[str] = []

    def __enter__(self) -> Page:
        page = self._context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._said)
        page.goto(self._url)
        live(page)
        return page

    def _said(self, said: ConsoleMessage) -> None:
        # An answer with a problem is said, too; the page shows it.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.errors.append(said.text)

    def __exit__(self, *raised: object) -> None:
        self._context.close()
        assert raised[0] is not None or self.errors == []


def live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#function-rows")).to_contain_text("of")


def shown_ids(page: Page) -> list[str]:
    return page.locator("#order-rows .id").all_inner_texts()


def plant(stack: Tienda, key: str, payload: bytes, message: str) -> None:
    """Put a dead letter where functions put theirs."""
    properties = {
        "error.type": "planted",
        "error.message": f"Traceback\n{message}",
        "error.function": "ordenes",
        "source.topic": f"persistent://{NAMESPACE}/crear-orden",
        "source.message_id": "(1,2,0,-1)",
        "attempt": "1",
    }
    stack.publish("crear-orden-DLQ", [(key, payload)], properties)


def test_an_order_that_the_page_places_is_followed_to_its_end_and_traced(page: Page) -> None:
    page.get_by_label("Client number").fill("4711")
    page.get_by_label("Amount").fill("1234.5")
    page.get_by_role("button", name="Place the order").click()
    end = page.locator("#order-result [data-end]")
    expect(end).to_have_text(re.compile("aprobada|rechazada"))
    order_id = page.locator("#order-result .id").inner_text()
    row = page.locator("#order-rows tr", has_text=order_id)
    expect(row).to_contain_text("1,234.50 USD")
    expect(row).to_contain_text("4711")
    page.locator("#order-result .id").click()
    expect(page.locator("#trace-rows")).to_contain_text("orden-actualizada")
    expect(page.locator("#trace-rows")).to_contain_text("crear-orden")


def test_an_order_without_a_clear_answer_is_sent_again_as_the_same_order(page: Page) -> None:
    keys: list[str] = []

    def answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 3:
            route.continue_()
        else:
            problem = {"title": "in-flight", "detail": "still in hand"}
            route.fulfill(status=409, headers={"Retry-After": "1"}, json=problem)

    page.route("**/orders", answer)
    place = page.get_by_role("button", name="Place the order")
    place.click()
    expect(page.locator("#order-result")).to_contain_text("still in hand")
    place.click()
    expect(page.locator("#order-result [data-end]")).to_be_visible()
    assert keys == [keys[0]] * 4
    place.click()
    expect(page.locator("#order-result [data-end]")).to_be_visible()
    assert len(set(keys)) == 2, "once it has its answer, the next order is another one"


def test_what_the_form_refuses_is_said_and_nothing_is_sent(page: Page) -> None:
    page.get_by_label("Currency").select_option("JPY")
    page.get_by_label("Amount").fill("12.34")
    page.get_by_role("button", name="Place the order").click()
    expect(page.locator("#order-result")).to_contain_text("at most 0 decimals, such as 12")
    expect(page.get_by_label("Amount")).to_be_focused()
    expect(page.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")


def test_the_figures_are_those_of_what_was_sent(page: Page, stack: Tienda) -> None:
    prefix = new_prefix("live")
    stack.publish("crear-orden", orders(prefix, 40))
    wait_until(lambda: sum(each.startswith(prefix) for each in shown_ids(page)) >= 25, 60, "the orders are shown")
    assert float(page.locator("#ended").inner_text().replace(",", "")) > 0
    expect(page.locator("#p50")).to_have_text(re.compile(r"^[\d.,]+$"))
    expect(page.locator("#outcomes")).to_contain_text("aprobada")
    expect(page.locator("#amounts")).to_contain_text("USD")
    for function in ("ordenes", "pagos", "reporting"):
        expect(page.locator("#function-rows tr", has_text=function).first).to_contain_text("1 of 1 running")
    expect(page.locator("#waiting")).to_have_text(re.compile(r"^(≈ )?[\d,]+$"))


def test_the_last_orders_are_filtered_and_held_still(page: Page, stack: Tienda) -> None:
    prefix = new_prefix("filter")
    stack.publish("crear-orden", orders(prefix, 20))
    page.get_by_label("Find").fill(f"{prefix}000007")
    wait_until(lambda: shown_ids(page) == [f"{prefix}000007"], 60, "one order is left")
    expect(page.locator("#orders-note")).to_contain_text(re.compile(r"^1 of \d+ orders listed"))
    page.get_by_label("Find").fill(prefix)
    page.locator("#filter select").select_option("expirada")
    wait_until(lambda: shown_ids(page) == [], 30, "no order has this status")
    page.locator("#filter select").select_option("")
    page.get_by_role("button", name="Pause").click()
    held = shown_ids(page)
    stack.publish("crear-orden", orders(new_prefix("later"), 5))
    expect(page.locator("#orders-note")).to_contain_text(re.compile(r"Paused; [1-9]\d* came since"))
    assert shown_ids(page) == held


def test_a_dead_letter_is_shown_harmless_replayed_after_asking_and_gone(page: Page, stack: Tienda) -> None:
    key = f"{HIDDEN}{uuid.uuid4().hex}"
    plant(stack, key, b"\xffno order", f"ValueError: {HIDDEN}")
    row = page.locator("#letter-rows tr", has_text="planted").first
    expect(row).to_contain_text(r"\u{202e}evil\u{200b}<img src=x onerror=alert(1)>")
    assert page.locator("#letter-rows img").count() == 0
    letter = str(row.get_by_role("button").get_attribute("aria-label")).removeprefix("Replay ")
    row.get_by_role("button").click()
    page.get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    row.get_by_role("button").click()
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator("#letters-result")).to_contain_text(f"Sent again: letter {letter}")
    expect(page.get_by_role("button", name=f"Replay {letter}", exact=True)).to_have_count(0)
    # The order that can't be read fails again, as a new letter.
    expect(page.locator("#letter-rows tr", has_text="invalid").first).to_contain_text("evil")


def test_the_keyboard_alone_is_enough(page: Page, stack: Tienda) -> None:
    plant(stack, f"keyboard-{uuid.uuid4().hex}", b"\xffno order", "ValueError: by keyboard")
    expect(page.locator("#letter-rows")).to_contain_text("keyboard-")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the figures")).to_be_focused()
    page.keyboard.press("Enter")
    reach(page, 'input[name="client_id"]')
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    expect(page.locator("#order-result [data-end]")).to_be_visible(timeout=WAIT_MS)
    reach(page, "#letter-rows button")
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#confirm")).to_be_hidden()
    assert page.evaluate("document.activeElement.textContent") == "Replay"


def reach(page: Page, selector: str) -> None:
    """Press Tab until the focus is on an element, and see that it can be seen."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"Tab never leads to {selector}")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser, stack: Tienda, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    plant(stack, f"axe-{uuid.uuid4().hex}", b"\xffno order", "ValueError: seen by axe")
    with opened(browser, stack, viewport=viewport, color_scheme=scheme, reduced_motion="reduce") as page:
        stack.publish("crear-orden", orders(new_prefix("axe"), 30))
        expect(page.locator("#letter-rows")).to_contain_text("axe-")
        expect(page.locator("#order-rows")).to_contain_text("axe")
        page.locator("#order-rows button").first.click()
        expect(page.locator("#trace-rows")).to_contain_text("crear-orden")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert page.evaluate("document.getAnimations().length") == 0


def test_a_page_that_lost_the_connection_says_so_and_comes_back_by_itself(browser: Browser, stack: Tienda) -> None:
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(from_environment(stack.environment).api_url)
    live(page)
    settings = from_environment(stack.environment)
    pid = http_api.pid_file(settings).running()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    started = asked(stack, "up")
    assert started.returncode == 0, started.stdout + started.stderr
    live(page)
    context.close()


def test_a_token_is_asked_for_once_and_again_by_what_needs_it(browser: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-this-test\n")
    with served(*AWAY, "--token-file", str(tokens)) as api:
        context = browser.new_context(viewport=PHONE)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.goto(api.url)
        dialog, state = page.locator("#token"), page.locator("#connection")
        expect(dialog).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(state).to_have_attribute("data-state", "token")
        # The page asks the API again by itself, and nobody else.
        with page.expect_response(lambda answer: answer.status == 401):
            pass
        expect(dialog).to_be_hidden()
        assert violations(page) == []

        page.get_by_role("button", name="Place the order").click()
        expect(dialog).to_be_visible()
        dialog.get_by_role("button", name="Cancel").click()
        expect(page.locator("#order-result")).to_contain_text("This needs a token")

        page.get_by_role("button", name="Enter a token").click()
        page.keyboard.type("another-token-than-that")
        page.keyboard.press("Enter")
        expect(page.locator("#token-text")).to_contain_text("doesn't know this token")
        field = dialog.get_by_label("Token")
        field.fill("a-token-of-this-test\u200b")
        page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        field.fill(" a-token-of-this-test ")
        page.keyboard.press("Enter")
        expect(state).to_have_attribute("data-state", "live")
        expect(page.get_by_role("button", name="Enter a token")).to_be_hidden()
        context.close()
