"""The composition root of Pagos: the only place that knows all its parts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pulsar.schema import ProtobufNativeSchema

from alpes_runtime import BatchFunction, FunctionConfig, Handler, InstanceContext, Service, encoded, require
from alpes_runtime.config import formerly
from alpes_runtime.errors import Misconfigured
from schemas.tienda.topics import RETRY_SUFFIX
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada

from . import messages
from .gateways import GATEWAYS, GatewayOptions
from .handlers import PagosHandlers


@dataclass(frozen=True, kw_only=True)
class PagosConfig(FunctionConfig):
    """userConfig of Pagos.

    Parameters
    ----------
    gateway
        Who decides: a name of `GATEWAYS`.
    gateway_zero_amounts
        Send amounts of 0 to the gateway, too. Otherwise such an order is approved, and nothing is charged.
    approval_rate
        Simulated: share of orders whose payment is approved, 0 to 1.
    gateway_url
        HTTP: the gateway's address.
    gateway_token_env
        HTTP: name of the environment variable that holds its token; empty for none. The token itself must not be in
        userConfig: Pulsar logs that.
    gateway_timeout_seconds, gateway_tries
        HTTP: longest time of one try, and tries in a row before an order is put off. Their product
        is 30 s at most.
    gateway_at_once
        HTTP: concurrent calls of an instance, 1 to 200.
    """

    retry_suffix: ClassVar[str] = RETRY_SUFFIX

    gateway: str = "simulada"
    gateway_zero_amounts: bool = False
    approval_rate: float = 0.9
    gateway_url: str = ""
    gateway_token_env: str = ""
    gateway_timeout_seconds: float = field(default=5.0, metadata=formerly("gateway_timeout_segundos"))
    gateway_tries: int = field(default=4, metadata=formerly("gateway_intentos"))
    gateway_at_once: int = field(default=32, metadata=formerly("gateway_a_la_vez"))

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.approval_rate <= 1, "approval_rate", self.approval_rate, "0 to 1")
        require(self.gateway in GATEWAYS, "gateway", self.gateway, " or ".join(map(repr, GATEWAYS)))
        remote = GATEWAYS[self.gateway].remote
        known = self.gateway_url.startswith(("http://", "https://"))
        require(known or not remote, "gateway_url", self.gateway_url, "http://… or https://…")
        tries, timeout_s, at_once = self.gateway_tries, self.gateway_timeout_seconds, self.gateway_at_once
        require(1 <= tries <= 10, "gateway_tries", tries, "1 to 10")
        require(0 < timeout_s * tries <= 30, "gateway_timeout_seconds", timeout_s, f"above 0, {30 / tries:g} at most")
        require(1 <= at_once <= 200, "gateway_at_once", at_once, "1 to 200")

    def options(self, environment: Mapping[str, str] = os.environ) -> GatewayOptions:
        """Return what the gateway is built with. Raises `Misconfigured` where the environment has no usable token."""
        return GatewayOptions(
            approval_rate=self.approval_rate,
            url=self.gateway_url,
            token=self._token(environment),
            timeout_s=self.gateway_timeout_seconds,
            tries=self.gateway_tries,
            at_once=self.gateway_at_once,
        )

    def _token(self, environment: Mapping[str, str]) -> str:
        token = environment.get(self.gateway_token_env, "").strip()  # whoever fills it from a file may leave a newline
        if self.gateway_token_env and not token:
            raise Misconfigured(
                f"The worker's environment has no {self.gateway_token_env} (userConfig: gateway_token_env): "
                "set it to the gateway's token where the function worker is started"
            )
        # A header can't carry any other token, and the error of each call would show it.
        if not (token.isascii() and token.isprintable()):
            raise Misconfigured(
                f"{self.gateway_token_env} in the worker's environment (userConfig: gateway_token_env) has control or "
                "non-ASCII characters: set it to the gateway's token alone where the function worker is started"
            )
        return token


class Pagos(BatchFunction):
    """Charges orders."""

    Config: ClassVar[type[FunctionConfig]] = PagosConfig

    def build(self, config: PagosConfig, context: InstanceContext) -> Service:
        """Wire the handlers, and the gateway."""
        topic = context.output()
        kind = GATEWAYS[config.gateway]
        if kind.remote:
            context.retry_topic()
        handlers = PagosHandlers(topic, kind.make(config.options()), context.clock.now_ms, config.gateway_zero_amounts)
        return Service(
            # Refunds go before charges: the shop pays what it owes before it earns more.
            handlers={
                "reembolsar-transaccion": Handler(
                    messages.decode_reembolsar_transaccion, handlers.reembolsar, external_call=handlers.refunding
                ),
                "orden-creada": Handler(messages.decode_orden_creada, handlers.cobrar, external_call=handlers.charging),
            },
            database=context.database(),
            schemas={topic: encoded(ProtobufNativeSchema(TransaccionProcesada))},
        )
