"""Shows the seed with each failure, and restores the stack after each fault."""

from collections.abc import Iterator

import pytest

from tests.e2e.tienda import Tienda
from tests.faults.ordeal import SEED
from tests.stack import uses_environment


@pytest.fixture(autouse=True)
def _breakable() -> None:
    # Shown with a test that fails, also before there is a table.
    print(f"ALPES_SEED={SEED}")
    if uses_environment():
        pytest.skip("faults break parts of the system: they need a stack of their own (unset ALPES_E2E_USE_ENV)")


@pytest.fixture
def restored(stack: Tienda) -> Iterator[Tienda]:
    """The system, whose broker runs with its own settings again afterwards."""
    from tests.faults.breaking import restart_broker

    yield stack
    restart_broker(stack)
