"""Plants bugs one by one in a copy of the checkout, and checks that each one's suite notices it.

python -m tests.planted_bugs                     every bug, and a table
python -m tests.planted_bugs ack-before-commit   this one
python -m tests.planted_bugs --list              what there is
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tests import checkouts
from tests.planted_bugs.bugs import BUGS, SIMULATION, Bug
from tests.planted_bugs.planting import changed

ROOT = Path(__file__).parents[2]
HANGS_S = 1800.0
SHOWN = 70
"""How many characters of a finding are shown."""
BASELINE_SEEDS = 60
"""How many seeds must hold before a bug is planted."""


@dataclass(frozen=True)
class Caught:
    """What became of a bug.

    Attributes
    ----------
    bug
        Which one.
    caught
        Whether its suite failed.
    after
        After how many seeds and at which, or how long.
    by
        The first thing that was found wrong.
    """

    bug: Bug
    caught: bool
    after: str
    by: str


def copy_checkout(to: Path) -> None:
    """Copy the files of the checkout, those not committed yet included."""
    for file in checkouts.files():
        copy = to / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    if (ROOT / ".venv").exists():
        (to / ".venv").symlink_to(ROOT / ".venv")


def planted(bug: Bug, root: Path = ROOT) -> dict[Path, str]:
    """Return the files that a bug changes, with their content, by path. Raises `NotThereError`: change the bug."""
    return changed(bug.changes, root)


def run(suite: str, seeds: int, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a suite until the first thing that fails."""
    if suite == SIMULATION:
        command = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds), "--stop"]
    else:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *suite.split()]
    # The environment leads to the checkout's packages; with this, the copy's own run instead.
    paths = os.pathsep.join(map(str, (root, root / "runtime")))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": paths}
    try:
        return subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=HANGS_S
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, f"VIOLATED: it hangs for {HANGS_S:.0f} s", "")


def judge(bug: Bug, seeds: int, root: Path) -> Caught:
    """Plant a bug, run its suite, and take the bug out again."""
    changed = planted(bug, root)
    before = {path: path.read_text(encoding="utf-8") for path in changed}
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    started = time.monotonic()
    try:
        done = run(bug.suite, seeds, root)
    finally:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")
    after = f"{time.monotonic() - started:.0f} s"
    if ran := re.search(r"([\d,]+) seeds in", done.stdout):
        failed = re.search(r"^seed (\d+) \(", done.stdout, re.MULTILINE)
        after = f"{ran[1]} seeds" + (f", seed {failed[1]}" if failed else "")
    return Caught(bug, done.returncode != 0 and _ran(bug, done), after, _first_finding(done))


def _ran(bug: Bug, done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the suite came to a verdict; a suite that could not start has caught nothing."""
    return "VIOLATED" in done.stdout if bug.suite == SIMULATION else done.returncode == 1


def _first_finding(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return "nothing"
    for pattern in (r"VIOLATED: (.*)", r"^FAILED (.*)", r"^E +(.*)"):
        if found := re.search(pattern, done.stdout, re.MULTILINE):
            return found[1][:SHOWN].replace("|", "\\|")
    return (done.stdout + done.stderr).strip()[-200:].replace("\n", " ")


def chosen(names: Sequence[str]) -> list[Bug]:
    """Return the bugs of these names; without a name every one."""
    known = {bug.name: bug for bug in BUGS}
    if unknown := set(names) - set(known):
        raise SystemExit(f"no such bug: {', '.join(sorted(unknown))}; --list shows them")
    return [known[name] for name in names or known]


@click.command(help=(__doc__ or "").split("\n", 1)[0], context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[BUG]...")
@click.option("--list", "listing", is_flag=True, help="Say what there is.")
@click.option("--seeds", default=10_000, show_default=True, help="The most seeds that a simulation gets.")
def main(names: tuple[str, ...], seeds: int, *, listing: bool) -> None:
    """Run the command line, and exit with 1 if a bug was missed, or with 2 if a suite fails without any bug."""
    if listing:
        for bug in BUGS:
            print(f"{bug.name:<44} {bug.suite:<50} {bug.what}")
        return
    bugs = chosen(names)
    verdicts: list[Caught] = []
    with tempfile.TemporaryDirectory(prefix="alpes-bugs-") as folder:
        root = Path(folder)
        copy_checkout(root)
        for suite in sorted({bug.suite for bug in bugs}):
            if run(suite, BASELINE_SEEDS, root).returncode:
                print(f"{suite} fails without any bug: it can't show one", flush=True)
                sys.exit(2)
        print("| bug | what it does | caught by | after | what was seen first |\n|---|---|---|---|---|", flush=True)
        for bug in bugs:
            verdict = judge(bug, seeds, root)
            verdicts.append(verdict)
            by = bug.suite if verdict.caught else f"**not caught** ({bug.suite})"
            print(f"| {bug.name} | {bug.what} | {by} | {verdict.after} | {verdict.by} |", flush=True)
    missed = [verdict.bug.name for verdict in verdicts if not verdict.caught]
    print(
        f"\n{len(verdicts) - len(missed)} of {len(verdicts)} bugs were caught" + "".join(f"; not {n}" for n in missed)
    )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
