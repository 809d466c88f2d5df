"""Reads the body of a request: what is no JSON, or not what the route takes, is a problem that says where."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from api.problems import Problem, invalid

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """What a body has: nothing else, and nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


async def whole(request: Request) -> bytes:
    """Return a request's body. Starlette's own way takes several times as long for one that has come at once.

    Raises
    ------
    Problem
        If the client goes away before; nobody reads the answer then.
    """
    parts = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(HTTPStatus.BAD_REQUEST, "http", "The request broke off within its body; nothing was done.")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def parsed(model: type[Model], body: bytes) -> Model:
    """Read the body of a request.

    FastAPI would do it, too, and answer what the guard says of a body's size and time with 400.

    Raises
    ------
    Problem
        If it is no JSON, or not of this model.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            why = found[0]["msg"].removeprefix("Invalid JSON: ")
            raise Problem(HTTPStatus.BAD_REQUEST, "json", f"The body is no JSON: {why}.") from None
        raise invalid(found) from None


def documented_body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a body of this model, whole in itself."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})
    for name, of_field in schema["properties"].items():
        for each in (of_field, *of_field.get("anyOf", ())):
            if part := parts.get(each.get("$ref", "").rpartition("/")[2]):
                schema["properties"][name] = part
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
