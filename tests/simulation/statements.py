"""What every query of the three services does, in Python, for the simulated server.

tests/integration/test_simulated_server.py compares them with the SQL itself, in random sequences.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from alpes_runtime import load_queries
from alpes_runtime.database import Row
from functions.ordenes.domain import Orden, OrdenGuardada
from schemas.tienda.cambios import Cambio
from tests.simulation.server import Statement, View

FUNCTIONS = Path(__file__).parents[2] / "functions"
FILES = {
    "ordenes": FUNCTIONS / "ordenes" / "sql" / "ordenes.sql",
    "pagos": FUNCTIONS / "pagos" / "sql" / "transacciones.sql",
    "reporting": FUNCTIONS / "reporting" / "sql" / "ordenes.sql",
}
Params = Mapping[str, Any]


def _rows(params: Params, *columns: str, **renamed: str) -> list[dict[str, Any]]:
    """Turn parallel arrays into rows: each column with the parameter of its own name, or of another one."""
    names = {**{name: name for name in columns}, **renamed}
    return [
        dict(zip(names, values, strict=True)) for values in zip(*(params[name] for name in names.values()), strict=True)
    ]


def _by_column(kind: type[NamedTuple]) -> dict[str, str]:
    """Return a record's fields by their columns; a time in milliseconds becomes a timestamp."""
    return {field.removesuffix("_ms"): field for field in kind._fields}


def _insert_new(view: View, table: str, key: str, rows: list[dict[str, Any]]) -> list[Any]:
    """INSERT … ON CONFLICT DO NOTHING RETURNING the key."""
    return [row[key] for row in rows if view.insert(table, row[key], row)]


def _found(view: View, table: str, keys: list[Any]) -> list[dict[str, Any]]:
    return [row for key in sorted(set(keys)) if (row := view.get(table, key)) is not None]


# -- Ordenes

ACEPTADA = _by_column(Orden)
GUARDADA = [*ACEPTADA, *[column for column in _by_column(OrdenGuardada) if column != "orden"]]


def _guardada(row: dict[str, Any]) -> Row:
    return tuple(row[column] for column in GUARDADA)


def insert_new(view: View, params: Params) -> list[Row]:
    rows = _rows(params, **ACEPTADA)
    more = {"status": "creada", "version": 1, "accepted_at": view.now_ms, "updated_at": view.now_ms}
    new = _insert_new(view, "ordenes", "id", [{**row, **more, "transaction_id": ""} for row in rows])
    _mark(view, params, new)
    return [(order_id, view.now_ms) for order_id in new]


def _mark(view: View, params: Params, ids: list[Any]) -> None:
    if params["mark"] and ids:
        number = view.next_number("estado_pendiente")
        row = {"id": number, "order_ids": ids, "tried": False, "created_at": view.now_ms}
        view.put("estado_pendiente", number, row)


def stored(view: View, params: Params) -> list[Row]:
    return [_guardada(row) for row in _found(view, "ordenes", params["ids"])]


def open_window(view: View, params: Params) -> list[Row]:
    key = (params["from_ms"], params["until_ms"])
    return [(1,)] if _insert_new(view, "vencimientos", "window", [{"window": key, "armed": False}]) else []


def arm_window(view: View, params: Params) -> list[Row]:
    key = (params["from_ms"], params["until_ms"])
    if view.get("vencimientos", key) is None or (latest := view.lock("vencimientos", key)) is None:
        return []
    view.put("vencimientos", key, {**latest, "armed": params["armed"]})
    return [(1,)]


def close_window(view: View, params: Params) -> list[Row]:
    key = (params["from_ms"], params["until_ms"])
    if view.get("vencimientos", key) is not None and view.lock("vencimientos", key) is not None:
        view.delete("vencimientos", key)
    return []


def unarmed_windows_of(view: View, params: Params) -> list[Row]:
    times = [row["accepted_at"] for row in _found(view, "ordenes", params["ids"])]
    windows = [row["window"] for _, row in view.scan("vencimientos") if not row["armed"]]
    return [window for window in windows if any(window[0] <= moment < window[1] for moment in times)]


def forgotten_windows(view: View, params: Params) -> list[Row]:
    old = view.now_ms - params["older_ms"]
    found = [row["window"] for _, row in view.scan("vencimientos") if not row["armed"] and row["window"][1] < old]
    return found[: params["most"]]


def forget_activity(view: View, _params: Params) -> list[Row]:
    view.forget_others()
    return [("",)]


def due(view: View, params: Params) -> list[Row]:
    unfinished = any(re.match(params["peers"], name) and start < params["until_ms"] for name, start in view.others())
    return [(view.clock_ms, unfinished)]


def unpaid(view: View, params: Params) -> list[Row]:
    ids = [
        order_id
        for order_id, row in view.scan("ordenes")
        if params["from_ms"] <= row["accepted_at"] < params["until_ms"]
        and row["status"] in ("creada", "expirada")
        and order_id > params["after_id"]
    ]
    return [(order_id,) for order_id in ids[: params["most"]]]


def expire(view: View, params: Params) -> list[Row]:
    changed = []
    for row in _found(view, "ordenes", params["ids"]):
        if row["status"] == "creada" and (latest := view.lock("ordenes", row["id"])) and latest["status"] == "creada":
            moved = {**latest, "status": "expirada", "version": latest["version"] + 1, "updated_at": view.now_ms}
            view.put("ordenes", row["id"], moved)
            changed.append(_guardada(moved))
    _mark(view, params, [row[0] for row in changed])
    return changed


def settle(view: View, params: Params) -> list[Row]:
    pagos = _rows(params, "status", "previous", "currency", id="order_id", transaction_id="id", amount="amount_cents")
    changed = []
    for pago in pagos:
        row = view.get("ordenes", pago["id"])
        if row is None or not _may_settle(row, pago):
            continue
        latest = view.lock("ordenes", pago["id"])
        if latest is None or not _may_settle(latest, pago):
            continue
        moved = {
            **latest,
            "status": pago["status"],
            "version": latest["version"] + 1,
            "updated_at": view.now_ms,
            "transaction_id": pago["transaction_id"],
        }
        view.put("ordenes", pago["id"], moved)
        changed.append(_guardada(moved))
    _mark(view, params, [row[0] for row in changed])
    return changed


def _may_settle(row: dict[str, Any], pago: dict[str, Any]) -> bool:
    fits = pago["amount"] in (None, row["total_cents"]) and pago["currency"] in ("", row["currency"])
    return bool(row["status"] == pago["previous"] and fits)


def announce_marks(view: View, params: Params) -> list[Row]:
    held = [(key, row) for key, row in view.scan("estado_pendiente") if view.free("estado_pendiente", key)]
    told = []
    for key, row in held[: params["most"]]:
        if (latest := view.lock("estado_pendiente", key)) is not None:
            view.put("estado_pendiente", key, {**latest, "tried": True})
            told.append((key, row["order_ids"], latest["tried"]))
    return told


def hold_marks(view: View, params: Params) -> list[Row]:
    found = [row["id"] for row in _found(view, "estado_pendiente", params["marks"])]
    free = [number for number in found if view.free("estado_pendiente", number)]
    return [(number,) for number in free if view.lock("estado_pendiente", number) is not None]


def current_status(view: View, params: Params) -> list[Row]:
    return [(row["id"], row["version"], row["status"]) for row in _found(view, "ordenes", params["ids"])]


def clear_marks(view: View, params: Params) -> list[Row]:
    for row in _found(view, "estado_pendiente", params["marks"]):
        if view.lock("estado_pendiente", row["id"]) is not None:
            view.delete("estado_pendiente", row["id"])
    return []


def lag(view: View, _params: Params) -> list[Row]:
    marks = [row for _, row in view.scan("estado_pendiente")]
    oldest = min((row["created_at"] for row in marks), default=view.now_ms)
    return [(sum(len(row["order_ids"]) for row in marks), max(0.0, (view.now_ms - oldest) / 1000))]


# -- Pagos

TRANSACCION = ("order_id", "id", "status", "amount_cents", "currency", "created_at", "traceparent")
INTENTO = ("order_id", "amount_cents", "currency", "traceparent")
REEMBOLSO = ("order_id", "transaction_id", "amount_cents", "currency", "created_at", "traceparent")


def insert_transactions(view: View, params: Params) -> list[Row]:
    rows = _rows(
        params, "order_id", "id", "status", "amount_cents", "currency", "traceparent", created_at="processed_at_ms"
    )
    return [(order_id,) for order_id in _insert_new(view, "transacciones", "order_id", rows)]


def stored_transactions(view: View, params: Params) -> list[Row]:
    return [tuple(row[c] for c in TRANSACCION) for row in _found(view, "transacciones", params["order_ids"])]


def insert_intents(view: View, params: Params) -> list[Row]:
    rows = _rows(params, *INTENTO)
    told = []
    for row in rows:
        latest = view.lock("intentos", row["order_id"]) or row
        view.put("intentos", row["order_id"], latest)
        told.append(tuple(latest[column] for column in INTENTO))
    return told


def delete_intents(view: View, params: Params) -> list[Row]:
    for row in _found(view, "intentos", params["order_ids"]):
        if view.lock("intentos", row["order_id"]) is not None:
            view.delete("intentos", row["order_id"])
    return []


def insert_refunds(view: View, params: Params) -> list[Row]:
    named = ("order_id", "transaction_id", "amount_cents", "currency", "traceparent")
    rows = _rows(params, *named, created_at="refunded_at_ms")
    _insert_new(view, "reembolsos", "order_id", rows)
    return []


def refunds(view: View, params: Params) -> list[Row]:
    return [tuple(row[c] for c in REEMBOLSO) for row in _found(view, "reembolsos", params["order_ids"])]


# -- Reporting

ORDEN = _by_column(Cambio)


def upsert(view: View, params: Params) -> list[Row]:
    for row in _rows(params, **ORDEN):
        latest = view.lock("ordenes", row["id"])
        if latest is None or latest["version"] < row["version"]:
            view.put("ordenes", row["id"], row)
    return []


def totals(view: View, _params: Params) -> list[Row]:
    """The triggers keep what a count of the table gives; tests/integration/test_totales.py holds them to that."""
    found: dict[tuple[str, str], list[int]] = {}
    for _, row in view.scan("ordenes"):
        found.setdefault((row["status"], row["currency"]), []).append(row["total_cents"])
    return [(*key, len(cents), sum(cents)) for key, cents in found.items()]


BY_NAME: Mapping[str, Mapping[str, Statement]] = {
    "ordenes": {
        each.__name__: each
        for each in (
            insert_new,
            stored,
            open_window,
            close_window,
            arm_window,
            unarmed_windows_of,
            forgotten_windows,
            due,
            forget_activity,
            unpaid,
            expire,
            settle,
            announce_marks,
            hold_marks,
            current_status,
            clear_marks,
            lag,
        )
    },
    "pagos": {
        "insert_new": insert_transactions,
        "stored": stored_transactions,
        **{each.__name__: each for each in (insert_intents, delete_intents, insert_refunds, refunds)},
    },
    "reporting": {each.__name__: each for each in (upsert, totals)},
}
"""By service and by the query's name in its `.sql` file."""

STATEMENTS: Mapping[str, Mapping[str, Statement]] = {
    service: {text: BY_NAME[service][name] for name, text in load_queries(FILES[service]).items()} for service in FILES
}
"""By service and by the query's text, as `Server` wants them."""
