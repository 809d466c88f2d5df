"""Shows which kinds of report and which formats the running Reporting has."""

from __future__ import annotations

import io
import json

from rich.markup import escape
from rich.table import Table

from client.reports import Wish
from client.spool import Spool
from schemas.tienda.periodo import periodo
from terminal.console import table_console
from terminal.text import one_line

CATALOGUE = Wish("ndjson", periodo(), "formats")
"""The report that lists them."""


def show(spool: Spool) -> None:
    """Print two tables: the kinds of report with their filters, and the formats with what is missing."""
    content = io.BytesIO()
    spool.write(content)
    rows = [json.loads(line) for line in content.getvalue().splitlines()]
    console = table_console()
    for what, second, third in (("report", "lists", "filters"), ("format", "is", "missing")):
        table = Table(what, second, third, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            if row.get("what") == what:
                keys = ("name", "about", "filters" if what == "report" else "problem")
                table.add_row(*(escape(one_line(str(row.get(key, "")))) for key in keys))
        console.print(table)
        if what == "report":
            console.print()
