"""Brings each service's tables up to date, as the service's own role."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import psycopg

from alpes_runtime.errors import AlpesError
from alpes_runtime.migrations import migrate
from deployment.errors import DeploymentError
from deployment.function_configs import CHECKOUT, PulsarFunctionConfig
from deployment.target import Target


def apply(configs: Sequence[PulsarFunctionConfig], target: Target) -> list[str]:
    """Apply the migrations that are missing.

    Returns
    -------
    list of str
        One line for each database that was changed.

    Raises
    ------
    DeploymentError
        A database can't be reached, or refuses a migration.
    """
    done = []
    for config in configs:
        folder = CHECKOUT / "functions" / config.service / "sql" / "migrations"
        if not config.dsn_variable or not folder.is_dir():
            continue
        dsn = target.dsns[config.dsn_variable]
        try:
            applied = migrate(dsn, folder)
        except (psycopg.Error, AlpesError) as error:
            where = urlsplit(dsn)
            raise DeploymentError(
                f"The tables of {config.name} could not be brought up to date ({config.dsn_variable} at"
                f" {where.hostname}:{where.port or 5432}): {' '.join(str(error).split())}"
            ) from error
        if applied:
            done.append(f"tables of {config.name}: {', '.join(applied)} applied")
    return done
