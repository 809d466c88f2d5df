"""Writes to Pulsar's state store with many puts in flight; ``functions querystate`` reads it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import grpc
from bookkeeper.common.util import to_bytes
from bookkeeper.proto import kv_rpc_pb2

from ._compute_lock import ComputeLock
from .errors import Misconfigured, Unavailable, Unreachable

IN_FLIGHT = 64
"""Puts in flight at once. The store takes 244 puts a second one by one, and some thousands with this many in flight."""
PUT_TIMEOUT_S = 10.0
"""After this long a put counts as failed; puts are idempotent, so the caller repeats it."""


class StateStore(Protocol):
    """Keeps small texts under keys."""

    def put(self, values: Mapping[str, str]) -> None:
        """Write all values.

        Raises
        ------
        Unavailable
            Some may not have been written; write all of them again. It is `Unreachable` if the store didn't answer.
        """
        ...

    def remove(self, keys: Collection[str]) -> None:
        """Remove keys; those that aren't there, too. Raises `Unavailable` as `put` does."""
        ...

    def get(self, key: str) -> str | None:
        """Return a value, None if there is none."""
        ...


class BookKeeperState:
    """The function's own state table, through the connection that Pulsar's runtime opened.

    Parameters
    ----------
    find_table
        Returns a ``bookkeeper.kv.table.Table``, see `Host.state_table`. It is called when the state is first used.
    lock
        Held while requests are built, released while the store works.
    """

    def __init__(self, find_table: Callable[[], Any], lock: ComputeLock) -> None:
        self._rpc = kv_rpc_pb2
        self._find_table = find_table
        self._stub: Any = None
        self._stream = 0
        self._stream_bytes = b""
        self._lock = lock

    def put(self, values: Mapping[str, str]) -> None:
        """Write all values, `IN_FLIGHT` at a time; see `StateStore.put`."""
        self._all([partial(self._send, key.encode(), value.encode()) for key, value in values.items()], "puts")

    def remove(self, keys: Collection[str]) -> None:
        """Remove keys, `IN_FLIGHT` at a time; see `StateStore.remove`."""
        self._all([partial(self._delete, key.encode()) for key in keys], "removals")

    def _connect(self) -> None:
        """Find the table, once. A worker may let a function start before its state store answers."""
        if self._stub is not None:
            return
        try:
            table = self._find_table()
        except Exception as error:
            raise Unreachable(f"the state store: {type(error).__name__}: {error}") from error
        self._stream = table.__stream_props__.stream_id
        self._stream_bytes = to_bytes(self._stream, 8, "big")
        self._stub = table.__table_service__

    def _all(self, sends: Sequence[Callable[[], Any]], what: str) -> None:
        self._connect()
        for start in range(0, len(sends), IN_FLIGHT):
            with self._lock:
                calls = [send() for send in sends[start : start + IN_FLIGHT]]
            failures = [failure for call in calls if (failure := self._failure(call))]
            if failures:
                kind = Unreachable if grpc.StatusCode.UNAVAILABLE.name in failures else Unavailable
                raise kind(f"the state store refused {len(failures)} of {len(calls)} {what}: {failures[0]}")

    def get(self, key: str) -> str | None:
        """Return a value, None if there is none."""
        self._connect()
        raw = key.encode()
        request = self._rpc.RangeRequest(key=raw, header=self._header(raw))
        try:
            answer = self._stub.Range(request, metadata=self._metadata(raw), timeout=PUT_TIMEOUT_S)
        except grpc.RpcError as error:
            raise Unavailable(f"the state store: {_status(error)}") from error
        if answer.header.code != 0:
            raise Unavailable(f"the state store answered code {answer.header.code}")
        return answer.kvs[0].value.decode() if answer.kvs else None

    def _send(self, key: bytes, value: bytes) -> Any:
        request = self._rpc.PutRequest(key=key, value=value, header=self._header(key))
        return self._stub.Put.future(request, metadata=self._metadata(key), timeout=PUT_TIMEOUT_S)

    def _delete(self, key: bytes) -> Any:
        request = self._rpc.DeleteRangeRequest(key=key, header=self._header(key))
        return self._stub.Delete.future(request, metadata=self._metadata(key), timeout=PUT_TIMEOUT_S)

    def _header(self, key: bytes) -> Any:
        return self._rpc.RoutingHeader(stream_id=self._stream, r_key=key)

    def _metadata(self, key: bytes) -> list[tuple[str, bytes]]:
        return [("bk-rt-sid-bin", self._stream_bytes), ("bk-rt-key-bin", key)]

    @staticmethod
    def _failure(call: Any) -> str:
        try:
            code = call.result().header.code
        except grpc.RpcError as error:
            return _status(error)
        # A table that is still starting answers with a code instead of an error.
        return f"code {code}" if code != 0 else ""


def open_state(find_table: Callable[[], Any] | None, lock: ComputeLock, switch: str) -> BookKeeperState:
    """Return the state store.

    Parameters
    ----------
    find_table
        `Host.state_table`.
    lock
        See `BookKeeperState`.
    switch
        The userConfig key that turns off what needs the store; named in the error.

    Raises
    ------
    Misconfigured
        Pulsar has no state store. Without this check its calls would silently do nothing.
    """
    if find_table is None:
        raise Misconfigured(
            "This Pulsar has no state store: start it with one (standalone: PULSAR_STANDALONE_USE_ZOOKEEPER=1; "
            f"cluster: stateStorageServiceUrl of the function worker), or set userConfig {switch}: false"
        )
    return BookKeeperState(find_table, lock)


def _status(error: Any) -> str:
    code = error.code() if hasattr(error, "code") else None
    return getattr(code, "name", type(error).__name__)
