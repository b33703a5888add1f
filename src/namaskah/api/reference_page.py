"""The reference page at /api/v2/docs: plain HTML made from the table of operations, without a script and without a CDN."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

import msgspec

from namaskah.api.openapi import ABOUT, errors_of, parameters_of
from namaskah.api.operation import Operation

_CSS: Final = files("namaskah.api").joinpath("reference_page.css").read_text("utf-8")
_CSS_HASH: Final = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
HEADERS: Final = (
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
    (b"referrer-policy", b"no-referrer"),
)
# A variable of the reader's shell, because the page is the same on every host.
_HOST: Final = "$API"
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_CODE: Final = re.compile(r"`(.+?)`")


def page(operations: Sequence[Operation]) -> str:
    """The whole page."""
    by_tag: dict[str, list[Operation]] = {}
    for operation in operations:
        by_tag.setdefault(operation.tag, []).append(operation)
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(map(_operation, found))}" for tag, found in by_tag.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Namaskah API v2</title><style>{_CSS}</style></head><body><main><h1>Namaskah API v2</h1>"
        f'{_text(ABOUT)}<p>For tools: <a href="/api/v2/openapi.json">openapi.json</a> (OpenAPI 3.1). '
        "The examples need the address of this host first: "
        "<code>API=https://this-host/api/v2</code>.</p>"
        f"{_contents(by_tag)}{sections}{_errors(operations)}</main></body></html>\n"
    )


def _contents(by_tag: dict[str, list[Operation]]) -> str:
    items = "".join(
        f"<li>{escape(tag)}<ul>"
        + "".join(f'<li><a href="#{one.operation_id}">{escape(one.summary)}</a></li>' for one in found)
        + "</ul></li>"
        for tag, found in by_tag.items()
    )
    return f'<nav aria-label="Contents"><details><summary>Contents</summary><ul>{items}</ul></details></nav>'


def _operation(operation: Operation) -> str:
    parts = [
        f'<section aria-labelledby="{operation.operation_id}"><h3 id="{operation.operation_id}">{escape(operation.summary)}</h3>',
        f'<p><code><span class="method">{operation.method}</span> {escape(operation.path)}</code></p>',
        _text(operation.description),
        _fields(
            "Parameters",
            [(one["name"], one["schema"], one["description"]) for one in parameters_of(operation)],
        ),
        _fields("Body", _body_fields(operation)),
        f'<pre tabindex="0"><code>{escape(curl(operation))}</code></pre>',
    ]
    for status, success in operation.success.items():
        parts.append(f"<p><code>{status}</code> {_inline(success.description)}</p>")
        if success.example is not None:
            shown = success.example if isinstance(success.example, str) else _pretty(success.example)
            parts.append(f'<details><summary>Example</summary><pre tabindex="0"><code>{escape(shown)}</code></pre></details>')
    links = " ".join(
        f'<a href="#error-{error.code}"><code>{error.status} {error.code}</code></a>' for error in errors_of(operation)
    )
    parts.append(f"<details><summary>Errors</summary><p>{links}</p></details></section>")
    return "".join(parts)


def curl(operation: Operation) -> str:
    """The operation as one command that can be pasted into a shell."""
    path = operation.path.replace("{id}", f"{operation.path_id.prefix}_..." if operation.path_id else "")
    lines = [f"curl {'-N ' if operation.tag == 'Events' else ''}-X {operation.method} {_HOST}{path}"]
    if operation.needs_auth:
        lines.append('  -H "Authorization: Bearer $NAMASKAH_KEY"')
    if operation.idempotent:
        lines.append('  -H "Idempotency-Key: order-2026-0001"')
    if operation.request_example is not None:
        body = msgspec.json.encode(dict(operation.request_example)).decode()
        lines += ['  -H "Content-Type: application/json"', f"  -d '{body}'"]
    return " \\\n".join(lines)


def _body_fields(operation: Operation) -> list[tuple[str, dict[str, Any], str]]:
    if operation.request is None:
        return []
    _, components = msgspec.json.schema_components([operation.request])
    schema = components[operation.request.__name__]
    required = schema.get("required", [])
    return [
        (name, field, f"{'Required. ' if name in required else ''}{_description(field)}")
        for name, field in schema["properties"].items()
    ]


def _description(schema: dict[str, Any]) -> str:
    inner = [str(one["description"]) for one in schema.get("anyOf", []) if "description" in one]
    return str(schema.get("description", " ".join(inner)))


def _fields(title: str, fields: Iterable[tuple[str, dict[str, Any], str]]) -> str:
    rows = "".join(
        f"<dt><code>{escape(name)}</code> <small>{escape(_limits(schema))}</small></dt><dd>{_inline(description)}</dd>"
        for name, schema, description in fields
    )
    return f"<p><strong>{title}</strong></p><dl>{rows}</dl>" if rows else ""


def _limits(schema: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "anyOf" in schema:
        return " or ".join(_limits(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    words = [str(schema.get("type", ""))]
    if "minimum" in schema:
        words.append(f"{schema['minimum']} to {schema.get('maximum', '...')}")
    if "maxLength" in schema:
        words.append(f"at most {schema['maxLength']} characters")
    if schema.get("default") is not None:
        words.append(f"default {schema['default']}")
    return ", ".join(words)


def _errors(operations: Sequence[Operation]) -> str:
    found = {error.code: error for operation in operations for error in errors_of(operation)}
    rows = "".join(
        f'<dt id="error-{code}"><code>{error.status} {code}</code></dt><dd>{escape(error.title())}</dd>'
        for code, error in sorted(found.items())
    )
    return f"<h2>Errors</h2><dl>{rows}</dl>"


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _text(text: str) -> str:
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.strip().split("\n\n"))


def _inline(text: str) -> str:
    return _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text, quote=False)))
