"""`GET /docs`: the requests that the API answers, as a page for people, made of its OpenAPI document alone."""

from __future__ import annotations

import html
import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1.5rem; }
code, pre { font: .9rem/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .25rem; }
table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
"""
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show the page."""
    document = request.app.openapi()
    operations = [
        _operation(method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    about = html.escape(document["info"]["description"])
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Alpes: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><main>'
        f"<h1>Alpes: HTTP API</h1><p>{about} Errors are problems of RFC 9457. For programs, "
        f'<a href="/openapi.json">/openapi.json</a> describes all of this.</p>{"".join(operations)}</main></html>',
        headers=HEADERS,
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    text = "</p><p>".join(html.escape(part) for part in operation.get("description", "").split("\n\n"))
    content = operation.get("requestBody", {}).get("content", {})
    bodies = "".join(f"<p>Body:</p><pre>{html.escape(_pretty(media))}</pre>" for media in content.values())
    answers = [(code, answer["description"]) for code, answer in sorted(operation["responses"].items())]
    return (
        f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{text}</p>"
        f"{_table([(each['name'], _about(each)) for each in operation.get('parameters', [])])}{bodies}{_table(answers)}"
    )


def _about(parameter: dict[str, Any]) -> str:
    return str(parameter.get("description") or parameter["in"])


def _pretty(media: dict[str, Any]) -> str:
    return json.dumps(media.get("example") or media.get("schema"), indent=2, ensure_ascii=False)


def _table(rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr><th><code>{html.escape(a)}</code></th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{cells}</table>"
