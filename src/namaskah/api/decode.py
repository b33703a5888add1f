"""A request's JSON becomes a struct, or an error that names the field. Strict: nothing is guessed, dropped or repaired.

msgspec checks types, limits and unknown fields, and refuses NaN, lone surrogates and numbers out of range; what it lets
pass and we do not is looked for here: names given twice, and the NUL character, which PostgreSQL cannot store.
"""

import json
import re
from typing import Any, Final, TypeVar

import msgspec

from namaskah.api.errors import InvalidJson, InvalidRequest
from namaskah.core.errors import FieldError

Struct = TypeVar("Struct", bound=msgspec.Struct)

_NAMED: Final = re.compile(r"(?:unknown|required) field `(?P<name>[^`]*)`")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {}


def decode(kind: type[Struct], body: bytes) -> Struct:
    """The struct that the body holds. Raises InvalidJson (400) and InvalidRequest (422, with the field's name)."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind, strict=True)
    try:
        decoded: Struct = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"The body is not valid JSON: {_reason(error)}.") from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None
    if _NUL.search(body):
        raise InvalidRequest("The character NUL is not allowed.", fields=(FieldError("", "has a NUL character"),))
    # By now the body is known to be sound and small, so that reading it a second time costs 2 us and cannot fail.
    json.loads(body, object_pairs_hook=_refuse_twice)
    return decoded


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"The field {twice!r} is given twice.", fields=(FieldError(twice, "is given twice"),))


def _invalid(message: str) -> InvalidRequest:
    field = field_error(message)
    name = f"{field.name}: " if field.name else ""
    return InvalidRequest(f"{name}{field.message}.", fields=(field,))


def field_error(message: str, *, name: str = "") -> FieldError:
    """msgspec's message as a field and what is wrong with it; `name` is what msgspec calls `$`."""
    what, _, where = message.partition(" - at `")
    path = where.removeprefix("key` in `").rstrip("`").removeprefix("$").removeprefix(".")
    named = _NAMED.search(what)
    if named is not None:
        path = f"{path}.{named['name']}".strip(".")
    return FieldError(path or name, what.replace("`", "'"))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "a text is not valid UTF-8"
    text = str(error).removeprefix("JSON is malformed: ")
    # msgspec reads on behind half a surrogate pair and then misses the other half.
    return "it ends too early, or has half a surrogate pair" if text == "Input data was truncated" else text
