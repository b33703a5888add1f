"""Reads a page as a browser without JavaScript would, far enough to ask what is on it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})


@dataclass
class Element:
    """An element with what stands in it."""

    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """An attribute; '' for one without a value, None where there is none."""
        return self.attributes.get(name)

    @property
    def text(self) -> str:
        """The text in it and in what stands in it; images by their alt."""
        own = "".join(self.texts) + " ".join(child.text for child in self.children)
        return (own + (self.attributes.get("alt", "") if self.tag == "img" else "")).strip()

    def inside(self, tag: str) -> bool:
        """Whether it stands in an element of this name."""
        return self.parent is not None and (self.parent.tag == tag or self.parent.inside(tag))


class Page:
    """All elements of a page, in order."""

    def __init__(self) -> None:
        self.elements: list[Element] = []

    def all(self, *tags: str) -> list[Element]:
        """The elements of these names."""
        return [element for element in self.elements if element.tag in tags]

    @property
    def ids(self) -> list[str]:
        """Every id, also those that are there twice."""
        return [found for element in self.elements if (found := element.get("id"))]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self._open[-1] if self._open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, parent)
        if parent is not None:
            parent.children.append(element)
        self.page.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place].tag == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].texts.append(data)


def read_page(text: str) -> Page:
    """The page that the HTML makes."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page
