"""Schemathesis asks the API whatever its OpenAPI allows, and more: nothing makes it fail, or answer what that lacks."""

import subprocess
import sys
from pathlib import Path

from local_stack.settings import from_environment
from tests.e2e.tienda import Tienda

EXAMPLES = 10
TIMEOUT_S = 120
"""An answer may be waited for as long as ``wait`` allows, which is a minute."""


def test_no_request_makes_the_api_fail(stack: Tienda, tmp_path: Path) -> None:
    url = from_environment(stack.environment).api_url
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance", "--max-examples", str(EXAMPLES), "--seed", "1"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", str(TIMEOUT_S)),
        *("--suppress-health-check", "all", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
