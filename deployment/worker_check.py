"""Does what an instance does at its start, to find what is missing. The worker's Python runs it, not ours.

`python3 worker_check.py` reads JSON from its standard input (`instances`, `functions`, `state_url`, `state_namespace`),
and prints one line per problem. It also makes the functions' state tables, with the worker's own code, unless there is
no `state_url`. Instances that start at once would race to make them, and the losers would die.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

STATE_S = 30.0
SHIPPED = {"alpes_runtime", "alpes_wire", "functions", "schemas"}
"""Packages that each function's zip brings."""


def _instance_problem(instances: str) -> str:
    sys.path.insert(0, instances)
    try:
        importlib.import_module("python_instance_main")
    except ImportError as error:
        return (
            f"the worker's Python ({sys.executable}) can't run functions: {error}."
            " It needs the packages of requirements/runtime.txt"
        )
    return ""


def _function_problem(function: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(function["package"]) as archive:
            archive.extractall(folder)
        source = str(Path(folder) / Path(function["package"]).stem / "src")
        sys.path.insert(0, source)
        try:
            module, _, name = function["class"].rpartition(".")
            kind = getattr(importlib.import_module(module), name)
            settings_class = getattr(kind, "Config", None)
            if settings_class is not None:
                importlib.import_module("alpes_runtime.config").parse_config(settings_class, function["user_config"])
        except Exception as error:  # noqa: BLE001 - any error would end the instance
            return f"function {function['name']}: {error}"
        finally:
            sys.path.remove(source)
            for loaded in [name for name in sys.modules if name.partition(".")[0] in SHIPPED]:
                del sys.modules[loaded]
    if function["variable"] and not os.environ.get(function["variable"]):
        return f"function {function['name']}: the worker's environment has no {function['variable']}"
    return ""


def _state_problem(url: str, namespace: str, table: str) -> str:
    state_context = importlib.import_module("state_context")
    deadline = time.monotonic() + STATE_S
    while True:
        try:
            # For some seconds after its start, the store answers with errors.
            state_context.create_state_context(url, namespace, table).get_value("deployment-check")
        except Exception as error:  # noqa: BLE001 - gRPC's and the client's own
            if time.monotonic() > deadline:
                return f"the state store at {url} does not answer: {error!r}"
            time.sleep(0.3)
        else:
            return ""


def main() -> None:
    """Check what standard input asks for, and print the problems."""
    task = json.load(sys.stdin)
    problems = []
    # An imported module may print. Standard output is for problems alone.
    with contextlib.redirect_stdout(io.StringIO()):
        problem = _instance_problem(task["instances"])
        if problem:
            problems.append(problem)
        else:
            problems += filter(None, map(_function_problem, task["functions"]))
            for function in task["functions"] if task["state_url"] and not problems else ():
                problem = _state_problem(task["state_url"], task["state_namespace"], function["name"])
                if problem:
                    problems.append(problem)
                    break
    print("\n".join(problems))


if __name__ == "__main__":
    main()
