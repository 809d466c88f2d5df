"""One measured run: prepare, send, wait until the last order has ended, and only then ask what happened.

What can be read afterwards isn't watched meanwhile: publish times lie in the topics, commit times in PostgreSQL. So a
run at full speed has nobody beside it but the client, and a look once a second at what processes use.
"""

import time
from array import array
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench import cpu, hops, observe, sender, tables, topics
from bench.child import Child
from bench.errors import UnfinishedError
from bench.hops import NEVER, Seen
from bench.results import Run
from bench.sampling import Looks
from bench.system import System
from bench.tables import Tables
from bench.workload import Workload
from terminal import progress

STALLED_S = 120.0
"""So long no order may have ended before a run is given up."""
SEND_S = 7_200.0
WATCHER_S = 60.0
POLL_S = 0.25
STATE_S = 1_800.0
"""Longest wait for the state store to catch up after a run, so that the next one isn't measured beside it."""
LINGER_MS = 5
"""What the client `alpes` uses, too."""


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes
    ----------
    name
        What it is called in results.
    workload
        What is sent.
    rate
        Commands a second; None for as many as are accepted.
    live
        Whether a reader notes when each order arrives, which end-to-end latencies need.
    with_hops
        Whether the topics are read afterwards, which latencies from topic to topic need.
    warm_up_s
        So many seconds at the beginning don't count in latencies.
    window_s
        Width of the windows in which latencies are given besides.
    linger_ms
        How long the client waits for more orders before it sends a batch off; 0 sends each one by itself.
    sample_s
        Seconds between two looks.
    with_tables
        Whether a look takes in the sizes of tables, too.
    processes
        More processes to measure, by name.
    """

    name: str
    workload: Workload
    rate: float | None = None
    live: bool = False
    with_hops: bool = False
    warm_up_s: float = 0.0
    window_s: float = 10.0
    linger_ms: int = LINGER_MS
    sample_s: float = 1.0
    with_tables: bool = False
    processes: Mapping[str, int] = field(default_factory=dict)


class Missing(list[str]):
    """What could not be measured, and why; each line once."""

    def note(self, line: str) -> None:
        """Add a line."""
        if line not in self:
            self.append(line)


@dataclass(frozen=True)
class _Flow:
    """What is known when the last order has ended."""

    sent: sender.Sent
    received: "array[int] | None"
    ended_us: int
    cpu_s: Mapping[str, float]
    busy_s: float
    looks: Looks


def measure(system: System, plan: Plan, missing: Missing) -> Run:
    """Do one run, and wait until the state store has caught up.

    Parameters
    ----------
    system
        Where.
    plan
        What.
    missing
        Takes what could not be measured.

    Raises
    ------
    UnfinishedError
        Orders did not end; nothing of such a run is a figure.
    """
    with tables.opened(system.dsns) as asked:
        counters, entries = asked.figures(), topics.written(system.api)
        with progress.step(f"Running {plan.name}", f"{plan.name} ran"):
            flow = _flow(system, plan, asked, missing)
        per_entry = topics.messages_per_entry(entries, topics.written(system.api))
        seen, ended = _seen(system, plan, flow, asked, missing)
        commits = asked.commits(plan.workload)
        state = _caught_up(asked, plan, missing)
        grown = tables.growth(counters, asked.figures())
    seconds = (ended - flow.sent.intended[0]) / 1e6
    return Run(
        name=plan.name,
        orders=plan.workload.orders,
        distinct=len(plan.workload.distinct()),
        rate=plan.rate,
        seconds=seconds,
        per_second=plan.workload.orders / seconds,
        client_latest_s=flow.sent.latest_s,
        cpu_s=flow.cpu_s,
        machine_busy_s=flow.busy_s,
        latencies=hops.latencies(seen, int(plan.warm_up_s * (plan.rate or 0))) if plan.live or plan.with_hops else {},
        windows=hops.windows_of(seen, plan.window_s) if plan.live else [],
        window_s=plan.window_s,
        messages_per_commit={name: each.rows / each.commits for name, each in commits.items() if each.commits},
        commits_per_second=sum(each.commits for each in commits.values()) / seconds,
        messages_per_entry=per_entry,
        state=state,
        postgres=grown,
        samples=flow.looks.samples,
    )


def _flow(system: System, plan: Plan, asked: Tables, missing: Missing) -> _Flow:
    """Let the orders flow from the first to the last."""
    with ExitStack() as stack:
        client = stack.enter_context(
            Child(sender.send_orders, system.service_url, plan.workload, plan.rate, plan.linger_ms)
        )
        watcher = stack.enter_context(Child(observe.watch, system.service_url, plan.workload)) if plan.live else None
        for child in filter(None, (client, watcher)):
            child.ready()
        processes = cpu.Processes(system, {"client": client.pid, **plan.processes})
        processes.find()
        before, busy = processes.use(), cpu.machine_busy_s()
        looks = Looks(system, processes, plan.sample_s, with_tables=plan.with_tables)
        with looks:
            client.tell("go")
            sent: sender.Sent = client.receive(SEND_S)
            ended_us = _wait_ended(system, asked, plan)
            busy = cpu.machine_busy_s() - busy
            cpu_s, unknown = cpu.spent(before, processes.use())
        received: array[int] | None = None
        if watcher is not None:
            watcher.tell("enough")
            received = watcher.receive(WATCHER_S)
    if system.local is None:
        missing.note("CPU and memory by process: the system is not this machine's local stack")
    elif unknown:
        missing.note(f"{plan.name}: CPU of {', '.join(unknown)}, which came, went or was restarted meanwhile")
    return _Flow(sent, received, ended_us, cpu_s, busy, looks)


def _wait_ended(system: System, asked: Tables, plan: Plan) -> int:
    """Wait until each order has its report row and every message is acknowledged; return when that was noticed."""
    moves = tables.Progress(asked, plan.workload)
    ended, since = -1, time.monotonic()
    while True:
        now = moves.ended()
        if now == moves.orders and not (waits := topics.first_with_backlog(system)):
            return time.time_ns() // 1_000
        if now != ended:
            ended, since = now, time.monotonic()
        elif time.monotonic() - since > STALLED_S:
            rest = f"{now:,} of {moves.orders:,} orders have ended" if now < moves.orders else f"{waits} isn't empty"
            raise UnfinishedError(
                f"{plan.name}: nothing has moved for {STALLED_S:.0f} s, and {rest}: see ./deploy.sh logs FUNCTION"
            )
        time.sleep(POLL_S)


def _seen(system: System, plan: Plan, flow: _Flow, asked: Tables, missing: Missing) -> tuple[Seen, int]:
    """Return when each order was where, and when the last one had ended, in Unix microseconds."""
    workload, began = plan.workload, flow.sent.intended[0]
    row = asked.row_times(workload) if asked.keeps_commit_times() else None
    published = observe.published(system, workload, began) if plan.with_hops else {}
    numbers = workload.numbers()
    intended, sent = (sender.first(numbers, each, workload.orders) for each in (flow.sent.intended, flow.sent.sent))
    seen = Seen(intended, sent, published, flow.received, row)
    if flow.received is not None and (unseen := flow.received.count(NEVER)):
        missing.note(f"{plan.name}: when {unseen:,} of {workload.orders:,} orders arrived at the reader")
    if row is None:
        missing.note(
            "When report rows were committed: this PostgreSQL doesn't keep it (track_commit_timestamp = on). Runs end "
            f"when a look every {POLL_S} s finds them ended"
        )
        return seen, flow.ended_us
    last = max(row)
    if workload.ids != "each":
        # A repeated order changes no row; what is told of it again is the end of it.
        last = max(last, observe.last_published(system, workload, began))
    return seen, last


def _caught_up(asked: Tables, plan: Plan, missing: Missing) -> dict[str, float]:
    """Return how far the state store was behind at the end, and how fast it caught up once no orders flowed."""
    first = asked.lag()
    found = {"behind_changes": float(first.keys), "behind_s": first.age_s}
    if not first.keys:
        return found
    started = time.monotonic()
    with progress.step("Letting the state store catch up", "The state store caught up"):
        while asked.lag(keys=False).age_s > 0:
            if time.monotonic() - started > STATE_S:
                missing.note(f"{plan.name}: how fast the state store catches up; it had not in {STATE_S:.0f} s")
                return found
            time.sleep(POLL_S)
    seconds = time.monotonic() - started
    return found | {"catch_up_s": seconds, "catch_up_per_s": first.keys / seconds}
