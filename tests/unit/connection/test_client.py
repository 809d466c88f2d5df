"""The library's errors become ours, which say what was found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulsar
import pytest

from alpes_wire import Forbidden, Unauthenticated, WireError
from connection import client
from connection.errors import BrokerUnreachableError, ForbiddenError, NotFoundError, PulsarError, SecurityError
from connection.security import Security
from local_stack.secured.tokens import Signer

URL = "pulsar://127.0.0.1:6650"


class _Client:
    """Raises, where Alpes' topics are looked up, and notes that it was closed."""

    closed = False

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def get_topic_partitions(self, topic: str) -> list[str]:
        if self._error:
            raise self._error
        return [topic]

    def shutdown(self) -> None:
        _Client.closed = True


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever happens, the client is closed."""
    monkeypatch.setattr(client, "_require_pulsar", lambda security, url: None)
    monkeypatch.setattr(_Client, "closed", False)
    yield
    assert _Client.closed


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (pulsar.TopicNotFound("no"), NotFoundError, r"answers, but has no topics of Alpes\.$"),
        (pulsar.Timeout("slow"), BrokerUnreachableError, "stopped answering"),
        (pulsar.ConnectError("gone"), BrokerUnreachableError, "stopped answering"),
        (WireError("cut"), BrokerUnreachableError, r"stopped answering \(cut\)\.$"),
        (pulsar.AuthenticationError("who"), SecurityError, r"doesn't accept who we are \(.*who.*\)\.$"),
        (Unauthenticated("old"), SecurityError, r"doesn't accept who we are \(old\)\.$"),
        (pulsar.TopicTerminated("over"), PulsarError, "refused: "),
    ],
    ids=repr,
)
def test_an_error_of_the_library_becomes_ours(
    error: Exception, kind: type[PulsarError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "Client", lambda url, **options: _Client())
    with pytest.raises(kind, match=f"^Pulsar at {URL} .*{said}") as told, client.opened(URL):
        raise error
    assert type(told.value) is kind


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (pulsar.TopicNotFound("no"), NotFoundError, "no topics of Alpes"),
        (pulsar.Timeout("slow"), BrokerUnreachableError, f"What listens at {URL} does not answer as Pulsar does"),
    ],
    ids=repr,
)
def test_without_alpes_topics_there_is_no_connection(
    error: Exception, kind: type[PulsarError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "Client", lambda url, **options: _Client(error))
    with pytest.raises(kind, match=said), client.connected(URL):
        raise AssertionError("connected")


def test_any_other_pulsar_will_do_where_alpes_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = _Client(pulsar.TopicNotFound("no"))
    monkeypatch.setattr(client, "Client", lambda url, **options: made)
    with client.opened(URL) as found:
        assert found is made


@pytest.mark.parametrize("error", [pulsar.AuthorizationError("no"), Forbidden("no")], ids=repr)
def test_what_a_role_may_not_do_is_told_with_the_role(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = Signer(tmp_path).token("shop")
    monkeypatch.setattr(client, "Client", lambda url, **options: _Client())
    monkeypatch.setattr(client, "from_environment", lambda: Security(token=lambda: token))
    with pytest.raises(ForbiddenError, match=r"^Role 'shop' may not do this"), client.opened(URL):
        raise error
