"""Fetches the packages that a function brings in its own zip, for workers that nobody may prepare.

Pulsar's Python instance installs `<zip's base name>/deps/*.whl` beside the code before it loads the function, with the
worker's `pip` and without a network. It has imported its own packages by then, so a zip can't bring those.
"""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from deployment.errors import DeploymentError
from deployment.function_configs import CHECKOUT

LOCK = CHECKOUT / "requirements" / "runtime.txt"
INSTANCES = frozenset(
    {"apache-bookkeeper-client", "grpcio", "prometheus-client", "protobuf", "pulsar-client", "ratelimit"}
)
"""What the instance itself imports before it installs anything. Every worker that runs Python functions has these."""
DOWNLOAD_S = 600


@dataclass(frozen=True)
class Interpreter:
    """The worker's Python.

    Attributes
    ----------
    version : str
        Such as ``3.12``.
    platforms : tuple of str
        What its wheels are made for, such as ``manylinux_2_28_x86_64``; empty for this machine's.
    """

    version: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    platforms: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options with which pip takes wheels for it."""
        named = [word for name in self.platforms for word in ("--platform", name)]
        return ["--only-binary", ":all:", "--python-version", self.version, *named]

    def __str__(self) -> str:
        return f"Python {self.version} on {' or '.join(self.platforms) or platform.machine()}"


def needed(lock: str) -> dict[str, str]:
    """Return the locked packages that a function imports and an instance doesn't have: each one's block in the lock.

    Pure.

    Parameters
    ----------
    lock
        The text of a lock file. A package's block says, after `# via`, what it is there for.
    """
    packages = dict(blocks(lock))
    direct = {name for name, block in packages.items() if "-r runtime.in" in _users(block)}
    return _with_what_they_need(direct, packages, without=INSTANCES)


def of_instances(lock: str) -> dict[str, str]:
    """Return the locked packages that Pulsar's instance imports, and what those need, as `needed` does. Pure."""
    return _with_what_they_need(INSTANCES, dict(blocks(lock)))


def _with_what_they_need(
    names: AbstractSet[str], packages: dict[str, str], without: AbstractSet[str] = frozenset()
) -> dict[str, str]:
    found = set(names - without)
    while more := {name for name, block in packages.items() if _users(block) & found} - found - without:
        found |= more
    return {name: block for name, block in packages.items() if name in found}


def _users(block: str) -> set[str]:
    """Return what a package is there for."""
    return set(re.findall(r"#\s+(?:via )?(-r \S+|[\w.-]+)$", block, re.MULTILINE))


def blocks(lock: str) -> Iterator[tuple[str, str]]:
    """Yield each package of a lock file's text, with its lines. Pure."""
    for found in re.finditer(r"^([\w.-]+)==.*\n(?:[ ].*\n)*", lock, re.MULTILINE):
        yield found[1], found[0]


def fetch(folder: Path, interpreter: Interpreter, lock: Path = LOCK) -> list[Path]:
    """Download the wheels of `needed` into a folder, each checked against the lock's hashes; return them sorted.

    Raises
    ------
    DeploymentError
        One can't be had; the message has pip's reason.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packages = needed(lock.read_text(encoding="utf-8"))
    with tempfile.NamedTemporaryFile("w", prefix="alpes-wheels-", suffix=".txt") as file:
        file.write("".join(packages.values()))
        file.flush()
        options = ["--require-hashes", "--no-deps", "--requirement", file.name, "--dest", str(folder)]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--disable-pip-version-check",
            *interpreter.options,
            *options,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        except subprocess.TimeoutExpired:
            raise DeploymentError(f"The packages could not be downloaded within {DOWNLOAD_S} s.") from None
    if done.returncode:
        raise DeploymentError(
            f"The packages for {interpreter} can't be had: {_reason(done.stderr)}. Is there a network, and are --python"
            " and --platform those of the worker?"
        )
    return sorted(folder.glob("*.whl"))


def _reason(output: str) -> str:
    lines: Sequence[str] = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return lines[0].removesuffix(".") if lines else "pip gave no reason"


def versions(lock: str, names: Mapping[str, str] | frozenset[str] = INSTANCES) -> list[str]:
    """Return some locked packages with their versions, such as ``protobuf 7.36.2``; by default the instance's. Pure."""
    found = re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)
    return [f"{name} {version}" for name, version in found if name in names]
