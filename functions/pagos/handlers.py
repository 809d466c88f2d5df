"""What Pagos does with a batch of recorded orders, and with refunds that are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alpes_runtime import Ask, Done, ExternalCall, Outcome, Rejected, Retry, Transaction
from alpes_runtime.clock import now_ms
from schemas.tienda.orden import APROBADA

from . import domain, messages, store
from .domain import Cobro, PorReembolsar, Reembolso, Transaccion, difference, refund_problem
from .gateways import Gateway


@dataclass(frozen=True)
class PagosHandlers:
    """The handlers.

    A gateway that answers at once decides within the transaction. Any other one is asked between two transactions: the
    first records the intent, the second the outcome.

    Parameters
    ----------
    topic
        Where `transaccion-creada` goes.
    gateway
        Charges orders and pays them back.
    now_ms
        Returns the time in Unix milliseconds.
    ask_for_zero
        Whether the gateway is asked for amounts of 0, too. Otherwise such an order is approved, and nothing is charged.
    """

    topic: str
    gateway: Gateway
    now_ms: Callable[[], int] = now_ms
    ask_for_zero: bool = False

    @property
    def charging(self) -> ExternalCall[Cobro] | None:
        """The gateway's call for `cobrar`, None if the gateway answers at once."""
        return ExternalCall(self.gateway.charge, self.cobrados, self.gateway.at_once) if self.gateway.at_once else None

    @property
    def refunding(self) -> ExternalCall[PorReembolsar] | None:
        """The gateway's call for `reembolsar`, None if the gateway answers at once."""
        return (
            ExternalCall(self.gateway.refund, self.reembolsados, self.gateway.at_once) if self.gateway.at_once else None
        )

    def cobrar(self, transaction: Transaction, batch: Sequence[Cobro]) -> Sequence[Outcome]:
        """Charge the orders, and emit `transaccion-creada` for each. One charged before gets its event again."""
        if self.gateway.at_once:
            return self._ask_to_charge(transaction, batch)
        return self.cobrados(
            transaction, [(cobro, APROBADA if self._free(cobro) else self.gateway.charge(cobro)) for cobro in batch]
        )

    def cobrados(self, transaction: Transaction, batch: Sequence[tuple[Cobro, Any]]) -> Sequence[Outcome]:
        """Record what the gateway decided."""
        stored = self._record(transaction, [(cobro, answer) for cobro, answer in batch if isinstance(answer, str)])
        return [
            self._charged(cobro, stored[cobro.order_id]) if isinstance(answer, str) else answer
            for cobro, answer in batch
        ]

    def reembolsar(self, transaction: Transaction, batch: Sequence[PorReembolsar]) -> Sequence[Outcome]:
        """Pay the orders back, and emit `transaccion-creada` for each. One paid back before gets its event again."""
        order_ids = {asked.order_id for asked in batch}
        charged = store.stored(transaction, order_ids)
        refunded = store.refunded(transaction, order_ids)
        now_ms = self.now_ms()
        outcomes: list[Outcome | None] = []
        for asked in batch:
            transaccion = charged.get(asked.order_id)
            if transaccion is None:
                outcomes.append(Retry("early", f"order {asked.order_id} has no transaction (yet)"))
            elif why := refund_problem(asked, transaccion):
                outcomes.append(Rejected("conflict", f"order {asked.order_id} can't be paid back: {why}"))
            elif asked.order_id in refunded:
                outcomes.append(self._refunded(refunded[asked.order_id]))
            elif self.gateway.at_once and not self._free(transaccion):
                outcomes.append(Ask(domain.reembolso(asked, transaccion, now_ms)))
            else:
                outcomes.append(None)
        pending = [asked for asked, outcome in zip(batch, outcomes, strict=True) if outcome is None]
        if not pending:
            return [outcome for outcome in outcomes if outcome is not None]
        refunds = [domain.reembolso(asked, charged[asked.order_id], now_ms) for asked in pending]
        done = store.record_refunds(transaction, refunds)
        return [
            self._refunded(done[asked.order_id]) if outcome is None else outcome
            for asked, outcome in zip(batch, outcomes, strict=True)
        ]

    def reembolsados(self, transaction: Transaction, batch: Sequence[tuple[PorReembolsar, Any]]) -> Sequence[Outcome]:
        """Record what the gateway paid back."""
        paid = [asked for asked, answer in batch if answer is None]
        charged = store.stored(transaction, {asked.order_id for asked in paid})
        now_ms = self.now_ms()
        refunds = [domain.reembolso(asked, charged[asked.order_id], now_ms) for asked in paid]
        done = store.record_refunds(transaction, refunds) if refunds else {}
        return [self._refunded(done[asked.order_id]) if answer is None else answer for asked, answer in batch]

    def _ask_to_charge(self, transaction: Transaction, batch: Sequence[Cobro]) -> Sequence[Outcome]:
        intents = store.intend(transaction, batch)
        # The intents are locked by now: an instance that charged an order meanwhile has recorded its transaction.
        charged = store.stored(transaction, intents)
        if charged:
            store.forget_intents(transaction, charged)
        free = [
            (cobro, APROBADA)
            for cobro in batch
            if self._free(cobro) and cobro.order_id not in charged and not difference(cobro, intents[cobro.order_id])
        ]
        charged.update(self._record(transaction, free))
        outcomes: list[Outcome] = []
        for cobro in batch:
            if cobro.order_id in charged:
                outcomes.append(self._charged(cobro, charged[cobro.order_id]))
            elif why := difference(cobro, intents[cobro.order_id]):
                outcomes.append(_other_content(cobro, why))
            else:
                outcomes.append(Ask(cobro))
        return outcomes

    def _free(self, what: Cobro | Transaccion) -> bool:
        """Return whether there is nothing to ask the gateway for."""
        return what.amount_cents == 0 and not self.ask_for_zero

    def _record(self, transaction: Transaction, decided: Sequence[tuple[Cobro, str]]) -> dict[str, Transaccion]:
        """Record what was decided, and return each order's transaction by order id."""
        if not decided:
            return {}
        now_ms = self.now_ms()
        stored = store.record(transaction, [domain.transaccion(cobro, status, now_ms) for cobro, status in decided])
        if self.gateway.at_once:
            store.forget_intents(transaction, stored)
        return stored

    def _charged(self, cobro: Cobro, transaccion: Transaccion) -> Outcome:
        if why := difference(cobro, transaccion):
            return _other_content(cobro, why)
        return Done((messages.transaccion_creada(self.topic, transaccion),))

    def _refunded(self, refund: Reembolso) -> Outcome:
        return Done((messages.transaccion_reembolsada(self.topic, refund),))


def _other_content(cobro: Cobro, why: str) -> Outcome:
    return Rejected("conflict", f"the charge of order {cobro.order_id} was first asked for with other content: {why}")
