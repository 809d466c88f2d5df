"""Who may do what: each cell of the tables in docs/security.md is tried on the running secured stack."""

import contextlib
import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from alpes_wire import Unauthenticated, WireError, connect
from connection.admin import Admin
from connection.errors import PulsarError, SecurityError
from connection.security import Security
from local_stack.secured import secrets
from local_stack.secured.certificates import Authority
from local_stack.secured.tokens import Signer
from tests.secure import table
from tests.secure.actions import ACTIONS, RefusedError, attempt
from tests.secure.shop import Shop

ROLES = table.cells("Roles")
DATABASES = table.cells("Databases")
STRANGERS = table.cells("Strangers")


def test_the_table_has_every_action_and_enough_cells() -> None:
    assert {action for action, _, _ in ROLES} == set(ACTIONS)
    assert len(ROLES) + len(DATABASES) + len(STRANGERS) >= 60


@pytest.mark.parametrize(("action", "role", "allowed"), ROLES, ids=lambda value: str(value).replace("`", ""))
def test_a_role_may_do_what_the_table_says_and_nothing_else(shop: Shop, action: str, role: str, allowed: bool) -> None:
    if allowed:
        attempt(ACTIONS[action], shop, role)
    else:
        with pytest.raises(RefusedError):
            attempt(ACTIONS[action], shop, role)


@pytest.mark.parametrize(("database", "role", "allowed"), DATABASES)
def test_a_role_of_postgresql_reaches_its_own_database_alone(
    shop: Shop, database: str, role: str, allowed: bool
) -> None:
    if allowed:
        with psycopg.connect(shop.dsn(role, database)) as connection:
            assert connection.pgconn.ssl_in_use
    else:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(shop.dsn(role, database))


@contextlib.contextmanager
def elsewhere(port: int) -> Iterator[int]:
    """Pass connections to 127.0.0.2 on to a server of 127.0.0.1, whose certificate doesn't name that address."""
    with socket.create_server(("127.0.0.2", 0)) as listening:

        def pass_on() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    for one, other in ((client, server), (server, client)):
                        threading.Thread(target=_copied, args=(one, other), daemon=True).start()

        threading.Thread(target=pass_on, daemon=True).start()
        yield listening.getsockname()[1]


def _copied(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


Stranger = Callable[[Shop, Path], Security]


def _with(token: Callable[[Shop, Path], str]) -> Stranger:
    def made(shop: Shop, folder: Path) -> Security:
        text = token(shop, folder)
        return Security(token=lambda: text, ca=secrets.authority(shop.settings))

    return made


STRANGERS_OF_PULSAR: dict[str, Stranger] = {
    "no token": lambda shop, _: Security(ca=secrets.authority(shop.settings)),
    "an expired token": _with(
        lambda shop, _: Signer(secrets.folder(shop.settings)).token("operator", -dt.timedelta(1))
    ),
    "a token of another key": _with(lambda _, folder: Signer(folder).token("operator")),
    "a token of a role without rights": _with(lambda shop, _: Signer(secrets.folder(shop.settings)).token("nobody")),
    "a client that trusts another authority": lambda shop, folder: Security(
        token=shop.security("operator").token, ca=Authority(folder / "other").certificate
    ),
    "a client that is led to another name": lambda shop, _: shop.security("operator"),
    "a client without TLS": lambda shop, _: Security(token=shop.security("operator").token),
}


@pytest.mark.parametrize(("stranger", "server", "allowed"), STRANGERS)
def test_a_stranger_gets_nowhere(shop: Shop, tmp_path: Path, stranger: str, server: str, allowed: bool) -> None:
    assert not allowed
    ports = shop.settings.ports
    port = {"broker": ports.broker, "admin API": ports.http, "PostgreSQL": ports.postgres}[server]
    with elsewhere(port) as other:
        host, port = ("127.0.0.2", other) if "another name" in stranger else ("127.0.0.1", port)
        tls = "without TLS" not in stranger
        if server == "PostgreSQL":
            _refused_by_postgresql(shop, tmp_path, stranger, host, port)
            return
        security = STRANGERS_OF_PULSAR[stranger](shop, tmp_path)
        if server == "admin API":
            with pytest.raises(PulsarError) as caught:
                Admin(f"http{'s' if tls else ''}://{host}:{port}", pauses_s=(), security=security).get(
                    "/admin/v2/persistent/alpes/tienda/crear-orden/partitions"
                )
            assert isinstance(caught.value, SecurityError) or not tls
            return
        url = f"pulsar{'+ssl' if tls else ''}://{host}:{port}"
        if stranger == "a token of a role without rights":
            with pytest.raises(RefusedError):
                attempt(ACTIONS["send to `crear-orden`"], _As(shop, security), "nobody")
            return
        with pytest.raises(Unauthenticated if tls else WireError):
            connect(security.endpoint(url), answer_s=5).close()


class _As(Shop):
    """The same stack for somebody who isn't one of its roles."""

    def __init__(self, shop: Shop, security: Security) -> None:
        super().__init__(shop.environment)
        self._own = security

    def security(self, role: str) -> Security:
        return self._own


def _refused_by_postgresql(shop: Shop, folder: Path, stranger: str, host: str, port: int) -> None:
    own, _, _ = shop.dsn("ordenes", "ordenes").partition("?")
    own = own.replace(f"127.0.0.1:{shop.settings.ports.postgres}", f"{host}:{port}")
    password = shop.known.passwords["ordenes"]
    ca = secrets.authority(shop.settings)
    wrong = "@".join((own.partition("@")[0].replace(password, "not-the-password"), own.partition("@")[2]))
    dsn, says = {
        "no token": (f"{own.replace(f':{password}', '')}?sslmode=verify-full&sslrootcert={ca}", "no password supplied"),
        "an expired token": (f"{wrong}?sslmode=verify-full&sslrootcert={ca}", "password authentication failed"),
        "a token of another key": (f"{wrong}?sslmode=verify-full&sslrootcert={ca}", "password authentication failed"),
        "a token of a role without rights": (
            f"{wrong.replace('ordenes:', 'nobody:')}?sslmode=verify-full&sslrootcert={ca}",
            "password authentication failed",
        ),
        "a client that trusts another authority": (
            f"{own}?sslmode=verify-full&sslrootcert={Authority(folder / 'other').certificate}",
            "certificate verify failed",
        ),
        "a client that is led to another name": (f"{own}?sslmode=verify-full&sslrootcert={ca}", "does not match host"),
        "a client without TLS": (f"{own}?sslmode=disable", "no encryption"),
    }[stranger]
    with pytest.raises(psycopg.OperationalError, match=says):
        psycopg.connect(dsn, connect_timeout=10)
