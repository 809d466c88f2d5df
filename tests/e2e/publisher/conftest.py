"""The broker for these tests, and a link to it that can be broken."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.publisher.broker import Namespace, client_of
from tests.e2e.publisher.link import Link


@pytest.fixture(scope="session")
def namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """Return a namespace on the broker of the stack; with ``ALPES_E2E_USE_ENV=1`` any broker will do."""
    if os.environ.get("ALPES_E2E_USE_ENV") == "1":
        service_url, admin_url = os.environ["PULSAR_SERVICE_URL"], os.environ["PULSAR_ADMIN_URL"]
    else:
        stack = request.getfixturevalue("stack")
        service_url, admin_url = stack.service_url, stack.admin_url
    namespace = Namespace(service_url, admin_url)
    yield namespace
    namespace.delete()


@pytest.fixture
def client(namespace: Namespace) -> Any:
    return namespace.client


@pytest.fixture
def link(namespace: Namespace) -> Iterator[Link]:
    link = Link(namespace.service_url)
    yield link
    link.close()


@pytest.fixture
def linked_client(link: Link) -> Iterator[Any]:
    """Return a client that reaches the broker through `link`."""
    client = client_of(link.url)
    yield client
    link.repair()
    client.close()
