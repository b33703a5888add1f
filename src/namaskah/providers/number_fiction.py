"""Phone numbers that regulators keep free for films and books: they reach nobody, whoever dials them.

Sources: NANPA (555-0100 to 555-0199 in every area), Ofcom (07700 900), Arcep (06 39 98), Bundesnetzagentur
notice 148/2021 (0171 39200), PTS (070-174 06 05 to 99), ACMA's list of fictitious mobile numbers.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

US_AREAS: Final = (
    "201", "202", "206", "212", "213", "214", "215", "216", "267", "281", "301", "303", "305", "310", "312",
    "313", "314", "317", "323", "347", "402", "404", "407", "408", "410", "412", "414", "415", "424", "469",
    "480", "503", "504", "510", "512", "513", "515", "602", "612", "614", "615", "617", "619", "646", "702",
    "703", "704", "713", "714", "718", "720", "757", "773", "786", "801", "808", "813", "816", "832", "858",
    "901", "904", "916", "917",
)  # fmt: skip
CA_AREAS: Final = (
    "204", "250", "306", "403", "416", "418", "438", "506", "514", "604", "613", "647", "780", "902",
)  # fmt: skip
_AU: Final = (
    "570006", "570156", "570157", "570158", "570159", "570110", "570313", "570737", "571266", "571491",
    "571804", "572549", "572665", "572983", "573770", "573087", "574118", "574632", "575254", "575789",
    "576398", "576801", "577426", "577644", "578957", "578148", "578888", "579212", "579760", "579455",
)  # fmt: skip
_AREA: Final = re.compile(r"[2-9](?:[02-8][0-9]|1[02-9])")


def _north_american(seed: int, areas: tuple[str, ...], area_code: str) -> str:
    areas = (area_code,) if _AREA.fullmatch(area_code) else areas
    line, area = seed % 100, areas[seed // 100 % len(areas)]
    return f"+1{area}55501{line:02}"


_RANGES: Final[Mapping[str, Callable[[int, str], str]]] = {
    "us": lambda seed, area_code: _north_american(seed, US_AREAS, area_code),
    "ca": lambda seed, area_code: _north_american(seed, CA_AREAS, area_code),
    "gb": lambda seed, _: f"+447700900{seed % 1000:03}",
    "fr": lambda seed, _: f"+3363998{seed % 10_000:04}",
    "de": lambda seed, _: f"+4917139200{seed % 100:02}",
    "se": lambda seed, _: f"+467017406{5 + seed % 95:02}",
    "au": lambda seed, _: f"+61491{_AU[seed % len(_AU)]}",
}
COUNTRIES: Final = frozenset(_RANGES)


def fiction_number(country: str, seed: int, *, area_code: str = "") -> str:
    """A number in E.164 that reaches nobody, the same for the same seed.

    A country without a range of its own gets a number of the United States; `area_code` counts only in North
    America.
    """
    return _RANGES.get(country, _RANGES["us"])(seed, area_code)
