"""An instance as Function Mesh runs it, from a self-contained zip, on a Python that has none of our packages."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployment import function_configs, kubernetes, packages, wheels
from deployment.kubernetes import Cluster
from deployment.wheels import Interpreter
from local_stack.settings import from_environment
from tests.e2e.tienda import ROOT, Tienda, new_prefix, orders, stopped, wait_until

ORDERS = 300
PAGOS = function_configs.load()["pagos"]


def details(spec: dict[str, Any]) -> str:
    """Return what Function Mesh tells an instance: convertFunctionDetails in its controllers/spec/utils.go."""
    sources = {topic: {"serdeClassName": serde} for topic, serde in spec["input"]["customSerdeSources"].items()}
    found = {
        "tenant": spec["tenant"],
        "namespace": spec["namespace"],
        "name": spec["name"],
        "className": spec["className"],
        "processingGuarantees": spec["processingGuarantee"].upper(),
        "userConfig": json.dumps(spec["funcConfig"]),
        "secretsMap": json.dumps(spec["secretsMap"]),
        "runtime": "PYTHON",
        "autoAck": spec["autoAck"],
        "parallelism": 1,
        "source": {
            "subscriptionType": "SHARED",
            "inputSpecs": sources,
            "subscriptionName": spec["subscriptionName"],
            "cleanupSubscription": spec["cleanupSubscription"],
            "subscriptionPosition": spec["subscriptionPosition"].upper(),
        },
        "sink": {"topic": spec["output"]["topic"], "forwardSourceMessageProperty": False},
    }
    return json.dumps(found)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what Pulsar's instance imports, and nothing of ours."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "instance.txt").write_text("".join(wheels.of_instances(wheels.LOCK.read_text()).values()))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip: list[str | Path] = [folder / "venv" / "bin" / "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    done = subprocess.run([*pip, "-r", folder / "instance.txt"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no Python without our packages: {done.stderr.strip().splitlines()[-1]}")
    return folder / "venv" / "bin"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def instance(
    stack: Tienda, python: Path, spec: dict[str, Any], package: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an instance with the command of Function Mesh: getProcessPythonRuntimeArgs in controllers/spec/common.go."""
    distribution = from_environment(stack.environment).distribution
    command = [
        python / "python",
        distribution / "instances" / "python-instance" / "python_instance_main.py",
        *("--py", package, "--logging_directory", log.parent, "--logging_file", "pagos"),
        *("--logging_config_file", distribution / "conf" / "functions-logging" / "console_logging_config.ini"),
        *("--install_usercode_dependencies", "true", "--instance_id", "0", "--function_id", "0-x"),
        *("--function_version", "0", "--function_details", details(spec)),
        *("--pulsar_serviceurl", stack.service_url, "--max_buffered_tuples", "100"),
        *("--port", str(free_port()), "--metrics_port", str(free_port()), "--expected_healthcheck_interval", "0"),
        *("--cluster_name", spec["clusterName"], "--use_tls", "false"),
        *("--secrets_provider", "secretsprovider.EnvironmentBasedSecretsProvider"),
    ]
    environ = {
        "PATH": os.pathsep.join([str(python), os.environ["PATH"]]),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **dict.fromkeys(spec["secretsMap"], stack.dsns["pagos"]),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=log.parent, env=environ, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.timeout(400)
def test_a_self_contained_zip_runs_under_function_meshs_command_on_a_worker_that_nobody_prepared(
    stack: Tienda, bare: Path, tmp_path: Path
) -> None:
    for ours in ("psycopg", "cramjam", "iso4217", "alpes_runtime"):
        lacks = subprocess.run(
            [bare / "python", "-c", f"import {ours}"], cwd="/", env={}, capture_output=True, check=False
        )
        assert lacks.returncode, f"{ours} is installed, so this would show nothing"
    package = packages.build(PAGOS, tmp_path, wheels=wheels.fetch(tmp_path / "wheels", Interpreter()))
    shutil.rmtree(tmp_path / "wheels")
    spec = kubernetes.function(PAGOS, Cluster("alpes-runner:1"))["spec"]
    prefix, log = new_prefix("mesh"), tmp_path / "log"
    with stopped(stack, "pagos"), instance(stack, bare, spec, package, log) as process:
        stack.publish("crear-orden", orders(prefix, ORDERS))

        def has_charged() -> bool:
            assert process.poll() is None, log.read_text()
            return len(stack.statuses("pagos", prefix)) == ORDERS

        wait_until(has_charged, 90, "the instance has charged every order")
        process.send_signal(signal.SIGTERM)
        assert process.wait(kubernetes.GRACE_S) == 0
    text = log.read_text()
    assert "Instance 0 of pagos runs, intake direct" in text
    assert "Drained: all that was begun is done" in text
    stack.wait_ended(prefix, ORDERS, 60)
    assert not (ROOT / "deps").exists()
