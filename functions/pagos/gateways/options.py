"""Settings of the payment gateways."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """Settings of every gateway; each uses those that concern it.

    Parameters
    ----------
    approval_rate
        Simulated: share of orders that are approved, 0 to 1.
    url
        HTTP: the gateway's address, such as ``https://gateway.example/v1``.
    token
        HTTP: sent as ``Authorization: Bearer``; empty for none.
    timeout_s
        HTTP: longest time of one try, from the connection to the end of the answer.
    tries
        HTTP: tries in a row, with growing pauses, before the order is put off for longer.
    at_once
        HTTP: most concurrent calls.
    """

    approval_rate: float
    url: str = ""
    token: str = field(default="", repr=False)
    timeout_s: float = 5.0
    tries: int = 4
    at_once: int = 32
