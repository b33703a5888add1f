"""The public status page: the same ready bytes for everybody, also while the database is away, and safe to read."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as Xml

import pytest

from namaskah.core.db import DatabaseGone
from namaskah.ops import board
from namaskah.ops.incidents import open_incident, update_incident
from namaskah.ops.minutes import Recorder
from namaskah.ops.status_report import Update
from namaskah.web.app import WebApp
from namaskah.web.status import copy_files, files
from tests.ops.build import NOW, group, incident, report
from tests.web.browser import Browser

EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(2)> ]]> &amp; \"' ünï"
MADE = {"url": "https://status.example.com/", "live_url": "https://example.com/status", "old_after_minutes": 15, "made_at": NOW}


def page_of(made, **more):
    return files(made, lost_at=None, public_url="https://example.com", **more)


class Seen(HTMLParser):
    """The tags of a page, and its words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


async def test_a_new_installation_has_a_page_that_says_so(visitor: Browser):
    page = await visitor.open("/status")
    assert page.status_code == 200
    assert "Nothing has been measured yet." in page.text
    assert "There were no orders yet" in page.text
    assert "No incidents." in page.text
    assert "Not offered yet" in page.text


async def test_what_is_measured_and_said_is_on_the_page(visitor: Browser, platform):
    assert await Recorder(platform.db).write()
    made = await open_incident(
        platform.db,
        title="Codes are late",
        body="We look.\nSoon more.",
        impact="minor",
        components=["delivery"],
        actor_id="cli:t",
    )
    await update_incident(platform.db, incident_id=made, body="It is the queue.", stage="identified", actor_id="cli:t")
    page = await visitor.open("/status")
    for words in ("There is an outage.", "Codes are late", "It is the queue.", f'id="{made}"', "Identified"):
        assert words in page.text, words
    answer = (await visitor.open("/status.json")).json()
    assert [part["state"] for part in answer["components"]] == ["operational", "down", "not_offered"]
    assert answer["incidents"][0]["updates"][0]["body"] == "It is the queue."


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/status", "text/html; charset=utf-8"),
        ("/status.json", "application/json"),
        ("/status.rss", "application/rss+xml; charset=utf-8"),
    ],
)
async def test_it_may_be_kept_for_half_a_minute_by_everybody(visitor: Browser, address, kind):
    page = await visitor.open(address)
    assert (page.status_code, page.headers["content-type"]) == (200, kind)
    assert page.headers["cache-control"].startswith("public, max-age=30,")
    assert "set-cookie" not in page.headers
    assert ("access-control-allow-origin" in page.headers) == (address != "/status")
    assert page.headers["content-encoding"] == "gzip"
    plain = await visitor.open(address, headers={"accept-encoding": "identity"})
    assert plain.content == page.content
    assert "accept-encoding" in plain.headers["vary"]
    same = await visitor.open(address, headers={"if-none-match": f"W/{page.headers['etag']}"})
    assert (same.status_code, same.content, "content-length" in same.headers) == (304, b"", False)
    head = await visitor.client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    assert (await visitor.client.post(address)).status_code == 405


async def test_everybody_gets_the_same_bytes(visitor: Browser, other: Browser):
    theirs = (await other.open("/status")).content
    assert (await visitor.open("/status")).content == theirs
    assert b"Sign out" not in theirs
    assert b"other@example.com" not in theirs


async def test_the_other_pages_lead_to_it(visitor: Browser):
    assert 'href="/status"' in (await visitor.open("/")).text


async def test_the_page_obeys_its_own_policy(visitor: Browser, platform):
    page = await visitor.open("/status")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<style|<script(?! defer src=)|\sstyle=|\son[a-z]+=|javascript:", page.text)


async def test_without_a_database_from_the_start_it_says_that_there_is_an_outage():
    def gone():
        raise DatabaseGone()

    browser = Browser(WebApp(gone))
    page = await browser.open("/status")
    assert (page.status_code, page.headers["retry-after"], page.headers["cache-control"]) == (503, "10", "no-store")
    assert "There is an outage." in page.text
    answer = await browser.open("/status.json")
    assert (answer.status_code, answer.json()["state"]) == (503, "down")
    assert (await browser.open("/status.rss")).status_code == 503
    await browser.client.aclose()


async def test_when_the_database_goes_the_last_figures_stay_and_say_from_when_they_are(visitor: Browser, platform, monkeypatch):
    assert await Recorder(platform.db).write()
    await open_incident(platform.db, title="Before", body="b", impact="minor", components=["api"], actor_id="cli:t")
    before = (await visitor.open("/status.json")).json()
    assert before["page"]["stale_since"] is None
    monkeypatch.setattr(board, "FRESH_SECONDS", 0.0)
    await platform.db.pool.close()
    for _ in range(2):
        await visitor.open("/status")
        await platform.board._task
    page = await visitor.open("/status")
    assert page.status_code == 200
    for words in ("There is an outage.", "we cannot read our own measurements", "Before"):
        assert words in page.text
    after = (await visitor.open("/status.json")).json()
    assert (after["state"], after["measured_at"]) == ("down", before["measured_at"])
    assert after["page"]["stale_since"] > before["measured_at"]
    assert all(part["state"] != "operational" for part in after["components"])


@pytest.mark.parametrize("where", ["title", "body"])
def test_what_operators_write_is_text_and_nothing_else(where):
    written = {"title": EVIL} if where == "title" else {"updates": [Update(id="u", stage="identified", body=EVIL, at=NOW)]}
    made = report(incidents=[incident(**written)], history=[], maintenance=[])
    for text in (page_of(made)["/status"].decode(), copy_files(made, **MADE)["index.html"].decode()):
        seen = Seen(text)
        assert "alert(1)" in "".join(seen.words)
        assert not any("onerror" in attributes for _tag, attributes in seen.tags)
        assert "x" not in [attributes.get("src") for _tag, attributes in seen.tags]
        scripts = [attributes for tag, attributes in seen.tags if tag == "script"]
        assert len(scripts) == 1
    feed = Xml.fromstring(page_of(made)["/status.rss"])
    # What a reader shows as HTML holds no tag but the line breaks.
    shown = Seen(feed.findtext("channel/item/description"))
    assert {tag for tag, _attributes in shown.tags} == {"br"}
    assert EVIL in feed.findtext("channel/item/title") + "".join(shown.words)


def test_the_feed_is_what_readers_expect():
    made = page_of(report())["/status.rss"]
    rss = Xml.fromstring(made)
    assert (rss.tag, rss.get("version")) == ("rss", "2.0")
    channel = rss.find("channel")
    for name in ("title", "link", "description"):
        assert channel.findtext(name)
    assert channel.find("{http://www.w3.org/2005/Atom}link").get("href") == "https://example.com/status.rss"
    items = channel.findall("item")
    assert len(items) == 5
    guids = [item.findtext("guid") for item in items]
    assert len(set(guids)) == 5
    assert {item.find("guid").get("isPermaLink") for item in items} == {"false"}
    times = [parsedate_to_datetime(item.findtext("pubDate")) for item in items]
    assert times == sorted(times, reverse=True)
    assert all(at.utcoffset() == timedelta(0) for at in times)
    assert all(
        re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", item.findtext("pubDate")) for item in items
    )
    assert items[0].findtext("title") == "Scheduled: New disks"
    assert items[1].findtext("link").startswith("https://example.com/status#inc_")


def test_a_feed_without_incidents_is_a_feed():
    rss = Xml.fromstring(page_of(report(incidents=[], maintenance=[], history=[]))["/status.rss"])
    assert rss.findall("channel/item") == []
    assert parsedate_to_datetime(rss.findtext("channel/lastBuildDate")) == NOW


def test_the_json_has_the_fields_that_are_documented():
    answer = json.loads(page_of(report())["/status.json"])
    assert list(answer) == [
        "page",
        "measured_at",
        "state",
        "summary",
        "components",
        "delivery",
        "incidents",
        "maintenance",
        "history",
    ]
    assert list(answer["page"]) == ["name", "url", "made_at", "stale_since"]
    assert list(answer["components"][0]) == ["id", "name", "state", "uptime_24h", "uptime_90d", "median_ms", "p95_ms", "days"]
    assert list(answer["delivery"][0]) == ["id", "name", "state", "rate", "usual", "median_seconds", "days", "countries"]
    assert answer["measured_at"] == "2026-11-25T10:30:20Z"
    assert answer["components"][0]["days"][-1] == {
        "date": "2026-11-25", "state": "operational", "uptime": 100.0, "down_minutes": 0, "degraded_minutes": 0, "maintenance_minutes": 0
    }  # fmt: skip


def test_bars_have_words_for_who_cannot_see_them():
    seen = Seen(page_of(report())["/status"].decode())
    bars = [attributes for tag, attributes in seen.tags if tag == "svg" and attributes.get("class") == "bars"]
    assert len(bars) == 4
    assert bars[0]["role"] == "img"
    assert bars[0]["aria-label"] == (
        "Website and API, the last 90 days: 61 measured, trouble on 2: 20 Nov: 99.93\xa0%, 1 min down; 5 Nov: 93.05\xa0%, 1 h 40 min down."
    )
    assert len([1 for tag, _attributes in seen.tags if tag == "rect"]) == 4 * 90
    rows = [tag for tag, _attributes in seen.tags if tag == "tr"]
    assert len(rows) == 1 + 90 + 2 * 2, "every day and every country also as a table"


def test_groups_of_which_nothing_can_be_said_are_named_and_have_no_bars():
    text = page_of(report(delivery=[group("Dating", rate=None, state="unknown")]))["/status"].decode()
    assert "Too few orders to say anything: Dating." in text


def test_the_copy_needs_no_other_host_and_tells_its_age():
    made = copy_files(report(), **MADE)
    assert list(made) == ["status.json", "status.rss", "index.html"], "the page last, so that it never names what is not there"
    page = made["index.html"].decode()
    seen = Seen(page)
    for tag, attributes in seen.tags:
        address = attributes.get("src") or attributes.get("href") or ""
        if tag in ("link", "script", "img"):
            assert "//" not in address, address
    assert "This is a copy, made 25 Nov 2026, 10:30 UTC" in page
    assert "<noscript" not in page
    assert '<a href="https://example.com/status">' in page
    assert ".bars rect" in page
    body = next(attributes for tag, attributes in seen.tags if tag == "body")
    assert datetime.fromisoformat(body["data-made"]) == NOW.astimezone(UTC)
    assert body["data-old-after"] == "15"
    answer = json.loads(made["status.json"])
    assert (answer["page"]["url"], answer["page"]["made_at"]) == ("https://status.example.com/", "2026-11-25T10:30:20Z")
    assert (
        Xml.fromstring(made["status.rss"]).find("channel/{http://www.w3.org/2005/Atom}link").get("href")
        == "https://status.example.com/status.rss"
    )
