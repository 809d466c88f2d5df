"""The plot of figures over time, and a load in steps."""

import re

from autoscale.load import Load
from autoscale.loop import Line
from bench import plot, sender
from bench.commands.autoscale import picture
from bench.histogram import Latencies
from bench.sender import Step


def test_a_plot_is_an_svg_with_each_panel_and_line_by_name() -> None:
    looks = [(5.0 * n, Line("pagos", "x", Load(5.0 * n, 1 + n // 2, 1, waiting=10**n))) for n in range(4)]
    drawn = picture(looks, [Latencies([15_000] * 10), Latencies()], 20.0)
    texts = re.findall(r">([^<]+)</text>", drawn)
    assert {"instances", "messages that wait and are due", "pagos", "p50", "p99", "0 s"} <= set(texts)


def test_a_line_in_steps_keeps_its_value_until_the_next() -> None:
    drawn = plot.svg([plot.Panel("n", [plot.Line("a", [(0, 1), (10, 2)], steps=True)])], 10)
    (path,) = (line for line in drawn.splitlines() if "M70.0" in line)
    assert 'd="M70.0 105.0H750.0V30.0"' in path


def test_steps_send_every_command_once_and_in_order() -> None:
    sent: list[int] = []
    intended, late_s = sender.stepped([Step(1000, 0.02), Step(5000, 0.01)], sent.append)
    assert sent == list(range(70))
    assert list(intended) == sorted(intended)
    assert late_s >= 0
