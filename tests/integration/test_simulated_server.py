"""The simulated PostgreSQL does what PostgreSQL does: the same handlers run on both, step by step."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from alpes_runtime import Done, Transaction, load_queries
from functions.ordenes import store as ordenes
from functions.ordenes.domain import Vencimiento, Ventana
from functions.ordenes.estado import EstadoMarks
from functions.ordenes.handlers import OrdenesHandlers, Plazo
from functions.pagos.domain import Cobro, PorReembolsar
from functions.pagos.gateways import GATEWAYS, GatewayOptions
from functions.pagos.handlers import PagosHandlers
from functions.reporting import store as reporting
from schemas.tienda.v1.ordenes_pb2 import VencerOrdenes
from tests.integration.ordenes import PEERS, TOPICS, orden, pago
from tests.integration.pagos import SLOW
from tests.integration.reporting import cambio
from tests.integration.simulated import Act, Both
from tests.simulation.statements import BY_NAME, FILES

SEEDS = range(12)
STEPS = 60
IDS = [f"o{n}" for n in range(8)]
CURRENCIES = ("USD", "JPY", "KWD")


@pytest.fixture
def both(request: pytest.FixtureRequest, dsn_of: Callable[[str], str]) -> Iterator[Both]:
    made = Both(request.param, dsn_of(request.param))
    yield made
    made.close()


@pytest.mark.parametrize("service", FILES)
def test_every_query_is_simulated(service: str) -> None:
    assert set(BY_NAME[service]) == set(load_queries(FILES[service]))


@pytest.fixture
def one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell a timer the real database's time on both: that clock goes on within a transaction."""
    told: list[int] = []
    due = ordenes.due

    def due_on_both(transaction: Transaction, window: Ventana, peers: str) -> ordenes.Due:
        found = due(transaction, window, peers)
        if told:
            return found._replace(now_ms=told.pop())
        told.append(found.now_ms)
        return found

    monkeypatch.setattr(ordenes, "due", due_on_both)


@pytest.mark.usefixtures("one_clock")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("both", ["ordenes"], indirect=True)
def test_ordenes_does_the_same_on_both(both: Both, seed: int) -> None:
    draw = random.Random(seed)
    handlers = {
        name: [
            OrdenesHandlers(
                topics=TOPICS, plazo=Plazo(after_ms=after, width_ms=width), page=page, state_per_order=True, peers=PEERS
            )
            for _ in "rs"
        ]
        for name, (after, width, page) in {"impatient": (1, 1, 2), "patient": (3_600_000, 1000, 100)}.items()
    }
    marks = EstadoMarks()
    windows = [Ventana(1, 2)]
    for _ in range(STEPS):
        kinds = ("crear", "crear", "liquidar", "liquidar", "vencer", "announce", "finish", "lag")
        act = _ordenes_step(draw, draw.choice(kinds), draw.choice([*handlers.values()]), marks, windows)
        said = both.do(act)
        for outcome in said if isinstance(said, list) else []:
            for event in outcome.events if isinstance(outcome, Done) else ():
                if event.topic == TOPICS.reintento:
                    timer = VencerOrdenes.FromString(event.payload)
                    windows.append(Ventana(timer.accepted_from_ms, timer.accepted_until_ms))


def _ordenes_step(
    draw: random.Random, kind: str, pair: Sequence[OrdenesHandlers], marks: EstadoMarks, windows: Sequence[Ventana]
) -> Act:
    chosen = draw.choices(IDS, k=draw.randint(1, 6))
    turn = iter(pair)  # an instance's memory of windows is its own: one for each database
    if kind == "crear":
        batch = [orden(order_id, address=draw.choice(["Calle 1", "Calle 1", "Calle 2"])) for order_id in chosen]
        return lambda transaction: list(next(turn).crear(transaction, batch))
    if kind == "liquidar":
        pagos = [
            pago(
                order_id,
                draw.choice(["aprobada", "rechazada", "reembolsada"]),
                amount_cents=draw.choice([None, 1250, 1250, 1]),
                currency=draw.choice(["", "USD", "USD", "KWD"]),
                id=draw.choice(["", f"t-{order_id}", f"t-{order_id}", "other"]),
            )
            for order_id in chosen
        ]
        return lambda transaction: list(next(turn).liquidar(transaction, pagos))
    if kind == "vencer":
        timer = Vencimiento(draw.choice(windows), draw.choice(["", "", "o3"]), done=draw.random() < 0.2)
        return lambda transaction: list(next(turn).vencer(transaction, [timer]))
    if kind == "announce":
        most = draw.randint(1, 3)
        return lambda transaction: sorted((n, m.keys, m.tried) for n, m in marks.announce(transaction, most).items())
    if kind == "finish":
        numbers = draw.sample(range(1, 40), 5)

        def finish(transaction: Transaction) -> Any:
            held = sorted(marks.hold(transaction, numbers))
            current = sorted(marks.current(transaction, chosen).items())
            marks.clear(transaction, held)
            return [held, current]

        return finish
    return lambda transaction: marks.lag(transaction)[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("both", ["pagos"], indirect=True)
def test_pagos_does_the_same_on_both(both: Both, seed: int) -> None:
    draw = random.Random(seed)
    for step in range(STEPS):
        gateway = GATEWAYS["simulada"].make(GatewayOptions(approval_rate=draw.random()))
        at_once = PagosHandlers("t", gateway, lambda now=step: now)  # type: ignore[misc]
        both.do(_pagos_step(draw, at_once))


def _pagos_step(draw: random.Random, at_once: PagosHandlers) -> Act:
    chosen = draw.choices(IDS, k=draw.randint(1, 6))
    cobros = [Cobro(order_id, draw.choice([5, 5, 6]), "USD", "") for order_id in chosen]
    refunds = [PorReembolsar(order_id, "", draw.choice([None, 5, 6]), "USD", "") for order_id in chosen]
    answers = [draw.choice(["aprobada", "rechazada"]) for _ in chosen]
    return draw.choice(
        [
            lambda t: list(at_once.cobrar(t, cobros)),
            lambda t: list(SLOW.cobrar(t, cobros)),
            lambda t: list(SLOW.cobrados(t, list(zip(cobros, answers, strict=True)))),
            lambda t: list(at_once.reembolsar(t, refunds)),
            lambda t: list(SLOW.reembolsar(t, refunds)),
        ]
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("both", ["reporting"], indirect=True)
def test_reporting_does_the_same_on_both(both: Both, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(STEPS):
        both.do(_reporting_step(draw))


def _reporting_step(draw: random.Random) -> Act:
    chosen = draw.choices(IDS, k=draw.randint(1, 6))
    statuses = ("aprobada", "expirada")
    batch = [
        cambio(
            order_id,
            draw.randint(1, 4),
            draw.choice(statuses),
            total_cents=draw.randint(0, 9),
            currency=CURRENCIES[IDS.index(order_id) % len(CURRENCIES)],
            created_at_ms=draw.randint(1, 9),
            updated_at_ms=draw.randint(1, 9),
        )
        for order_id in chosen
    ]
    acts: list[Act] = [
        lambda t: reporting.keep_newest(t, batch),
        lambda t: sorted(reporting.totals(t).items()),
    ]
    return draw.choice(acts)
