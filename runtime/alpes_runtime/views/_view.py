"""What follows behind in the state store, each in a thread of its own: see `write_behind` and `totals`."""

from typing import Protocol

from alpes_runtime._context import InstanceContext
from alpes_runtime._outage import Outage


class View(Protocol):
    """Something that follows behind; stepped by a thread of its own."""

    def step(self) -> float:
        """Do one piece of work and return after how many seconds to do the next.

        Raises
        ------
        Unavailable
            Something is away; step again later.
        """
        ...


def run_view(view: View, context: InstanceContext) -> None:
    """Step a view until the instance stops; what is away is waited for, and an error never ends it."""
    outage = Outage(context, "A view", initial=0.2, maximum=10.0)
    while not context.stopping.is_set():
        try:
            pause_s = view.step()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the view's next step may do without
            if not context.stopping.is_set():
                outage.wait(error)
        else:
            outage.over()
            context.clock.wait(context.stopping, pause_s)
