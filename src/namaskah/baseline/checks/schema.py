"""Compares JSON with the part of JSON Schema that our OpenAPI document uses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


def misfits(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    """What does not fit, each with its place; nothing when all does. Members that are not described do not fit either."""
    return list(_misfits(value, schema, document, "the answer"))


def _misfits(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], place: str) -> Iterator[str]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        tried = [list(_misfits(value, one, document, place)) for one in choices]
        if all(tried):
            yield from min(tried, key=len)
        return
    yield from _plain(value, schema, place)
    if isinstance(value, dict):
        yield from _members(value, schema, document, place)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for number, item in enumerate(value):
            yield from _misfits(item, schema["items"], document, f"{place}[{number}]")


def _plain(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{place} is {type(value).__name__}, not {' or '.join(kinds)}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place} is none of the described values"
    elif "const" in schema and value != schema["const"]:
        yield f"{place} is not the described value"
    elif isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place} does not match its pattern"


def _members(value: dict[str, Any], schema: Mapping[str, Any], document: Mapping[str, Any], place: str) -> Iterator[str]:
    described = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}.{name} is missing"
    for name, member in value.items():
        if name in described:
            yield from _misfits(member, described[name], document, f"{place}.{name}")
        elif described and "additionalProperties" not in schema:
            yield f"{place}.{name} is not described"


def _is(value: Any, kind: str) -> bool:
    # A truth value is an int in Python and nothing like it in JSON.
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
