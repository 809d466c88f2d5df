"""A local stack made of stubs, which answer what `deployment` asks."""

import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

import deployment.databases
from deployment import function_configs, gate, instances, packages, preflight
from deployment.cli import main
from local_stack import credentials
from local_stack.settings import Ports, from_environment
from tests.deploy import cluster_stub
from tests.deploy.cluster_stub import Cluster

ROOT = Path(__file__).parents[2]
# Stands in for the distribution's own modules, which an instance's Python imports first.
PYTHON_INSTANCE = {
    "python_instance_main.py": "",
    "state_context.py": """
from pathlib import Path

class Table:
    def get_value(self, key):
        return None

def create_state_context(url, namespace, table):
    with Path(__file__).with_name("tables").open("a") as file:
        file.write(f"{namespace}.{table}\\n")
    return Table()
""",
}


@dataclass
class Checkout:
    """A copy of what is deployed, to change in a test.

    Attributes
    ----------
    root : Path
        Holds ``function-configs``, ``functions``, ``runtime`` and ``schemas``.
    build : Path
        Where the zips go.
    python_instance : Path
        Stands for the distribution's folder of that name.
    function_logs : Path
        Where instances would log.
    migrated : list of str
        The services whose migrations ran, in order.
    """

    root: Path
    build: Path
    python_instance: Path
    function_logs: Path
    migrated: list[str]

    def change_config(self, name: str, **values: Any) -> None:
        """Set top-level keys of a function's YAML."""
        path = self.root / "function-configs" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}))

    def change_user_config(self, name: str, **values: Any) -> None:
        """Set keys of a function's userConfig."""
        path = self.root / "function-configs" / f"{name}.yaml"
        self.change_config(name, userConfig={**yaml.safe_load(path.read_text())["userConfig"], **values})

    def add_service(self, name: str) -> None:
        """Add a function with a database of its own, as the author of a new one begins."""
        folder = self.root / "function-configs"
        values = yaml.safe_load((folder / "reporting.yaml").read_text())
        user_config = {"dsn_env": f"ALPES_{name.upper()}_DSN"}
        own = {**values, "name": name, "subName": name, "userConfig": user_config}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(own))

    def change_code(self, service: str) -> None:
        """Change a source file that is shipped."""
        with (self.root / "functions" / service / "domain.py").open("a") as file:
            file.write("# changed\n")

    @property
    def state_tables(self) -> list[str]:
        """The functions whose state tables were made."""
        file = self.python_instance / "tables"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A Pulsar with nothing on it."""
    with cluster_stub.running(tmp_path) as running:
        yield running


@pytest.fixture
def no_cluster_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what the developer's shell points to, so that a test never deploys there."""
    for name in list(os.environ):
        if name.startswith(("PULSAR_", "ALPES_")):
            monkeypatch.delenv(name)


@pytest.fixture
def worker_check() -> None:
    """Used by a test in which the worker's Python is checked."""


@pytest.fixture
def checkout(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    no_cluster_in_the_environment: None,
) -> Checkout:
    """Return a checkout whose local stack is the stub.

    Only tests marked ``usefixtures("worker_check")`` check what the worker's Python has.
    """
    root = tmp_path / "checkout"
    for folder in ("function-configs", "functions", "runtime", "schemas"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))

    monkeypatch.setenv("ALPES_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALPES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ALPES_PORT_OFFSET", str((urlsplit(cluster.url).port or 0) - Ports().http))
    monkeypatch.setenv("PULSAR_ADMIN", str(cluster.pulsar_admin))
    settings = from_environment(os.environ)
    settings.home.mkdir()
    credentials.load_or_make(settings)
    python_instance = settings.distribution / "instances" / "python-instance"
    python_instance.mkdir(parents=True)
    for name, text in PYTHON_INSTANCE.items():
        (python_instance / name).write_text(text)

    result = Checkout(root, tmp_path / "build", python_instance, settings.function_logs, [])
    configs = root / "function-configs"
    monkeypatch.setattr(function_configs, "load", functools.partial(function_configs.load, configs))
    monkeypatch.setattr(packages, "build", functools.partial(packages.build, folder=result.build, root=root))
    monkeypatch.setattr(instances, "wait_running", functools.partial(instances.wait_running, seconds=30.0))
    # The stub replaces instances at once, unless a test makes them linger.
    monkeypatch.setattr(instances, "REPLACED_S", 0.0)
    monkeypatch.setattr(instances, "POLL_S", 0.02)

    def migrate(dsn: str, directory: Path) -> list[str]:
        result.migrated.append(urlsplit(dsn).path.strip("/"))
        return []

    def missing(_directory: Path, dsn: str) -> list[str]:
        return [] if urlsplit(dsn).path.strip("/") in result.migrated else ["0001_all.sql"]

    monkeypatch.setattr(deployment.databases, "migrate", migrate)
    monkeypatch.setattr(deployment.databases, "_missing", missing)
    monkeypatch.setattr(deployment.databases, "_locked", lambda _service, _dsn: nullcontext())
    if "worker_check" not in request.fixturenames:
        # The check starts a Python that imports every function, which is too slow for each test.
        monkeypatch.setattr(preflight, "check_local", lambda functions, settings, **_: None)

    class Client:
        """Registers the schema of a producer, as a broker does."""

        def create_producer(self, topic: str, schema: Any, **options: Any) -> "Client":
            name = topic.removeprefix("persistent://")
            assert name in cluster.topics
            cluster.changes.append(f"SCHEMA {name}")
            cluster.register(name, "PROTOBUF_NATIVE", schema.schema_info().schema())
            return self

        def close(self) -> None:
            """As the producer's does."""

    @contextmanager
    def opened(service_url: str, **options: int) -> Iterator[Client]:
        assert service_url == settings.service_url
        yield Client()

    monkeypatch.setattr(gate, "opened", opened)
    return result


Deployment = Callable[..., tuple[int, str]]


@pytest.fixture
def deployment_command(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> Deployment:
    """Return a function that runs `python -m deployment …` and returns its exit code and output."""

    def run(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = main(arguments)
        told = capfd.readouterr()
        return code, told.out + told.err

    return run


def summary(path: Path) -> dict[str, Any]:
    """Read what `deploy --summary-json` wrote."""
    content = json.loads(path.read_text())
    assert isinstance(content, dict)
    return content
