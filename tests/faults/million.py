"""A million orders and every kind of fault in one run: python -m tests.faults.million --orders 1000000 --faults 60.

Takes 20 to 30 minutes and a stack of its own, which it makes and removes. Not part of CI.
"""

import os
import random
import sys
import time
from collections import Counter
from dataclasses import replace

import click

from local_stack.errors import LocalStackError
from schemas.tienda.money import amount
from tests.e2e.publisher.link import Link
from tests.e2e.tienda import FIGURES, ROOT, Tienda
from tests.faults import breaking, table
from tests.faults.ordeal import Ordeal, Size, settings_of
from tests.faults.repertoire import OUTAGES, Scene, draw
from tests.stack import bring_up, connect, deploy, own_environment, require_unused

RECOVERY_S = 15.0
"""Within this time after a total outage the flow is normal again. A broker that was killed takes longest: it starts
cold, and has to catch up with all that came in meanwhile."""


def run(stack: Tienda, orders: int, faults: int, rate: float, seed: str) -> bool:
    """Send the orders, break things meanwhile, and judge; return whether everything held."""
    settings = settings_of(stack)
    state = Link(f"pulsar://127.0.0.1:{settings.ports.state}")
    through = replace(settings, state_port=state.port)
    breaking.restart_broker(stack, state_port=state.port)
    ordeal = Ordeal(stack, f"{orders:,} orders, {faults} faults", size=Size(orders, rate, RECOVERY_S), seed=seed)
    scene = Scene(stack, ordeal, through, state)
    drawn = draw(scene, faults)
    injected: Counter[str] = Counter()
    with ordeal:
        started = time.monotonic()
        for number, fault in enumerate(drawn):
            # One in each slot of the run, at a random moment of it.
            moment = (number + ordeal.random.random()) * orders / rate / faults
            time.sleep(max(0.0, moment - (time.monotonic() - started)))
            with ordeal.fault(total=fault in OUTAGES):
                words = fault(scene)
            injected[fault.__name__] += 1
            seconds = ordeal.wait_normal(300)
            _say(f"{number + 1:3} of {faults}: {words}; normal again after {seconds:.1f} s; {ordeal.load.sent:,} sent")
        return _finish(ordeal, injected)


def _finish(ordeal: Ordeal, injected: Counter[str]) -> bool:
    """Judge the run and print the result; return whether everything held."""
    failure: AssertionError | None = None
    try:
        ordeal.finish(seconds=900, idle_seconds=1800, with_report=True)
    except AssertionError as error:
        failure = error
    finally:
        _tell(ordeal, injected)
    if failure is not None:
        _say(f"failed: {failure}")
    return failure is None


def _tell(ordeal: Ordeal, injected: Counter[str]) -> None:
    """Print the result as far as it is known."""
    _say(f"injected: {', '.join(f'{name} {count}' for name, count in injected.most_common())}")
    _say(table.markdown(table.LINES))
    _say("\n".join(FIGURES))
    if ordeal.verdict is None:
        return
    figures = ordeal.verdict.figures
    _say(
        f"{ordeal.verdict.name}: {figures['accepted']:,} accepted, {figures['lost']} lost,"
        f" {figures['paid_twice']} paid twice, {figures['cents_apart']} cents of difference"
    )
    for name, cents in sorted(figures.items()):
        kind, _, currency = name.partition("_cents:")
        if currency:
            _say(f"approved in {kind}: {amount(cents, currency)}")


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--orders", default=1_000_000)
@click.option("--faults", default=60)
@click.option("--rate", default=800.0, help="Orders a second.")
@click.option("--seed", default=lambda: os.environ.get("ALPES_SEED") or str(random.SystemRandom().randrange(10**6)))
@click.option("--keep", is_flag=True, help="Leave the stack as it is afterwards.")
def main(orders: int, faults: int, rate: float, seed: str, *, keep: bool) -> None:
    """Run it, and exit with 0, with 1 if something did not hold, or with 2 if the run could not begin."""
    environment = own_environment()
    try:
        require_unused(environment)
    except LocalStackError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    _say(f"seed {seed}")
    stack = connect(bring_up(environment), environment)
    try:
        held = run(stack, orders, faults, rate, seed)
    finally:
        table.write(table.LINES, ROOT / "build", "million")
        stack.client.close()
        if not keep:
            deploy("destroy", "--yes", environment=environment)
    sys.exit(0 if held else 1)


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main()
