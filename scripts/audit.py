"""Asks whether the locked packages have known vulnerabilities: `python scripts/audit.py`.

It exits with 1 if one has. Where no database answers, as without a network, it says so in a line and exits with 0.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements" / "dev.txt"
"""It has the packages of all other lock files, too: they come from one resolution."""
ANSWER_S = 5
COMMAND = ("pip-audit", "--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json")


def judge(report: dict[str, Any] | None, said: str = "") -> tuple[list[str], int]:
    """Return what to print, and the exit code.

    Parameters
    ----------
    report
        What `pip-audit` found; None if it found out nothing.
    said
        Its words in that case.
    """
    if report is None:
        why = (said.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return [f"skipped: no database of vulnerabilities answers ({why[:200]})"], 0
    packages = report["dependencies"]
    known = [each for each in packages if "skip_reason" not in each]
    if not known:
        return ["skipped: this package index has no data on vulnerabilities"], 0
    lines = [
        f"{each['name']} {each['version']} has {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none yet'}"
        for each in known
        for hole in each["vulns"]
    ]
    return lines or [f"{len(known)} of {len(packages)} packages have no known vulnerability"], int(bool(lines))


def main() -> int:
    """Ask, print, and return the exit code."""
    program = shutil.which(COMMAND[0]) or str(Path(sys.executable).with_name(COMMAND[0]))
    command = [program, *COMMAND[1:], "--timeout", str(ANSWER_S), "--requirement", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = None
    lines, code = judge(report, done.stderr)
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
