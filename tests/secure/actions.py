"""What somebody may try on the secured stack, by its name in docs/security.md; each is refused or done."""

import io
import json
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from http import HTTPStatus
from typing import Any

import pulsar

from alpes_wire import Forbidden
from connection.admin import Admin
from connection.errors import ForbiddenError
from connection.errors import RefusedError as RefusedByPulsarError
from deployment import contracts, topology
from schemas.tienda.topics import NAMESPACE, full_name
from tests.secure.shop import Shop

FUNCTION = f"/admin/v3/functions/{NAMESPACE}"
PERSISTENT = f"/admin/v2/persistent/{NAMESPACE}"
POLICIES = f"/admin/v2/namespaces/{NAMESPACE}"
SCRATCH = "prueba"
"""The name of what tests make and remove again."""


class RefusedError(Exception):
    """Pulsar says that this role may not."""


Action = Callable[[Shop, str], object]


def attempt(action: Action, shop: Shop, role: str) -> None:
    """Do something as a role.

    Raises
    ------
    RefusedError
        Pulsar doesn't let this role; any other failure is raised as it is.
    """
    try:
        action(shop, role)
    except (ForbiddenError, Forbidden, pulsar.AuthorizationError) as error:
        raise RefusedError(str(error)) from error


def _sends(topic: str) -> Action:
    def send(shop: Shop, role: str) -> None:
        # Without a message: what is sent here would be an order, or a dead letter.
        shop.client(role).create_producer(full_name(topic)).close()

    return send


def _reads(topic: str) -> Action:
    def look(shop: Shop, role: str) -> None:
        with closing(shop.client(role).open_reader(f"{full_name(topic)}-partition-0")) as reader:
            reader.last()

    return look


def _takes(topic: str, subscription: str) -> Action:
    def take(shop: Shop, role: str) -> None:
        shop.client(role).subscribe(
            full_name(topic), subscription, pulsar.ConsumerType.Shared, receiver_queue_size=1
        ).close()

    return take


def _asks(path: str) -> Action:
    return lambda shop, role: shop.admin(role).ask(path)


def _skips(shop: Shop, role: str) -> None:
    shop.admin(role).post(f"{PERSISTENT}/crear-orden-partition-0/subscription/ordenes/skip/0")


def _makes_a_topic(shop: Shop, role: str) -> None:
    path = f"{PERSISTENT}/{SCRATCH}-{uuid.uuid4().hex[:6]}/partitions"
    shop.admin(role).put(path, 1)
    shop.admin(role).delete(path)


def _schema(name: str) -> dict[str, Any]:
    (topic,) = (each for each in topology.load().topics if each.name == name)
    return {"type": "PROTOBUF_NATIVE", "schema": contracts.schema(topic.message_class()), "properties": {}}


def _registers_a_schema(shop: Shop, role: str) -> None:
    shop.admin(role).post(f"/admin/v2/schemas/{NAMESPACE}/orden-creada/schema", _schema("orden-creada"))


def _removes_a_schema(shop: Shop, role: str) -> None:
    shop.admin(role).request("DELETE", f"/admin/v2/schemas/{NAMESPACE}/{SCRATCH}/schema")


def _sets_a_policy(shop: Shop, role: str) -> None:
    admin = shop.admin(role)
    admin.post(f"{POLICIES}/retention", shop.admin("platform").get(f"{POLICIES}/retention"))


def _grants(shop: Shop, role: str) -> None:
    path = f"{PERSISTENT}/crear-orden/permissions/{SCRATCH}"
    shop.admin(role).post(path, ["consume"])
    shop.admin(role).delete(path)


def _drops_what_waits(shop: Shop, role: str) -> None:
    try:
        shop.admin(role).post(f"{POLICIES}/clearBacklog/{SCRATCH}")
    except RefusedByPulsarError as error:
        # Who may do this learns that no topic has such a subscription.
        if "Cursor not found" not in str(error):
            raise


def _uploads(shop: Shop, role: str) -> None:
    """Upload a function that does nothing, and remove it."""
    name = f"{SCRATCH}-{uuid.uuid4().hex[:6]}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr(f"{name}/src/nada.py", "def process(given, context):\n    return None\n")
    tenant, namespace = NAMESPACE.split("/")
    config = {
        "tenant": tenant,
        "namespace": namespace,
        "name": name,
        "className": "nada",
        "runtime": "PYTHON",
        "inputs": [full_name("dlq-bitacora")],
        "subName": name,
        "cleanupSubscription": True,
        "py": f"{name}.zip",
        "parallelism": 1,
    }
    _post_function(shop.admin(role), shop, role, name, config, archive.getvalue())
    with suppress(Exception):
        shop.admin(role).delete(f"{FUNCTION}/{name}")


def _post_function(admin: Admin, shop: Shop, role: str, name: str, config: dict[str, Any], package: bytes) -> None:
    mark = uuid.uuid4().hex
    body = (
        f'--{mark}\r\nContent-Disposition: form-data; name="functionConfig"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(config)}\r\n"
        f'--{mark}\r\nContent-Disposition: form-data; name="data"; filename="{name}.zip"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    request = urllib.request.Request(
        f"{admin.url}{FUNCTION}/{name}",
        method="POST",
        data=body + package + f"\r\n--{mark}--\r\n".encode(),
        headers={**shop.security(role).headers(), "Content-Type": f"multipart/form-data; boundary={mark}"},
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=shop.security(role).context())
    )
    try:
        opener.open(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        if error.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise ForbiddenError(said) from error
        raise AssertionError(f"HTTP {error.code}: {said}") from error


def _reads_state(shop: Shop, role: str) -> None:
    admin = shop.admin(role)
    assert admin.ask(f"{FUNCTION}/reporting/state/total:aprobada")["key"]


ACTIONS: dict[str, Action] = {
    **{f"send to `{topic}`": _sends(topic) for topic in ("crear-orden", "orden-creada", "transaccion-creada")},
    **{f"send to `{topic}`": _sends(topic) for topic in ("orden-actualizada", "reembolsar-transaccion")},
    **{f"send to `{topic}`": _sends(topic) for topic in ("generar-reporte", "reporte-generado")},
    **{f"send to `{topic}`": _sends(topic) for topic in ("pagos-reintento", "crear-orden-DLQ", "dlq-bitacora")},
    **{f"read `{topic}`": _reads(topic) for topic in ("crear-orden", "orden-creada", "transaccion-creada")},
    **{f"read `{topic}`": _reads(topic) for topic in ("orden-actualizada", "reporte-generado")},
    **{f"read `{topic}`": _reads(topic) for topic in ("crear-orden-DLQ", "dlq-bitacora")},
    "acknowledge for Ordenes": _takes("crear-orden", "ordenes"),
    "acknowledge for Pagos": _takes("orden-creada", "pagos"),
    "acknowledge for Reporting": _takes("orden-actualizada", "reporting"),
    "skip orders for Ordenes": _skips,
    "make a topic": _makes_a_topic,
    "register a schema on `orden-creada`": _registers_a_schema,
    "remove a schema": _removes_a_schema,
    "set a policy of the namespace": _sets_a_policy,
    "drop what waits in the namespace": _drops_what_waits,
    "grant a right": _grants,
    "upload a function": _uploads,
    "see how a function is": _asks(f"{FUNCTION}/pagos/status"),
    "read a function's state": _reads_state,
    "list the tenants": _asks("/admin/v2/tenants"),
    "list the workers": _asks("/admin/v2/worker/cluster"),
}
"""By their names in the table."""
