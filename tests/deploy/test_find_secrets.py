"""The check for secrets finds a key in what git tracks, and shows it to nobody."""

import secrets
import string
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.extended
def test_a_token_in_a_tracked_file_fails_the_check_and_is_not_shown(tmp_path: Path) -> None:
    def check() -> "subprocess.CompletedProcess[str]":
        command = [ROOT / "scripts" / "find_secrets.sh", tmp_path]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert check().stdout == "skipped: this is no git checkout\n"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    token = "ghp_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(36))
    (tmp_path / "settings.py").write_text(f'TOKEN = "{token}"\n')
    (tmp_path / "other.py").write_text("a = 1\n")
    subprocess.run(["git", "-C", tmp_path, "add", "other.py"], check=True)
    assert check().returncode == 0, "what git doesn't track is nobody else's"
    subprocess.run(["git", "-C", tmp_path, "add", "settings.py"], check=True)
    found = check()
    assert found.returncode != 0
    assert "settings.py" in found.stdout
    assert token not in found.stdout + found.stderr
