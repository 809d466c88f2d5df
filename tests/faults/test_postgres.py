"""PostgreSQL is shut down immediately and comes back; connections are cut within a transaction."""

import time

import pytest

from tests.e2e.tienda import FUNCTIONS, Tienda
from tests.faults import breaking
from tests.faults.ordeal import Ordeal, often
from tests.faults.repertoire import CUT


@pytest.mark.core
def test_orders_survive_postgresql_that_is_shut_down_immediately_and_comes_back(stack: Tienda) -> None:
    with Ordeal(stack, "PostgreSQL killed and restarted", total=True) as ordeal:
        for _ in range(often(long=5, short=1)):
            ordeal.rest(0.5, 3.0)
            with ordeal.fault():
                breaking.kill_postgres(stack)
                ordeal.rest(0.5, 3.0)
                breaking.start_postgres(stack)
            ordeal.wait_normal_sometimes()
        ordeal.finish()


def test_orders_survive_connections_that_are_cut_within_a_transaction(stack: Tienda) -> None:
    wanted = often(long=100, short=10)
    cut = 0
    with Ordeal(stack, "connections cut within a transaction") as ordeal:
        with ordeal.fault():
            deadline = time.monotonic() + 60
            while cut < wanted and time.monotonic() < deadline:
                for function in FUNCTIONS:
                    cut += sum(row[0] for row in stack.rows(function, CUT))
                ordeal.rest(0.0, 0.1)
        assert cut >= wanted, f"{cut} connections were cut within a transaction"
        # Reporting was cut off too, so its report must count each order once, also in the short form.
        ordeal.finish(more_faults=cut - 1, with_report=True)
