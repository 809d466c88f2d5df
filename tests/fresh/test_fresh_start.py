"""The README's first command on a new machine: with each Python, as root and another user, in an odd folder."""

import re
import time
from pathlib import Path

import pytest

from tests.e2e.tienda import note
from tests.fresh.machine import NOBODY, Machine, is_root, machine, pythons, releases, said_in_order

ODD = "mi tienda ñ"
TARFILE_FILTERS = (3, 11, 4)
"""The release of Python that brought them; the first command failed with what is older."""
DATA_OF_ROOT = Path("/var/lib/alpes")
STEPS = ("Pulsar started", "pagos      created", "The report has 100 orders", "What to try next")


def start(fresh: Machine, what: str) -> None:
    """Run the main job, do what it says next, and remove everything again."""
    above = [(path, path.stat().st_mode) for path in fresh.checkout.parents]
    began = time.monotonic()
    code, output = fresh.run("deploy.sh")
    assert code == 0, output
    note(f"first ./deploy.sh from nothing, {what}: {time.monotonic() - began:.0f} s")
    assert said_in_order(output, STEPS)
    assert not re.search(r"DEPRECATION|WARNING|Traceback", output), output
    assert [(path, path.stat().st_mode) for path, _ in above] == above, "folders above the checkout are unchanged"
    (order,) = re.findall(r"^  \./alpes show (\S+)$", output, re.MULTILINE)
    code, shown = fresh.run("alpes", "show", order[:13])
    assert (code, order in shown) == (0, True), shown
    code, output = fresh.run("deploy.sh", "status")
    assert code == 0, output
    data = (fresh.checkout / ".alpes" / "postgres").resolve()
    assert data.is_relative_to(DATA_OF_ROOT) == fresh.keeps_data_elsewhere
    code, output = fresh.run("deploy.sh", "destroy", "--yes")
    assert code == 0, output
    assert fresh.wait_for_none() == []
    assert not (fresh.checkout / ".alpes").exists()
    assert not data.exists(), "data outside the checkout are removed too"


@pytest.mark.core
def test_a_newcomers_start_in_an_odd_folder() -> None:
    with machine(None, ODD) as fresh:
        assert "ALPES_PYTHON" not in fresh.environment
        start(fresh, f"with the Python that it chooses, in a folder named {ODD!r}")


def test_a_python_whose_tarfile_has_no_filters_is_among_those_tried() -> None:
    if min(releases()) >= TARFILE_FILTERS:
        pytest.skip("no Python 3.11 before 3.11.4 is here")


# An ordinary user starts with the oldest.
@pytest.mark.parametrize("python", pythons()[1:] if is_root() else pythons())
def test_each_python(python: str) -> None:
    with machine(python) as fresh:
        start(fresh, python)


@pytest.mark.skipif(not is_root(), reason="the other tests have run as an ordinary user")
def test_an_ordinary_user_in_an_odd_folder() -> None:
    with machine(pythons()[0], ODD, NOBODY) as fresh:
        start(fresh, f"as an ordinary user, in a folder named {ODD!r}")
