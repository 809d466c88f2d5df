"""Reads the function configs, and finds the services that have a database on this stack: theirs name a DSN variable."""

from pathlib import Path
from typing import Any

import yaml

from local_stack.errors import LocalStackError
from local_stack.settings import CHECKOUT

FOLDER = CHECKOUT / "function-configs"


def read_configs(folder: Path = FOLDER) -> dict[Path, dict[str, Any]]:
    """Return the content of each function config, by its file; empty for a file that holds no mapping.

    Raises
    ------
    LocalStackError
        A file isn't valid YAML.
    """
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            values = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise LocalStackError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from error
        found[path] = values if isinstance(values, dict) else {}
    return found


def dsn_variables(folder: Path = FOLDER) -> dict[str, str]:
    """Return each service's environment variable for its DSN. Role and database have the service's name."""
    found = {each.get("name"): (each.get("userConfig") or {}).get("dsn_env") for each in read_configs(folder).values()}
    return {str(service): str(variable) for service, variable in found.items() if service and variable}
