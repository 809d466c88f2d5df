"""Asks the workers of a cluster that isn't ours what they have, with a small function of its own.

It lives in a tenant of its own, on topics of its own, and is removed again whatever it found: nothing of the system is
created before it has passed.
"""

import contextlib
import json
import re
import time
import zipfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pulsar
import yaml

from connection.admin import Admin
from connection.client import opened
from connection.errors import PulsarError
from deployment import instances, releases
from deployment.errors import FunctionFailedError, WorkerNotReadyError
from deployment.function_configs import CHECKOUT, FunctionConfig
from deployment.packages import BUILD
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import Target

SOURCE = Path(__file__).with_name("probe_function") / "alpes_probe.py"
TENANT = "alpes-probe"
NAMESPACE = f"{TENANT}/check"
QUESTIONS = f"persistent://{NAMESPACE}/questions"
ANSWERS = f"persistent://{NAMESPACE}/answers"
PACKAGES = CHECKOUT / "requirements" / "runtime.txt"
START_SECONDS = 60.0
ANSWER_SECONDS = 60.0
ASK_AGAIN_SECONDS = 2.0


def modules(packages: Path = PACKAGES) -> list[str]:
    """Return a module of each package that the functions need in the worker, apart from those that others bring."""
    # A package's line, and below it, indented, its hashes and what it is there for.
    blocks = re.findall(r"^([\w.-]+)==(?:.*\n)((?:[ ].*\n)*)", packages.read_text(encoding="utf-8"), re.MULTILINE)
    return [_module(name) for name, notes in blocks if "-r runtime.in" in notes]


def _module(package: str) -> str:
    """Return the outermost module of a package; this process has the same ones as the worker."""
    files = [file for file in metadata.files(package) or [] if file.name == "__init__.py"]
    return ".".join(min(files, key=lambda file: len(file.parts)).parts[:-1])


def _files(folder: Path) -> tuple[FunctionConfig, Path]:
    """Write the probe's zip and config."""
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
    return FunctionConfig(path, values), package


@contextlib.contextmanager
def _room(api: Admin) -> Iterator[None]:
    """The probe's tenant, while it is needed."""
    _remove(api)
    clusters = [cluster for cluster in api.get("/admin/v2/clusters") if cluster != "global"]
    api.create(f"/admin/v2/tenants/{TENANT}", {"allowedClusters": clusters})
    api.create(f"/admin/v2/namespaces/{NAMESPACE}", {})
    try:
        yield
    finally:
        _remove(api)


def _remove(api: Admin) -> None:
    """Remove all that a probe makes, an interrupted one's too."""
    if TENANT not in api.get("/admin/v2/tenants"):
        return
    api.delete(f"/admin/v3/functions/{NAMESPACE}/probe")
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            for topic in api.find(f"/admin/v2/persistent/{NAMESPACE}") or []:
                api.delete(f"/admin/v2/persistent/{NAMESPACE}/{topic.rpartition('/')[2]}?force=true")
            api.delete(f"/admin/v2/namespaces/{NAMESPACE}")
            api.delete(f"/admin/v2/tenants/{TENANT}")
        except PulsarError:
            # The instance's producer may make its topic again until it has ended.
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def check(configs: Sequence[FunctionConfig], target: Target, api: Admin, cli: PulsarAdmin) -> int:
    """Ask one instance on each worker.

    Returns
    -------
    int
        How many workers answered.

    Raises
    ------
    WorkerNotReadyError
        A worker lacks something, or runs no Python function at all.
    """
    workers = len(api.get("/admin/v2/worker/cluster"))
    config, package = _files(BUILD)
    with _room(api):
        arguments = ["--function-config-file", str(config.path), "--py", str(package)]
        cli.functions("create", *arguments)
        try:
            instances.wait_running(config, api, 1, START_SECONDS)
            if workers > 1:
                # The scheduler puts one on each worker.
                releases.scale(config, workers, cli)
                instances.wait_running(config, api, workers, START_SECONDS)
        except FunctionFailedError as error:
            raise WorkerNotReadyError(
                "Nothing was created, because this cluster's workers don't run Python functions: their Python needs the"
                f" packages of requirements/runtime.txt. ({error})"
            ) from error
        problems = _ask(configs, target, workers)
    if problems:
        raise WorkerNotReadyError(f"Nothing was created, because a worker is not ready: {'; '.join(problems)}.")
    return workers


def _ask(configs: Sequence[FunctionConfig], target: Target, count: int) -> list[str]:
    """Ask until each of `count` instances has answered; returns their problems."""
    question = {"modules": modules(), "variables": [c.dsn_variable for c in configs if c.dsn_variable]}
    answered: set[str] = set()
    problems: dict[str, None] = {}
    with opened(target.service_url) as client:
        answers = client.subscribe(ANSWERS, "deployment", initial_position=pulsar.InitialPosition.Earliest)
        producer = client.create_producer(QUESTIONS, batching_enabled=False)
        deadline = time.monotonic() + ANSWER_SECONDS
        ask_at = 0.0
        while len(answered) < count:
            if time.monotonic() > deadline:
                problems[f"{count - len(answered)} of {count} instances did not answer in {ANSWER_SECONDS:.0f} s"] = (
                    None
                )
                break
            if time.monotonic() > ask_at:
                ask_at = time.monotonic() + ASK_AGAIN_SECONDS
                for _ in range(count):
                    producer.send(json.dumps(question).encode())
            try:
                answer = json.loads(answers.receive(timeout_millis=500).data())
            except pulsar.Timeout:
                continue
            answered.add(answer["instance"])
            problems.update(dict.fromkeys(answer["problems"]))
    return list(problems)
