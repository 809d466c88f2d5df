"""Measures how many messages a second an instance that does nothing else takes in: directly, or by Pulsar's runtime."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError
from bench.system import System
from connection.client import NEW_TOPIC_TIMEOUT_S, Client
from connection.errors import PulsarError
from deployment import instances, packages
from deployment.function_configs import PulsarFunctionConfig
from local_stack.settings import CHECKOUT
from schemas.tienda import topics
from terminal import progress

TENANT = topics.NAMESPACE.split("/")[0]
NAMESPACE, TOPIC, NAME = f"{TENANT}/bench", "entrada", "sink"
FULL_TOPIC = f"persistent://{NAMESPACE}/{TOPIC}"
PAYLOAD = b"x" * 150
SLOWEST_PER_S = 200
"""The slowest rate to wait for: below it, something is wrong."""
START_S = 60.0


def rate(system: System, intake: str, messages: int) -> float:
    """Return messages a second.

    Parameters
    ----------
    system
        The system. The function is created there, and removed again.
    intake
        ``direct`` or ``runtime``.
    messages
        How many messages wait before the function starts.

    Raises
    ------
    BenchError
        The function did not take all of them in time.
    """
    doing = f"Taking {messages:,} messages in, intake {intake}"
    with (
        _topic(system),
        tempfile.TemporaryDirectory(prefix="alpes-bench-") as name,
        progress.step(doing, f"Intake {intake} measured"),
    ):
        folder = Path(name)
        result = folder / "result.json"
        config = config_of(folder, intake, messages, result)
        package = packages.build(config, folder / "build", tree_in(folder))
        _fill(system, messages)
        with _deployed(system, config, package):
            return _per_second(_wait(result, START_S + messages / SLOWEST_PER_S, intake))


def _per_second(found: dict[str, Any]) -> float:
    if not found["seconds"]:
        raise BenchError("All messages came in one group: the intake can't be measured with so few.")
    return float(found["messages"] / found["seconds"])


@contextmanager
def _topic(system: System) -> Iterator[None]:
    root = f"/admin/v2/persistent/{NAMESPACE}/{TOPIC}"
    system.api.create(f"/admin/v2/namespaces/{NAMESPACE}", None)
    system.api.create(root, None)
    # The subscription comes before the messages: without one, the broker may drop them.
    system.api.create(f"{root}/subscription/{NAME}", None)
    try:
        yield
    finally:
        system.api.delete(f"{root}?force=true")
        if not system.own:
            # The broker may refuse, since it keeps topics of its own there. Nothing of ours is left in any case.
            with suppress(PulsarError):
                system.api.delete(f"/admin/v2/namespaces/{NAMESPACE}")


def _fill(system: System, messages: int) -> None:
    client = Client(system.service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S)
    try:
        producer = client.create_producer(
            FULL_TOPIC,
            send_timeout_millis=60_000,
            # Many messages an entry, as a function publishes. With one an entry, the broker would be the limit.
            batching_enabled=True,
            max_pending_messages=10_000,
            block_if_queue_full=True,
        )
        for _ in range(messages):
            producer.send_async(PAYLOAD, None)
        producer.flush()
    finally:
        client.close()


def tree_in(folder: Path) -> Path:
    """Copy the sink into a tree like a service, so that it is packed like one, and return the tree."""
    tree = folder / "tree"
    here = shutil.ignore_patterns("__pycache__")
    (tree / "functions").mkdir(parents=True)
    shutil.copy(CHECKOUT / "functions" / "__init__.py", tree / "functions")
    shutil.copytree(Path(__file__).with_name("sink"), tree / "functions" / NAME, ignore=here)
    for room in ("schemas", "runtime"):
        shutil.copytree(CHECKOUT / room, tree / room, ignore=here)
    return tree


def config_of(folder: Path, intake: str, messages: int, result: Path) -> PulsarFunctionConfig:
    """Write the sink's configuration into a folder, and return it."""
    values: dict[str, Any] = {
        "tenant": TENANT,
        "namespace": NAMESPACE.split("/")[1],
        "name": NAME,
        "className": f"functions.{NAME}.function.Sink",
        "runtime": "PYTHON",
        "inputSpecs": {FULL_TOPIC: {"serdeClassName": "alpes_runtime.serde.AsIs"}},
        "subName": NAME,
        "subscriptionPosition": "Earliest",
        "processingGuarantees": "MANUAL",
        "autoAck": False,
        "parallelism": 1,
        "userConfig": {
            "dsn_env": "ALPES_ORDENES_DSN",
            "intake": intake,
            "messages": messages,
            "result": str(result),
        },
    }
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return PulsarFunctionConfig(path, values)


@contextmanager
def _deployed(system: System, config: PulsarFunctionConfig, package: Path) -> Iterator[None]:
    system.cli.functions("create", "--function-config-file", str(config.path), "--py", str(package))
    try:
        yield
    finally:
        system.api.delete(config.rest_path)
        deadline = time.monotonic() + START_S
        while instances.find(config, system.api) is not None and time.monotonic() < deadline:
            time.sleep(0.2)


def _wait(result: Path, seconds: float, intake: str) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not result.exists():
        if time.monotonic() > deadline:
            raise BenchError(f"The sink with intake {intake} had not taken all messages in after {seconds:.0f} s.")
        time.sleep(0.1)
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found
