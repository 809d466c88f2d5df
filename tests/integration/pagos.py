"""Sample charges and refunds for the tests of Pagos, and its handlers with each kind of gateway."""

from typing import Any

from functions.pagos.domain import Cobro, PorReembolsar, Reembolso
from functions.pagos.gateways import GATEWAYS, GatewayOptions
from functions.pagos.handlers import PagosHandlers


def cobro(order_id: str = "a", amount_cents: int = 1250, currency: str = "USD") -> Cobro:
    return Cobro(order_id, amount_cents, currency, "")


def pagos(rate: float = 1.0, now_ms: int = 1_767_225_600_123) -> PagosHandlers:
    return PagosHandlers("t", GATEWAYS["simulada"].make(GatewayOptions(approval_rate=rate)), lambda: now_ms)


def por_reembolsar(order_id: str = "a", **changes: Any) -> PorReembolsar:
    return PorReembolsar(order_id, "", 1250, "USD", "")._replace(**changes)


class Slow:
    """A gateway that is asked between two transactions; the test supplies its answer."""

    at_once = 4

    def charge(self, _cobro: Cobro) -> str:
        raise AssertionError("the pipeline asks, not the handler")

    def refund(self, _refund: Reembolso) -> None:
        raise AssertionError("the pipeline asks, not the handler")


SLOW = PagosHandlers("t", Slow(), lambda: 1_767_225_600_123)
