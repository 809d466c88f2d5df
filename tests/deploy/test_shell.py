"""Every shell script passes shellcheck."""

import subprocess

from tests import checkouts
from tests.checkouts import ROOT


def test_shellcheck_finds_nothing() -> None:
    scripts = checkouts.files("*.sh", ".ci/run")
    assert ROOT / "deploy.sh" in scripts
    found = subprocess.run(
        ["shellcheck", "--external-sources", *scripts], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
