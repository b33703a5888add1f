"""The public status page, its JSON and its feed: made once for each reading of the figures, answered as ready bytes.

None of it asks the database in a request. Without a database the last reading is shown, with the moment it is from; and
`copy_files` makes the same page as files for another host, which tells how old it is.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from namaskah.core.clock import utcnow
from namaskah.core.errors import MethodNotAllowed, Unavailable
from namaskah.ops.board import Reading
from namaskah.ops.status_report import SUMMARIES, Report
from namaskah.platform import Platform
from namaskah.web import status_words as words
from namaskah.web.render import render
from namaskah.web.status_feed import feed
from namaskah.web.visit import Headers, Page, Visit

SECONDS: Final = 30
ADDRESSES: Final = {
    "/status": b"text/html; charset=utf-8",
    "/status.json": b"application/json",
    "/status.rss": b"application/rss+xml; charset=utf-8",
}
# Whoever keeps a copy on the way may show it while we cannot be reached.
_CACHED: Final = (b"cache-control", b"public, max-age=%d, stale-while-revalidate=60, stale-if-error=86400" % SECONDS)
# A page of another site may read the figures.
_FOR_ALL: Final = (b"access-control-allow-origin", b"*")


class _File(msgspec.Struct, frozen=True):
    content: bytes
    packed: bytes
    tag: bytes


class StatusPages:
    """Answers the three addresses. `get_platform` raises DatabaseGone as long as there never was a database."""

    def __init__(self, get_platform: Callable[[], Platform]) -> None:
        self._get_platform = get_platform
        self._made_of: Reading | None = None
        self._making: asyncio.Task[dict[str, _File]] | None = None

    async def answer(self, visit: Visit) -> Page:
        """The page, from memory. Raises MethodNotAllowed."""
        if visit.method not in ("GET", "HEAD"):
            raise MethodNotAllowed()
        try:
            platform = self._get_platform()
            reading = await platform.board.current()
        except Unavailable:
            return _nothing_known(visit.path)
        if reading.report is None:
            return _nothing_known(visit.path)
        if self._making is None or reading is not self._made_of:
            # In a thread, because it takes tens of milliseconds, in which no code may wait.
            self._made_of = reading
            making = asyncio.to_thread(_packed_files, reading.report, reading.lost_at, platform.settings.public_url)
            self._making = asyncio.create_task(making)
        return _page(visit, (await asyncio.shield(self._making))[visit.path])


def files(report: Report, *, lost_at: datetime | None, public_url: str) -> dict[str, bytes]:
    """The content of each address."""
    page_url = f"{public_url.rstrip('/')}/status"
    report = _as_lost(report) if lost_at else report
    return {
        "/status": render("status.html", **_values(report, lost_at)).encode(),
        "/status.json": _json(report, page_url=page_url, lost_at=lost_at),
        "/status.rss": feed(report, page_url=page_url, feed_url=f"{page_url}.rss"),
    }


def copy_files(report: Report, *, url: str, live_url: str, old_after_minutes: int, made_at: datetime) -> dict[str, bytes]:
    """The page as files for another host, at `url`: one file with its style in it, the JSON and the feed."""
    assets = resources.files("namaskah.web").joinpath("assets")
    style = "".join(assets.joinpath(name).read_text() for name in ("app.css", "status.css"))
    values = _values(report, None) | {"live_url": live_url, "old_after": old_after_minutes, "made_at": made_at, "style": style}
    return {
        "status.json": _json(report, page_url=url, lost_at=None, made_at=made_at),
        "status.rss": feed(report, page_url=url, feed_url=f"{url.rstrip('/')}/status.rss"),
        "index.html": render("status-copy.html", **values).encode(),
    }


def _as_lost(report: Report) -> Report:
    """While our own database does not answer, nothing else works either, and what worked a moment ago is not known to."""
    parts = [replace(part, state="unknown") if part.state == "operational" else part for part in report.components]
    return replace(report, state="down", summary=SUMMARIES["down"], components=parts)


def _values(report: Report, lost_at: datetime | None) -> dict[str, Any]:
    said = [one for one in report.delivery if any(day.rate is not None for day in one.days) or one.rate is not None]
    return {
        "report": report, "lost_at": lost_at, "words": words, "delivery": said,
        "unsaid": [one.name for one in report.delivery if one not in said],
        "columns": [*(one for one in report.components if one.days), *said],
    }  # fmt: skip


def _json(report: Report, *, page_url: str, lost_at: datetime | None, made_at: datetime | None = None) -> bytes:
    about = {"name": "Namaskah", "url": page_url, "made_at": made_at or utcnow(), "stale_since": lost_at}
    return msgspec.json.encode({"page": about, **msgspec.to_builtins(report, builtin_types=(datetime,))})


def _packed_files(report: Report, lost_at: datetime | None, public_url: str) -> dict[str, _File]:
    made = files(report, lost_at=lost_at, public_url=public_url)
    return {path: _file(content) for path, content in made.items()}


def _file(content: bytes) -> _File:
    tag = b'"%s"' % hashlib.sha256(content).hexdigest()[:20].encode()
    return _File(content, gzip.compress(content, 6, mtime=0), tag)


def _page(visit: Visit, file: _File) -> Page:
    kind = ADDRESSES[visit.path]
    headers: Headers = (_CACHED, (b"vary", b"accept-encoding"), (b"etag", file.tag))
    if visit.path != "/status":
        headers = (*headers, _FOR_ALL)
    # A cache on the way may have made the tag a weak one, when it packed the page itself.
    if visit.headers.get(b"if-none-match", b"").removeprefix(b"W/") == file.tag:
        return Page(b"", 304, headers, kind)
    if b"gzip" in visit.headers.get(b"accept-encoding", b""):
        return Page(file.packed, 200, (*headers, (b"content-encoding", b"gzip")), kind)
    return Page(file.content, 200, headers, kind)


def _nothing_known(path: str) -> Page:
    """No reading at all: this process began while the database was away."""
    headers: Headers = ((b"retry-after", b"10"), (b"cache-control", b"no-store"))
    if path == "/status":
        return Page(render("status-unknown.html").encode(), 503, headers)
    if path == "/status.json":
        return Page(
            msgspec.json.encode({"state": "down", "summary": SUMMARIES["down"]}), 503, (*headers, _FOR_ALL), ADDRESSES[path]
        )
    return Page(b"The feed cannot be made at the moment.\n", 503, headers, b"text/plain; charset=utf-8")
