"""Payment gateways, which charge orders. To add one, write a class here and add its name to `GATEWAYS`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from alpes_runtime import Rejected, Retry
from functions.pagos.domain import Cobro, Reembolso

from .http import HttpGateway
from .options import GatewayOptions
from .simulada import SimuladaGateway


class Gateway(Protocol):
    """Charges orders and pays them back.

    Both calls are made again with the same order whenever their answer may have been lost. A gateway must take the
    order's id as the key of the charge, charge a key once, and give the same answer each time.
    """

    at_once: int
    """Most concurrent calls. 0: the gateway answers from its arguments alone, without a wait or an effect."""

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
        """Pay an order back. Return None if it is paid back, and otherwise what `charge` returns."""
        ...


class GatewayKind(NamedTuple):
    """A kind of gateway.

    Attributes
    ----------
    make
        Makes a gateway of this kind.
    remote
        Whether it is asked over the network. Then it needs a URL, and a retry topic for orders that it may have
        charged.
    """

    make: Callable[[GatewayOptions], Gateway]
    remote: bool


GATEWAYS: Mapping[str, GatewayKind] = {
    "simulada": GatewayKind(SimuladaGateway, remote=False),
    "http": GatewayKind(HttpGateway, remote=True),
}
"""Kinds of gateways, by the name that ``gateway`` in userConfig takes."""

__all__ = ["GATEWAYS", "Gateway", "GatewayKind", "GatewayOptions"]
