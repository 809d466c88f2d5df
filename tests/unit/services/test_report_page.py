"""The page of a report in a real browser: on a phone, on paper, in light and dark, and for whoever can't see it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from functions.reporting.formats import formats
from schemas.tienda.cambios import Cambio
from schemas.tienda.orden import FINAL_STATUSES
from tests.browser import DESKTOP, PHONE, chromium, violations
from tests.unit.services.sample_reports import report_of

pytestmark = [pytest.mark.extended, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    at_ms = 1_767_225_600_000
    ordenes = [
        Cambio(f"orden-{n:04d}", n, FINAL_STATUSES[n % 4], 1250 * n, "USD", 2, at_ms + n, at_ms + 2 * n)
        for n in range(120)
    ]
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_bytes(b"".join(formats()["html"].render(report_of(*ordenes))))
    return file.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_page_is_clean_for_axe_and_never_wider_than_the_screen(
    browser: Browser, address: str, size: object, scheme: str
) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.goto(address)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert luminance(page) > 200 if scheme == "light" else luminance(page) < 60
    assert drawn(page) == 3
    assert errors == []
    page.close()


def luminance(page: Page) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    return float(sum(colour[:3]) / 3)


def drawn(page: Page) -> int:
    """Return how many plots fill their figure."""
    return int(
        page.evaluate(
            "[...document.querySelectorAll('figure svg')].filter(svg => svg.getBoundingClientRect().height > 80"
            " && svg.getBoundingClientRect().width > 250).length"
        )
    )


def test_a_page_prints_in_light_and_with_every_column(browser: Browser, address: str, tmp_path: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(address)
    page.emulate_media(media="print")
    assert luminance(page) == 255
    assert page.evaluate("[...document.querySelectorAll('.wide')].every(box => box.scrollWidth <= box.clientWidth)")
    printed = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    page.close()
