"""Builds one instance: the whole wiring on one screen. It opens no connection and runs nothing."""

from collections.abc import Callable
from functools import partial

from ._committer import Committer
from ._context import InstanceContext
from ._external_calls import ANSWERED, AskStage, Questions, asking, with_answers
from ._inbox import Inbox
from ._instance import Instance
from ._intake import DirectIntakes, Inputs, RuntimeIntake
from ._message import Received, local_name
from ._outcome import AnyHandler, Handler
from ._pipeline import CommitStage, PublishStage, handoff
from ._publisher import PulsarPublisher
from ._service import Service
from ._withheld import Withheld
from .config import FunctionConfig
from .errors import InvalidMessage, Misconfigured
from .host import Host
from .platform import Platform

HALTED = "halted"
"""User metric ``halted.<input>``: the instance takes no more messages of this input; see `_halt`."""
DEATHS = "deaths"
"""User metric: how often the instance died within ten minutes before its start; a clean end is no death."""
NO_DIRECT_INTAKE = (
    "This Pulsar doesn't tell a function where its broker is, or wants an authentication that the direct intake "
    "doesn't know: intake is 'runtime' instead of 'direct'"
)


def bootstrap(
    host: Host,
    config: FunctionConfig,
    build: Callable[[InstanceContext], Service],
    platform: Platform | None = None,
) -> Instance:
    """Build an instance.

    Parameters
    ----------
    host
        What runs the instance.
    config
        The function's configuration.
    build
        Builds the function's service.
    platform
        Clock, connections and threads; the machine's own by default.

    Raises
    ------
    Misconfigured
        ``build`` raised it, or a handler has no input.
    """
    context = InstanceContext(host, config, platform)
    service = build(context)
    handlers = _every_handler(context, service)
    batch_max = {role: handler.batch_max for role, handler in handlers.items() if handler.batch_max is not None}
    calls = {role: handler.external_call for role, handler in handlers.items() if handler.external_call is not None}
    questions = {role: Questions(call.at_once) for role, call in calls.items()}
    inbox = Inbox(list(handlers), 2 * config.batch_max, batch_max, {role: q.full for role, q in questions.items()})
    committed = handoff()
    publisher = PulsarPublisher(context, service.schemas)
    committer = Committer(context, handlers, service.database, partial(_halt, context, inbox))
    deaths = context.platform.deaths(host)
    if deaths.recent:
        context.record(DEATHS, deaths.recent)
    inputs = Inputs(host.inputs, context.retry_input)
    opener = context.platform.consumer_opener(host, context.client_properties, deaths)
    intake: DirectIntakes | RuntimeIntake = RuntimeIntake(context, inputs, inbox)
    if config.intake == "direct" and opener is not None:
        intake = DirectIntakes(context, inputs, inbox, opener)
    elif config.intake == "direct":
        context.logger.warning(NO_DIRECT_INTAKE)
    return Instance(
        context,
        inbox=inbox,
        intake=intake,
        commit=CommitStage(inbox, committer, committed, config.batch_max, questions),
        asks=[AskStage(role, call, questions[role], inbox, context.logger) for role, call in calls.items()],
        publish=PublishStage(
            context, committed, publisher, Withheld(context, publisher), partial(_count, context, intake)
        ),
        views=service.views,
        resources=[deaths, intake, publisher],
    )


def _every_handler(context: InstanceContext, service: Service) -> dict[str, AnyHandler]:
    """Return the service's handlers, those of answers, and a refusing one for each other input."""
    host = context.host
    known = {local_name(topic) for topic in host.inputs}
    if missing := sorted(set(service.handlers) - known):
        raise Misconfigured(f"inputs: the function reads {', '.join(missing)}, but no configured input is named so")
    handlers = with_answers(service.handlers)
    for topic in host.inputs:
        if topic == context.retry_input:
            reason = (
                "a message in a retry topic must name one of the function's other inputs in its property source.topic"
            )
        else:
            reason = f"this version of {host.name} does not serve {local_name(topic)}"
        handlers.setdefault(local_name(topic), _refusing(reason))
    return handlers


def _refusing(reason: str) -> AnyHandler:
    def refuse(_received: Received) -> None:
        raise InvalidMessage(reason)

    return Handler(decode=refuse, apply=lambda _transaction, _batch: [])


def _halt(context: InstanceContext, inbox: Inbox, role: str) -> None:
    """Stop taking messages of a role, and the answers of its external calls."""
    role = asking(role)
    inbox.shut(role)
    inbox.shut(ANSWERED + role)
    context.record(f"{HALTED}.{role}", 1)


def _count(context: InstanceContext, intake: object, messages: int, rejected: int) -> None:
    """Count messages that are done; Pulsar counts only what it hands over itself."""
    context.traffic.add(messages)
    if isinstance(intake, DirectIntakes):
        context.host.count(messages, messages)
    if rejected:
        context.record("dead_lettered", rejected)
