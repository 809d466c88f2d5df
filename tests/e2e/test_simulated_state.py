"""The state store's fake does what the real one does: the same tests pass on both."""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol

import grpc
import pytest
from bookkeeper import kv
from bookkeeper.proto.kv_rpc_pb2_grpc import TableServiceStub
from bookkeeper.types import StorageClientSettings

from alpes_runtime._compute_lock import ComputeLock
from alpes_runtime._state import IN_FLIGHT, BookKeeperState, StateStore
from alpes_runtime.errors import Unavailable, Unreachable
from alpes_runtime.testing import FakeStateStore
from local_stack.settings import from_environment
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import wait_until

WARM_S = 60.0
"""A store that runs answers within this time."""


class System(Protocol):
    """A function's state store, and a way to make it unreachable."""

    def store(self) -> StateStore:
        """Return what an instance of the function writes to."""

    def away(self) -> AbstractContextManager[None]:
        """Let no put be answered within the ``with`` block."""


class Real:
    """The table of Ordenes in the stack's state store; the tests use keys that no order has."""

    def __init__(self, port: int) -> None:
        self._settings = StorageClientSettings(service_uri=f"bk://127.0.0.1:{port}")
        self._clients: list[kv.Client] = []
        self._nobody = grpc.insecure_channel("127.0.0.1:1")
        self._nowhere = TableServiceStub(channel=self._nobody)
        self._away = False
        first = self.store()
        wait_until(partial(_answers, first), WARM_S, "the state store answers")

    def store(self) -> StateStore:
        client = kv.Client(storage_client_settings=self._settings, namespace=NAMESPACE.replace("/", "_"))
        self._clients.append(client)
        table = client.table(table_name="ordenes")
        service, stream = table.__table_service__, table.__stream_props__
        put = SimpleNamespace(future=partial(self._put, service.Put))
        calls = SimpleNamespace(Range=service.Range, Put=put, Delete=service.Delete)
        found = SimpleNamespace(__table_service__=calls, __stream_props__=stream)
        return BookKeeperState(lambda: found, ComputeLock())

    @contextmanager
    def away(self) -> Iterator[None]:
        self._away = True
        yield
        self._away = False

    def close(self) -> None:
        for client in self._clients:
            client.__channel__.close()
        self._nobody.close()

    def _put(self, put: Any, request: Any, **how: Any) -> Any:
        """Put a value; while the store is to be away, send the request to a port where nothing listens."""
        return (self._nowhere.Put if self._away else put).future(request, **how)


def _answers(store: StateStore) -> bool:
    """Whether a store takes a put yet; while it starts, it refuses."""
    try:
        store.put({key(): "warm"})
    except Unavailable:
        return False
    return True


class Fake:
    """The store of the simulation and of the views' tests."""

    def __init__(self) -> None:
        self._state = FakeStateStore()

    def store(self) -> StateStore:
        return self._state

    @contextmanager
    def away(self) -> Iterator[None]:
        self._state.fail(away=True)
        yield

    def close(self) -> None:
        pass


@pytest.fixture(params=["fake", "real"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    if request.param == "real":
        stack = request.getfixturevalue("stack")
        found: Any = Real(from_environment(stack.environment).ports.state)
    else:
        found = Fake()
    yield found
    found.close()


@pytest.fixture
def store(system: System) -> StateStore:
    return system.store()


def key() -> str:
    """Return a key that nobody has used."""
    return f"contrato-{uuid.uuid4().hex}"


def test_what_was_put_is_got_and_what_was_not_is_none(store: StateStore) -> None:
    put, other = key(), key()
    store.put({put: "creada"})
    assert store.get(put) == "creada"
    assert store.get(other) is None


def test_the_last_value_of_a_key_stands_and_the_other_keys_keep_theirs(store: StateStore) -> None:
    changed, kept = key(), key()
    store.put({changed: "creada", kept: "creada"})
    store.put({changed: "aprobada"})
    store.put({changed: "aprobada"})
    assert (store.get(changed), store.get(kept)) == ("aprobada", "creada")


def test_what_one_instance_puts_another_one_gets_and_writes_over(system: System) -> None:
    one, other, name = system.store(), system.store(), key()
    one.put({name: "creada"})
    assert other.get(name) == "creada"
    other.put({name: "expirada"})
    assert one.get(name) == "expirada"


def test_more_values_than_are_on_their_way_at_once_are_all_written(store: StateStore) -> None:
    values = {key(): str(number) for number in range(2 * IN_FLIGHT + 1)}
    store.put(values)
    assert {name: store.get(name) for name in values} == values


def test_a_value_is_any_text(store: StateStore) -> None:
    values = {key(): "ñandú €", key(): "0", key(): "x" * 10_000}
    store.put(values)
    assert {name: store.get(name) for name in values} == values


def test_what_is_removed_is_gone_whether_it_was_there_or_not_and_can_be_put_again(store: StateStore) -> None:
    removed, absent, kept = key(), key(), key()
    store.put({removed: "1", kept: "2"})
    store.remove([removed, absent])
    assert [store.get(each) for each in (removed, absent, kept)] == [None, None, "2"]
    store.put({removed: "3"})
    assert store.get(removed) == "3"


def test_nothing_to_put_is_no_error(store: StateStore) -> None:
    store.put({})


def test_a_put_that_nobody_answers_says_so_and_is_done_again(system: System, store: StateStore) -> None:
    name, new = key(), key()
    store.put({name: "creada"})
    values = {name: "aprobada", new: "aprobada"}
    with system.away(), pytest.raises(Unreachable):
        store.put(values)
    # Each key has its old value or its new one.
    assert store.get(name) in ("creada", "aprobada")
    assert store.get(new) in (None, "aprobada")
    store.put(values)
    assert {each: store.get(each) for each in values} == values
