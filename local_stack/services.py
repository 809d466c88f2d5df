"""Which services have a database on this stack: those whose function config names a variable for its DSN."""

from pathlib import Path

import yaml

from local_stack.errors import LocalStackError
from local_stack.settings import CHECKOUT

FOLDER = CHECKOUT / "function-configs"


def dsn_variables(folder: Path = FOLDER) -> dict[str, str]:
    """The environment variable that holds each service's DSN, by service. Role and database have the service's name.

    Raises
    ------
    LocalStackError
        A function config is no YAML.
    """
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            values = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise LocalStackError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error
        values = values if isinstance(values, dict) else {}
        variable = (values.get("userConfig") or {}).get("dsn_env")
        if values.get("name") and variable:
            found[str(values["name"])] = str(variable)
    return found
