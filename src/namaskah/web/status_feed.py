"""The feed of the status page: one item for each word of the operators, in RSS 2.0 (https://www.rssboard.org/rss-specification)."""

from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Final
from xml.etree import ElementTree as Xml

from namaskah.ops.status_report import Incident, Report
from namaskah.web import status_words as words

ITEMS: Final = 50
_ATOM: Final = "http://www.w3.org/2005/Atom"
_MINUTES_TO_LIVE: Final = 5
Xml.register_namespace("atom", _ATOM)


def feed(report: Report, *, page_url: str, feed_url: str) -> bytes:
    """The newest items first. An update's id never changes, so that a reader shows each once."""
    rss = Xml.Element("rss", version="2.0")
    channel = Xml.SubElement(rss, "channel")
    said = [
        (incident, update)
        for incident in (*report.incidents, *report.maintenance, *report.history)
        for update in incident.updates
    ]
    said.sort(key=lambda one: one[1].at, reverse=True)
    for name, text in (
        ("title", "Namaskah status"),
        ("link", page_url),
        ("description", "Incidents and maintenance of Namaskah"),
        ("language", "en"),
        ("lastBuildDate", _date(said[0][1].at if said else report.measured_at)),
        ("ttl", str(_MINUTES_TO_LIVE)),
    ):
        Xml.SubElement(channel, name).text = text
    Xml.SubElement(channel, f"{{{_ATOM}}}link", href=feed_url, rel="self", type="application/rss+xml")
    for incident, update in said[:ITEMS]:
        item = Xml.SubElement(channel, "item")
        Xml.SubElement(item, "title").text = f"{words.STAGES[update.stage]}: {incident.title}"
        # Readers take a description for HTML, once they have read the XML; what operators write is text.
        text = escape(f"{update.body}\n\n{_about(incident)}", quote=False)
        Xml.SubElement(item, "description").text = text.replace("\n", "<br>\n")
        Xml.SubElement(item, "link").text = f"{page_url}#{incident.id}"
        Xml.SubElement(item, "guid", isPermaLink="false").text = update.id
        Xml.SubElement(item, "pubDate").text = _date(update.at)
        Xml.SubElement(item, "category").text = incident.kind
    body: bytes = Xml.tostring(rss, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body


def _about(incident: Incident) -> str:
    about = f"Affected: {words.affected(incident)}."
    if incident.ends_at is not None:
        return f"{about} From {words.moment(incident.starts_at)} to {words.moment(incident.ends_at)}."
    return f"{about} {words.IMPACTS[incident.impact]}."


def _date(at: datetime) -> str:
    return format_datetime(at.replace(microsecond=0), usegmt=True)
