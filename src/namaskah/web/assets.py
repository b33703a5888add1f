"""Style sheet, script and icon: read once, served under a name that holds a hash of the content and cached for ever."""

import gzip
import hashlib
from importlib import resources
from typing import Final, NamedTuple

from namaskah.web.visit import Page

PREFIX: Final = "/assets/"
_TYPES: Final = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}
_FOR_EVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")


class _Asset(NamedTuple):
    content: bytes
    packed: bytes
    content_type: bytes


def _read() -> tuple[dict[str, str], dict[str, _Asset]]:
    """The address of each file, and each file by its address."""
    addresses, assets = {}, {}
    for name in ("app.css", "app.js", "icon.svg", "status.css"):
        content = resources.files("namaskah.web").joinpath("assets", name).read_bytes()
        stem, _, kind = name.partition(".")
        address = f"{PREFIX}{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{kind}"
        addresses[name] = address
        assets[address] = _Asset(content, gzip.compress(content, 9, mtime=0), _TYPES[kind])
    return addresses, assets


ADDRESSES, _ASSETS = _read()


def asset(path: str, *, accepts: bytes) -> Page | None:
    """The file at an address, packed for who understands that; None where there is none."""
    found = _ASSETS.get(path)
    if found is None:
        return None
    headers = (_FOR_EVER, (b"vary", b"accept-encoding"))
    if b"gzip" in accepts:
        return Page(found.packed, 200, (*headers, (b"content-encoding", b"gzip")), found.content_type)
    return Page(found.content, 200, headers, found.content_type)
