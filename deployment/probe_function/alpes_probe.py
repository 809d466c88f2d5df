"""A function that tells what its worker has. `deployment.probe` ships it alone: it imports nothing of ours."""

import importlib
import json
import os
from typing import Any

import pulsar

CONNECT_SECONDS = 5


def _import_problem(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - whatever it is, a function would die of it
        return str(error)
    return None


def _variable_problem(name: str) -> str | None:
    dsn = os.environ.get(name)
    if not dsn:
        return "is not set"
    try:
        psycopg = importlib.import_module("psycopg")
        psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS).close()
    except Exception as error:  # noqa: BLE001 - the driver's errors, or its absence
        return "leads to no database: " + " ".join(str(error).split())
    return None


def _state_problem(context: Any) -> str | None:
    try:
        context.put_state("probe", "here")
        value = context.get_state("probe")
    except Exception as error:  # noqa: BLE001 - gRPC's and the client's own
        return repr(error)
    return None if value else "there is none"


class Probe(pulsar.Function):  # type: ignore[misc]
    """Answers a question of JSON (`modules`, `variables`) with the problems it found, empty when there are none."""

    def process(self, item: str, context: Any) -> str:
        """Look, and answer as JSON: `instance` and `problems`."""
        question = json.loads(item)
        problems = []
        for name in question["modules"]:
            problem = _import_problem(name)
            if problem:
                problems.append(f"its Python lacks {name} ({problem})")
        for name in question["variables"]:
            problem = _variable_problem(name)
            if problem:
                problems.append(f"its environment variable {name} {problem}")
        problem = _state_problem(context)
        if problem:
            problems.append(f"its state store can't be used: {problem}")
        return json.dumps({"instance": str(context.get_instance_id()), "problems": problems})
