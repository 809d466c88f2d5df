"""Does one measured run: prepares it, sends orders, waits until the last one has ended, and then collects the figures.

As much as possible is collected after the run: publish times from the topics, commit times from PostgreSQL. During a
run at full speed, nothing runs beside the system but the client, and a sample of CPU and memory each second.
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
from bench.sampling import Sampler
from bench.system import System
from bench.tables import Tables
from bench.workload import Workload
from terminal import progress

STALLED_S = 120.0
"""If no order ends for so long, the run is given up."""
SEND_S = 7_200.0
WATCHER_S = 60.0
POLL_S = 0.25
STATE_S = 1_800.0
"""Longest wait after a run for the state store to catch up, which would slow the next run."""
LINGER_MS = 5
"""The client `alpes` uses the same."""


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes
    ----------
    name
        The run's name in results.
    workload
        The orders to send.
    rate
        Commands a second; None for as many as the broker accepts.
    live
        Whether a reader notes when each order arrives. End-to-end latencies need it.
    with_hops
        Whether to read the topics afterwards. Latencies from topic to topic need it.
    warm_up_s
        How many seconds at the beginning to leave out of the latencies.
    window_s
        Width of the windows, each of which has a histogram of its own.
    linger_ms
        How long the client waits for more orders before it sends a batch; 0 sends each order by itself.
    sample_s
        Seconds between two samples.
    with_tables
        Whether a sample includes the sizes of tables.
    processes
        Ids of further processes to measure, by name.
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
    """Lines that say what could not be measured, and why. No line comes twice."""

    def note(self, line: str) -> None:
        """Add a line, unless it is there."""
        if line not in self:
            self.append(line)


@dataclass(frozen=True)
class _Flow:
    """What is known once the last order has ended."""

    sent: sender.Sent
    received: "array[int] | None"
    ended_us: int
    cpu_s: Mapping[str, float]
    busy_s: float
    sampler: Sampler


def measure(system: System, plan: Plan, missing: Missing) -> Run:
    """Do one run, wait until the state store has caught up, and return the figures.

    Parameters
    ----------
    missing
        Gets a line for each figure that could not be measured.

    Raises
    ------
    UnfinishedError
        Orders did not end, so the run gives no figures.
    """
    with tables.opened(system.dsns) as queries:
        counters, entries = queries.figures(), topics.written(system.api)
        with progress.step(f"Running {plan.name}", f"{plan.name} ran"):
            flow = _flow(system, plan, queries, missing)
        per_entry = topics.messages_per_entry(entries, topics.written(system.api))
        seen, ended = _seen(system, plan, flow, queries, missing)
        commits = queries.commits(plan.workload)
        state = _caught_up(queries, plan, missing)
        grown = tables.growth(counters, queries.figures())
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
        samples=flow.sampler.samples,
    )


def _flow(system: System, plan: Plan, queries: Tables, missing: Missing) -> _Flow:
    """Send the orders, and sample the system until the last one has ended."""
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
        sampler = Sampler(system, processes, plan.sample_s, with_tables=plan.with_tables)
        with sampler:
            client.send("go")
            sent: sender.Sent = client.receive(SEND_S)
            ended_us = _wait_ended(system, queries, plan)
            busy = cpu.machine_busy_s() - busy
            cpu_s, unknown = cpu.spent(before, processes.use())
        received: array[int] | None = None
        if watcher is not None:
            watcher.send("enough")
            received = watcher.receive(WATCHER_S)
    if system.local is None:
        missing.note("CPU and memory by process: the system is not this machine's local stack")
    elif unknown:
        missing.note(f"{plan.name}: CPU of {', '.join(unknown)}, which came, went or was restarted meanwhile")
    return _Flow(sent, received, ended_us, cpu_s, busy, sampler)


def _wait_ended(system: System, queries: Tables, plan: Plan) -> int:
    """Wait until each order has its report row and every message is acknowledged; return when this was seen."""
    moves = tables.Progress(queries, plan.workload)
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


def _seen(system: System, plan: Plan, flow: _Flow, queries: Tables, missing: Missing) -> tuple[Seen, int]:
    """Return when each order passed each place, and when the last one had ended, in Unix microseconds."""
    workload, began = plan.workload, flow.sent.intended[0]
    row = queries.row_times(workload) if queries.keeps_commit_times() else None
    published = observe.published(system, workload, began) if plan.with_hops else {}
    numbers = workload.numbers()
    intended, sent = (sender.first(numbers, each, workload.orders) for each in (flow.sent.intended, flow.sent.sent))
    seen = Seen(intended, sent, published, flow.received, row)
    if flow.received is not None and (unseen := flow.received.count(NEVER)):
        missing.note(f"{plan.name}: when {unseen:,} of {workload.orders:,} orders arrived at the reader")
    if row is None:
        missing.note(
            "When report rows were committed: this PostgreSQL doesn't keep it (track_commit_timestamp = on). The end of"
            f" a run is known to {POLL_S} s only"
        )
        return seen, flow.ended_us
    last = max(row)
    if workload.ids != "each":
        # A repeated order changes no row. It has ended when its event is published again.
        last = max(last, observe.last_published(system, workload, began))
    return seen, last


def _caught_up(queries: Tables, plan: Plan, missing: Missing) -> dict[str, float]:
    """Wait for the state store; return how far it was behind at the run's end, and how fast it caught up."""
    first = queries.lag()
    found = {"behind_changes": float(first.keys), "behind_s": first.age_s}
    if not first.keys:
        return found
    started = time.monotonic()
    with progress.step("Letting the state store catch up", "The state store caught up"):
        while queries.lag(keys=False).age_s > 0:
            if time.monotonic() - started > STATE_S:
                missing.note(f"{plan.name}: how fast the state store catches up; {STATE_S:.0f} s were too short")
                return found
            time.sleep(POLL_S)
    seconds = time.monotonic() - started
    return found | {"catch_up_s": seconds, "catch_up_per_s": first.keys / seconds}
