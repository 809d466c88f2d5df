"""One function instance in the simulation: the real composition root and stages, with simulated surroundings."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache, partial
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from pulsar.schema import ProtobufNativeSchema

from alpes_runtime import FunctionConfig, Rejected, Retry, encoded
from alpes_runtime._backoff import Backoff
from alpes_runtime._deaths import Deaths
from alpes_runtime._instance import Instance as RunInstance
from alpes_runtime._instance import Stage
from alpes_runtime.bootstrap import bootstrap
from alpes_runtime.config import parse_config
from alpes_runtime.host import Host
from alpes_runtime.platform import Platform
from alpes_runtime.testing import FakeStateStore
from functions.ordenes import function as ordenes
from functions.ordenes.function import Ordenes, OrdenesConfig
from functions.pagos import function as pagos
from functions.pagos.domain import Cobro, Reembolso, drawn
from functions.pagos.function import Pagos, PagosConfig
from functions.pagos.gateways import GatewayOptions
from functions.reporting import function as reporting
from functions.reporting.function import Reporting, ReportingConfig
from tests.simulation.broker import Broken, Client, Consumer
from tests.simulation.scheduler import Scheduler, SimulatedClock
from tests.simulation.server import Connection

if TYPE_CHECKING:
    from tests.simulation.world import World

TENANT, NAMESPACE = "alpes", "tienda"
LOG = logging.getLogger("simulation")
LOG.disabled = True
LARGEST = 100
"""Most messages of a group."""
FUNCTIONS: Mapping[str, tuple[type[Any], type[FunctionConfig], tuple[str, ...], str]] = {
    "ordenes": (
        Ordenes,
        OrdenesConfig,
        ("crear-orden", "transaccion-creada", "ordenes-reintento"),
        "orden-creada",
    ),
    "pagos": (
        Pagos,
        PagosConfig,
        ("orden-creada", "reembolsar-transaccion", "pagos-reintento"),
        "transaccion-creada",
    ),
    "reporting": (
        Reporting,
        ReportingConfig,
        ("orden-actualizada", "generar-reporte", "reporting-reintento"),
        "reporte-generado",
    ),
}
"""Class, configuration, inputs and output of each function, as function-configs/ has them."""


def topic(name: str) -> str:
    """Return a topic's full name."""
    return f"persistent://{TENANT}/{NAMESPACE}/{name}"


@cache
def parsed(function: str, items: tuple[tuple[str, Any], ...]) -> Any:
    """Return a function's configuration; cached, since only few differ."""
    return parse_config(FUNCTIONS[function][1], dict(items))


schema_of = cache(ProtobufNativeSchema)
encoded_of = cache(encoded)


@contextmanager
def built_once() -> Iterator[None]:
    """Let all instances share what each would otherwise build in the same way."""
    with ExitStack() as stack:
        for module in (ordenes, pagos, reporting):
            stack.enter_context(patch.object(module, "ProtobufNativeSchema", schema_of))
            stack.enter_context(patch.object(module, "encoded", encoded_of))
        yield


class NoLock:
    """Replaces the compute lock, since only one actor runs at a time, and may stop anywhere."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def released(self) -> Any:
        """Release nothing."""
        return nullcontext()


class SteadyRandom(Random):
    """Draws no jitter, since the scheduler draws enough."""

    def uniform(self, a: float, b: float) -> float:
        """Return the middle."""
        return (a + b) / 2


STEADY = SteadyRandom(0)


class Charged(NamedTuple):
    """What the gateway's ledger says of an order's charge."""

    status: str
    amount_cents: int
    currency: str


class Refunded(NamedTuple):
    """What the gateway's ledger says of a refund."""

    transaction_id: str
    amount_cents: int
    currency: str


class SimulatedGateway:
    """A payment gateway that keeps a ledger by order, and loses requests and answers.

    It approves the same orders as `simulada`, so that a run with it ends like a run without it.
    tests/unit/services/test_simulated_gateway.py compares it with a gateway over HTTP.
    """

    def __init__(self, scheduler: Scheduler, random: Random) -> None:
        self.charged: dict[str, Charged] = {}
        self.refunded: dict[str, Refunded] = {}
        self.failing = 0.0
        self.at_once = 0
        self._rate = 0.0
        self._scheduler = scheduler
        self._random = random

    def __call__(self, options: GatewayOptions) -> "SimulatedGateway":
        """Return itself as the gateway of a configuration, so that all instances ask the same one."""
        self.at_once = options.at_once
        self._rate = options.approval_rate
        return self

    def charge(self, cobro: Cobro) -> str | Retry | Rejected:
        """Charge an order unless the request gets lost, and answer unless the answer gets lost."""
        charge = stands = Charged(drawn(cobro.order_id, self._rate), cobro.amount_cents, cobro.currency)
        lost = self._lost()
        if lost != "request":
            stands = self.charged.setdefault(cobro.order_id, charge)
        self._scheduler.pause("charged")
        return _not_known(lost, same=stands == charge) or stands.status

    def refund(self, refund: Reembolso) -> Retry | Rejected | None:
        """Pay an order back in the same way."""
        asked = stands = Refunded(refund.transaction_id, refund.amount_cents, refund.currency)
        lost = self._lost()
        if lost != "request":
            stands = self.refunded.setdefault(refund.order_id, asked)
        self._scheduler.pause("refunded")
        return _not_known(lost, same=stands == asked)

    def _lost(self) -> str:
        self._scheduler.pause("ask")
        if self._random.random() >= self.failing:
            return ""
        return self._random.choice(["request", "answer"])


def _not_known(lost: str, *, same: bool) -> Retry | None:
    """Return why the outcome is unknown; None if it is known."""
    why = f"the {lost} got lost" if lost else "" if same else "its key was used with other content"
    return Retry("gateway", why, until_known=True) if why else None


class SimulatedPlatform(Platform):
    """The machine that an instance runs on in the simulation."""

    def __init__(self, world: "World", function: str, instance: "Instance") -> None:
        super().__init__(SimulatedClock(world.scheduler))
        self._world = world
        self._function = function
        self._instance = instance

    def backoff(self, initial: float, maximum: float) -> Backoff:
        """Return a backoff without jitter."""
        return Backoff(initial, maximum, STEADY)

    def lock(self) -> Any:
        """Return no lock."""
        return NoLock()

    def database(self, _config: FunctionConfig, application: str, _lock: Any) -> Connection:
        """Return a connection to the service's simulated database."""
        connection = self._world.servers[self._function].connect(application)
        self._instance.connections.append(connection)
        return connection

    def state(self, _host: Host, _lock: Any, _switch: str) -> FakeStateStore:
        """Return the function's state store."""
        return self._world.states[self._function]

    def deaths(self, _host: Host) -> Deaths:
        """Remember nothing: no entry of the simulation ends an instance."""
        return Deaths(None)

    def consumer_opener(self, _host: Host, _properties: dict[str, str], _deaths: Deaths) -> Callable[[str], Consumer]:
        """Return what opens a consumer of the simulated broker."""
        return lambda topic: self._instance.host.client.subscribe(topic, self._function)

    def in_background(self, _name: str, work: Callable[[], None]) -> None:
        """Do the work at once."""
        work()


class SimulatedHost:
    """What runs an instance in the simulation."""

    def __init__(self, world: "World", function: str, number: int, config: dict[str, Any]) -> None:
        self.client = Client(world.broker)
        self.logger = LOG
        self.user_config: Mapping[str, Any] = config
        self.name = self.subscription = function
        self.namespace = f"{TENANT}/{NAMESPACE}"
        self.instance_id = str(number)
        self.inputs: Sequence[str] = [topic(name) for name in FUNCTIONS[function][2]]
        self.output = topic(FUNCTIONS[function][3])
        self.endpoint = self.state_table = None
        self.runtime_consumers: dict[str, Consumer] = {}
        self._metrics = world.metrics

    def count(self, received: int, processed: int) -> None:
        """Count nothing."""

    def record(self, metric: str, value: float) -> None:
        """Add to the function's metric."""
        self._metrics[self.name, metric] += int(value)


class Instance:
    """A running instance.

    Parameters
    ----------
    world
        Where it runs.
    function, number
        Which one it is.
    config
        Its userConfig.

    Attributes
    ----------
    unverified
        Keys that it has put in the state store, and not looked at again.
    """

    def __init__(self, world: "World", function: str, number: int, config: dict[str, Any]) -> None:
        self.world = world
        self.function = function
        self.number = number
        self.connections: list[Connection] = []
        self.host = SimulatedHost(world, function, number, config)
        self.running: RunInstance | None = None
        self.unverified: set[str] = set()
        self.gone = False
        world.scheduler.spawn(f"{function} start", self, self._start)

    @property
    def consumers(self) -> list[Consumer]:
        """All consumers that it receives from."""
        return [each for each in self.host.client.consumers if not each.closed]

    def crash(self) -> None:
        """End it where it stands, as ``kill -9`` does, and as the watchdog does when a thread has died."""
        self.gone = True
        self.world.scheduler.kill(self)
        self.host.client.crash()
        for connection in self.connections:
            connection.server.drop(connection)

    def stop(self) -> None:
        """Ask it to end in good order: it drains, and unfinished messages come again."""
        if self.running is None:
            self.world.retire(self)
            return
        self.running.stop()
        self.world.scheduler.spawn(f"{self.function} stop", self, self._drain)

    def _drain(self) -> None:
        running = self.running
        assert running is not None
        self.world.scheduler.until(lambda: running.commit.over() and running.publish.over(), "the drain")
        running.close()
        self.world.retire(self)

    def _start(self) -> None:
        kind = FUNCTIONS[self.function][0]
        config = parsed(self.function, tuple(self.host.user_config.items()))
        root = object.__new__(kind)
        platform = SimulatedPlatform(self.world, self.function, self)
        running = bootstrap(self.host, config, partial(root.build, config), platform)
        stages = running.open()
        self.running = running
        for stage in stages:
            self._spawn(stage.name, partial(self._follow, stage))
        if running.intake.name == "runtime":
            for name in self.host.inputs:
                self._spawn("process", partial(self._process, name, running))
        for view in running.views:
            self.unverified = getattr(view, "unverified", self.unverified)
        for follow in running.followers():
            useful = self.world.state_is_behind if self.function == "ordenes" else self.world.totals_are_behind
            self.world.scheduler.spawn(f"{self.function} view", self, follow, useful)

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        kind = "intake" if name.startswith("intake") else "asks" if " asks " in name else name
        self.world.scheduler.spawn(f"{self.function} {kind}", self, partial(self._watched, run))

    def _watched(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 -- the watchdog would end the instance
            self.world.scheduler.note(f"a thread died: {type(error).__name__}: {error}")
            self.world.died(self, error)

    def _follow(self, stage: Stage) -> None:
        assert self.running is not None
        scheduler, stopping = self.world.scheduler, self.running.context.stopping
        receives = stage.name.startswith("intake")

        def may_go_on() -> bool:
            try:
                return stopping.is_set() or stage.ready()
            except Broken:
                return True  # the stage has to meet it

        while not stage.over():
            if not stage.poll(0):
                scheduler.until(may_go_on, "work")
            elif receives:
                # The other stages pause anyway, at the first thing that they do with the next group.
                scheduler.pause("receive")

    def _process(self, name: str, running: RunInstance) -> None:
        """Hand messages over one by one, as Pulsar's runtime does."""
        scheduler = self.world.scheduler
        scheduler.until(lambda: not self.world.broker.away, "the broker")
        consumer = self.host.client.subscribe(f"{name}-partition-0", self.function)
        inbox = running.inbox
        room = 2 * running.context.config.batch_max
        while not running.context.stopping.is_set():
            scheduler.until(
                lambda: (
                    running.context.stopping.is_set()
                    or consumer.broken
                    or (consumer.subscription.ready() and len(inbox) < room)
                ),
                "a message",
            )
            scheduler.pause("receive")
            message = consumer.receive()
            if message is None:
                continue
            running.intake.submit(message, name, consumer)
