"""The simulated gateway: approves a share of the orders, by a draw that depends on the order alone."""

from functions.pagos.domain import Cobro, Reembolso, drawn

from .options import GatewayOptions


class SimuladaGateway:
    """Answers at once, the same each time; see `Gateway`."""

    at_once = 0

    def __init__(self, options: GatewayOptions) -> None:
        self._approval_rate = options.approval_rate

    def charge(self, cobro: Cobro) -> str:
        """Return ``aprobada`` or ``rechazada``."""
        return drawn(cobro.order_id, self._approval_rate)

    def refund(self, _refund: Reembolso) -> None:
        """Do nothing: a simulated refund always succeeds."""
