"""Asks `buf` what one version of a contract breaks of another, and what the `.proto` files say."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from deployment.errors import DeploymentError
from deployment.function_configs import CHECKOUT

RULES = CHECKOUT / "schemas" / "buf.yaml"
"""The rules, which hold for changes in this checkout, too."""
EXECUTABLE = Path(sys.executable).with_name("buf")
TIMEOUT_S = 60
BREAKS = 100
"""What buf exits with if it finds something."""


def breaks(new: bytes, old: bytes) -> list[str]:
    """Return what a contract breaks of another, a line each: the field, what is different, and the rule.

    Parameters
    ----------
    new, old
        Encoded as `google.protobuf.FileDescriptorSet`.

    Raises
    ------
    DeploymentError
        buf is missing, or can't read one of the two.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("new.binpb", "old.binpb")]
        for path, content in zip(paths, (new, old), strict=True):
            path.write_bytes(content)
        done = _run(
            "breaking", paths[0], "--against", paths[1], "--config", RULES, "--error-format", "json", cwd=folder
        )
    if done.returncode not in {0, BREAKS}:
        raise DeploymentError(f"buf can't compare two contracts: {' '.join(done.stderr.split())}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [f"{each['message'].removesuffix('.')} ({each['type']})" for each in found]


def built(schemas: Path) -> bytes:
    """Return a folder's `.proto` files as an encoded `google.protobuf.FileDescriptorSet`, with their comments.

    Raises
    ------
    DeploymentError
        buf is missing, or refuses the files.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "schemas.binpb")
        done = _run("build", schemas, "--output", result, cwd=folder)
        if done.returncode:
            raise DeploymentError(f"buf can't build {schemas}: {' '.join(done.stderr.split())}")
        return result.read_bytes()


def _run(*arguments: str | Path, cwd: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            [EXECUTABLE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise DeploymentError(
            f"There is no buf at {EXECUTABLE}: remove {sys.prefix} and run ./deploy.sh again."
        ) from None
