"""`python -m bench autoscale`: a load that rises and falls, with `alpes autoscale` at work, and a plot of it."""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from autoscale.load import Load
from autoscale.looking import Looking
from autoscale.loop import Autoscaler, Line
from bench import hops, observe, plot, reconcile, sender, tables, topics
from bench.child import Child
from bench.commands import session
from bench.errors import UnfinishedError
from bench.histogram import Latencies
from bench.sender import Step
from deployment.function_configs import AUTOSCALE, CHECKOUT, PulsarFunctionConfig
from terminal import progress

SUMMARY = "send a load that rises and falls, let autoscaling follow it, and plot instances, backlog and latency"
LOW, HIGH, QUICK_HIGH = 100, 3_000, 500
SECONDS, QUICK_SECONDS = (25.0, 75.0, 165.0), (15.0, 30.0, 30.0)
CORES = 0.4
MOST = 4
LOOK_S = 5.0
WINDOW_S = 5.0
END_S = 120.0
"""Longest wait for the last order after the last was sent."""
SEEN = "autoscale-looks.json"
"""In the results' folder: each look, and the latencies of each window."""
PICTURE = CHECKOUT / "docs" / "images" / "autoscale.svg"

OPTIONS = (
    click.Option(["--rate"], type=session.positive, metavar="N", help=f"Orders a second at the height ({HIGH:,})."),
    click.Option(
        ["--cores"],
        type=float,
        default=CORES,
        metavar="N",
        help=f"What an instance may use of a core ({CORES:g}): on a machine of 2 cores, 1 would never be too little.",
    ),
    click.Option(["--picture"], type=session.absolute, default=PICTURE, metavar="FILE", help="Where the plot goes."),
)


def run(options: session.Options) -> None:
    """Measure once."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    high = options.rate or (QUICK_HIGH if options.quick else HIGH)
    steps = [Step(rate, each) for rate, each in zip((LOW, high, LOW), seconds, strict=True)]
    with session.opened(options) as work:
        work.warm_up()
        configs = [budgeted(config, options.cores) for config in work.system.configs.values()]
        looks, windows = _flow(work, steps, configs)
        reconcile.require_clean(work.system)
        for at_s, line in looks:
            if line.changed:
                work.figures[f"{at_s:.0f} s, {line.function}"] = line.text
        seen = {
            "windows": [_window(number, each) for number, each in enumerate(windows)],
            "looks": [{"at_s": round(at_s, 1), **line.as_json()} for at_s, line in looks],
        }
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / SEEN).write_text(json.dumps(seen), encoding="utf-8")
        options.picture.write_text(picture(looks, windows, sum(seconds)), encoding="utf-8")
        progress.say(f"Drawn: {options.picture}")


def budgeted(config: PulsarFunctionConfig, cores: float) -> PulsarFunctionConfig:
    """Return a function whose instances may use so many cores, within wide bounds."""
    resources = {**config.values.get("resources", {}), "cpu": cores}
    values = {**config.values, "resources": resources, AUTOSCALE: {"min": 1, "max": MOST}}
    return dataclasses.replace(config, values=values)


def _flow(
    work: session.Session, steps: Sequence[Step], configs: Sequence[PulsarFunctionConfig]
) -> tuple[list[tuple[float, Line]], list[Latencies]]:
    """Send the orders while autoscaling is at work; return its lines by second, and the latencies by window."""
    system, workload = work.system, work.workload(sum(step.count for step in steps))
    scaler = Autoscaler(system.api, configs, Looking(system.api))
    looks: list[tuple[float, Line]] = []
    over = threading.Event()
    with (
        Child(sender.send_orders, system.service_url, workload, tuple(steps), work.options.linger_ms) as client,
        Child(observe.watch, system.service_url, workload) as watcher,
    ):
        client.ready()
        watcher.ready()
        started = time.monotonic()

        def look() -> None:
            while not over.wait(LOOK_S):
                looks.extend((time.monotonic() - started, line) for line in scaler.step())

        thread = threading.Thread(target=look, name="autoscale", daemon=True)
        thread.start()
        try:
            with progress.step("Sending", "Sent and ended"):
                client.send("go")
                sent: sender.Sent = client.receive(sum(step.seconds for step in steps) + END_S)
                _wait_ended(work, workload)
        finally:
            over.set()
            thread.join(60)
        watcher.send("enough")
        received = watcher.receive(END_S)
    seen = hops.Seen(sent.intended, sent.sent, {}, received)
    return looks, hops.windows_of(seen, WINDOW_S)


def _wait_ended(work: session.Session, workload: Any) -> None:
    deadline = time.monotonic() + END_S
    with tables.opened(work.system.dsns) as queries:
        moves = tables.Progress(queries, workload)
        while moves.ended() < moves.orders or topics.first_with_backlog(work.system):
            if time.monotonic() > deadline:
                raise UnfinishedError(f"not every order has ended {END_S:.0f} s after the last was sent")
            time.sleep(0.5)


def _window(number: int, window: Latencies) -> dict[str, Any]:
    times = {f"p{each}_ms": window.at(each) / 1e3 for each in (50, 99, 100)} if window.count else {}
    return {"from_s": number * WINDOW_S, "orders": window.count, **times}


def picture(looks: Sequence[tuple[float, Line]], windows: Sequence[Latencies], seconds: float) -> str:
    """Return the plot: the rate, each function's instances, CPU and backlog, and latencies, over time. Pure."""
    loads = [(at_s, line.function, line.load) for at_s, line in looks if line.load]
    names = list(dict.fromkeys(name for _, name, _ in loads))

    def lines(figure: Callable[[Load], float], *, steps: bool = False) -> list[plot.Line]:
        return [
            plot.Line(name, [(at_s, figure(load)) for at_s, of, load in loads if of == name], steps=steps)
            for name in names
        ]

    times = [(number * WINDOW_S, each) for number, each in enumerate(windows) if each.count]
    sent = plot.Line("sent", [(at_s, each.count / WINDOW_S) for at_s, each in times], steps=True)
    latencies = [plot.Line(f"p{each}", [(at_s, window.at(each) / 1e3) for at_s, window in times]) for each in (50, 99)]
    panels = [
        plot.Panel("orders a second", [sent]),
        plot.Panel("instances", lines(lambda load: load.wanted, steps=True)),
        plot.Panel("cores that all instances of a function keep busy", lines(lambda load: sum(load.cpu_cores))),
        plot.Panel("messages that wait and are due", lines(lambda load: load.waiting or 0), logarithmic=True),
        plot.Panel("from the order's intended time to its end, ms", latencies, logarithmic=True),
    ]
    return plot.svg(panels, seconds)
