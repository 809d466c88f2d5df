"""A view, and the loop that runs it in a thread of its own; see `_write_behind` and `_totals` for the views."""

from typing import Protocol

from alpes_runtime._context import InstanceContext
from alpes_runtime._outage import Outage


class View(Protocol):
    """Keeps values up to date in the state store; a thread of its own calls `step` again and again."""

    def step(self) -> float:
        """Do one piece of work and return the seconds until the next.

        Raises
        ------
        Unavailable
            A dependency is away; call again later.
        """
        ...


def run_view(view: View, context: InstanceContext) -> None:
    """Step a view until the instance stops. After an error it waits and steps again."""
    outage = Outage(context, "A view", initial=0.2, maximum=10.0)
    while not context.stopping.is_set():
        try:
            pause_s = view.step()
        except Exception as error:  # noqa: BLE001 -- after any error the next step may succeed
            if not context.stopping.is_set():
                outage.wait(error)
        else:
            outage.over()
            context.clock.wait(context.stopping, pause_s)
