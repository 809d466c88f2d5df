"""Keeps totals in the state store, computed from the tables again and again."""

from collections.abc import Callable, Mapping

from alpes_runtime._context import InstanceContext
from alpes_runtime._state import StateStore
from alpes_runtime.database import Database, Transaction
from alpes_runtime.errors import Unavailable


class Totals:
    """Keeps absolute values, computed from the tables, in the state store.

    They are computed and not counted, since an increment would count a redelivered message twice. The pause between two
    computations is at least `COST_FACTOR` times the duration of the last one, even if that ended at the database's time
    limit. The view therefore takes a small, fixed share of the database at any size. Values are written when they
    change, and every `AGAIN_EVERY_S` even if they don't: so a store that was lost or overwritten becomes right again.
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
        period_s: float = 1.0,
    ) -> None:
        self._compute = compute
        self._database = database
        self._state = state
        self._clock = context.clock
        self._stopping = context.stopping
        self._period_s = period_s
        self._written: Mapping[str, str] = {}
        self._writes_until_sure = 0
        self._write_again_at = 0.0

    def step(self) -> float:
        """Compute, and write what changed; see `View.step`."""
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
        return max(self._period_s, cost * self.COST_FACTOR)
