"""Runs a service within a function instance: builds the stages, gives each a thread, and drains them at the end."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulsar

from .backoff import Backoff, RetryPolicy
from .clock import SystemClock
from .committer import Committer
from .config import FunctionConfig
from .database import Database
from .errors import InvalidMessage, Misconfigured
from .host import Host
from .inbox import Inbox
from .intake import RECEIVER_QUEUE, DirectIntake, Inputs, RuntimeIntake
from .message import Received, local_name
from .outcome import AnyHandler, Handler
from .outside import ANSWERED, AskStage, asking, with_answers
from .pipeline import CommitStage, PublishStage, handoff
from .postgres import Postgres
from .publisher import PulsarPublisher
from .state import StateStore, open_state
from .turn import Turn
from .views import View, run_view
from .watchdog import Watchdog, Worker, end_instance

POLL_S = 0.2
"""Longest wait within a step, and so the longest time until a stop is noticed."""
DRAIN_S = 5.0
"""Longest drain at a stop. Pulsar kills an instance about 10 s after it asked it to end."""
HALTED = "halted"
"""User metric ``halted.<input>``: nothing more of this input is taken, see `halt`."""
RATE_WINDOW_S = 1.0
"""Over how long the rate is taken that says whether the views have to hold back."""


@dataclass(frozen=True)
class Service:
    """What a function does, built once per instance by its composition root.

    Parameters
    ----------
    handlers
        By the local name of the input topic, most urgent first. An input without one is dead-lettered.
    database
        Where the handlers write.
    schemas
        Pulsar schema by output topic.
    views
        What follows behind in the state store.
    """

    handlers: Mapping[str, AnyHandler]
    database: Database
    schemas: Mapping[str, Any]
    views: Sequence[View] = ()


class Setup:
    """What a composition root builds with."""

    def __init__(self, host: Host, config: FunctionConfig) -> None:
        self.host = host
        self.logger = host.logger
        self.clock = SystemClock()
        self.stopping = threading.Event()
        self.turn = Turn()
        self._config = config
        self.rate = RateMeter()

    def database(self) -> Database:
        """Return the service's database, for its handlers."""
        return Postgres(self._config.dsn(), self._application, self.turn)

    def view_database(self) -> Database:
        """Return a further connection to the service's database, for one view."""
        return Postgres(self._config.dsn(), f"{self._application} view")

    def output(self) -> str:
        """Return the output topic of the function's config. Raises `Misconfigured` without one."""
        if not self.host.output:
            raise Misconfigured("the function's config has no output topic")
        return self.host.output

    def retry_topic(self) -> str:
        """Return the input that carries later attempts and timers. Raises `Misconfigured` without one."""
        if self.host.retry_topic is None:
            raise Misconfigured(f"the function's config has no input named {self.host.name}-reintento")
        return self.host.retry_topic

    def record(self, metric: str, value: float) -> None:
        """Record a user metric; see `Host.record`."""
        self.host.record(metric, value)

    def state(self, switch: str) -> StateStore:
        """Return the state store; ``switch`` is the key that does without. Raises `Misconfigured` without one."""
        return open_state(self.host.state_table, self.turn, switch)

    def busy(self, per_second: int) -> bool:
        """Whether more messages than ``per_second`` came through lately."""
        return self.rate.per_second() > per_second

    @property
    def _application(self) -> str:
        return f"alpes {self.host.name} {self.host.instance_id}"


class RateMeter:
    """Messages over the last second or so."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._started = monotonic()
        self._count = 0
        self._last = 0.0

    def add(self, messages: int) -> None:
        """Count messages."""
        self._roll()
        self._count += messages

    def per_second(self) -> float:
        """Return the rate of the last whole window, or of the present one when that is higher already."""
        self._roll()
        return max(self._last, float(self._count))

    def _roll(self) -> None:
        elapsed = self._monotonic() - self._started
        if elapsed >= RATE_WINDOW_S:
            self._last = self._count / elapsed
            self._count = 0
            self._started += elapsed


class Runner:
    """One instance at work.

    Parameters
    ----------
    host
        The instance.
    config
        Its configuration.
    build
        The composition root.
    """

    def __init__(self, host: Host, config: FunctionConfig, build: Callable[[Setup], Service]) -> None:
        self._host = host
        self._config = config
        self._log = host.logger
        setup = self._setup = Setup(host, config)
        self._clock, self._stopping, self._turn = setup.clock, setup.stopping, setup.turn
        self._service = build(setup)
        self._inputs = Inputs(host.inputs, host.retry_topic)
        handlers = with_answers(self._service.handlers)
        for topic in host.inputs:
            handlers.setdefault(local_name(topic), _refusing(host, topic))
        most_of = {role: handler.most for role, handler in handlers.items() if handler.most is not None}
        self._asks = {
            role: AskStage(role, handler.outside, self._log)
            for role, handler in handlers.items()
            if handler.outside is not None
        }
        holds = {role: ask.full for role, ask in self._asks.items()}
        self._inbox = Inbox(list(handlers), 2 * config.batch_max, most_of, holds)
        for ask in self._asks.values():
            ask.answer_to(self._inbox)
        self._committed = handoff()
        publisher = PulsarPublisher(
            host.client,
            schemas=self._service.schemas,
            properties=host.client_properties,
            turn=self._turn,
            logger=self._log,
        )
        self._publisher = publisher
        committer = Committer(
            handlers,
            self._service.database,
            host.retry_topic,
            RetryPolicy(config.retry_max_attempts, config.retry_initial_seconds),
            function=host.name,
            turn=self._turn,
            clock=self._clock,
            stopping=self._stopping,
            logger=self._log,
            alive=self._committing,
            halt=self._halted,
        )
        self._commit = CommitStage(self._inbox, committer, self._committed, config.batch_max, self._asks)
        self._publish = PublishStage(
            self._committed,
            publisher,
            self._settled,
            turn=self._turn,
            clock=self._clock,
            stopping=self._stopping,
            logger=self._log,
        )
        self._runtime_intake: RuntimeIntake | None = None
        self._intakes: list[DirectIntake] = []
        self._abandon = threading.Event()
        self._commit_worker = Worker("commit", partial(self._commit.step, POLL_S), self._commit_done, self._clock)
        self._publish_worker = Worker("publish", partial(self._publish.step, POLL_S), self._publish_done, self._clock)

    def start(self) -> None:
        """Open the inputs and set everything going.

        Raises
        ------
        Misconfigured
            An input has a name that no handler and no retry topic goes by, or a handler has no input.
        """
        known = {local_name(topic) for topic in self._host.inputs}
        if missing := sorted(set(self._service.handlers) - known):
            raise Misconfigured(f"inputs: the function reads {', '.join(missing)}, but no configured input is named so")
        direct = self._config.intake == "direct" and self._can_be_direct()
        workers = [self._commit_worker, self._publish_worker]
        if direct:
            self._open_direct()
            workers += [
                Worker(f"intake {n}", partial(intake.step, POLL_S), self._stopping.is_set, self._clock)
                for n, intake in enumerate(self._intakes)
            ]
        for role, ask in self._asks.items():
            workers += [
                Worker(f"{role} asks {n}", partial(ask.step, POLL_S), self._stopping.is_set, self._clock)
                for n in range(ask.at_once)
            ]
        if not direct:
            self._runtime_intake = RuntimeIntake(self._inputs, self._inbox, self._stopping)
        for worker in workers:
            worker.start()
        for number, view in enumerate(self._service.views):
            follow = partial(run_view, view, clock=self._clock, stopping=self._stopping, logger=self._log)
            threading.Thread(target=follow, name=f"view {number}", daemon=True).start()
        watchdog = Watchdog(workers, end_instance(self._log), self._clock, self._stopping)
        threading.Thread(target=watchdog.watch, name="watchdog", daemon=True).start()
        self._log.info(
            "Instance %s of %s runs, intake %s",
            self._host.instance_id,
            self._host.name,
            "direct" if direct else "runtime",
        )

    def offer(self, raw: bytes, context: Any) -> None:
        """Take what Pulsar's runtime hands over; with the direct intake, leave it: it comes again there."""
        if self._runtime_intake is not None:
            self._runtime_intake.offer(raw, context)

    def stop(self) -> None:
        """Finish what is in hand, within `DRAIN_S`, and give the rest back to the broker."""
        deadline = self._clock.monotonic() + DRAIN_S
        self._stopping.set()
        self._inbox.close()
        for worker in (self._commit_worker, self._publish_worker):
            if worker.is_alive():
                worker.join(max(0.0, deadline - self._clock.monotonic()))
        self._abandon.set()
        # Closing sends grouped acknowledgements off; bounded, for the broker may be away.
        closer = threading.Thread(target=self._close, name="close", daemon=True)
        closer.start()
        closer.join(max(1.0, deadline - self._clock.monotonic()))
        self._log.info("Drained: %s", "all that was begun is done" if self._publish.idle else "the rest comes again")

    def _close(self) -> None:
        for intake in self._intakes:
            try:
                intake.close()
            except Exception as error:  # noqa: BLE001 -- nothing is lost, whatever it is
                self._log.info("Closing an intake: %s", error)
        self._publisher.close()

    def _commit_done(self) -> bool:
        return self._abandon.is_set() or (self._stopping.is_set() and not self._commit.holds)

    def _publish_done(self) -> bool:
        drained = self._commit_worker.finished and self._publish.idle
        return self._abandon.is_set() or (self._stopping.is_set() and drained)

    def _committing(self) -> None:
        self._commit_worker.alive()

    def _halted(self, role: str) -> None:
        role = asking(role)
        self._inbox.shut(role)
        self._inbox.shut(ANSWERED + role)
        self._host.record(f"{HALTED}.{role}", 1)

    def _settled(self, messages: int, rejected: int) -> None:
        self._setup.rate.add(messages)
        if self._runtime_intake is None:
            self._host.count(messages, messages)
        if rejected:
            self._host.record("dead_lettered", rejected)

    def _can_be_direct(self) -> bool:
        if self._host.subscription is not None and self._host.runtime_consumers is not None:
            return True
        self._log.warning(
            "This Pulsar doesn't let a function reach its consumers: intake is 'runtime' instead of 'direct'"
        )
        return False

    def _open_direct(self) -> None:
        for topic in self._host.inputs:
            for partition in self._persistently(partial(self._host.client.get_topic_partitions, topic)):
                consumer = self._persistently(partial(self._subscribe, partition))
                most = min(self._config.batch_max, RECEIVER_QUEUE)
                self._intakes.append(DirectIntake(consumer, topic, self._inputs, self._inbox, self._turn, most))
        # Ours are open: what the runtime's consumers hold comes to them.
        for runtime_consumer in list((self._host.runtime_consumers or {}).values()):
            runtime_consumer.close()

    def _subscribe(self, partition: str) -> Any:
        return self._host.client.subscribe(
            partition,
            self._host.subscription,
            consumer_type=pulsar.ConsumerType.Shared,
            initial_position=pulsar.InitialPosition.Earliest,
            receiver_queue_size=RECEIVER_QUEUE,
            properties=self._host.client_properties,
        )

    def _persistently(self, attempt: Callable[[], Any]) -> Any:
        backoff = Backoff(initial=0.2, maximum=5.0)
        while True:
            try:
                return attempt()
            except Exception as error:
                if self._stopping.is_set():
                    raise
                self._log.warning("Waiting for the broker: %s", error)
                self._clock.wait(self._stopping, backoff.next())


def _refusing(host: Host, topic: str) -> AnyHandler:
    """Return the handler of an input that the function declares and doesn't serve."""
    if topic == host.retry_topic:
        reason = "a message in a retry topic must name one of the function's other inputs in its property source.topic"
    else:
        reason = f"this version of {host.name} does not serve {local_name(topic)}"

    def refuse(_received: Received) -> None:
        raise InvalidMessage(reason)

    return Handler(decode=refuse, apply=lambda _transaction, _batch: [])
