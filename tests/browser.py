"""A real Chromium, and what axe finds wrong with a page in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE: ViewportSize = {"width": 375, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


def program() -> str:
    """Return the path of Chromium; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("needs chromium, a package of Debian: ./test.sh all installs it where root runs it")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a Chromium for the length of a ``with`` block."""
    # Its sandbox refuses root, and shared memory is small in containers.
    options = [*(["--no-sandbox"] if os.geteuid() == 0 else []), "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=options)
        try:
            yield browser
        finally:
            browser.close()


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with a page, a line for each rule that it breaks."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes']][:5]}" for each in found]
