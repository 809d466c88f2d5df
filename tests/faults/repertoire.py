"""Every kind of fault as a function, so that a long run can draw from them."""

import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pulsar

from local_stack.settings import Settings
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.e2e.publisher.link import Link
from tests.e2e.tienda import FUNCTIONS, INPUTS, ROOT, Tienda, configure, wait_replaced, wait_until
from tests.faults import breaking
from tests.faults.ordeal import Ordeal
from tests.faults.packages import changed
from tests.faults.poison import corpus

REPEATED = 300
CONFLICTING = 20
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = user AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""
"""Ends only the connections that are within a transaction."""


@dataclass
class Scene:
    """What a fault may break.

    Attributes
    ----------
    stack, ordeal
        The system, and the orders under way.
    settings
        What the broker is started with.
    state
        The link that functions reach the state store through.
    """

    stack: Tienda
    ordeal: Ordeal
    settings: Settings
    state: Link

    def function(self) -> str:
        """Draw a function."""
        return self.ordeal.random.choice(FUNCTIONS)


def kill_instance(scene: Scene) -> str:
    """Kill one instance of a function, and wait for its successor."""
    function = scene.function()
    victims = scene.stack.processes(function)
    victim = scene.ordeal.random.choice(sorted(victims, key=lambda process: process.pid))
    breaking.kill(victim)
    wait_until(lambda: len(scene.stack.processes(function)) >= len(victims), 120, "its successor is there")
    return f"kill -9 of {function}"


def stop_instance(scene: Scene) -> str:
    """Stop one instance for some seconds, and let it go on."""
    function = scene.function()
    victim = scene.ordeal.random.choice(sorted(scene.stack.processes(function), key=lambda process: process.pid))
    victim.send_signal(signal.SIGSTOP)
    try:
        scene.ordeal.rest(1.0, 5.0)
    finally:
        victim.send_signal(signal.SIGCONT)
    return f"SIGSTOP of {function}"


def kill_postgres(scene: Scene) -> str:
    """Shut PostgreSQL down immediately, and start it again."""
    breaking.kill_postgres(scene.stack)
    scene.ordeal.rest(0.2, 3.0)
    breaking.start_postgres(scene.stack)
    return "PostgreSQL killed"


def cut_connections(scene: Scene) -> str:
    """Cut connections of functions that are within a transaction."""
    cut = 0
    for _ in range(20):
        for function in FUNCTIONS:
            cut += sum(row[0] for row in scene.stack.rows(function, CUT))
        scene.ordeal.rest(0.0, 0.1)
    return f"{cut} connections cut"


def kill_broker(scene: Scene) -> str:
    """Kill the broker, and start it again."""
    breaking.kill_broker(scene.stack)
    breaking.start_broker(scene.stack, scene.settings)
    return "kill -9 of the broker"


def unload_topics(scene: Scene) -> str:
    """Make every client reconnect to a function's topics."""
    function = scene.function()
    scene.stack.unload(function)
    return f"topics of {function} unloaded"


def rewind(scene: Scene) -> str:
    """Reset a function's subscriptions to some seconds ago, so that the messages since then come again."""
    function = scene.function()
    seconds = scene.ordeal.random.randint(2, 15)
    scene.stack.rewind(function, time.time() - seconds)
    return f"subscriptions of {function} reset by {seconds} s"


def repeat_orders(scene: Scene) -> str:
    """Send some orders again, a part of them with other content, which is a conflict."""
    ordeal = scene.ordeal
    repeated: list[tuple[str, bytes]] = []
    told = ordeal.load.sent
    for _ in range(REPEATED):
        n = ordeal.random.randrange(told)
        conflicting = len(repeated) < CONFLICTING
        order = ordeal.load.content(n)
        repeated.append(
            (
                order.order_id,
                CrearOrden(
                    id=order.order_id,
                    client_id=order.client_id,
                    address=order.address + (" bis" if conflicting else ""),
                    total_cents=order.total_cents,
                    currency=order.currency,
                ).SerializeToString(),
            )
        )
    _publish(scene, "crear-orden", repeated)
    return f"{REPEATED} orders sent again, {CONFLICTING} of them with other content"


def poison(scene: Scene) -> str:
    """Send garbage of every kind to every input."""
    random = scene.ordeal.random
    poisons = list(corpus("", random, with_large=False))
    random.shuffle(poisons)
    by_topic: dict[str, list[bytes]] = {}
    # What comes through a retry topic needs properties that differ by message.
    for each in poisons:
        if not each.properties:
            by_topic.setdefault(each.topic, []).append(each.data)
    for topic, payloads in by_topic.items():
        _publish(scene, topic, [("", data) for data in payloads])
    return f"{sum(map(len, by_topic.values()))} messages of garbage to {len(by_topic)} topics"


def update(scene: Scene) -> str:
    """Update a function to new code."""
    function = scene.function()
    old = scene.stack.processes(function)
    with tempfile.TemporaryDirectory() as folder:
        mark = f"version {time.time():.0f}"
        package = changed(ROOT / "build" / f"alpes-{function}.zip", Path(folder), mark)
        scene.stack.update(function, "--py", str(package))
        wait_replaced(scene.stack, function, old)
    return f"update of {function}"


def scale(scene: Scene) -> str:
    """Run more instances of a function, and then one again."""
    function = scene.function()
    breaking.scale(scene.stack, function, 3)
    scene.ordeal.rest(0.5, 3.0)
    breaking.scale(scene.stack, function, 1)
    return f"scale of {function} 1→3→1"


def kill_one_of_two(scene: Scene) -> str:
    """Run two instances of a function, kill one of them twice, and run one again."""
    function = scene.function()
    breaking.scale(scene.stack, function, 2)
    for _ in range(2):
        scene.ordeal.rest(0.5, 2.0)
        breaking.kill(scene.ordeal.random.choice(sorted(scene.stack.processes(function), key=lambda each: each.pid)))
        wait_until(lambda: len(scene.stack.processes(function)) == 2, 120, "its successor is there")
    breaking.scale(scene.stack, function, 1)
    return f"kill -9 of one of two of {function}, twice"


def switch_intake(scene: Scene) -> str:
    """Switch a function's intake and back."""
    function = scene.function()
    for intake in ("runtime", "direct"):
        configure(scene.stack, function, scene.stack.user_config(function) | {"intake": intake})
        scene.ordeal.rest(0.5, 3.0)
    return f"intake of {function} direct→runtime→direct"


def cut_state(scene: Scene) -> str:
    """Cut functions off from the state store for some seconds."""
    scene.state.break_down()
    scene.ordeal.rest(2.0, 8.0)
    scene.state.repair()
    return "state store cut off"


def kill_without_state(scene: Scene) -> str:
    """Kill an instance while the state store is unreachable; its successor runs once the store is back."""
    function = scene.ordeal.random.choice(("ordenes", "reporting"))
    scene.state.break_down()
    (victim,) = scene.stack.processes(function)
    breaking.kill(victim)
    scene.ordeal.rest(2.0, 5.0)
    scene.state.repair()
    wait_until(lambda: scene.stack.running(function), 120, "its successor runs")
    return f"kill -9 of {function} while the state store is away"


KINDS: dict[Callable[[Scene], str], int] = {
    kill_instance: 6,
    stop_instance: 4,
    kill_postgres: 3,
    cut_connections: 4,
    kill_broker: 1,
    unload_topics: 4,
    rewind: 4,
    repeat_orders: 3,
    poison: 3,
    update: 1,
    scale: 1,
    switch_intake: 1,
    cut_state: 3,
    kill_one_of_two: 2,
    kill_without_state: 2,
}
"""Each kind of fault, and its weight when one is drawn."""
OUTAGES = (kill_instance, stop_instance, kill_postgres, kill_broker, update, switch_intake, kill_without_state)
"""The faults during which no order is expected to end, with one instance of each function."""


def draw(scene: Scene, number: int) -> list[Callable[[Scene], str]]:
    """Draw so many faults in a random order, each kind at least once if the number allows it."""
    kinds = list(KINDS)
    drawn = kinds[:number] if number >= len(kinds) else scene.ordeal.random.sample(kinds, number)
    drawn += scene.ordeal.random.choices(kinds, list(KINDS.values()), k=number - len(drawn))
    scene.ordeal.random.shuffle(drawn)
    return drawn


def _publish(scene: Scene, topic: str, messages: list[tuple[str, bytes]]) -> None:
    """Publish messages, and publish again those that the broker did not confirm."""
    assert topic in {name for names in INPUTS.values() for name in names}
    for attempt in range(5):
        try:
            scene.stack.publish(topic, messages)
            return
        except (AssertionError, pulsar.PulsarException):
            if attempt == 4:
                raise
            time.sleep(2)
