"""Finds the services that have a database on this stack: their function configs name a variable for the DSN."""

from pathlib import Path

import yaml

from local_stack.errors import LocalStackError
from local_stack.settings import CHECKOUT

FOLDER = CHECKOUT / "function-configs"


def dsn_variables(folder: Path = FOLDER) -> dict[str, str]:
    """Return each service's environment variable for its DSN. Role and database have the service's name.

    Raises
    ------
    LocalStackError
        A function config isn't valid YAML.
    """
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            values = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise LocalStackError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from error
        values = values if isinstance(values, dict) else {}
        variable = (values.get("userConfig") or {}).get("dsn_env")
        if values.get("name") and variable:
            found[str(values["name"])] = str(variable)
    return found
