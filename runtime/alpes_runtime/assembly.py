"""Wires an instance's stages, and moves none of them: threads do so in production, one scheduler in the simulation."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from alpes_wire import Silent

from .backoff import RetryPolicy
from .committer import Committer
from .config import FunctionConfig
from .errors import InvalidMessage, Misconfigured
from .host import Host
from .inbox import Inbox
from .intake import DirectIntake, Inputs, RuntimeIntake
from .message import Received, local_name
from .outcome import AnyHandler, Handler
from .outside import ANSWERED, AskStage, asking, with_answers
from .pipeline import CommitStage, PublishStage, handoff
from .publisher import PulsarPublisher
from .service import Service, Setup, Surroundings
from .views import run_view
from .withheld import FIRST_PAUSE_S, LONGEST_PAUSE_S, Withheld

SILENT = "silent"
"""User metric ``silent.<input>``: its sum is 1 while messages wait in the input and none comes."""
HALTED = "halted"
"""User metric ``halted.<input>``: nothing more of this input is taken, see `halt`."""
STUCK = "stuck"
"""User metric ``stuck.database`` and ``stuck.broker``: its sum is 1 while nothing goes on for want of one of them.
``stuck.<topic>``: while something is withheld that this topic does not take for its size."""


class Stage:
    """Something that is to be stepped, over and over, until it is over.

    Parameters
    ----------
    name
        Shown when it is in trouble.
    step
        Does one piece of work, waiting for it at most so many seconds.
    until
        Whether there is nothing more to be done.
    patient
        Whether a step may take as long as it likes, since it waits for somebody outside.

    Attributes
    ----------
    alive
        Called within a step that may rightly take long.
    """

    def __init__(
        self, name: str, step: Callable[[float], object], until: Callable[[], bool], *, patient: bool = False
    ) -> None:
        self.name = name
        self.patient = patient
        self.step = step
        self.finished = False
        self.alive: Callable[[], None] = lambda: None
        self._until = until

    def over(self) -> bool:
        """Whether it is not to be stepped again; asked before each step."""
        self.finished = self.finished or self._until()
        return self.finished


class Assembly:
    """The stages of one instance, from its inputs to the acknowledgement.

    Parameters
    ----------
    host
        The instance.
    config
        Its configuration.
    build
        The composition root.
    surroundings
        What it takes from its machine.

    Attributes
    ----------
    clock, stopping
        The instance's time, and what is set when it is to end.
    commit, publish
        The two stages that everything goes through; they finish what they hold when the instance is to end.
    """

    def __init__(
        self,
        host: Host,
        config: FunctionConfig,
        build: Callable[[Setup], Service],
        surroundings: Surroundings | None = None,
    ) -> None:
        self._host = host
        self._config = config
        self._log = host.logger
        setup = self._setup = Setup(host, config, surroundings)
        setup.alive = self._committing
        self.clock, self.stopping, self._turn = setup.clock, setup.stopping, setup.turn
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
        committed = handoff()
        self._publisher = PulsarPublisher(
            host.client,
            schemas=self._service.schemas,
            properties=host.client_properties,
            turn=self._turn,
            logger=self._log,
            clock=self.clock,
            aside=setup.surroundings.aside,
            alive=self._publishing,
        )
        committer = Committer(
            handlers,
            self._service.database,
            host.retry_topic,
            RetryPolicy(config.retry_max_attempts, config.retry_initial_seconds),
            function=host.name,
            turn=self._turn,
            clock=self.clock,
            stopping=self.stopping,
            logger=self._log,
            alive=self._committing,
            halt=self._halted,
            stuck=partial(self._stuck, "database"),
            backoff=setup.surroundings.backoff(),
        )
        self._commit = CommitStage(self._inbox, committer, committed, config.batch_max, self._asks)
        self._publish = PublishStage(
            committed,
            self._publisher,
            self._settled,
            turn=self._turn,
            clock=self.clock,
            stopping=self.stopping,
            logger=self._log,
            stuck=partial(self._stuck, "broker"),
            backoff=setup.surroundings.backoff(),
            withheld=Withheld(
                self._publisher,
                self.clock,
                self._log,
                self._stuck,
                setup.surroundings.backoff(initial=FIRST_PAUSE_S, maximum=LONGEST_PAUSE_S),
            ),
        )
        self._deaths = setup.surroundings.deaths(host)
        self._runtime_intake: RuntimeIntake | None = None
        self._intakes: list[DirectIntake] = []
        self._abandon = threading.Event()
        self.commit = Stage("commit", self._commit.step, self._commit_done)
        self.publish = Stage("publish", self._publish.step, self._publish_done)

    def open(self) -> Sequence[Stage]:
        """Open the inputs, waiting for the broker where it is away, and return every stage.

        Raises
        ------
        Misconfigured
            An input has a name that no handler and no retry topic goes by, or a handler has no input.
        """
        known = {local_name(topic) for topic in self._host.inputs}
        if missing := sorted(set(self._service.handlers) - known):
            raise Misconfigured(f"inputs: the function reads {', '.join(missing)}, but no configured input is named so")
        stages = [self.commit, self.publish]
        opener = self._opener() if self._config.intake == "direct" else None
        direct = opener is not None
        if opener is not None:
            self._open_direct(opener)
            stages += [
                Stage(f"intake {n}", intake.step, self.stopping.is_set) for n, intake in enumerate(self._intakes)
            ]
        for role, ask in self._asks.items():
            stages += [
                Stage(f"{role} asks {n}", ask.step, self.stopping.is_set, patient=True) for n in range(ask.at_once)
            ]
        if not direct:
            self._runtime_intake = RuntimeIntake(self._inputs, self._inbox, self.stopping)
        return stages

    def views(self) -> Sequence[Callable[[], None]]:
        """Return what follows behind, each to be called once: it returns when the instance is to end."""
        return [
            partial(
                run_view,
                view,
                clock=self.clock,
                stopping=self.stopping,
                logger=self._log,
                backoff=self._setup.surroundings.backoff(initial=0.2, maximum=10.0),
            )
            for view in self._service.views
        ]

    @property
    def direct(self) -> bool:
        """Whether messages come from consumers of our own."""
        return self._runtime_intake is None

    def offer(self, given: object, context: Any) -> None:
        """Take what Pulsar's runtime hands over; with the direct intake, leave it: it comes again there."""
        if self._runtime_intake is not None:
            self._runtime_intake.offer(given, context)

    def stop(self) -> None:
        """Take in nothing more; `commit` and `publish` are over once they have finished what is in hand."""
        self.stopping.set()
        self._inbox.close()

    def abandon(self) -> None:
        """Let `commit` and `publish` be over whatever they hold; it comes again."""
        self._abandon.set()

    def close(self) -> None:
        """Close consumers, which sends grouped acknowledgements off, and producers."""
        # Whatever hinders consumers or publisher: this end is one in good order.
        self._deaths.close()
        for intake in self._intakes:
            try:
                intake.close()
            except Exception as error:  # noqa: BLE001 -- nothing is lost, whatever it is
                self._log.info("Closing an intake: %s", error)
        self._publisher.close()

    @property
    def drained(self) -> bool:
        """Whether no committed message waits for its events to be published."""
        return self._publish.idle and not self._publish.withholds

    def _commit_done(self) -> bool:
        return self._abandon.is_set() or (self.stopping.is_set() and not self._commit.holds)

    def _publish_done(self) -> bool:
        drained = self.commit.finished and self._publish.idle
        return self._abandon.is_set() or (self.stopping.is_set() and drained)

    def _committing(self) -> None:
        self.commit.alive()

    def _publishing(self) -> None:
        self.publish.alive()

    def _halted(self, role: str) -> None:
        role = asking(role)
        self._inbox.shut(role)
        self._inbox.shut(ANSWERED + role)
        self._host.record(f"{HALTED}.{role}", 1)

    def _stuck(self, what: str, is_so: bool) -> None:  # noqa: FBT001 -- what it is called with
        self._host.record(f"{STUCK}.{what}", 1 if is_so else -1)

    def _settled(self, messages: int, rejected: int) -> None:
        self._setup.rate.add(messages)
        if self._runtime_intake is None:
            self._host.count(messages, messages)
        if rejected:
            self._host.record("dead_lettered", rejected)

    def _opener(self) -> Callable[[str], Any] | None:
        opener = (
            self._setup.surroundings.opener(self._host, self._deaths)
            if self._host.runtime_consumers is not None
            else None
        )
        if opener is None:
            self._log.warning(
                "This Pulsar doesn't tell a function where its broker is, or lets it in by an authentication that is "
                "unknown here: intake is 'runtime' instead of 'direct'"
            )
        return opener

    def _open_direct(self, opener: Callable[[str], Any]) -> None:
        for topic in self._host.inputs:
            for partition in self._persistently(partial(self._host.client.get_topic_partitions, topic)):
                consumer = self._persistently(partial(opener, partition))
                # Timers wait in a retry topic: there it is no wonder that nothing comes.
                heed = partial(self._silent, topic) if topic != self._host.retry_topic else (lambda _silence: None)
                self._intakes.append(
                    DirectIntake(consumer, topic, self._inputs, self._inbox, self._turn, self._config.batch_max, heed)
                )
        # Where the runtime has consumers all the same, what they hold comes to ours.
        for runtime_consumer in list((self._host.runtime_consumers or {}).values()):
            runtime_consumer.close()

    def _silent(self, topic: str, silence: Silent | None) -> None:
        self._host.record(f"{SILENT}.{local_name(topic)}", 1 if silence else -1)
        if silence is None:
            self._log.info("%s is no longer silent", topic)
        else:
            self._log.warning(
                "SILENT: %d messages wait in %s, and none has come for %.0f s although this instance takes more. They "
                "are delayed by their senders, or another consumer of the subscription holds them: ./deploy.sh status",
                silence.backlog,
                silence.topic,
                silence.seconds,
            )

    def _persistently(self, attempt: Callable[[], Any]) -> Any:
        backoff = self._setup.surroundings.backoff(initial=0.2, maximum=5.0)
        while True:
            try:
                return attempt()
            except Exception as error:
                if self.stopping.is_set():
                    raise
                self._log.warning("Waiting for the broker: %s", error)
                self.clock.wait(self.stopping, backoff.next())


def _refusing(host: Host, topic: str) -> AnyHandler:
    """Return the handler of an input that the function declares and doesn't serve."""
    if topic == host.retry_topic:
        reason = "a message in a retry topic must name one of the function's other inputs in its property source.topic"
    else:
        reason = f"this version of {host.name} does not serve {local_name(topic)}"

    def refuse(_received: Received) -> None:
        raise InvalidMessage(reason)

    return Handler(decode=refuse, apply=lambda _transaction, _batch: [])
