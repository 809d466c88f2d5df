"""`python -m bench page`: makes the HTML page of a result again."""

import argparse

from bench import report, results
from bench.commands.session import absolute

SUMMARY = "make the HTML page of a result again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("result", type=absolute, metavar="RESULT.json", help="what a command wrote")


def run(options: argparse.Namespace) -> None:
    """Write the page beside the result."""
    path = options.result.with_suffix(".html")
    results.write_text(path, report.page(results.read(options.result)))
    print(f"Written: {path}")
