"""The options of `alpes send` that say how fast, and of what kinds; decides what they mean together."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import click

from client.mix import KINDS
from client.pacing import Bursts, Constant, Pace, Ramp
from terminal.options import MOST

PACES = {"rate": "--rate", "ramp": "--ramp", "burst": "--burst"}

OF_MADE_UP = {
    "orders": "--orders",
    "length_s": "--for",
    "seed": "--seed",
    "mix": "--mix",
    "schema_version": "--schema-version",
}


class RampType(click.ParamType[tuple[float, float]]):
    """Two rates: `10:200`."""

    name = "ramp"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Return both rates."""
        try:
            first, last = (float(rate) for rate in str(value).split(":"))
        except ValueError:
            first = last = math.nan
        if not (0 <= first <= MOST and 0 <= last <= MOST and first + last > 0):
            self.fail(f"{value!r} is no pair of rates up to {MOST:,}, such as 10:200", param, ctx)
        return first, last


class MixType(click.ParamType[dict[str, int]]):
    """How often each kind of message comes: `valid=90,bad=10`."""

    name = "mix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """Return the weights by kind."""
        found: dict[str, int] = {}
        for part in str(value).split(","):
            kind, _, weight = part.strip().partition("=")
            if kind not in KINDS or kind in found or not (weight.isascii() and weight.isdigit() and len(weight) < 7):
                self.fail(
                    f"{part.strip()!r} is no kind with its weight, each once, such as valid=90; kinds are"
                    f" {', '.join(KINDS)}",
                    param,
                    ctx,
                )
            found[kind] = int(weight)
        if not any(found.values()):
            self.fail("every weight is 0", param, ctx)
        return found


def require_sense(given: Collection[str], of_file: Collection[str] = (), *, read_once: bool = False) -> None:
    """Raise `click.UsageError` if options contradict each other.

    Parameters
    ----------
    given
        The names of the options that the command line has.
    of_file
        Those that the file of settings has. A pace of the command line replaces the file's, and --from-file what the
        file says of made-up orders. What is about an option that isn't there has no effect.
    read_once
        Whether the orders come from standard input or a pipe.
    """
    replaced = set(PACES) if PACES.keys() & set(given) else set()
    if "from_file" in given:
        # A drill can't be left out without a word.
        replaced |= OF_MADE_UP.keys() - {"mix"}
    named = {*given, *(set(of_file) - replaced)}
    paces = [option for name, option in PACES.items() if name in named]
    checks = {
        f"{' and '.join(paces)} are different paces: name one": len(paces) > 1,
        "--burst needs --every, the time from one burst to the next": "burst" in named and "every" not in named,
        "--every is about bursts: name their size with --burst": "every" in given and "burst" not in named,
        "--ramp needs --for, the time it takes": "ramp" in named and "length_s" not in named,
        "--for needs a pace: --rate, --ramp or --burst": "length_s" in given and not paces,
        "--for and --orders both say how many: name one": {"length_s", "orders"} <= set(given),
        "--skip-bad-lines is about the lines of --from-file": "skip_bad_lines" in given and "from_file" not in named,
        "--resume needs a file that can be read again: standard input and pipes can't": read_once and "resume" in named,
        "--mix can't be continued with --resume: begin the drill again": {"mix", "resume"} <= named,
    }
    # A file says all this itself.
    checks |= {
        f"--from-file and {option} exclude each other": {"from_file", name} <= named
        for name, option in OF_MADE_UP.items()
    }
    for problem, found in checks.items():
        if found:
            raise click.UsageError(problem)


def pace_of(options: Mapping[str, Any], given: Collection[str]) -> Pace | None:
    """Return the pace of a run; None for as fast as possible.

    Parameters
    ----------
    options
        The values of all options.
    given
        Those that the command line names. A pace among them goes before one of the file.
    """
    named = [name for name in PACES if name in given] or [name for name in PACES if options[name]]
    match named:
        case ["rate", *_]:
            return Constant(options["rate"])
        case ["ramp", *_]:
            first, last = options["ramp"]
            return Ramp(first, last, options["length_s"])
        case ["burst", *_]:
            return Bursts(options["burst"], options["every"])
    return None
