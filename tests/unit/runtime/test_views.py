"""The thread of a view never ends by an error, and always by a stop."""

import pytest

from alpes_runtime.errors import Unavailable
from alpes_runtime.testing import FakeClock, instance_context
from alpes_runtime.views._view import run_view


class Stepped:
    """A view whose steps end as the test says, with a pause or with an error."""

    def __init__(self, *results: float | Exception) -> None:
        self.results = list(results)

    def step(self) -> float:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize("error", [Unavailable("away"), ZeroDivisionError("a bug")])
def test_no_error_ends_a_view(error: Exception) -> None:
    clock, view = FakeClock(), Stepped(1.5, error, error, 2.5)
    context = instance_context(clock=clock)
    clock.on_wait = lambda _seconds: context.stopping.set() if not view.results else None
    run_view(view, context)
    assert (clock.waits[0], clock.waits[3]) == (1.5, 2.5)
    assert all(0 < wait <= 10 for wait in clock.waits)


def test_an_error_at_the_stop_is_the_stop() -> None:
    clock = FakeClock()
    context = instance_context(clock=clock)

    class Stopping:
        def step(self) -> float:
            context.stopping.set()
            raise Unavailable("stopping")

    run_view(Stopping(), context)
    assert clock.waits == []
