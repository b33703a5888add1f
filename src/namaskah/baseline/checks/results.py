"""Results for people (a table), for programs (JSON), and for CI systems (JUnit's XML)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from namaskah.baseline.checks.catalogue import AREAS, Result

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}
_COLOURS = {"passed": 32, "failed": 31, "skipped": 33}


def table(results: Sequence[Result], *, colour: bool) -> Iterator[str]:
    """The lines of a table, area by area, each failure with what was seen."""
    for area in AREAS:
        rows = [result for result in results if result.check.area == area]
        if not rows:
            continue
        yield f"\n{area.capitalize()}"
        for result in rows:
            mark = f"{_MARKS[result.outcome]:<8}"
            shown = f"\x1b[{_COLOURS[result.outcome]}m{mark}\x1b[0m" if colour else mark
            yield f"  {shown} {result.seconds:>5.1f} s  {result.check.title}"
            if result.words:
                yield f"                    {result.words}"


def summary(results: Sequence[Result]) -> str:
    """One line: how many passed, failed and were skipped."""
    count = Counter(result.outcome for result in results)
    failed = [result.check.slug for result in results if result.outcome == "failed"]
    told = f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped."
    return told + (f" Failed: {', '.join(failed)}." if failed else "")


def as_json(results: Sequence[Result], *, url: str) -> dict[str, Any]:
    """One object for a program."""
    return {
        "url": url,
        "ok": not any(result.outcome == "failed" for result in results),
        "checks": [
            {
                "area": result.check.area, "name": result.check.slug, "title": result.check.title,
                "outcome": result.outcome, "seconds": round(result.seconds, 3), "words": result.words,
            }
            for result in results
        ],
    }  # fmt: skip


def as_junit(results: Sequence[Result]) -> bytes:
    """A JUnit report with a suite for each area."""
    root = ElementTree.Element("testsuites")
    for area in AREAS:
        rows = [result for result in results if result.check.area == area]
        if not rows:
            continue
        count = Counter(result.outcome for result in rows)
        numbers = {"tests": len(rows), "failures": count["failed"], "skipped": count["skipped"], "errors": 0}
        suite = ElementTree.SubElement(root, "testsuite", {"name": area, **{name: str(one) for name, one in numbers.items()}})
        for result in rows:
            seconds = f"{result.seconds:.3f}"
            case = ElementTree.SubElement(suite, "testcase", classname=area, name=result.check.title, time=seconds)
            if result.outcome != "passed":
                kind = "failure" if result.outcome == "failed" else "skipped"
                ElementTree.SubElement(case, kind, message=result.words)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
