"""Each planted bug is noticed by its suite: the same as python -m tests.planted_bugs, bug by bug."""

from pathlib import Path

import pytest

from tests.planted_bugs.__main__ import BASELINE_SEEDS, copy_checkout, judge, run
from tests.planted_bugs.bugs import BUGS, Bug

SEEDS = 2_000
"""The most seeds that a simulation gets to show a bug."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, for bugs to be planted in."""
    folder = tmp_path_factory.mktemp("bugs")
    copy_checkout(folder)
    return folder


@pytest.mark.parametrize("suite", sorted({bug.suite for bug in BUGS}))
def test_without_a_bug_its_suite_passes(checkout: Path, suite: str) -> None:
    done = run(suite, BASELINE_SEEDS, checkout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_is_caught(checkout: Path, bug: Bug) -> None:
    verdict = judge(bug, SEEDS, checkout)
    assert verdict.caught, verdict
