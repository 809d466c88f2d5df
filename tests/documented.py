"""Takes out of the documents the files that they show, so that they can be tested as they stand."""

import re
import shutil
import subprocess
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "write-a-function.md"
README = ROOT / "runtime" / "README.md"
EVOLUTION = ROOT / "docs" / "evolve-a-message.md"
OPERATIONS = ROOT / "docs" / "operations.md"

_DIFF = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_RUNBOOK = re.compile(r"^ *<!-- runbook: ([^\n]+) -->\n *```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```\w+\n(?:#|--) file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented_files(document: Path = DOCUMENT) -> dict[str, str]:
    """Return the files of a document by their path."""
    return dict(_BLOCK.findall(document.read_text(encoding="utf-8")))


def documented_changes(document: Path = EVOLUTION) -> str:
    """Return a document's diffs, one after another, as one patch."""
    return "".join(_DIFF.findall(document.read_text(encoding="utf-8")))


def documented_commands(runbook: str, document: Path = OPERATIONS) -> list[str]:
    """Return the commands of each step of a runbook, in order: the blocks below the comments with its name."""
    steps = [
        textwrap.dedent(commands)
        for name, commands in _RUNBOOK.findall(document.read_text(encoding="utf-8"))
        if name == runbook
    ]
    assert steps, f"{document.name} has no runbook {runbook!r}"
    return steps


def run_the_readmes_test(python: str, folder: Path, pythonpath: str = "") -> None:
    """Write the runtime's documented function and its test into a folder, and run that."""
    files = documented_files(README)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (test,) = re.findall(r"^def (test_\w+)", files["test_signups.py"], re.MULTILINE)
    command = [python, "-c", f"import test_signups as t; t.{test}(); print(t.testing.__file__)"]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": pythonpath}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert folder.as_posix() in done.stdout or pythonpath, "another runtime than the installed one was tested"


def write_tree(folder: Path) -> Path:
    """Write into ``folder`` a checkout with the documented function and what it needs of this project."""
    for part in ("runtime", "schemas"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "functions").mkdir()
    (folder / "functions" / "__init__.py").touch()
    for name, text in documented_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
