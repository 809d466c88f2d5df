"""Every shell script passes shellcheck."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_shellcheck_finds_nothing() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.sh", ".ci/run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    scripts = [name for name in listed if (ROOT / name).is_file()]
    assert "deploy.sh" in scripts
    found = subprocess.run(
        ["shellcheck", "--external-sources", *scripts], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
