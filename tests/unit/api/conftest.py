"""An API whose Pulsar is away."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import Settings

AWAY = {"service_url": "pulsar://127.0.0.1:1", "admin_url": "http://127.0.0.1:1"}


@pytest.fixture
def open_api() -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts an API with some settings and returns its client."""
    with ExitStack() as opened:

        def start(**settings: Any) -> TestClient:
            app = create_app(Settings(**AWAY | settings))
            return opened.enter_context(
                TestClient(app, base_url="http://127.0.0.1:8081", raise_server_exceptions=False)
            )

        yield start
