"""Payment gateways: who is asked whether an order is charged. A new one is a class here, and its name in `GATEWAYS`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from alpes_runtime import Rejected, Retry
from functions.pagos.domain import Cobro, Reembolso

from .http import HttpGateway
from .options import GatewayOptions
from .simulada import SimuladaGateway


class Gateway(Protocol):
    """Charges orders and pays them back.

    Both calls are made again with the same order whenever their answer may have been lost: a gateway must take the
    order's id as the key of the charge, charge it once, and answer alike however often it is asked.
    """

    at_once: int
    """How many calls may be on their way at once. 0: it answers from what it is given, without a wait or an effect."""

    def charge(self, cobro: Cobro) -> str | Retry | Rejected:
        """Charge an order.

        Returns
        -------
        str, Retry or Rejected
            ``aprobada`` or ``rechazada``; `Retry` with ``until_known`` where it may have been charged and nobody knows;
            `Rejected` where it was not charged and never will be.
        """
        ...

    def refund(self, refund: Reembolso) -> Retry | Rejected | None:
        """Pay an order back; None when it is. Otherwise as `charge`."""
        ...


class GatewayKind(NamedTuple):
    """A kind of gateway.

    Attributes
    ----------
    make
        Makes one.
    remote
        Whether it is asked over the network. Then it needs a URL, and a retry topic, where an order waits that it may
        have charged.
    """

    make: Callable[[GatewayOptions], Gateway]
    remote: bool


GATEWAYS: Mapping[str, GatewayKind] = {
    "simulada": GatewayKind(SimuladaGateway, remote=False),
    "http": GatewayKind(HttpGateway, remote=True),
}
"""By the name that the configuration gives: userConfig ``gateway``."""

__all__ = ["GATEWAYS", "Gateway", "GatewayKind", "GatewayOptions"]
