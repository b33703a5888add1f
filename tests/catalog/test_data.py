"""The catalogue's own data: complete, consistent with itself and with the world's numbering plans, and read
strictly, so that a slip of the pen is named by file and line instead of reaching a customer."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import phonenumbers
import pytest
from phonenumbers.phonemetadata import PhoneMetadata

from namaskah.catalog.read_data import (
    CatalogueDataError,
    read_blocked_senders,
    read_countries,
    read_plans,
    read_services,
)

CENT = 10_000
FIVE = {"bank", "payments", "crypto", "government", "health"}
# ISO 3166-1 as of 2026: 249 countries and territories.
ISO_CODES = set(
    """
    ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv
    bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es
    et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie
    il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly
    ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu
    nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm
    sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve
    vg vi vn vu wf ws ye yt za zm zw
    """.split()  # noqa: SIM905  (249 quoted strings would be a page of commas)
)
WITHOUT_NUMBERING_PLAN = {"aq", "bv", "gs", "hm", "pn", "tf", "um"}

HEADERS = {
    "services.csv": "slug,name,category,base_price_usd,popularity,keywords",
    "countries.csv": "code,name,dial,price_factor_bp,min_digits,max_digits",
    "plans.csv": "slug,name,monthly_price_usd,discount_bp,max_concurrent,max_per_hour,daily_spend_usd,api_keys,min_delivery_bp",
    "blocked_senders.csv": "pattern,category,reason",
}
READERS: dict[str, Callable[[Path], object]] = {
    "services.csv": read_services,
    "countries.csv": read_countries,
    "plans.csv": read_plans,
    "blocked_senders.csv": read_blocked_senders,
}
GOOD = {
    "services.csv": "acme,Acme,social,0.35,1,a|b",
    "countries.csv": "xa,Exland,99,10000,8,9",
    "plans.csv": "free,Free,0,0,5,20,25,2,1500",
    "blocked_senders.csv": "*BANK*,bank,Any bank",
}


def sender_names(*names: str) -> set[str]:
    """The senders that names may appear as: also without punctuation, and cut to the 11 characters that an
    alphanumeric sender may have."""
    joined = {"".join(letter for letter in name if letter.isalnum()) for name in names}
    return {name[:length].lower() for name in {*names, *joined} for length in (11, 80)}


def patterns_that_withhold(sender: str) -> list[str]:
    patterns = (row.pattern for row in read_blocked_senders())
    return [pattern for pattern in patterns if fnmatchcase(sender.lower(), pattern.lower())]


@pytest.mark.parametrize(
    ("file", "row", "reason"),
    [
        ("services.csv", "Acme,Acme 2,social,0.35,2,", "slug"),
        ("services.csv", "test_success,Acme 2,social,0.35,2,", "slug"),
        ("services.csv", "acme-2,,social,0.35,2,", "name"),
        ("services.csv", "acme-2,Acme 2,banking,0.35,2,", "banking"),
        ("services.csv", "acme-2,Acme 2,social,0.1234567,2,", "amount is written as digits"),
        ("services.csv", "acme-2,Acme 2,social,-0.35,2,", "amount is written as digits"),
        ("services.csv", "acme-2,Acme 2,social,1e3,2,", "amount is written as digits"),
        ("services.csv", "acme-2,Acme 2,social,.5,2,", "amount is written as digits"),
        ("services.csv", "acme-2,Acme 2,social,0,2,", "base_price_micros"),
        ("services.csv", "acme-2,Acme 2,social,100.01,2,", "base_price_micros"),
        ("services.csv", "acme-2,Acme 2,social,0.35,0,", "popularity"),
        ("services.csv", "acme-2,Acme 2,social,0.35,first,", "popularity"),
        ("services.csv", "acme-2,Acme 2,social,0.35,2,a||b", "keywords"),
        ("services.csv", "acme-2,Acme 2,social,0.35,2", "5 cells instead of 6"),
        ("services.csv", "acme-2,Acme 2,social,0.35,2,,", "7 cells instead of 6"),
        ("services.csv", "acme-2, Acme 2,social,0.35,2,", "space around"),
        ("services.csv", "acme-2,Ac\0me,social,0.35,2,", "line 3"),
        ("services.csv", 'acme-2,"Acme,social,0.35,2,', "line 3"),
        ("services.csv", 'acme-2,"Acme"x,social,0.35,2,', "line 3"),
        ("services.csv", "", "0 cells instead of 6"),
        ("services.csv", "acme,Acme 2,social,0.35,2,", "slug 'acme' is already on line 2"),
        ("services.csv", "acme-2,ACME,social,0.35,2,", "name 'ACME' is already on line 2"),
        ("services.csv", "acme-2,Acme 2,social,0.35,1,", "popularity 1 is already on line 2"),
        ("countries.csv", "XB,Wyland,99,10000,8,9", "code"),
        ("countries.csv", "xb,Wyland,+99,10000,8,9", "dial"),
        ("countries.csv", "xb,Wyland,99,1.5,8,9", "price_factor_bp"),
        ("countries.csv", "xb,Wyland,99,10000,8,", "both min_digits and max_digits"),
        ("countries.csv", "xb,Wyland,99,10000,,9", "both min_digits and max_digits"),
        ("countries.csv", "xb,Wyland,99,10000,10,9", "greater than max_digits"),
        ("countries.csv", "xa,Wyland,99,10000,8,9", "code 'xa' is already on line 2"),
        ("plans.csv", "pro,Pro,25,9001,50,500,500,20,1000", "discount_bp"),
        ("plans.csv", "pro,Pro,25,800,0,500,500,20,1000", "max_concurrent"),
        ("plans.csv", "pro,Pro,25,800,50,500,0,20,1000", "daily_spend_micros"),
        ("plans.csv", "free,Pro,25,800,50,500,500,20,1000", "slug 'free' is already on line 2"),
        ("blocked_senders.csv", "*,bank,Everyone", "three characters"),
        ("blocked_senders.csv", "*PA?,payments,Too short", "three characters"),
        ("blocked_senders.csv", "900900,bank,A short code", "letter"),
        ("blocked_senders.csv", "BAN[KC],bank,Not a glob of ours", "pattern"),
        ("blocked_senders.csv", "ACME,social,Not a blocked category", "social"),
        ("blocked_senders.csv", "ACME,bank,", "reason"),
        ("blocked_senders.csv", "*bank*,bank,Again", "pattern '*bank*' is already on line 2"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, file: str, row: str, reason: str) -> None:
    (tmp_path / file).write_text(f"{HEADERS[file]}\n{GOOD[file]}\n{row}\n", encoding="utf-8")
    with pytest.raises(CatalogueDataError) as error:
        READERS[file](tmp_path)
    assert str(error.value).startswith(f"{file} line 3: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("file", READERS)
def test_a_missing_or_foreign_header_is_refused(tmp_path: Path, file: str) -> None:
    for text in ("", f"{GOOD[file]}\n", f"\ufeff{HEADERS[file]}\n", f"{HEADERS[file]},more\n"):
        (tmp_path / file).write_text(text, encoding="utf-8")
        with pytest.raises(CatalogueDataError, match=f"^{file} line 1: the header must be "):
            READERS[file](tmp_path)


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path) -> None:
    text = f"{HEADERS['services.csv']}\n{GOOD['services.csv']}\nacme-2,Acm\xe9,social,0.35,2,\n"
    (tmp_path / "services.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(CatalogueDataError, match=r"^services\.csv line 3: is not UTF-8$"):
        read_services(tmp_path)


@pytest.mark.parametrize("file", READERS)
def test_a_good_row_is_read(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(f"{HEADERS[file]}\n{GOOD[file]}\n", encoding="utf-8")
    rows = READERS[file](tmp_path)
    assert isinstance(rows, tuple) and len(rows) == 1


def test_an_amount_becomes_micros_to_the_last_digit(tmp_path: Path) -> None:
    rows = "a,A,social,0.000001,1,\nb,B,social,1.1,2,\nc,C,social,2,3,\nd,D,social,0.290000,4,\n"
    (tmp_path / "services.csv").write_text(f"{HEADERS['services.csv']}\n{rows}", encoding="utf-8")
    assert [row.base_price_micros for row in read_services(tmp_path)] == [1, 1_100_000, 2_000_000, 290_000]


def test_a_row_cannot_be_changed_after_it_was_read() -> None:
    with pytest.raises(AttributeError):
        read_services()[0].name = "Another"  # type: ignore[misc]


def test_about_three_hundred_services_are_listed_by_popularity_without_gaps() -> None:
    services = read_services()
    assert 290 <= len(services) <= 340
    assert [service.popularity for service in services] == list(range(1, len(services) + 1))


def test_service_prices_lie_between_ten_cents_and_a_dollar_fifty() -> None:
    outside = [row.slug for row in read_services() if not 10 * CENT <= row.base_price_micros <= 150 * CENT]
    assert outside == []


def test_only_the_five_sensitive_categories_are_blocked() -> None:
    services = read_services()
    assert {service.category for service in services if service.blocked} == FIVE
    assert 35 <= sum(service.blocked for service in services) <= 60


def test_every_open_category_has_services() -> None:
    expected = """messaging social email shopping marketplace delivery transport travel dating gaming
        streaming productivity developer ai jobs education telecom loyalty classifieds survey security
        other"""
    assert {row.category for row in read_services() if not row.blocked} == set(expected.split())


def test_the_services_everyone_asks_for_and_any_other_are_open() -> None:
    open_slugs = {service.slug for service in read_services() if not service.blocked}
    assert {"whatsapp", "telegram", "google", "x-twitter", "discord", "openai", "any-other"} <= open_slugs


def test_a_sandbox_service_is_not_for_sale() -> None:
    assert [row.slug for row in read_services() if row.slug.startswith("test")] == []


def test_keywords_are_lower_case_and_not_repeated() -> None:
    for service in read_services():
        assert list(service.keywords) == [word.lower() for word in dict.fromkeys(service.keywords)], service


def test_every_iso_country_is_there_once() -> None:
    assert len(ISO_CODES) == 249
    assert [country.code for country in read_countries()] == sorted(ISO_CODES)


def test_dialling_codes_and_lengths_agree_with_the_numbering_plans() -> None:
    for country in read_countries():
        if country.code in WITHOUT_NUMBERING_PLAN:
            continue
        plan = PhoneMetadata.metadata_for_region(country.code.upper())
        assert plan is not None and plan.general_desc is not None, country
        lengths = plan.general_desc.possible_length
        found = (int(country.dial), country.min_digits, country.max_digits)
        assert found == (plan.country_code, min(lengths), max(lengths)), country


def test_countries_without_a_numbering_plan_have_no_lengths() -> None:
    known = {code.lower() for code in phonenumbers.SUPPORTED_REGIONS}
    assert ISO_CODES - known == WITHOUT_NUMBERING_PLAN
    unknown = {row.code for row in read_countries() if row.min_digits is None and row.max_digits is None}
    assert unknown == WITHOUT_NUMBERING_PLAN


def test_price_factors_lie_between_six_tenths_and_two_and_a_half() -> None:
    factors = {country.code: country.price_factor_bp for country in read_countries()}
    assert min(factors.values()) == 6_000 and max(factors.values()) == 25_000
    assert factors["in"] < factors["us"] == 10_000 < factors["de"] < factors["jp"]


def test_plans_have_the_published_limits() -> None:
    limits = {
        plan.slug: (
            plan.discount_bp,
            plan.max_concurrent,
            plan.max_per_hour,
            plan.daily_spend_micros // 1_000_000,
        )
        for plan in read_plans()
    }
    assert limits == {
        "free": (0, 5, 20, 25),
        "starter": (300, 20, 100, 100),
        "pro": (800, 50, 500, 500),
        "business": (1_200, 200, 2_000, 2_500),
        "enterprise": (1_500, 1_000, 10_000, 25_000),
    }


def test_a_dearer_plan_gives_more_of_everything() -> None:
    plans = read_plans()
    assert plans[0].monthly_price_micros == 0
    for cheaper, dearer in pairwise(plans):
        assert cheaper.monthly_price_micros < dearer.monthly_price_micros
        assert cheaper.api_keys < dearer.api_keys
        assert cheaper.min_delivery_bp > dearer.min_delivery_bp > 0


def test_no_sender_pattern_withholds_a_service_that_is_sold() -> None:
    hits = {
        (service.slug, name, pattern)
        for service in read_services()
        if not service.blocked
        for name in sender_names(service.slug, service.name, *service.keywords)
        for pattern in patterns_that_withhold(name)
    }
    assert hits == set()


def test_every_blocked_service_is_withheld_under_its_own_name() -> None:
    blocked = [service for service in read_services() if service.blocked]
    missed = [row.slug for row in blocked if not any(map(patterns_that_withhold, sender_names(row.name)))]
    assert missed == []


@pytest.mark.parametrize(
    "sender",
    [
        "PAYPAL",
        "PayPal",
        "HDFCBK",
        "VM-HDFCBK-S",
        "AD-SBIINB",
        "BankOfAm",
        "COINBASE",
        "Cash App",
        "HMRC",
        "GOV.UK",
    ],
)
def test_a_known_sensitive_sender_is_withheld(sender: str) -> None:
    assert patterns_that_withhold(sender)


@pytest.mark.parametrize(
    "sender",
    [
        "TAXI",
        "URBANCOMPANY",
        "Booking.com",
        "CITIZEN",
        "Verify",
        "INFO",
        "AUTHMSG",
        "SMS",
        "900",
        "+14155550100",
    ],
)
def test_an_ordinary_sender_is_let_through(sender: str) -> None:
    assert patterns_that_withhold(sender) == []


def test_no_sender_pattern_is_longer_than_a_sender_can_be() -> None:
    """An alphanumeric sender has at most 11 characters (3GPP TS 23.040): a longer pattern never matches."""
    too_long = [row.pattern for row in read_blocked_senders() if len(row.pattern.replace("*", "")) > 11]
    assert too_long == []
    assert {row.category for row in read_blocked_senders()} == FIVE


def test_no_sender_pattern_is_covered_by_another() -> None:
    patterns = [row.pattern for row in read_blocked_senders()]
    assert len(patterns) >= 120
    for pattern in patterns:
        example = pattern.replace("?", "-").replace("*", "-")
        assert patterns_that_withhold(example) == [pattern]
