"""Checks, before anything is created, that a cluster's workers have what the functions need.

It runs a small function, the probe, on each worker, in a tenant and on topics of the probe's own. It removes all of
these at the end, whatever the probe found.
"""

import contextlib
import json
import re
import time
import zipfile
from collections.abc import Container, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pulsar
import yaml

from connection.admin import Admin
from connection.client import NEW_TOPIC_TIMEOUT_S, opened
from connection.errors import ForbiddenError, PulsarError
from deployment import function_logs, instances, releases
from deployment.errors import FunctionFailedError, WorkerNotReadyError
from deployment.function_configs import CHECKOUT, PulsarFunctionConfig
from deployment.packages import BUILD
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import Target
from deployment.wheels import INSTANCES
from terminal import progress

SOURCE = Path(__file__).with_name("probe_function") / "alpes_probe.py"
TENANT = "alpes-probe"
NAMESPACE = f"{TENANT}/check"
QUESTIONS = f"persistent://{NAMESPACE}/questions"
ANSWERS = f"persistent://{NAMESPACE}/answers"
PACKAGES = CHECKOUT / "requirements" / "runtime.txt"
REPORTS = CHECKOUT / "requirements" / "reports.txt"
START_S = 60.0
ANSWER_S = 60.0
ASK_AGAIN_S = 2.0


def modules(packages: Path = PACKAGES, among: Container[str] | None = None) -> list[str]:
    """Return one module of each package that the lock's `.in` file names; these bring all others that are needed.

    Parameters
    ----------
    packages
        The lock.
    among
        Leave out other packages than these; None leaves out none.
    """
    # A block is a package's line and the indented lines below it: its hashes, and which file or package needs it.
    blocks = re.findall(r"^([\w.-]+)==(?:.*\n)((?:[ ].*\n)*)", packages.read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for name, notes in blocks if f"-r {packages.stem}.in" in notes]
    return [_module(name) for name in named if among is None or name in among]


def _module(package: str) -> str:
    """Return a package's outermost module, as it is installed here."""
    files = [file for file in metadata.files(package) or [] if file.name == "__init__.py"]
    return ".".join(min(files, key=lambda file: len(file.parts)).parts[:-1])


def _files(folder: Path) -> tuple[PulsarFunctionConfig, Path]:
    """Write the probe's configuration and zip, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "alpes-probe.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(SOURCE, f"{package.stem}/src/{SOURCE.name}")
    values = {
        "tenant": TENANT,
        "namespace": NAMESPACE.split("/")[1],
        "name": "probe",
        "className": "alpes_probe.Probe",
        "runtime": "PYTHON",
        "inputs": [QUESTIONS],
        "output": ANSWERS,
        "subName": "probe",
        "subscriptionPosition": "Earliest",
        "cleanupSubscription": True,
        "parallelism": 1,
    }
    path = folder / "alpes-probe.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return PulsarFunctionConfig(path, values), package


@contextlib.contextmanager
def _probe_namespace(api: Admin) -> Iterator[None]:
    """Create the probe's tenant and namespace, and remove them at the end.

    Raises
    ------
    connection.errors.ForbiddenError
        This role may not make a tenant; nothing was made.
    """
    _remove(api)
    clusters = [cluster for cluster in api.get("/admin/v2/clusters") if cluster != "global"]
    api.create(f"/admin/v2/tenants/{TENANT}", {"allowedClusters": clusters})
    api.create(f"/admin/v2/namespaces/{NAMESPACE}", {})
    try:
        yield
    finally:
        _remove(api)


def _remove(api: Admin) -> None:
    """Remove all that a probe makes, or that an interrupted one has left."""
    if TENANT not in api.get("/admin/v2/tenants"):
        return
    api.delete(f"/admin/v3/functions/{NAMESPACE}/probe")
    deadline = time.monotonic() + START_S
    while True:
        try:
            for topic in api.find(f"/admin/v2/persistent/{NAMESPACE}") or []:
                api.delete(f"/admin/v2/persistent/{NAMESPACE}/{topic.rpartition('/')[2]}?force=true")
            api.delete(f"/admin/v2/namespaces/{NAMESPACE}")
            api.delete(f"/admin/v2/tenants/{TENANT}")
        except PulsarError:
            # Until the instance has ended, its producer may create its topic again.
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def check(
    configs: Sequence[PulsarFunctionConfig],
    target: Target,
    api: Admin,
    cli: PulsarAdmin,
    *,
    brings_packages: bool = False,
) -> None:
    """Ask one instance on each worker. A role that may not run a probe goes on without it, and is told so.

    Parameters
    ----------
    brings_packages
        Whether the functions bring their packages, so that a worker needs only those of any Python function. Their
        databases aren't tried then.

    Raises
    ------
    WorkerNotReadyError
        A worker lacks something, or runs no Python function at all.
    """
    with contextlib.ExitStack() as prepared:
        try:
            workers = len(api.get("/admin/v2/worker/cluster"))
            prepared.enter_context(_probe_namespace(api))
        except ForbiddenError as error:
            progress.say(
                f"The workers were not probed, since a probe needs a superuser: {error} What they must have is in"
                " docs/operations.md, Your own cluster."
            )
            return
        _probe(asked(configs, brings_packages=brings_packages), target, api, cli, workers)


def asked(configs: Sequence[PulsarFunctionConfig], *, brings_packages: bool = False) -> dict[str, list[str]]:
    """Return what the probe is to check, for `alpes_probe`; see `check` for the parameters. Pure."""
    variables = [config.dsn_variable for config in configs if config.dsn_variable]
    return {
        "modules": modules(among=INSTANCES if brings_packages else None),
        "optional": [] if brings_packages else modules(REPORTS),
        "variables": variables,
        # The driver is among the packages that functions bring.
        "databases": [] if brings_packages else variables,
    }


def _probe(question: dict[str, list[str]], target: Target, api: Admin, cli: PulsarAdmin, workers: int) -> None:
    config, package = _files(BUILD)
    cli.functions("create", "--function-config-file", str(config.path), "--py", str(package))
    try:
        instances.wait_running(config, api, 1, START_S)
        if workers > 1:
            # The scheduler puts one instance on each worker.
            releases.scale(config, workers, cli)
            instances.wait_running(config, api, workers, START_S)
    except FunctionFailedError as error:
        raise WorkerNotReadyError(_why_not(config, api, error.reason)) from error
    problems, missing = _ask(question, target, workers)
    if missing:
        progress.say(
            f"A worker lacks {', '.join(missing)}: some formats of reports can't be made there. Install "
            "requirements/reports.txt in its Python to have them (alpes report --formats lists them)."
        )
    if problems:
        raise WorkerNotReadyError(f"Nothing was created, because a worker is not ready: {'; '.join(problems)}.")


def _why_not(config: PulsarFunctionConfig, api: Admin, reason: str) -> str:
    """Say that the probe doesn't run, where its own words are, and what it is most often."""
    try:
        logs = function_logs.places([config], api)
    except PulsarError:
        logs = []
    return (
        "Nothing was created, because a Python function of three lines doesn't run on this cluster's workers:"
        f" {reason.rstrip('.')}. Its own last words are in {' and '.join(logs) or 'its log on the function worker'}."
        " Most often the worker's Python lacks packages of requirements/runtime.txt, or stateStorageServiceUrl leads"
        " nowhere (docs/operations.md, Nodes that die)."
    )


def _ask(question: dict[str, list[str]], target: Target, count: int) -> tuple[list[str], list[str]]:
    """Ask until each of `count` instances has answered; return their problems, and what they could do without."""
    answered: set[str] = set()
    problems: dict[str, None] = {}
    missing: dict[str, None] = {}
    with opened(target.service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S) as client:
        answers = client.subscribe(ANSWERS, "deployment", initial_position=pulsar.InitialPosition.Earliest)
        producer = client.create_producer(QUESTIONS, batching_enabled=False)
        deadline = time.monotonic() + ANSWER_S
        ask_at = 0.0
        while len(answered) < count:
            if time.monotonic() > deadline:
                problems[f"{count - len(answered)} of {count} instances did not answer in {ANSWER_S:.0f} s"] = None
                break
            if time.monotonic() > ask_at:
                ask_at = time.monotonic() + ASK_AGAIN_S
                for _ in range(count):
                    producer.send(json.dumps(question).encode())
            try:
                answer = json.loads(answers.receive(timeout_millis=500).data())
            except pulsar.Timeout:
                continue
            answered.add(answer["instance"])
            problems.update(dict.fromkeys(answer["problems"]))
            missing.update(dict.fromkeys(answer["missing"]))
    return list(problems), list(missing)
