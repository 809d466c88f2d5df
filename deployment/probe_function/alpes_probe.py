"""A function that checks its worker. `deployment.probe` ships this file alone, so it imports nothing of ours."""

import importlib
import json
import os
import re
from typing import Any

import pulsar

CONNECT_S = 5
UNREADABLE = "is no connection string of PostgreSQL"


def _import_problem(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - any error would end the function that imports it
        return str(error)
    return None


def _variable_problem(name: str, *, tried: bool = True) -> str | None:
    dsn = os.environ.get(name)
    if not dsn:
        return "is not set"
    if not tried:
        return None
    try:
        psycopg = importlib.import_module("psycopg")
        parts = importlib.import_module("psycopg.conninfo").conninfo_to_dict(dsn)
        host, port, name = (str(parts.get(part) or "") for part in ("host", "port", "dbname"))
        # So is read what follows a "/" or "@" of a password. An error would quote it, and these answers are messages.
        if re.search("(^|,)[^,/@][^,]*@", host) or port.strip("0123456789,") or "@" in name:
            return UNREADABLE
        psycopg.connect(dsn, connect_timeout=CONNECT_S).close()
    except Exception as error:  # noqa: BLE001 - the driver's errors, or its absence
        if type(error).__name__ == "ProgrammingError":
            return UNREADABLE
        return "doesn't lead to a database: " + " ".join(str(error).split())
    return None


def _state_problem(context: Any) -> str | None:
    try:
        context.put_state("probe", "here")
        value = context.get_state("probe")
    except Exception as error:  # noqa: BLE001 - gRPC's and the client's own
        return repr(error)
    return None if value else "the worker has none"


class Probe(pulsar.Function):  # type: ignore[misc]
    """Checks modules, environment variables and the state store. Questions and answers are JSON."""

    def process(self, item: str, context: Any) -> str:
        """Check what a question lists (`modules`, `variables`), and answer with `instance` and `problems`.

        Variables must be set, and those that `databases` lists must lead to a database.
        `optional` modules that it lacks are no problem: the answer lists them as `missing`.
        """
        question = json.loads(item)
        problems = []
        for name in question["modules"]:
            problem = _import_problem(name)
            if problem:
                problems.append(f"its Python lacks {name} ({problem})")
        for name in question["variables"]:
            problem = _variable_problem(name, tried=name in question["databases"])
            if problem:
                problems.append(f"its environment variable {name} {problem}")
        problem = _state_problem(context)
        if problem:
            problems.append(f"its state store can't be used: {problem}")
        missing = [name for name in question.get("optional", ()) if _import_problem(name)]
        return json.dumps({"instance": str(context.get_instance_id()), "problems": problems, "missing": missing})
