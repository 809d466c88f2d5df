"""The hook on a commit's subject accepts the form that CONTRIBUTING.md asks for, and no other."""

import re
from pathlib import Path

import pytest
import yaml

HOOKS = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
# Like pre-commit's pygrep with --multiline: a match is refused.
REFUSED = re.compile(
    next(hook["entry"] for hook in HOOKS if hook["id"] == "subject").encode(), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(
    "message",
    [
        "inbox: hold urgent lanes open while others wait\n\nBecause of a figure.\n",
        "client, operations: share one progress bar",
        f"docs: {'x' * 66}\n",
        'Revert "inbox: hold urgent lanes open while others wait"\n',
    ],
)
def test_a_subject_that_names_part_and_change_is_taken(message: str) -> None:
    assert not REFUSED.search(message.encode())


@pytest.mark.parametrize(
    "message",
    ["Tell what skew came to\n", f"docs: {'x' * 67}\n", "inbox: end it.\n", "Inbox: hold\n", "inbox:\n\nhold\n", "\n"],
)
def test_any_other_is_refused(message: str) -> None:
    assert REFUSED.search(message.encode())
