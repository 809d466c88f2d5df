"""Changes code by its meaning: a change survives new formatting, new comments, moved files and most renames.

A change to Python names a folder, a function in it and a piece of its syntax tree; one to SQL a query and some of its
words. Each must be there exactly once.
"""

import ast
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

NOT_COMPARED = {"ctx", "kind", "type_comment"}
NAMES = {"arg", "attr", "id", "name"}
"""Fields of the syntax tree that hold a name."""


class NotThereError(ValueError):
    """The code has changed: what a bug replaces is missing, or occurs more than once."""


@dataclass(frozen=True)
class Code:
    """A change to Python code.

    Parameters
    ----------
    room
        Path of a folder, or of a file, within the checkout.
    function
        Qualified name of the function, within its module, that the change is made in.
    before, after
        An expression, or statements that follow each other, and what takes their place. A single capital letter in it
        stands for any expression or name: the same one wherever it stands.
    """

    room: str
    function: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.room}: {self.function}: {self.before.strip()}"

    def applied(self, path: Path, text: str) -> Iterator[str]:
        """Yield the file's text with the change made, once for each place where it can be made."""
        if path.suffix != ".py" or self.function.rpartition(".")[2] not in text:
            return
        before, after = (ast.parse(dedent(code)).body for code in (self.before, self.after))
        tree = ast.parse(text)
        for scope in _functions(tree, self.function):
            for _ in _changed(scope, before, after):
                yield ast.unparse(ast.fix_missing_locations(tree)) + "\n"


@dataclass(frozen=True)
class Query:
    """A change to a query.

    Parameters
    ----------
    room
        As of `Code`.
    name
        The query's.
    before, after
        Some of its words, however they are broken into lines, and what takes their place.
    """

    room: str
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.room}: query {self.name}: {self.before}"

    def applied(self, path: Path, text: str) -> Iterator[str]:
        """Yield the file's text with the change made, once for each place where it can be made."""
        if path.suffix != ".sql":
            return
        words = r"\s+".join(map(re.escape, self.before.split()))
        for query in re.finditer(rf"^-- name: {self.name}$(.(?!^-- name:))*", text, re.MULTILINE | re.DOTALL):
            for found in re.finditer(words, query[0]):
                start, end = (query.start() + place for place in found.span())
                yield text[:start] + self.after + text[end:]


Change = Code | Query


def changed(changes: Sequence[Change], root: Path) -> dict[Path, str]:
    """Return the files that some changes touch, with their content, by path.

    Raises `NotThereError` if a change fits no place, or several places.
    """
    texts: dict[Path, str] = {}
    for change in changes:
        room = root / change.room
        files = sorted(room.rglob("*")) if room.is_dir() else [room]
        found = [
            (path, text)
            for path in files
            if path.suffix in (".py", ".sql") and not path.stem.endswith("_pb2")
            for text in change.applied(path, texts.get(path) or path.read_text(encoding="utf-8"))
        ]
        if len(found) != 1:
            raise NotThereError(f"this is there {len(found)} times, not once: {change}")
        texts.update(found)
    return texts


def _functions(tree: ast.AST, wanted: str, prefix: str = "") -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}."
            if name == f"{wanted}.":
                yield node
        yield from _functions(node, wanted, name)


def _changed(scope: ast.AST, before: list[ast.stmt], after: list[ast.stmt]) -> Iterator[None]:
    """Change a tree at each place that fits the pattern in turn, and undo the change before the next."""
    wanted: list[Any] = before
    made: list[Any] = after
    match before, after:
        case [ast.Expr(value=expression)], [ast.Expr(value=other)]:
            wanted, made = [expression], [other]
    for node in list(ast.walk(scope)):
        for field, old in ast.iter_fields(node):
            children = old if isinstance(old, list) else [old]
            for start in range(len(children) - len(wanted) + 1):
                bound: dict[str, Any] = {}
                if not _matches(wanted, children[start : start + len(wanted)], bound):
                    continue
                new = [_Filled(bound).visit(copy.deepcopy(each)) for each in made]
                new = [*children[:start], *new, *children[start + len(wanted) :]]
                setattr(node, field, new if isinstance(old, list) else new[0])
                yield
                setattr(node, field, old)


def _matches(pattern: Any, node: Any, bound: dict[str, Any]) -> bool:
    """Whether a tree fits a pattern; notes what each capital letter stands for."""
    if isinstance(pattern, ast.Name) and _stands_for_any(pattern.id) and isinstance(node, ast.expr):
        there = bound.setdefault(pattern.id, node)
        return there is node or _matches(there, node, {})
    if isinstance(pattern, list):
        return len(pattern) == len(node) and all(_matches(*pair, bound) for pair in zip(pattern, node, strict=True))
    if not isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and bool(pattern == node)
    return type(pattern) is type(node) and all(
        bound.setdefault(wanted, getattr(node, field)) == getattr(node, field)
        if field in NAMES and _stands_for_any(wanted := getattr(pattern, field))
        else _matches(getattr(pattern, field), getattr(node, field), bound)
        for field in pattern._fields
        if field not in NOT_COMPARED
    )


def _stands_for_any(name: object) -> bool:
    return isinstance(name, str) and len(name) == 1 and name.isupper()


class _Filled(ast.NodeTransformer):
    def __init__(self, bound: Mapping[str, Any]) -> None:
        self._bound = bound

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Name) and isinstance(found := self._bound.get(node.id), ast.AST):
            return copy.deepcopy(found)
        for field in NAMES.intersection(node._fields):
            if isinstance(name := getattr(node, field), str):
                setattr(node, field, self._bound.get(name, name))
        return self.generic_visit(node)
