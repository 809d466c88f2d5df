"""Keeps totals in the state store, read from the tables again and again."""

from collections.abc import Callable, Collection, Mapping

from alpes_runtime._context import InstanceContext
from alpes_runtime._state import StateStore
from alpes_runtime.database import Database, Transaction
from alpes_runtime.errors import Unavailable


class Totals:
    """Keeps absolute values, read from the tables, in the state store.

    They are absolute, since an increment would count a redelivered message twice. The pause between two readings is at
    least `COST_FACTOR` times the duration of the last one, even if that ended at the database's time limit: a reading
    that counts rows takes a small, fixed share of the database at any size. Values are written when they change, and
    every `AGAIN_EVERY_S` even if they don't: so a store that was lost or overwritten becomes right again.

    Parameters
    ----------
    compute
        Returns the values by key.
    database
        A separate connection.
    state
        Where values are written.
    context
        The instance.
    obsolete
        Keys that an earlier version wrote. They are removed at the start, and every `AGAIN_EVERY_S`: an instance of
        that version may still run for a moment.
    period_s
        Least pause between two readings, in seconds.
    """

    COST_FACTOR = 30
    AGAIN_EVERY_S = 60.0

    def __init__(
        self,
        compute: Callable[[Transaction], Mapping[str, str]],
        database: Database,
        state: StateStore,
        context: InstanceContext,
        *,
        obsolete: Collection[str] = (),
        period_s: float = 1.0,
    ) -> None:
        self._compute = compute
        self._database = database
        self._state = state
        self._clock = context.clock
        self._stopping = context.stopping
        self._obsolete = obsolete
        self._period_s = period_s
        self._written: Mapping[str, str] = {}
        self._writes_until_sure = 0
        self._write_again_at = 0.0
        self._remove_again_at = 0.0

    def step(self) -> float:
        """Read, and write what changed; see `View.step`."""
        started = self._clock.monotonic()
        try:
            with self._database.transaction() as transaction:
                values = self._compute(transaction)
        except Unavailable:
            self._clock.wait(self._stopping, (self._clock.monotonic() - started) * self.COST_FACTOR)
            raise
        cost = self._clock.monotonic() - started
        if values != self._written:
            # Write again one period later: an instance that was suspended may have written an older value meanwhile.
            self._writes_until_sure = 2
        if self._writes_until_sure or started >= self._write_again_at:
            self._state.put(values)
            self._written = values
            self._writes_until_sure = max(0, self._writes_until_sure - 1)
            self._write_again_at = started + self.AGAIN_EVERY_S
        if self._obsolete and started >= self._remove_again_at:
            self._state.remove(self._obsolete)
            self._remove_again_at = started + self.AGAIN_EVERY_S
        return max(self._period_s, cost * self.COST_FACTOR)
