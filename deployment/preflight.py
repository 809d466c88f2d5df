"""Checks, before anything is created, that the local function worker has what the functions need."""

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from alpes_runtime.config import parse_config
from alpes_runtime.errors import Misconfigured
from deployment.errors import WorkerNotReadyError
from deployment.function_configs import PulsarFunctionConfig
from deployment.packages import Packaged
from local_stack import broker, credentials
from local_stack.settings import Settings

CHECK = Path(__file__).with_name("worker_check.py")
CHECK_S = 120


def check_user_configs(configs: Sequence[PulsarFunctionConfig]) -> None:
    """Check each function's userConfig with this checkout's code, as its instances will.

    Raises
    ------
    WorkerNotReadyError
        A key is unknown, or its value is wrong; the message says which, and what is right.
    """
    for config in configs:
        module, _, name = config.class_name.rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        try:
            parse_config(kind.Config, config.user_config)
        except Misconfigured as error:
            raise WorkerNotReadyError(f"Nothing was created, because function {config.name}: {error}") from error


def check_local(functions: Sequence[Packaged], settings: Settings, *, with_state: bool = True) -> None:
    """Check that the local worker's Python can import what an instance imports, and that the state store answers.

    Parameters
    ----------
    with_state
        Whether to look at the state store, and make the functions' tables there.

    Raises
    ------
    WorkerNotReadyError
        Something is missing; the message names it.
    """
    task = {
        "instances": str(settings.distribution / "instances" / "python-instance"),
        "functions": [
            {
                "name": function.config.name,
                "class": function.config.class_name,
                "package": str(function.package),
                "user_config": function.config.user_config,
                "variable": function.config.dsn_variable,
            }
            for function in functions
        ],
        "state_url": with_state and f"bk://127.0.0.1:{settings.ports.state}",
        "state_namespace": functions[0].config.namespace.replace("/", "_").replace("-", "_"),
    }
    environ = broker.broker_environment(settings, credentials.load(settings))
    python = Path(sys.executable).parent / "python3"
    result = subprocess.run(
        [python, "-P", CHECK],
        input=json.dumps(task),
        env=environ,
        cwd=settings.home,
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        check=False,
    )
    problems = result.stdout.strip()
    if result.returncode != 0 and not problems:
        problems = result.stderr.strip().splitlines()[-1] if result.stderr.strip() else f"exit code {result.returncode}"
    if problems:
        raise WorkerNotReadyError(f"Nothing was created, because {problems}")
