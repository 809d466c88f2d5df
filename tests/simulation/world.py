"""Runs one seed: orders, instances of the three functions, all that can go wrong, then a calm to end in."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch

from alpes_runtime.errors import Unavailable, Unreachable
from alpes_runtime.testing import FakeStateStore
from alpes_runtime.views import _write_behind as write_behind
from alpes_wire.names import SOURCE_TOPIC
from functions.pagos.gateways import GATEWAYS, GatewayKind
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, VencerOrdenes
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.simulation.aims import CRASH, HOLD, Aim
from tests.simulation.broker import MAX_MESSAGE_BYTES, Broken, Broker, Message
from tests.simulation.instance import FUNCTIONS, LARGEST, Instance, SimulatedGateway, built_once, topic
from tests.simulation.one_thread import one_thread
from tests.simulation.scheduler import Actor, Scheduler, Stuck
from tests.simulation.server import Server
from tests.simulation.statements import STATEMENTS

ORDERS = 30
APPROVAL_RATE = 0.7
CURRENCIES = ("USD", "JPY", "KWD")
POOL = 100
"""Orders are drawn from a pool of this size, so that one run without faults shows how each one ends."""
CHAOS_STEPS = 1500
"""For how many steps, at most, things go wrong; twice as many if orders are paid back."""
REFUSED = "an address that the database refuses"
HUGE = b"\xff" * (MAX_MESSAGE_BYTES - 100)
"""Bytes that are no order, and so many that a dead letter with all of them would not fit."""
LOOK_AGAIN_S = 0.01
"""How long a view of Ordenes waits between two looks at the tables; so short that some marks are left over."""
FREEZING = 0.3
"""The share of aimed incidents that stop an instance for a while; the others crash it."""
FEWEST, MOST = 2, 4
"""The fewest and the most instances of each function, except while one is being replaced."""
CALM_STEPS = 60_000
"""In the calm, everything must end within so many steps."""


@dataclass(frozen=True)
class Weather:
    """How bad a seed is; all of it is drawn.

    Attributes
    ----------
    step_s
        How long a step takes, in seconds.
    breaking
        Chance of an incident between any two steps.
    aiming
        Chance that an instance crashes between two steps between which none of its kind has been yet.
    burst
        How often who is under way goes on, see `Scheduler`.
    spreading
        How often what comes next goes to another instance, see `Broker`.
    failing, duplicating, losing_acks
        Shares of flushes, deliveries and acknowledgements, see `Broker`.
    commits, puts, asks
        Shares of commits, of puts to the state store and of calls to the gateway that fail; of statements, a quarter as
        many as of commits end in a deadlock.
    reordering
        Whether messages come in any order.
    patience_s
        After how long an order expires.
    gateway
        ``simulada`` or ``http``.
    runtime
        Share of instances that take their messages one by one.
    """

    step_s: float
    breaking: float
    aiming: float
    burst: float
    spreading: float
    failing: float
    duplicating: float
    losing_acks: float
    commits: float
    puts: float
    asks: float
    reordering: bool
    patience_s: int
    gateway: str
    runtime: float

    @classmethod
    def drawn(cls, random: Random) -> "Weather":
        """Draw a weather."""
        return cls(
            step_s=random.choice([0.001, 0.005]),
            breaking=random.choice([0.0, 0.005, 0.01, 0.02]),
            aiming=random.choice([0.0, 0.02, 0.1]),
            burst=random.choice([0.3, 0.6, 0.9]),
            spreading=random.choice([0.0, 0.1, 0.5]),
            failing=random.choice([0.0, 0.1, 0.3]),
            duplicating=random.choice([0.0, 0.2, 0.5]),
            losing_acks=random.choice([0.0, 0.3, 0.9]),
            commits=random.choice([0.0, 0.05, 0.2]),
            puts=random.choice([0.0, 0.2]),
            asks=random.choice([0.0, 0.3, 0.6]),
            reordering=random.random() < 0.6,
            patience_s=random.choice([1, 2, 5, 900]),
            gateway=random.choice(["simulada", "http"]),
            runtime=random.choice([0.0, 0.0, 0.5]),
        )


CALM = Weather(
    step_s=0.001,
    breaking=0,
    aiming=0,
    burst=0.6,
    spreading=0,
    failing=0,
    duplicating=0,
    losing_acks=0,
    commits=0,
    puts=0,
    asks=0,
    reordering=False,
    patience_s=900,
    gateway="simulada",
    runtime=0,
)
"""No faults."""


@dataclass
class Sent:
    """What the client sent, by the outcome that it must have.

    Attributes
    ----------
    orders
        Valid orders by id, as they were first sent.
    invalid, conflicts, orphans
        Numbers of the messages in ``crear-orden`` that are no order, and that contradict an order; ids of transactions
        without an order.
    refused
        Numbers of the messages in ``crear-orden`` whose values the database refuses.
    rivals
        Of orders sent at once with different contents: what each message in ``crear-orden`` says, by its number, by
        order. Whichever is accepted, exactly the other contradicts.
    """

    orders: dict[str, CrearOrden] = field(default_factory=dict)
    invalid: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    rivals: dict[str, dict[str, CrearOrden]] = field(default_factory=dict)

    @property
    def once(self) -> set[str]:
        """Numbers of the messages in ``crear-orden`` that must not be sent again, each being judged by itself."""
        return set().union(self.invalid, self.conflicts, self.refused, *self.rivals.values())


@cache
def order(number: int) -> CrearOrden:
    """Return the pool's order of that number."""
    digest = hashlib.blake2b(str(number).encode(), digest_size=8).digest()
    return CrearOrden(
        id=f"o{number:03d}",
        client_id=digest[0],
        address=f"Calle {digest[1]}",
        total_cents=digest[2] * 100,
        currency=CURRENCIES[digest[4] % len(CURRENCIES)],
        created_at_ms=1_767_225_600_000 + digest[3],
    )


class World:
    """The whole world of one seed.

    Parameters
    ----------
    seed
        Draws all.
    weather
        How bad it gets; None draws it.
    numbers
        Which orders of the pool; None draws them.
    aims
        Between which steps somebody is struck, whatever is drawn.
    traced
        Whether every step is noted.

    Attributes
    ----------
    instances, coming
        Who is there, and by function how many died and come back later.
    """

    def __init__(
        self,
        seed: int,
        weather: Weather | None = None,
        numbers: list[int] | None = None,
        *,
        aims: Iterable[Aim] = (),
        traced: bool = False,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.weather = weather or Weather.drawn(self.random)
        self.scheduler = Scheduler(self.random, self._between)
        self.scheduler.strike = self._strike
        self.aims = {aim.pair: aim.how for aim in aims}
        self.scheduler.aims = self.aims
        self.scheduler.step_s = self.weather.step_s
        if traced:
            self.scheduler.trace = []
        self.broker = Broker(self.scheduler, self.random)
        self.broker.on_acknowledged = self._acknowledged
        self.scheduler.next_event = self.broker.next_due
        clock_ms = lambda: int(self.scheduler.now * 1000)  # noqa: E731 -- shared by the three servers
        self.servers = {
            name: Server(STATEMENTS[name], clock_ms, self.scheduler.pause, self.scheduler.until) for name in FUNCTIONS
        }
        self.states = {name: FakeStateStore() for name in FUNCTIONS}
        for state in self.states.values():
            state.before_each = self._before_each_put
        self.gateway = SimulatedGateway(self.scheduler, self.random)
        self.sent = Sent()
        self.instances: list[Instance] = []
        self.coming: Counter[str] = Counter()
        self.metrics: Counter[tuple[str, str]] = Counter()
        self.incidents: Counter[str] = Counter()
        self.early_acks: list[str] = []
        self.deaths: list[str] = []
        self.forgotten: list[str] = []
        self._told_expired: set[str] = set()
        self._told_so_far = 0
        self._numbers = numbers or self.random.sample(range(POOL), ORDERS)
        self._calm = False
        self._chaos_ends = 0
        self._generation = 0
        self._puts_failing = 0.0
        self._totals_seen: tuple[int, dict[str, str]] = (-1, {})
        self._totals_behind = False

    def run(self) -> None:
        """Run the world. Raises `Stuck` if it doesn't end."""
        hurried = patch.object(write_behind, "LOOK_AGAIN_S", LOOK_AGAIN_S)
        gateways = {"http": GatewayKind(self.gateway, remote=True)}
        with patch.dict(GATEWAYS, gateways), hurried, one_thread(), built_once():
            try:
                self._run()
            finally:
                self.scheduler.close()

    def _run(self) -> None:
        self.servers["ordenes"].refused = {REFUSED}
        self.servers["ordenes"].on_commit = self._committed
        for server in self.servers.values():
            server.fail_commit = self._fail_commit
            server.deadlock = self._deadlock
        self._worsen()
        for function in FUNCTIONS:
            for _ in range(FEWEST):
                self._start(function)
        self.scheduler.spawn("client", self, self._send)
        chaos = int(self.random.uniform(0.3, 1.0) * CHAOS_STEPS)
        if self.weather.patience_s <= 2 and self.weather.gateway == "http":
            chaos *= 2  # refunds come late
        with suppress(Stuck):  # only withheld acknowledgements may be left
            self.scheduler.run(self._all_ended, chaos)
        self._soothe()
        if not self.scheduler.run(self._all_ended, CALM_STEPS):
            raise Stuck(f"it goes on and on: {self.scheduler.whereabouts()}")
        self.scheduler.note("everything has ended")

    # -- what happens by itself

    def _send(self) -> None:
        """Send the orders, some twice, and between them invalid messages and other orders under the same ids."""
        random, sent = self.random, self.sent
        for number in self._numbers:
            self.scheduler.pause("send")
            one = order(number)
            sent.orders[one.id] = one
            raw = one.SerializeToString()
            crear = topic("crear-orden")
            draw = random.random()
            if draw > 0.9:
                self._send_rivals(one)
                continue
            self.broker.publish(crear, raw, one.id)
            if draw < 0.1:
                self.broker.publish(crear, raw, one.id)
            elif draw < 0.15:
                sent.invalid.add(self.broker.publish(crear, b"\xff\xfe garbage", "garbage").id)
            elif draw < 0.2:
                # The one that comes first is the order, so the other must come after it is stored.
                self.scheduler.until(lambda number=number: self._stands(order(number).id), "the order stands")  # type: ignore[misc]
                other = CrearOrden.FromString(raw)
                other.address = "elsewhere"
                sent.conflicts.add(self.broker.publish(crear, other.SerializeToString(), one.id).id)
            elif draw < 0.23:
                sent.orphans.add(f"nobody-{one.id}")
                orphan = TransaccionProcesada(order_id=f"nobody-{one.id}", status="aprobada")
                self.broker.publish(topic("transaccion-creada"), orphan.SerializeToString(), orphan.order_id)
            elif draw < 0.27:
                refused = CrearOrden(id=f"refused-{one.id}", client_id=1, address=REFUSED, total_cents=1)
                sent.refused.add(self.broker.publish(crear, refused.SerializeToString(), refused.id).id)
            elif draw < 0.275:
                sent.invalid.add(self.broker.publish(crear, HUGE, "garbage").id)
            if draw > 0.6:
                self.scheduler.sleep(NEVER, random.uniform(0, 0.5))
        self.sent_all = True

    sent_all = False

    def _send_rivals(self, one: CrearOrden) -> None:
        """Send an order and a rival under its id at the same time, in random order."""
        other = CrearOrden(id=one.id, client_id=one.client_id + 1, address="elsewhere", currency=one.currency)
        other.total_cents, other.created_at_ms = one.total_cents + 100, one.created_at_ms
        both = [one, other]
        self.random.shuffle(both)
        crear = topic("crear-orden")
        self.sent.rivals[one.id] = {
            self.broker.publish(crear, each.SerializeToString(), each.id).id: each for each in both
        }

    def _stands(self, order_id: str) -> bool:
        return order_id in self.servers["ordenes"].tables.get("ordenes", {})

    def _all_ended(self) -> bool:
        if not self.sent_all or not self.broker.at_rest():
            return False
        if not self.broker.subscriptions.keys() >= INPUTS:
            return False  # a function has not begun to read
        return not self.state_is_behind() and not self.totals_are_behind()

    def state_is_behind(self) -> bool:
        """Whether a view of Ordenes still has something to write or to look at again."""
        marked = self.servers["ordenes"].tables.get("estado_pendiente")
        return bool(marked) or any(instance.unverified for instance in self.instances)

    def totals_are_behind(self) -> bool:
        """Whether the view of Reporting shows less than its table."""
        server, state = self.servers["reporting"], self.states["reporting"]
        if (seen := (server.commits, dict(state.values))) != self._totals_seen:
            self._totals_seen, self._totals_behind = seen, self._totals_differ()
        return self._totals_behind

    def _totals_differ(self) -> bool:
        rows = self.servers["reporting"].tables.get("ordenes", {})
        values = self.states["reporting"].values
        if not rows:
            return False
        shown = sum(int(value) for key, value in values.items() if key.startswith("total:"))
        if shown != len(rows):
            return True
        counted: Counter[str] = Counter()
        for row in rows.values():
            counted[f"total:{row['status']}"] += 1
            counted[f"total_cents:{row['status']}:{row['currency']}"] += row["total_cents"]
        return any(int(values.get(key, "0")) != number for key, number in counted.items())

    # -- instances

    def _start(self, function: str) -> None:
        random, weather = self.random, self.weather
        config: dict[str, Any] = {
            "dsn_env": "X",
            "batch_max": random.choice([1, 3, 10, LARGEST]),
            "intake": "runtime" if random.random() < weather.runtime else "direct",
            # Pagos gets few, since nothing comes early there, and a charge with an unknown outcome is asked for anyway.
            "retry_max_attempts": 2 if function == "pagos" else 6,
            "retry_initial_seconds": 0.5,
        }
        if function == "ordenes":
            config |= {
                "orden_actualizada_topic": topic("orden-actualizada"),
                "reembolsar_transaccion_topic": topic("reembolsar-transaccion"),
                "expires_after_seconds": weather.patience_s,
                "expiry_window_seconds": 1,
            }
        if function == "pagos":
            config |= {
                "approval_rate": APPROVAL_RATE,
                "gateway": weather.gateway,
                "gateway_url": "http://simulated",
                "gateway_at_once": 2,
            }
        self._generation += 1
        self.instances.append(Instance(self, function, self._generation, config))

    def retire(self, instance: Instance) -> None:
        """Remove an instance that has drained."""
        self.scheduler.defer(lambda: self._end(instance))

    def died(self, instance: Instance, error: Exception) -> None:
        """End an instance one of whose threads died, and start another, as watchdog and worker do."""
        if not isinstance(error, Broken):
            self.deaths.append(f"{instance.function}: {type(error).__name__}: {error}")
        self.incidents["a thread died"] += 1
        self.scheduler.defer(lambda: self._end(instance))
        self.scheduler.defer(lambda: self._start(instance.function))

    def _end(self, instance: Instance) -> None:
        if instance in self.instances:
            self.instances.remove(instance)
        instance.crash()

    # -- what goes wrong

    def _worsen(self) -> None:
        weather, broker = self.weather, self.broker
        self.scheduler.breaking, self.scheduler.aiming = weather.breaking, weather.aiming
        self.scheduler.burst = weather.burst
        broker.spreading = weather.spreading
        broker.failing, broker.duplicating = weather.failing, weather.duplicating
        broker.losing_acks, broker.reordering = weather.losing_acks, weather.reordering
        self.gateway.failing = weather.asks
        self._puts_failing = weather.puts

    def _soothe(self) -> None:
        """Mend everything, and start every function that has no instance."""
        self._calm = True
        self.scheduler.breaking = self.scheduler.aiming = 0.0
        self.scheduler.burst = 0.6
        self.scheduler.note("calm")
        broker = self.broker
        broker.away = broker.reordering = False
        broker.failing = broker.duplicating = broker.losing_acks = broker.spreading = 0.0
        self.gateway.failing = self._puts_failing = 0.0
        for server in self.servers.values():
            server.away = False
        for instance in self.instances:
            for consumer in instance.consumers:
                consumer.send_acks()
        for function in FUNCTIONS:
            if not any(each.function == function for each in self.instances):
                self._start(function)

    def _before_each_put(self) -> None:
        self.scheduler.pause("put")
        if self.random.random() < self._puts_failing:
            raise self.random.choice((Unavailable, Unreachable))("the state store put nothing")

    def _deadlock(self) -> bool:
        return not self._calm and self.random.random() < self.weather.commits / 4

    def _fail_commit(self) -> str:
        if self._calm or self.random.random() >= self.weather.commits:
            return ""
        return self.random.choice(["lost", "unanswered"])

    def _between(self) -> None:
        incident = self.random.choice(INCIDENTS)
        self.incidents[incident] += 1
        self.scheduler.note(f"** {incident}")
        getattr(self, "_" + incident.replace(" ", "_"))()

    def _strike(self, actor: Actor) -> None:
        """Crash the actor's instance where it stands, stop it for a while, or let others go first."""
        instance = actor.owner
        if instance not in self.instances:
            return
        how = self.aims.get(actor.pair) or ("freeze" if self.random.random() < FREEZING else CRASH)
        self.incidents[f"aimed {how}"] += 1
        self.scheduler.note(f"** {how} of {actor.name}")
        if how == CRASH:
            self._end(instance)
            self._start(instance.function)
        elif how == HOLD:
            # Start an instance that can run, since all others may have nothing to do.
            self._start(instance.function)
            self.scheduler.hold(actor)
        else:
            self._freeze(instance)

    def _some_instance(self) -> Instance | None:
        return self.random.choice(self.instances) if self.instances else None

    def _crash(self) -> None:
        if instance := self._some_instance():
            self._end(instance)
            self._start(instance.function)

    def _crash_and_come_back_later(self) -> None:
        if instance := self._some_instance():
            self._end(instance)
            self.coming[instance.function] += 1
            self._later(self.random.uniform(0.5, 4.0), lambda: self._come_back(instance.function))

    def _come_back(self, function: str) -> None:
        self.coming[function] -= 1
        self._start(function)

    def _new_generation_beside_the_old(self) -> None:
        if instance := self._some_instance():
            self._start(instance.function)
            self._later(self.random.uniform(0.0, 2.0), lambda: self._end(instance))

    def _rescale(self) -> None:
        function = self.random.choice(list(FUNCTIONS))
        for instance in [each for each in self.instances if each.function == function]:
            instance.stop()
        for _ in range(self.random.randint(FEWEST, MOST)):
            self._start(function)

    def _freeze(self, instance: Instance | None = None) -> None:
        if instance := instance or self._accepting() or self._some_instance():
            seconds = self.random.uniform(0.5, 10.0)
            self.scheduler.freeze(instance, seconds)
            self._later(seconds, lambda: None)

    def _accepting(self) -> Instance | None:
        """Return an instance with an accepted and uncommitted order; None if there is none."""
        busy = {
            id(transaction.connection)
            for transaction in self.servers["ordenes"].open
            for row in transaction.written.values()
            if row and row.get("status") == "creada"
        }
        found = (each for each in self.instances for connection in each.connections if id(connection) in busy)
        return next(found, None)

    def _reconnect(self) -> None:
        if (instance := self._some_instance()) and instance.consumers:
            self.random.choice(instance.consumers).reconnect()

    def _consumer_breaks(self) -> None:
        if (instance := self._some_instance()) and instance.consumers:
            self.random.choice(instance.consumers).breaks()

    def _broker_restarts(self) -> None:
        self.broker.away = True
        for instance in self.instances:
            for consumer in instance.consumers:
                consumer.reconnect()
        self._later(self.random.uniform(0.1, 3.0), self._broker_is_back)

    def _broker_is_back(self) -> None:
        self.broker.away = False

    def _database_restarts(self) -> None:
        server = self.random.choice(list(self.servers.values()))
        server.away = True
        server.restart()

        def back() -> None:
            server.away = False

        self._later(self.random.uniform(0.1, 3.0), back)

    def _rewind(self) -> None:
        found = [each for each in self.broker.subscriptions.values() if self.broker.topics.get(each.topic)]
        if found:
            self.random.choice(found).rewind()

    def _repeat(self) -> None:
        """Publish some messages of an input again, as a relay that delivers twice does."""
        inputs = [topic(name) for _, _, names, _ in FUNCTIONS.values() for name in names if "reintento" not in name]
        stored = self.broker.topics.get(self.random.choice(inputs), [])
        once = self.sent.once if stored and stored[0].topic == topic("crear-orden") else set()
        for message in self.random.sample(stored, len(stored) // 2):
            if message.id not in once:
                self.broker.publish(message.topic, message.payload, message.key, message.own)

    def _later(self, seconds: float, act: Any) -> None:
        def wait() -> None:
            self.scheduler.sleep(NEVER, seconds)
            self.scheduler.defer(act)

        self.scheduler.spawn("later", self, wait)

    # -- what is seen at once

    def _committed(self, written: Mapping[tuple[str, Any], Any]) -> None:
        """Check that every waiting order has an open window."""
        server = self.servers["ordenes"]
        windows = server.tables.get("vencimientos", {})
        for (table, window), row in written.items():
            if table == "ordenes" and row and row["status"] == "creada":
                if not any(start <= row["accepted_at"] < end for start, end in windows):
                    self.forgotten.append(f"{row['id']} was accepted, and no window was opened for it")
                continue
            if table != "vencimientos" or row is not None:
                continue
            orders = [*server.tables.get("ordenes", {}).values()]
            for each in server.open:
                orders += [row for (name, _), row in each.written.items() if name == "ordenes" and row]
            self.forgotten += [
                f"{each['id']} waits in a window that was closed"
                for each in orders
                if window[0] <= each["accepted_at"] < window[1] and each["status"] == "creada"
            ]

    def _acknowledged(self, message: Message) -> None:
        """Check that what a message asks for is done by the time it is acknowledged."""
        if message.topic == TIMERS and SOURCE_TOPIC not in message.own:
            self._timer_acknowledged(VencerOrdenes.FromString(message.payload))
        followers = FOLLOWERS.get(message.topic)
        if followers is None or not (key := message.key):
            return
        keys = self.broker.keys
        for follower in followers:
            if key in keys.get(follower, ()):
                return
        name = message.topic.rpartition("/")[2]
        self.early_acks.append(f"{name} {key} was acknowledged, and nothing had followed from it")

    def _timer_acknowledged(self, timer: VencerOrdenes) -> None:
        """Check that every expired order of a window is published before the window is closed."""
        server = self.servers["ordenes"]
        start, end = window = (timer.accepted_from_ms, timer.accepted_until_ms)
        if not timer.done and window in server.tables.get("vencimientos", {}):
            return
        told = self.broker.topics.get(topic("orden-actualizada"), [])
        for message in told[self._told_so_far :]:
            event = OrdenActualizada.FromString(message.payload)
            if event.status == "expirada":
                self._told_expired.add(event.id)
        self._told_so_far = len(told)
        self.forgotten += [
            f"{row['id']} expired, and its timer was acknowledged before anybody was told"
            for row in server.rows("ordenes")
            if row["status"] == "expirada" and start <= row["accepted_at"] < end and row["id"] not in self._told_expired
        ]


_FOLLOWERS = {
    "crear-orden": ("orden-creada", "crear-orden-DLQ"),
    "orden-creada": ("transaccion-creada", "orden-creada-DLQ", "pagos-reintento"),
    "transaccion-creada": (
        "orden-actualizada",
        "reembolsar-transaccion",
        "ordenes-reintento",
        "transaccion-creada-DLQ",
    ),
    "reembolsar-transaccion": ("transaccion-creada", "pagos-reintento", "reembolsar-transaccion-DLQ"),
}
FOLLOWERS = {topic(name): tuple(map(topic, followers)) for name, followers in _FOLLOWERS.items()}
"""When a message is acknowledged, one of these topics must have a message with its key."""

TIMERS = topic("ordenes-reintento")
INPUTS = {topic(name) for _, _, names, _ in FUNCTIONS.values() for name in names}
INCIDENTS = (
    "crash",
    "crash",
    "crash",
    "crash and come back later",
    "new generation beside the old",
    "rescale",
    "freeze",
    "reconnect",
    "reconnect",
    "consumer breaks",
    "broker restarts",
    "database restarts",
    "rewind",
    "repeat",
)


class _Never:
    """An event that is never set."""

    def is_set(self) -> bool:
        return False


NEVER: Any = _Never()

__all__ = ["CALM", "Sent", "Stuck", "Weather", "World", "order"]
