"""Runs seeds, or replays one and shows what happened.

python -m tests.simulation                    10,000 seeds on all cores; what each pair of steps went through
python -m tests.simulation --fresh 300        300 more, drawn from ALPES_SEED, or from what is drawn and printed
python -m tests.simulation 4711               seed 4711 step by step, and what was violated
python -m tests.simulation --seeds 500 --stop until the first seed that fails

If no seed has interrupted a pair of a function's steps in one of the two ways, a seed that met the pair is run again
and struck there; `--aim` with a seed replays that.
"""

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from multiprocessing.pool import Pool
from random import Random, SystemRandom
from typing import NamedTuple

import click

from tests.simulation.aims import Aim, Run, is_of_a_function, missing, parse, remember
from tests.simulation.checks import violations
from tests.simulation.scheduler import Met, Pair, Stuck
from tests.simulation.world import World

CHUNK = 25
"""Seeds that a process runs in one go."""
FRESH_SEEDS = range(10**6, 10**9)
"""What fresh seeds are drawn from."""
SMALL_CHUNK = 4
"""The same, if the first failure ends the run."""


class Result(NamedTuple):
    """The results of some runs; ``first`` holds, for each pair of steps, the run that met it first."""

    failed: dict[Run, list[str]]
    pairs: dict[Pair, Met]
    first: dict[Pair, Run]
    incidents: Counter[str]
    totals: Counter[str]

    @classmethod
    def empty(cls) -> "Result":
        """Return the result of no run."""
        return cls({}, {}, {}, Counter(), Counter())

    def add(self, other: "Result") -> None:
        """Add the results of further runs."""
        self.failed.update(other.failed)
        add_up(self.pairs, other.pairs)
        for pair, run in other.first.items():
            remember(self.first, run, [pair])
        self.incidents.update(other.incidents)
        self.totals.update(other.totals)


def judge(world: World) -> list[str]:
    """Run a world and return what was violated."""
    try:
        world.run()
    except Stuck as error:
        return [f"it did not end: {error}", *world.early_acks]
    except Exception as error:  # noqa: BLE001 -- whatever it is, the seed does not hold
        return [f"{type(error).__name__}: {error}", *world.early_acks]
    return violations(world)


def add_up(total: dict[Pair, Met], pairs: dict[Pair, Met]) -> None:
    """Add up what happened between pairs of steps."""
    for pair, met in pairs.items():
        total.setdefault(pair, Met()).add(met)


def run_chunk(runs: Sequence[Run]) -> Result:
    """Make some runs."""
    result = Result.empty()
    for run in runs:
        world = World(run.seed, aims=run.aims)
        if found := judge(world):
            result.failed[run] = found
        add_up(result.pairs, world.scheduler.pairs)
        remember(result.first, run, filter(is_of_a_function, world.scheduler.pairs))
        result.incidents.update(world.incidents)
        result.totals.update(counted(world))
    return result


def counted(world: World) -> Counter[str]:
    """Return the figures of a world."""
    totals = Counter(row["status"] for row in world.servers["ordenes"].rows("ordenes"))
    totals["seeds"] = not world.aims
    totals["steps"] = world.scheduler.steps
    totals["duplicates"] = world.broker.duplicates
    totals["deadlocks"] = sum(server.deadlocks for server in world.servers.values())
    totals["orders"] = len(world.sent.orders)
    return totals


def replay(run: Run) -> int:
    """Show a run step by step."""
    world = World(run.seed, aims=run.aims, traced=True)
    found = judge(world)
    for seconds, actor, step in world.scheduler.trace or ():
        print(f"{seconds:9.3f} s  {actor:<28} {step}")
    print(f"\nseed {run.seed}: {world.weather}")
    print("\n".join(f"VIOLATED: {each}" for each in found) or "everything held")
    return bool(found)


def run_all(pool: Pool, runs: Sequence[Run], total: Result, *, stop: bool) -> None:
    """Make runs on all processes; with ``stop``, until the first one fails."""
    size = SMALL_CHUNK if stop else CHUNK
    for result in pool.imap_unordered(run_chunk, [runs[start : start + size] for start in range(0, len(runs), size)]):
        total.add(result)
        if total.failed and stop:
            pool.terminate()
            return


def run_aimed(pool: Pool, total: Result) -> list[Run]:
    """Interrupt each pair of steps that was never interrupted, in a run that met it; return these runs.

    They may meet new pairs, so this goes on until each pair has had its run.
    """
    tried: dict[Aim, Run] = {}
    while aims := [aim for aim in missing(total.pairs) if aim not in tried]:
        runs = {aim: Run(before.seed, (*before.aims, aim)) for aim in aims for before in [total.first[aim.pair]]}
        tried.update(runs)
        run_all(pool, list(runs.values()), total, stop=False)
    return list(tried.values())


def fresh(base: str, number: int) -> list[Run]:
    """Draw new seeds."""
    return [Run(seed) for seed in Random(f"simulation {base}").sample(FRESH_SEEDS, number)]


def report(result: Result, seconds: float) -> None:
    """Print the figures of all seeds."""
    print(f"{'actor':<18} {'between':<14} {'and':<14} {'others ran':>11} {'died there':>11} {'went on':>11}")
    for (actor, before, after), met in sorted(result.pairs.items()):
        print(f"{actor:<18} {before:<14} {after:<14} {met.others_ran:>11,} {met.died:>11,} {met.went_on:>11,}")
    print("\nincidents: " + ", ".join(f"{name} {number:,}" for name, number in sorted(result.incidents.items())))
    print("totals: " + ", ".join(f"{name} {number:,}" for name, number in sorted(result.totals.items())))
    print(f"{result.totals['seeds']:,} seeds in {seconds:.0f} s, {len(result.failed)} failed")


@click.command(help=(__doc__ or "").split("\n", 1)[0], context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("seed", type=int, required=False)
@click.option("--aim", "aims", type=parse, multiple=True, help="With a seed: strike there, too.")
@click.option("--seeds", default=10_000, show_default=True, help="How many seeds.")
@click.option("--first", default=1, show_default=True, help="The first of them.")
@click.option("--fresh", "more", default=0, show_default=True, help="How many more, drawn from ALPES_SEED.")
@click.option("--stop", is_flag=True, help="Stop at the first seed that fails.")
@click.option("--processes", default=os.cpu_count(), help="Processes; one a core if not given.")
def main(
    seed: int | None, aims: tuple[Aim, ...], seeds: int, first: int, more: int, processes: int, *, stop: bool
) -> None:
    """Replay a seed, or run many, and exit with 1 if something was violated or never interrupted."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order in which sets of texts are iterated depends on it.
        os.execve(  # noqa: S606 -- the same program again
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1"},
        )
    if seed is not None:
        sys.exit(replay(Run(seed, aims)))
    started = time.monotonic()
    base = os.environ.get("ALPES_SEED") or str(SystemRandom().randrange(10**6))
    runs = [Run(each) for each in range(first, first + seeds)] + fresh(base, more)
    total, aimed = Result.empty(), list[Run]()
    with multiprocessing.Pool(processes) as pool:
        run_all(pool, runs, total, stop=stop)
        if not total.failed:
            aimed = run_aimed(pool, total)
    report(total, time.monotonic() - started)
    if more:
        print(f"{more} of them drawn with ALPES_SEED={base}")
    sys.exit(tell(total, aimed))


def tell(total: Result, aimed: Iterable[Run]) -> int:
    """Print what was aimed at and what is wrong; return the exit code."""
    for run in aimed:
        print(f"not interrupted by chance, so aimed at: {run.command}")
    for run, found in sorted(total.failed.items())[:5]:
        print(f"\nseed {run.seed} ({run.command} shows every step):")
        print("\n".join(f"  VIOLATED: {each}" for each in found[:5]))
    if never := [] if total.failed else missing(total.pairs):
        print(f"never interrupted: {', '.join(map(str, never))}")
    return bool(total.failed or never)


if __name__ == "__main__":
    main()
