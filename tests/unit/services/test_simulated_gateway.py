"""The simulated payment gateway does what one over HTTP does: the same tests pass on both."""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any, Protocol

import pytest

from alpes_runtime import Retry
from functions.pagos.domain import Cobro, Reembolso
from functions.pagos.gateways import Gateway, GatewayOptions
from functions.pagos.gateways.http import STATUSES, HttpGateway
from tests.faults.gateway_server import GatewayServer
from tests.simulation.instance import Charged, Refunded, SimulatedGateway
from tests.simulation.scheduler import Scheduler

AT_ONCE = 3
RATE = 0.9
"""The share of approved orders; the HTTP server approves as many."""
FAULTS = {"": {}, "request": {"reset": 1.0}, "answer": {"drop": 1.0}}
"""The HTTP server's faults by what gets lost."""


class System(Protocol):
    """A gateway behind one of ours, and its ledger."""

    def gateway(self) -> Gateway:
        """Return the gateway that an instance of Pagos makes from its configuration."""

    def lose(self, what: str) -> None:
        """Let every ``request`` or every ``answer`` get lost from now on, or nothing."""

    def charged(self) -> dict[str, Charged]:
        """Return the ledger's charges by order."""

    def refunded(self) -> dict[str, Refunded]:
        """Return the ledger's refunds by order."""


class Http:
    """Our client over HTTP, and a server on this machine."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server

    def gateway(self) -> Gateway:
        return HttpGateway(GatewayOptions(approval_rate=RATE, url=self._server.url, tries=1, at_once=AT_ONCE))

    def lose(self, what: str) -> None:
        self._server.faults = FAULTS[what]

    def charged(self) -> dict[str, Charged]:
        return {
            content["order_id"]: Charged(STATUSES[answer["status"]], content["amount_cents"], content["currency"])
            for content, answer in self._done()
            if answer["status"] in STATUSES
        }

    def refunded(self) -> dict[str, Refunded]:
        return {
            content["order_id"]: Refunded(*(content[name] for name in Refunded._fields))
            for content, answer in self._done()
            if answer["status"] == "refunded"
        }

    def _done(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        assert set(self._server.ledger.effects.values()) <= {1}
        return list(self._server.ledger.done.values())


class Losing(Random):
    """Draws what gets lost as the test says."""

    what = ""

    def choice(self, _seq: Any) -> Any:
        return self.what


class Simulated:
    """The gateway of the simulation."""

    def __init__(self) -> None:
        self._random = Losing(1)
        self._made = SimulatedGateway(Scheduler(Random(1)), self._random)

    def gateway(self) -> Gateway:
        return self._made(GatewayOptions(approval_rate=RATE, at_once=AT_ONCE))

    def lose(self, what: str) -> None:
        self._random.what, self._made.failing = what, 1.0 if what else 0.0

    def charged(self) -> dict[str, Charged]:
        return self._made.charged

    def refunded(self) -> dict[str, Refunded]:
        return self._made.refunded


@pytest.fixture(params=["simulated", "http"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    if request.param == "simulated":
        yield Simulated()
    else:
        with GatewayServer() as server:
            yield Http(server)


@pytest.fixture
def gateway(system: System) -> Gateway:
    return system.gateway()


def cobro(order_id: str = "orden-1", cents: int = 1250, currency: str = "USD") -> Cobro:
    return Cobro(order_id, cents, currency, "")


def refund(order_id: str = "orden-1", cents: int = 1250, transaction_id: str = "t-1") -> Reembolso:
    return Reembolso(order_id, transaction_id, cents, "USD", 1, "")


def not_known(answer: Any) -> bool:
    return isinstance(answer, Retry) and answer.error_type == "gateway" and answer.until_known


def test_so_many_may_ask_at_once_as_the_configuration_says(gateway: Gateway) -> None:
    assert gateway.at_once == AT_ONCE


def test_an_order_is_charged_once_however_often_and_by_whomever_it_is_asked_for(system: System) -> None:
    answers = [system.gateway().charge(cobro()) for _ in range(3)]
    assert answers[0] in ("aprobada", "rechazada")
    assert answers == [answers[0]] * 3
    assert system.charged() == {"orden-1": Charged(str(answers[0]), 1250, "USD")}


@pytest.mark.parametrize("outcome", ["aprobada", "rechazada"])
def test_an_order_that_is_declined_stays_so_as_one_that_is_approved_does(
    outcome: str, system: System, gateway: Gateway
) -> None:
    order_id = next(name for n in count() if gateway.charge(cobro(name := f"o{n}")) == outcome)
    assert gateway.charge(cobro(order_id)) == outcome
    assert system.charged()[order_id].status == outcome


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_charge_whose_outcome_is_not_known_is_found_when_it_is_asked_for_again(
    lost: str, system: System, gateway: Gateway
) -> None:
    system.lose(lost)
    assert not_known(gateway.charge(cobro()))
    assert not_known(gateway.charge(cobro()))
    before = dict(system.charged())
    assert list(before) == (["orden-1"] if lost == "answer" else [])
    system.lose("")
    status = gateway.charge(cobro())
    assert system.charged() == {"orden-1": Charged(str(status), 1250, "USD")}
    assert not before or system.charged() == before


@pytest.mark.parametrize("lost", ["", "request", "answer"])
def test_an_order_is_paid_back_once(lost: str, system: System, gateway: Gateway) -> None:
    system.lose(lost)
    answer = gateway.refund(refund())
    assert not_known(answer) if lost else answer is None
    assert list(system.refunded()) == ([] if lost == "request" else ["orden-1"])
    system.lose("")
    assert [system.gateway().refund(refund()) for _ in range(2)] == [None, None]
    assert system.refunded() == {"orden-1": Refunded("t-1", 1250, "USD")}


def test_a_refund_is_no_charge_and_a_charge_no_refund(system: System, gateway: Gateway) -> None:
    assert gateway.refund(refund("orden-1")) is None
    assert gateway.charge(cobro("orden-2")) in ("aprobada", "rechazada")
    assert (list(system.refunded()), list(system.charged())) == (["orden-1"], ["orden-2"])


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (lambda gateway: gateway.charge(cobro()), lambda gateway: gateway.charge(cobro(cents=1))),
        (lambda gateway: gateway.charge(cobro()), lambda gateway: gateway.charge(cobro(currency="EUR"))),
        (lambda gateway: gateway.refund(refund()), lambda gateway: gateway.refund(refund(cents=1))),
        (lambda gateway: gateway.refund(refund()), lambda gateway: gateway.refund(refund(transaction_id="t-2"))),
    ],
    ids=["charge of another amount", "in another currency", "refund of another amount", "of another transaction"],
)
def test_what_was_done_stands_when_something_else_is_asked_for_under_its_key(
    first: Callable[[Gateway], Any], other: Callable[[Gateway], Any], system: System, gateway: Gateway
) -> None:
    assert not not_known(first(gateway))
    before = (dict(system.charged()), dict(system.refunded()))
    assert not_known(other(gateway))
    assert (system.charged(), system.refunded()) == before
    assert not not_known(first(gateway))
