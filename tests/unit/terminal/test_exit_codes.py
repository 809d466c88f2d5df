"""The exit codes: one module has them, and one table describes them."""

import re
from pathlib import Path

from terminal import errors

CHECKOUT = Path(__file__).parents[3]


def test_the_table_has_the_codes_of_the_module() -> None:
    document = (CHECKOUT / "docs" / "command-line.md").read_text(encoding="utf-8")
    table = document.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(errors.EXIT_CODES)
    others = [
        path for path in (CHECKOUT / "docs").glob("*.md") if "| code | means |" in path.read_text(encoding="utf-8")
    ]
    assert [path.name for path in others] == ["command-line.md"]


def test_each_constant_of_the_module_is_in_the_table() -> None:
    named = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert named | {0} == set(errors.EXIT_CODES)


def test_the_scripts_help_has_the_same_codes() -> None:
    script = (CHECKOUT / "deploy.sh").read_text(encoding="utf-8")
    said = " ".join(script.partition("Exit codes: ")[2].partition(" docs/")[0].split())
    assert said == ", ".join(f"{code} {means}" for code, means in errors.EXIT_CODES.items()) + "."
