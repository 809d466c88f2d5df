"""Decides which tests run one after another, and which beside each other, in several processes.

One process runs a lane, in order. Tests that share or would disturb a stack form one lane: the end-to-end tests, those
of the commands that repair something, the faults, and the tests of the secured stack. Any other file is a lane too. A
process that has finished a lane takes the next one, and the longest lanes come first.
"""

import os

BESIDE_OTHERS = "PYTEST_XDIST_WORKER" in os.environ
PATIENCE = 3 if BESIDE_OTHERS else 1
"""How many times longer a test waits for something where several stacks share the machine."""
LONGEST_WAIT_S = 400
"""A wait made longer ends after this at the latest: the test's timeout would tell less of what didn't come."""

REPAIRS = "repairs"
ON_A_STACK = ("faults", "e2e", REPAIRS, "secure")
REPAIRING = ("test_rebuild.py", "test_reconcile.py", "test_recover.py", "test_replay.py", "test_runbooks.py")
"""The end-to-end tests of what repairs something: all of them in one lane would outlast every other."""
LONGEST_FIRST = ("fresh", "simulation", "planted_bugs", "integration", "deploy", "contract", "unit")
"""The other layers; files of any further layer come last."""

LEAVE_MUCH = ("test_guarantees.py", "test_limits.py")
"""Test files that leave so many messages that later tests would take longer to read the topics."""


def patient(seconds: float) -> float:
    """Return how many seconds to wait for what takes at most so many on a quiet machine."""
    return max(seconds, min(seconds * PATIENCE, LONGEST_WAIT_S))


def place_of(nodeid: str) -> tuple[int, bool]:
    """Return a test's place in the order: that of its lane, and whether it comes last in its lane."""
    return lane_of(nodeid)[0], nodeid.partition("::")[0].endswith(LEAVE_MUCH)


def lane_of(nodeid: str) -> tuple[int, str]:
    """Return the place of a test's lane among all lanes, and the lane's name.

    Parameters
    ----------
    nodeid
        The test's, as pytest has it.
    """
    file = nodeid.partition("::")[0]
    layer = file.split("/")[1]
    if layer == "e2e" and file.endswith(REPAIRING):
        layer = REPAIRS
    if layer in ON_A_STACK:
        return ON_A_STACK.index(layer), layer
    place = LONGEST_FIRST.index(layer) if layer in LONGEST_FIRST else len(LONGEST_FIRST)
    return len(ON_A_STACK) + place, file
