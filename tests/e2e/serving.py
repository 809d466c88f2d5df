"""Serves an API of a test's own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

from tests.e2e.tienda import ROOT
from tests.lanes import PATIENCE


@dataclass
class Api:
    """An API of the test's own, or the stack's."""

    http: httpx.Client
    url: str
    process: subprocess.Popen[str] | None = None

    def post(self, order: dict[str, Any], **headers: str) -> httpx.Response:
        return self.http.post("/orders", json=order, headers={name.replace("_", "-"): v for name, v in headers.items()})


@contextmanager
def served(service_url: str, admin_url: str, *options: str) -> Iterator[Api]:
    """Serve an API of the test's own for the length of a `with` block."""
    command = [sys.executable, "-m", "client", "serve", "--port", "0", "--service-url", service_url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "runtime")])}
    process = subprocess.Popen(
        [*command, "--admin-url", admin_url, *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert process.stderr is not None
    try:
        url = re.findall(r"http://\S+", process.stderr.readline())[0]
        with httpx.Client(base_url=url, timeout=60 * PATIENCE) as http:
            yield Api(http, url, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
