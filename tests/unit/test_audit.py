"""The check for known vulnerabilities: what it says of what `pip-audit` found, and where nobody answers."""

import json

from scripts.audit import judge

FOUND = json.loads("""
{"dependencies": [
  {"name": "click", "version": "8.3.1", "vulns": []},
  {"name": "requests", "version": "2.31.0", "vulns": [
    {"id": "PYSEC-2024-1", "fix_versions": ["2.32.0"]}, {"id": "PYSEC-2024-2", "fix_versions": []}]},
  {"name": "own", "skip_reason": "Dependency could not be audited"}
]}
""")


def test_each_vulnerability_fails_the_check_with_the_release_that_mends_it() -> None:
    assert judge(FOUND) == (
        [
            "requests 2.31.0 has PYSEC-2024-1, mended in 2.32.0",
            "requests 2.31.0 has PYSEC-2024-2, mended in none yet",
        ],
        1,
    )


def test_packages_without_one_pass() -> None:
    clean = {"dependencies": [FOUND["dependencies"][0], FOUND["dependencies"][2]]}
    assert judge(clean) == (["1 of 2 packages have no known vulnerability"], 0)


def test_where_nobody_answers_or_knows_it_is_skipped_with_a_line() -> None:
    assert judge(None, "WARNING: x\nERROR: Could not connect") == (
        ["skipped: no database of vulnerabilities answers (ERROR: Could not connect)"],
        0,
    )
    lines, code = judge({"dependencies": FOUND["dependencies"][2:]})
    assert (lines, code) == (["skipped: this package index has no data on vulnerabilities"], 0)
