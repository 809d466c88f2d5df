"""`python -m bench gate`: compares a result's ratios with a stored baseline."""

import json
from pathlib import Path
from typing import Any

import click

from bench import gate, results
from bench.commands.session import Options, absolute
from bench.errors import SlowerError, UsageError
from local_stack.settings import CHECKOUT

SUMMARY = (
    "compare the ratios of what `compare` or `skew` wrote with a baseline; fails when one fell by more than its noise"
)
BASELINES = CHECKOUT / "bench" / "baselines"


OPTIONS = (
    click.Argument(["result"], type=absolute, metavar="RESULT.json"),
    click.Option(
        ["--baseline"],
        type=absolute,
        metavar="FILE",
        help="The baseline (bench/baselines/COMMAND-quick.json or -full.json).",
    ),
    click.Option(["--update"], is_flag=True, help="Store the result as the new baseline instead."),
)


def run(options: Options) -> None:
    """Compare a result with its baseline, or store it as the baseline."""
    result = results.read(options.result)
    path = options.baseline or _usual(result)
    try:
        if options.update:
            results.write_text(path, json.dumps(gate.baseline_of(result), indent=1, ensure_ascii=False) + "\n")
            print(f"Written: {path}")
            return
        decisions = gate.decide(_read(path, options.result), result)
    except ValueError as error:
        raise UsageError(f"{options.result} can't be compared with {path}: {error}.") from error
    print("\n".join(map(str, decisions)))
    if fallen := [decision.name for decision in decisions if not decision.holds]:
        raise SlowerError(
            f"{', '.join(fallen)} fell by more than the noise: find the change that did it, or store a new baseline"
            " with --update."
        )


def _usual(result: results.Result) -> Path:
    return BASELINES / f"{result.command}-{gate.size(bool(result.options.get('quick')))}.json"


def _read(path: Path, result: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"There is no baseline {path} ({error.strerror}): make one with python -m bench gate {result} --update"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not a baseline: {error}. Make a new one with --update.") from error
    if not isinstance(found, dict) or not {"form", "command", "quick", "ratios"} <= found.keys():
        raise UsageError(f"{path} is not a baseline. Make a new one with --update.")
    return dict(found)
