"""While a payment gateway fails in every way, each order is charged at most once, and all orders end."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import psycopg
import pytest

from tests.e2e.tienda import LAST, Tienda, configured, note, wait_until
from tests.faults import breaking
from tests.faults.checker import Verdict
from tests.faults.gateway_server import FAULTS, GatewayServer, Ledger
from tests.faults.history import Charge, History
from tests.faults.ordeal import LONG, SEED, Ordeal, Size, often
from tests.faults.recorder import Recorder

SIZE = Size(20_000, 500) if LONG else Size(1_000, 100)
"""Slower than the other faults: an instance asks some hundred times a second, and the gateway is Python, too.
Half of it where each order is asked for twice."""
HALF = Size(SIZE.orders, SIZE.rate / 2) if LONG else Size(SIZE.orders // 2, SIZE.rate / 2)
ROUNDS = often(long=12, short=2)
STATUSES = {"approved": "aprobada", "declined": "rechazada"}
REFUND = "reembolso:"
"""How the Idempotency-Key of a refund begins; that of a charge is the order's id, which has no colon."""
PATIENCE_S = 6
SLOW_S = 4.0
AT_ONCE = 64


@pytest.fixture
def gateway(stack: Tienda) -> Iterator[GatewayServer]:
    """The gateway that Pagos asks; it begins without faults."""
    with GatewayServer(seed=SEED) as server:
        http = {
            "gateway": "http",
            "gateway_url": server.url,
            "gateway_timeout_seconds": 8.0,
            "gateway_tries": 2,
            "gateway_at_once": AT_ONCE,
        }
        with configured(stack, "pagos", **http):
            yield server


class _LedgerRecorder(Recorder):
    """Adds the gateway's ledger to what a run leaves behind."""

    def __init__(self, stack: Tienda, prefix: str, ledger: Ledger) -> None:
        super().__init__(stack, prefix)
        self._ledger = ledger

    def history(self, *args: Any, **kwargs: Any) -> History:
        return replace(super().history(*args, **kwargs), charges=self._charges())

    def _charges(self) -> Iterator[Charge]:
        for key, (content, answer) in self._ledger.done.items():
            if not key.startswith(REFUND):
                for _ in range(self._ledger.effects[key]):
                    yield Charge(content["order_id"], content["amount_cents"], STATUSES[answer["status"]])


class _Ordeal(Ordeal):
    """An ordeal that also judges the gateway's ledger."""

    def __init__(self, stack: Tienda, name: str, gateway: GatewayServer, size: Size = SIZE) -> None:
        super().__init__(stack, name, size=size)
        self._recorder = _LedgerRecorder(stack, self.prefix, gateway.ledger)
        self._ledger = gateway.ledger

    def _at_rest(self) -> bool:
        try:
            return super()._at_rest() and not self.intents() and not self.unpaid_back()
        except psycopg.Error:
            return False

    def intents(self) -> int:
        """Return the charges whose outcome isn't known."""
        return self._count("pagos", "SELECT count(*) FROM intentos WHERE order_id >= %s AND order_id < %s")

    def unpaid_back(self) -> int:
        """Return the charged and expired orders without a refund, or not yet told of it."""
        expired = "SELECT id FROM ordenes WHERE status = 'expirada' AND id >= %s AND id < %s"
        ids = [row[0] for row in self.stack.rows("ordenes", expired, self.prefix, self.prefix + LAST)]
        charged = "SELECT count(*) FROM transacciones WHERE status = 'aprobada' AND order_id = ANY(%s)"
        decided = "SELECT count(*) FROM transacciones WHERE order_id = ANY(%s)"
        undecided = len(ids) - int(self.stack.rows("pagos", decided, ids)[0][0])
        return undecided + int(self.stack.rows("pagos", charged, ids)[0][0])

    def refunds(self) -> int:
        """Return the refunds that Pagos recorded."""
        return self._count("pagos", "SELECT count(*) FROM reembolsos WHERE order_id >= %s AND order_id < %s")

    def finish(self, **options: Any) -> Verdict:
        """Judge the run, and compare Pagos with the gateway's ledger to the cent."""
        verdict = super().finish(**options)
        assert self.intents() == 0, "the outcome of every charge is known"
        assert set(self._ledger.effects.values()) == {1}, "a key had more than one effect at the gateway"
        assert self._amounts("transacciones", "status = 'aprobada'") == self._ledger.charged()
        assert self._amounts("reembolsos", "true") == self._ledger.refunded()
        return verdict

    def _amounts(self, table: str, condition: str) -> dict[str, int]:
        query = f"SELECT order_id, amount_cents FROM {table} WHERE {condition} AND order_id >= %s AND order_id < %s"
        return dict(self.stack.rows("pagos", query, self.prefix, self.prefix + LAST))

    def _count(self, database: str, query: str) -> int:
        return int(self.stack.rows(database, query, self.prefix, self.prefix + LAST)[0][0])


def test_each_order_is_charged_once_by_a_gateway_that_fails_in_every_way(stack: Tienda, gateway: GatewayServer) -> None:
    with _Ordeal(stack, "gateway slow, resets, 500, 429, drops answers; kill -9 of pagos", gateway) as ordeal:
        with ordeal.fault():
            for _ in range(ROUNDS):
                gateway.slow_s = ordeal.random.uniform(0.1, 2.0)
                gateway.faults = _drawn(ordeal, ordeal.random.uniform(0.2, 0.7))
                ordeal.rest(1.0, 3.0)
                (victim,) = stack.processes("pagos")
                breaking.kill(victim)
                wait_until(lambda: stack.running("pagos"), 60, "its successor runs")
                ordeal.rest(1.0, 3.0)
            gateway.faults = {}
        ordeal.wait_normal(120)
        ordeal.finish(more_faults=ROUNDS - 1 + sum(gateway.ledger.asked[fault] for fault in FAULTS))
    asked = gateway.ledger.asked
    note(f"gateway: {asked['/charges']} charges asked for, " + ", ".join(f"{fault} {asked[fault]}" for fault in FAULTS))
    assert all(asked[fault] for fault in FAULTS), "each fault was met"


def _drawn(ordeal: Ordeal, share: float) -> dict[str, float]:
    """Divide this share of the requests among the faults at random; a charge without an answer is the likeliest."""
    weights = {fault: ordeal.random.random() * (0.1 if fault == "slow" else 1) for fault in FAULTS}
    weights["drop"] += 0.5
    return {fault: share * weight / sum(weights.values()) for fault, weight in weights.items()}


def test_a_slow_gateway_slows_only_its_orders(stack: Tienda, gateway: GatewayServer) -> None:
    with _Ordeal(stack, "gateway slow for some", gateway) as ordeal:
        gateway.slow_s = SLOW_S
        with ordeal.fault():
            # A quarter of the concurrent calls are slow.
            gateway.faults = {"slow": AT_ONCE / 4 / SLOW_S / SIZE.rate}
            ordeal.rest(often(20, 6), often(20, 6))
            gateway.faults = {}
        verdict = ordeal.finish()
    (since, until, _total), load = ordeal.faults[0], ordeal.load
    slow: list[float] = []
    others: list[float] = []
    for order_id, ended_ms in zip(verdict.numbers, verdict.ended_ms, strict=True):
        sent = load.sent_at[int(order_id.rpartition("-")[2])]
        if since <= sent <= until:
            (slow if order_id in gateway.slowed else others).append(ended_ms / 1000 - sent)
    assert len(slow) > SIZE.rate / 100
    note(f"slow gateway: {len(slow)} orders took {median(slow):.1f} s (median), {len(others)} others {_spread(others)}")
    assert min(slow) >= SLOW_S
    assert _percentile(others, 0.95) < SLOW_S / 2, f"the others took {_spread(others)}"


def test_orders_that_expire_while_the_gateway_is_away_are_paid_back_once_if_they_were_charged(
    stack: Tienda, gateway: GatewayServer
) -> None:
    with (
        configured(stack, "ordenes", expires_after_seconds=PATIENCE_S, expiry_window_seconds=1),
        # Most orders are asked for twice: a charge, and a refund.
        _Ordeal(stack, "gateway away for longer than orders wait, then its refunds", gateway, HALF) as ordeal,
    ):
        with ordeal.fault():
            gateway.faults = {"reset": 0.5, "drop": 0.5}
            time.sleep(PATIENCE_S + often(20, 4))
            (victim,) = stack.processes("pagos")
            breaking.kill(victim)
            ordeal.rest(1, 2)
            # Charges are answered again, and refunds fail.
            gateway.faults, gateway.faults_at = {}, {"/refunds": _drawn(ordeal, 1.0)}
            wait_until(lambda: ordeal.refunds() or ordeal.unpaid_back(), 60, "some that expired are known as charged")
            ordeal.rest(1, 2)
            # Every charge is slow now; what is owed is paid back none the less.
            gateway.slow_s = SLOW_S
            gateway.faults, gateway.faults_at = {"slow": 1.0}, {"/refunds": {}}
            before = ordeal.refunds()
            seconds = wait_until(lambda: ordeal.refunds() >= before + 50, 60, "refunds flow although charges are slow")
            note(f"gateway: 50 refunds took {seconds:.1f} s while every charge took {SLOW_S:.0f} s")
            gateway.faults = {}
        ordeal.wait_normal(120)
        ordeal.finish(more_faults=4)
        outcomes = stack.statuses("ordenes", ordeal.prefix).values()
        note(f"gateway away: {_counted(list(outcomes))}")
        assert set(outcomes) == {"aprobada", "rechazada", "expirada", "reembolsada"}


def _counted(outcomes: Sequence[str]) -> str:
    return ", ".join(f"{outcomes.count(status)} {status}" for status in sorted(set(outcomes)))


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} s (median), {_percentile(values, 0.95):.2f} s (p95), {max(values):.1f} s (longest)"
