"""Runs seeds, or replays one and shows what happened.

python -m tests.simulation                    10,000 seeds on all cores; what each pair of steps went through
python -m tests.simulation 4711               seed 4711 step by step, and what was violated
python -m tests.simulation --seeds 500 --stop until the first seed that fails
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from typing import NamedTuple

from tests.simulation.checks import violations
from tests.simulation.scheduler import Met, Pair, Stuck
from tests.simulation.world import World

CHUNK = 25
"""Seeds that a process runs in one go."""
DEMANDED = 0.01
"""Pairs of steps that are met so often a seed must have been interrupted."""
SMALL_CHUNK = 4
"""The same where the first failure ends it all."""


class Result(NamedTuple):
    """What a chunk of seeds came to."""

    seeds: int
    failed: dict[int, list[str]]
    pairs: dict[Pair, Met]
    incidents: Counter[str]
    totals: Counter[str]


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
    """Add what some pairs of steps went through."""
    for pair, met in pairs.items():
        total.setdefault(pair, Met()).add(met)


def run_chunk(seeds: range) -> Result:
    """Run some seeds."""
    result = Result(len(seeds), {}, {}, Counter(), Counter())
    for seed in seeds:
        world = World(seed)
        if found := judge(world):
            result.failed[seed] = found
        add_up(result.pairs, world.scheduler.pairs)
        result.incidents.update(world.incidents)
        totals: Counter[str] = result.totals
        totals["steps"] += world.scheduler.steps
        totals["duplicates"] += world.broker.duplicates
        totals["deadlocks"] += sum(server.deadlocks for server in world.servers.values())
        totals["orders"] += len(world.sent.orders)
        for row in world.servers["ordenes"].rows("ordenes"):
            totals[row["status"]] += 1
    return result


def replay(seed: int) -> int:
    """Show a seed step by step."""
    world = World(seed, traced=True)
    found = judge(world)
    for seconds, actor, step in world.scheduler.trace or ():
        print(f"{seconds:9.3f} s  {actor:<28} {step}")
    print(f"\nseed {seed}: {world.weather}")
    print("\n".join(f"VIOLATED: {each}" for each in found) or "everything held")
    return bool(found)


def report(result: Result, seconds: float) -> None:
    """Print what all seeds went through."""
    print(f"{'actor':<18} {'between':<14} {'and':<14} {'others ran':>11} {'died there':>11} {'went on':>11}")
    for (actor, before, after), met in sorted(result.pairs.items()):
        print(f"{actor:<18} {before:<14} {after:<14} {met.others_ran:>11,} {met.died:>11,} {met.went_on:>11,}")
    print("\nincidents: " + ", ".join(f"{name} {number:,}" for name, number in sorted(result.incidents.items())))
    print("totals: " + ", ".join(f"{name} {number:,}" for name, number in sorted(result.totals.items())))
    print(f"{result.seeds:,} seeds in {seconds:.0f} s, {len(result.failed)} failed")


def never_interrupted(result: Result) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs of steps of the functions between which nobody ever ran, or nobody ever died.

    Those that hardly ever follow each other come second: one failure right after another.
    """
    often: list[Pair] = []
    seldom: list[Pair] = []
    for pair, met in sorted(result.pairs.items()):
        if pair[0].split()[0] in ("ordenes", "pagos", "reporting") and not (met.others_ran and met.died):
            (often if met.others_ran + met.died + met.went_on >= result.seeds * DEMANDED else seldom).append(pair)
    return often, seldom


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("seed", nargs="?", type=int, help="replay this seed and show every step")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds (10000)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--stop", action="store_true", help="stop at the first seed that fails")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes (one a core)")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of texts are iterated in an order that depends on it.
        os.execve(  # noqa: S606 -- the same program again
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1"},
        )
    if options.seed is not None:
        return replay(options.seed)
    started = time.monotonic()
    last = options.first + options.seeds
    size = SMALL_CHUNK if options.stop else CHUNK
    chunks = [range(start, min(start + size, last)) for start in range(options.first, last, size)]
    total = Result(0, {}, {}, Counter(), Counter())
    with multiprocessing.Pool(options.processes) as pool:
        for result in pool.imap_unordered(run_chunk, chunks):
            total.failed.update(result.failed)
            add_up(total.pairs, result.pairs)
            total.incidents.update(result.incidents)
            total.totals.update(result.totals)
            total = total._replace(seeds=total.seeds + result.seeds)
            if total.failed and options.stop:
                pool.terminate()
                break
    report(total, time.monotonic() - started)
    for seed, found in sorted(total.failed.items())[:5]:
        print(f"\nseed {seed} (python -m tests.simulation {seed} shows every step):")
        print("\n".join(f"  VIOLATED: {each}" for each in found[:5]))
    if total.failed:
        return 1
    often, seldom = never_interrupted(total)
    if seldom:
        print(f"never interrupted, and met in fewer than one seed of a hundred: {seldom}")
    if options.seeds >= 10_000 and often:
        print(f"never interrupted: {often}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
