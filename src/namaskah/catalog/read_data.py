"""Reads the catalogue that ships with the package (the CSV files in `data/`) into typed, checked rows.

No database here: whoever fills a database or draws a price list starts from these rows. `data/README.md`
says what each column means; a row that breaks its rule is reported with its file and line.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from namaskah.core.money import LIMIT_MICROS, MICROS, InvalidAmount, micros_from_text

BlockedCategory = Literal["bank", "payments", "crypto", "government", "health"]
OpenCategory = Literal[
    "messaging", "social", "email", "shopping", "marketplace", "delivery", "transport", "travel", "dating",
    "gaming", "streaming", "productivity", "developer", "ai", "jobs", "education", "telecom", "loyalty",
    "classifieds", "survey", "security", "other",
]  # fmt: skip
Category = Literal[OpenCategory, BlockedCategory]
BLOCKED_CATEGORIES: Final[frozenset[str]] = frozenset(get_args(BlockedCategory))

Slug = Annotated[str, Meta(pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", max_length=40)]
Text = Annotated[str, Meta(min_length=1, max_length=80)]
Positive = Annotated[int, Meta(ge=1)]
Micros = Annotated[int, Meta(ge=0, le=LIMIT_MICROS)]
Share = Annotated[int, Meta(ge=0, le=10_000)]
# E.164 allows 15 digits in all; the numbering plans that `phonenumbers` follows list longer service numbers.
Digits = Annotated[int, Meta(ge=3, le=17)]


class CatalogueDataError(ValueError):
    """A file of the catalogue's data holds a row that breaks its rules; the message names file and line."""


class ServiceRow(msgspec.Struct, frozen=True):
    """A service that numbers are sold for. `popularity` is its place in the list, 1 being asked for most."""

    slug: Slug
    name: Text
    category: Category
    base_price_micros: Annotated[int, Meta(ge=1, le=100 * MICROS)]
    popularity: Positive
    keywords: tuple[Text, ...]

    @property
    def blocked(self) -> bool:
        """Whether it is closed to buyers until an operator opens it."""
        return self.category in BLOCKED_CATEGORIES


class CountryRow(msgspec.Struct, frozen=True):
    """An ISO 3166-1 country. `price_factor_bp` multiplies a service's price (10,000 = 1.0).

    `dial` is empty where nobody can be called; the digits are those of the national significant number,
    None where no numbering plan is known.
    """

    code: Annotated[str, Meta(pattern=r"\A[a-z]{2}\Z")]
    name: Text
    dial: Annotated[str, Meta(pattern=r"\A([1-9][0-9]{0,2})?\Z")]
    price_factor_bp: Annotated[int, Meta(ge=1_000, le=100_000)]
    min_digits: Digits | None
    max_digits: Digits | None

    def __post_init__(self) -> None:
        if (self.min_digits is None) != (self.max_digits is None):
            raise ValueError("give both min_digits and max_digits, or neither")
        if self.min_digits is not None and self.max_digits is not None and self.min_digits > self.max_digits:
            raise ValueError("min_digits is greater than max_digits")


class PlanRow(msgspec.Struct, frozen=True):
    """What a customer on this plan pays and may do. `min_delivery_bp` is the smallest share of purchases
    that must receive a code, judged over at least 50 of them."""

    slug: Slug
    name: Text
    monthly_price_micros: Micros
    discount_bp: Annotated[int, Meta(ge=0, le=9_000)]
    max_concurrent: Positive
    max_per_hour: Positive
    daily_spend_micros: Annotated[int, Meta(ge=1, le=LIMIT_MICROS)]
    api_keys: Positive
    min_delivery_bp: Share


class BlockedSenderRow(msgspec.Struct, frozen=True):
    """Senders whose messages are withheld. `pattern` is compared with the whole sender name, ignoring case;
    `*` stands for any characters, `?` for one."""

    pattern: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9 .&+*?-]+\Z", max_length=40)]
    category: BlockedCategory
    reason: Text

    def __post_init__(self) -> None:
        # A shorter one would withhold half of all senders, one without a letter would match plain numbers.
        literal = re.sub(r"[*?]", "", self.pattern)
        if len(literal) < 3 or not re.search(r"[A-Za-z]", literal):
            raise ValueError("a pattern needs three characters besides * and ?, and a letter among them")


Row = TypeVar("Row", ServiceRow, CountryRow, PlanRow, BlockedSenderRow)
DATA: Final[Traversable] = files("namaskah.catalog") / "data"


def read_services(folder: Traversable = DATA) -> tuple[ServiceRow, ...]:
    """All services in the file's order. Raises CatalogueDataError, as all of these functions do."""
    return _read(
        folder / "services.csv",
        ServiceRow,
        "slug,name,category,base_price_usd,popularity,keywords",
        unique=("slug", "name", "popularity"),
        convert={"base_price_usd": micros_from_text, "keywords": _words},
    )


def read_countries(folder: Traversable = DATA) -> tuple[CountryRow, ...]:
    """All countries in the file's order."""
    return _read(
        folder / "countries.csv",
        CountryRow,
        "code,name,dial,price_factor_bp,min_digits,max_digits",
        unique=("code", "name"),
        convert={"min_digits": _optional, "max_digits": _optional},
    )


def read_plans(folder: Traversable = DATA) -> tuple[PlanRow, ...]:
    """All plans, the cheapest first."""
    return _read(
        folder / "plans.csv",
        PlanRow,
        "slug,name,monthly_price_usd,discount_bp,max_concurrent,max_per_hour,daily_spend_usd,api_keys,min_delivery_bp",
        unique=("slug", "name"),
        convert={"monthly_price_usd": micros_from_text, "daily_spend_usd": micros_from_text},
    )


def read_blocked_senders(folder: Traversable = DATA) -> tuple[BlockedSenderRow, ...]:
    """All patterns of withheld senders in the file's order."""
    return _read(
        folder / "blocked_senders.csv",
        BlockedSenderRow,
        "pattern,category,reason",
        unique=("pattern",),
        convert={},
    )


def _read(
    file: Traversable,
    row_type: type[Row],
    header: str,
    *,
    unique: tuple[str, ...],
    convert: dict[str, Callable[[str], Any]],
) -> tuple[Row, ...]:
    rows: list[Row] = []
    seen: dict[tuple[str, object], int] = {}
    for line, cells in _lines(file, header.split(",")):
        try:
            fields = {_field(column): convert.get(column, str)(text) for column, text in cells.items()}
            row = msgspec.convert(fields, row_type, strict=False)
        except (ValueError, InvalidAmount) as error:
            raise _broken(file, line, str(error)) from error
        for field in unique:
            value = getattr(row, field)
            first = seen.setdefault((field, value.casefold() if isinstance(value, str) else value), line)
            if first != line:
                raise _broken(file, line, f"{field} {value!r} is already on line {first}")
        rows.append(row)
    return tuple(rows)


def _lines(file: Traversable, header: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each record under the header with the number of its line, its cells named by column."""
    raw = file.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _broken(file, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if next(reader, []) != header:
            raise _broken(file, 1, f"the header must be {','.join(header)}")
        for cells in reader:
            if len(cells) != len(header):
                raise _broken(file, reader.line_num, f"{len(cells)} cells instead of {len(header)}")
            if any(cell != cell.strip() or not cell.isprintable() for cell in cells):
                raise _broken(file, reader.line_num, "a cell has space around it or a control character")
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise _broken(file, reader.line_num, str(error)) from error


def _broken(file: Traversable, line: int, reason: str) -> CatalogueDataError:
    return CatalogueDataError(f"{file.name} line {line}: {reason}")


def _field(column: str) -> str:
    """The files speak in dollars, the structs in micros."""
    return column.removesuffix("_usd") + "_micros" if column.endswith("_usd") else column


def _optional(text: str) -> str | None:
    return text or None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
