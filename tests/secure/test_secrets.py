"""No secret is where it doesn't belong: its value is looked for everywhere, once the other tests are done."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil

from connection.reading import partitions, read
from local_stack import postgres
from local_stack.secured import secrets
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import FUNCTIONS, ROOT
from tests.secure.shop import Shop

BELONGS = ("secrets", "credentials.json", "environment.json", "jaas.conf", "server.key.pem")
"""Folders and files that hold secrets, for their owner alone."""


def values(shop: Shop) -> dict[str, bytes]:
    """Return every secret of the stack by its name: passwords, tokens and keys."""
    found = {f"password of {role}": password.encode() for role, password in shop.known.passwords.items()}
    for path in secrets.folder(shop.settings).rglob("*"):
        if path.is_file() and path.suffix not in {".pem", ".der"}:
            # The end of a token is its signature: without it, the rest proves nothing.
            found[path.name] = path.read_bytes().strip().rpartition(b".")[2]
        elif path.name.endswith(".key.pem"):
            found[path.name] = path.read_bytes().splitlines()[1]
    jaas = (shop.settings.home / "conf" / "jaas.conf").read_text()
    found["password of ZooKeeper"] = jaas.partition('password="')[2].partition('"')[0].encode()
    return found


def leaks(content: bytes, known: dict[str, bytes]) -> list[str]:
    return [name for name, value in known.items() if value in content]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not set(path.parts) & set(BELONGS):
            yield path


def test_every_kind_of_secret_is_looked_for_and_would_be_found(shop: Shop) -> None:
    known = values(shop)
    assert len(known) >= 20
    assert min(map(len, known.values())) >= 32
    for name in ("operator", "token.key.pem", "api.token"):
        (path,) = secrets.folder(shop.settings).rglob(name)
        assert leaks(path.read_bytes(), known) == [name]
    assert leaks((shop.settings.home / "credentials.json").read_bytes(), known) == [
        name for name in known if name.startswith("password of ") and "ZooKeeper" not in name
    ]


def test_secrets_are_readable_for_their_owner_alone(shop: Shop) -> None:
    for name in BELONGS[1:-1]:
        for path in shop.settings.home.rglob(name):
            assert path.stat().st_mode & 0o077 == 0, path
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets.folder(shop.settings).rglob("*"))


def test_no_secret_is_in_a_function_config(shop: Shop) -> None:
    admin = shop.admin("platform")
    for name in FUNCTIONS:
        config = json.dumps(admin.get(f"/admin/v3/functions/{NAMESPACE}/{name}")).encode()
        assert leaks(config, values(shop)) == []


def test_no_secret_is_on_a_command_line(shop: Shop) -> None:
    lines = b"\n".join(" ".join(each.info["cmdline"] or []).encode() for each in psutil.process_iter(["cmdline"]))
    assert leaks(lines, values(shop)) == []


def test_no_secret_is_in_a_log_or_any_other_file_of_the_stack(shop: Shop) -> None:
    """Among these files are the stored entries of all topics, also of those that the function worker has for itself."""
    known = values(shop)
    own, data = list(_files(shop.settings.home)), list(_files(postgres.folder(shop.settings).resolve()))
    assert any("bookkeeper" in path.parts for path in own)
    assert any(path.suffix == ".log" for path in own)
    found = {str(path): leaks(path.read_bytes(), known) for path in (*own, *data)}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_secret_is_in_a_message(shop: Shop) -> None:
    known, admin, client = values(shop), shop.admin("operator"), shop.client("operator")
    read_messages = 0
    for topic in admin.topics():
        for partition in partitions(admin, topic):
            for message in read(client, admin, partition):
                read_messages += 1
                assert leaks(message.data() + repr(message.properties()).encode(), known) == []
    assert read_messages > 100


def test_no_secret_is_in_what_is_built(shop: Shop) -> None:
    known = values(shop)
    found = {str(path): leaks(path.read_bytes(), known) for path in _files(ROOT / "build")}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_secret_is_in_an_error(shop: Shop, tmp_path: Path) -> None:
    known = values(shop)
    nobody = tmp_path / "nothing"
    said = b""
    for role, arguments, variables in (
        ("reader", ("send", "--orders", "1"), {}),
        ("client", ("dlq", "list"), {}),
        ("client", ("reconcile", "--topics"), {}),
        ("operator", ("show", "none"), {"PULSAR_TLS_CA": str(ROOT / "pyproject.toml")}),
        ("operator", ("send", "--orders", "1"), {"PULSAR_TOKEN_FILE": str(nobody)}),
        ("operator", ("reconcile",), {"ALPES_PAGOS_DSN": f"{shop.dsn('pagos', 'ordenes')}"}),
        ("operator", ("config",), {}),
    ):
        done = shop.alpes(role, *arguments, **variables)
        assert done.stdout + done.stderr
        said += (done.stdout + done.stderr).encode()
    assert leaks(said, known) == []
