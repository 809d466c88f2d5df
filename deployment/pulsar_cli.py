"""Calls `pulsar-admin functions …`, which creates, updates and scales the functions."""

import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connection.admin import Admin
from connection.security import CLIENT_CONF, client_conf
from deployment.errors import DeploymentError
from local_stack.environment import without_dsns

TIMEOUT_S = 180
# The worker's error when two functions are created at once, and both create the folder that they share.
RACE = "Someone just created log"
TRIES = 3


@dataclass(frozen=True)
class PulsarAdmin:
    """`pulsar-admin` on one cluster.

    Attributes
    ----------
    executable : Path
        The program.
    api : Admin
        The cluster's admin API. `pulsar-admin` is given the address of a worker, if this is of a broker without one.
    """

    executable: Path
    api: Admin

    def functions(self, command: str, *arguments: str) -> None:
        """Run `pulsar-admin functions COMMAND …`.

        Paths among the arguments must be absolute, since `pulsar-admin` changes its working directory.

        Raises
        ------
        DeploymentError
            The program doesn't exist, or fails; the message has the reason that it gave.
        """
        for left in reversed(range(TRIES)):
            reason = self._run(command, *arguments)
            if reason is None:
                return
            if RACE not in reason or not left:
                raise DeploymentError(f"pulsar-admin functions {command} failed: {reason}")

    def line(self, command: str, *arguments: str) -> str:
        """Return the shell command for `pulsar-admin functions COMMAND …`."""
        return shlex.join(self._command(self.api.functions_url, command, *arguments))

    def _command(self, url: str, command: str, *arguments: str) -> list[str]:
        return [str(self.executable), "--admin-url", url, "functions", command, *arguments]

    def _run(self, command: str, *arguments: str) -> str | None:
        """Run it once, and return why it failed; None when it didn't."""
        # It doesn't need the databases' passwords.
        environ = without_dsns()
        url = self.api.worker_url()
        try:
            with _client_conf(url) as variables:
                result = subprocess.run(
                    self._command(url, command, *arguments),
                    env=environ | variables,
                    capture_output=True,
                    text=True,
                    timeout=TIMEOUT_S,
                    check=False,
                )
        except FileNotFoundError:
            raise DeploymentError(
                f"There is no pulsar-admin at {self.executable}: name it with PULSAR_ADMIN=/path/to/bin/pulsar-admin."
            ) from None
        except subprocess.TimeoutExpired:
            raise DeploymentError(f"pulsar-admin functions {command} took over {TIMEOUT_S} s.") from None
        return _reason(result.stdout, result.stderr) if result.returncode != 0 else None


@contextmanager
def _client_conf(url: str) -> Iterator[dict[str, str]]:
    """Say in a file how to connect: a command line can be read by every user of the machine."""
    conf = client_conf(url)
    if not conf:
        yield {}
        return
    with tempfile.NamedTemporaryFile("w", prefix="alpes-client-", suffix=".conf") as file:
        file.write(conf)
        file.flush()
        yield {CLIENT_CONF: file.name}


def _reason(*outputs: str) -> str:
    lines: Sequence[str] = [line.strip() for text in outputs for line in text.splitlines() if line.strip()]
    for line in lines:
        if line.startswith("Reason:"):
            return line.removeprefix("Reason:").strip()
    # Leave out the JVM's stack frames.
    messages = [line for line in lines if not line.startswith(("at ", "..."))]
    return messages[-1] if messages else "it gave no reason"
