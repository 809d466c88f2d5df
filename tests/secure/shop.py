"""The secured stack as the tests see it, through the eyes of each role."""

import os
import subprocess
import sys
from functools import cached_property

from connection.admin import Admin
from connection.client import Client
from connection.security import Security
from local_stack import credentials
from local_stack.secured import secrets
from local_stack.settings import Settings, from_environment
from tests.e2e.tienda import ROOT


class Shop:
    """One secured stack.

    Parameters
    ----------
    environment
        That of ``./deploy.sh``.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.settings: Settings = from_environment(environment)
        self._clients: dict[str, Client] = {}

    @cached_property
    def known(self) -> credentials.Credentials:
        """The passwords of the databases."""
        return credentials.load(self.settings)

    def security(self, role: str) -> Security:
        return secrets.security(self.settings, role)

    def admin(self, role: str) -> Admin:
        return Admin(self.settings.admin_url, pauses_s=(), timeout_s=10, security=self.security(role))

    def client(self, role: str) -> Client:
        if role not in self._clients:
            self._clients[role] = Client(self.settings.service_url, security=self.security(role))
        return self._clients[role]

    def dsn(self, role: str, database: str) -> str:
        return self.known.dsn(role, self.settings.ports.postgres, database)

    def variables(self, role: str) -> dict[str, str]:
        """Return an environment in which programs work on this stack as a role."""
        named = {
            "PULSAR_SERVICE_URL": self.settings.service_url,
            "PULSAR_ADMIN_URL": self.settings.admin_url,
            **self.known.dsns(self.settings.ports.postgres),
        }
        return {**self.environment, **named, **secrets.variables(self.settings, role)}

    def alpes(self, role: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run the client as a role."""
        return subprocess.run(
            [sys.executable, "-m", "client", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.variables(role), **variables},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
