"""The code extractor on messages as senders write them: one rule a test, and samples in many languages."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from namaskah.messages.extract import THRESHOLD, code_of, extract

SAMPLES = [json.loads(line) for line in Path(__file__).with_name("samples.jsonl").read_text(encoding="utf-8").splitlines()]


def comparable(code: str | None) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", code or "").upper()


@pytest.mark.parametrize("name", ["tune", "holdout", "hard", "red"])
def test_at_most_three_of_a_hundred_codes_are_missed(name: str) -> None:
    rows = [row for row in SAMPLES if row["set"] == name and row["code"]]
    missed = [row for row in rows if comparable(code_of(row["text"])) != comparable(row["code"])]
    assert len(rows) > 100
    assert len(missed) <= 0.03 * len(rows), missed


@pytest.mark.parametrize("name", ["tune", "holdout", "hard", "red"])
def test_at_most_two_of_a_hundred_messages_without_a_code_raise_a_false_alarm(name: str) -> None:
    rows = [row for row in SAMPLES if row["set"] == name and not row["code"]]
    alarms: list[dict[str, Any]] = [row for row in rows if code_of(row["text"]) is not None]
    assert len(rows) > 60
    assert len(alarms) <= 0.02 * len(rows), alarms


def test_the_samples_speak_more_than_forty_languages() -> None:
    assert len({row["lang"] for row in SAMPLES}) > 40


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello there",
        "Never share your code with anyone, we will never ask for it. Questions? Call 0800 555 123.",
        "A payment of $482.19 was made with card ending 1234 on 05/11/2024 at 15:30.",
        "Your order #482913 has shipped.",
        "Your password was changed on 12 March 2024.",
        "Reply STOP to 40404 to unsubscribe.",
        "Call our hotline 1800 123 4567, open 24/7.",
        "Your promo code SAVE50 gives 50% off until 31.12.2025.",
        "2-step verification is on.",
        "See https://example.com/verify?code=482913 or write to help4829@example.com",
        "Your PIN was used: 1250€ paid, €1250 to go, 1250 € later, $ 1250, 1250%, 1250 %.",
        "Your PIN was used for Rs1250, 1250TL, 500mb, 30 min, 900 h, 1250 points and USD 7712.",
        "Your PIN was used at 1,2,3,4,5,6,7,8,9,0,1 and 1-2-3-4-5-6-7-8-9-0-1-2 and 12-34567",
        "YOUR CODE IS INVALID. YOUR CODE IS: NEVER SHARED",
        "YOUR PASSWORD IS GONE FOR GOOD",
        "YOUR CODE: SOON THERE",
        "Your code is 123-4567",
        "Never share your OTP. Bank staff will never ask. Advice line: 1930.",
        "Please send YES, likh kar 56767 par bheje",
        "Code of conduct: be there at 1900",
        "Sign in to read your letter 2024/118820",
        "Your password has not been changed since spring 2024",
        "Open the app. " + "The lamps of the old street are lit again. " * 4 + "There are 7712 now.",
        "Your technician comes today. Work order 771402",
        "Payment sent. Confirmation number 88120944.",
        "Version 12.4.1 of 1xBet, 4shared and 9GAG is out.",
    ],
)
def test_numbers_of_other_kinds_are_not_codes(text: str) -> None:
    assert code_of(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your code is 123-456", "123456"),
        ("Your code is 123 456.", "123456"),
        ("Your code: 1 2 3 4 5 6", "123456"),
        ("Your verification code is 1, 2, 3, 4. Goodbye.", "1234"),
        ("G-412157 is your Google verification code.", "412157"),
        ("G-412157", "412157"),
        ("Your access code: KX-48213", "KX-48213"),
        ("A1B2C3 is your one-time passcode", "A1B2C3"),
        ("Your login code is BQJRTX", "BQJRTX"),
        ("رمز التحقق ٧٧١٢٠٤", "771204"),
        ("验证码：４０９３１７，5分钟内有效", "409317"),
        ("【商城】验证码7712，您正在登录", "7712"),
        ("Your PIN: 903", "903"),
        ("Your code is 48-29-13", "482913"),
        ("Use 77 31 09 to confirm your order at Birkhof.", "773109"),
        ("Your code is 48 29", "4829"),
        ("Your code is 482.913", "482913"),
        ("Your code is 4. 8. 2. 9. Goodbye.", "4829"),
        ("Thanks for joining! Enter 2094 in the app within 24 hours.", "2094"),
        ("Namba yako ya uthibitisho ni 734105", "734105"),
        ("Give 1846 to your driver to start the trip.", "1846"),
        ("Acme: 55281 tell nobody, never share this", "55281"),
        ("Your key for Acme: 7712", "7712"),
        ("Please confirm the withdrawal of $250.00: 60412", "60412"),
        ("If correct, enter 889022. If not, ask for Acme 7712.", "889022"),
        ("Enter R4T9WX in Acme", "R4T9WX"),
        ("OTP482913 is valid for 10 min", "482913"),
        ("2715", "2715"),
        ("Acme 482913", "482913"),
        ("YOUR ACME CODE: WXRT", "WXRT"),
        ("Your verification code is 482913,10 min valid", "482913"),
        ("Your verification code is 1,2,3,4,5,6", "123456"),
        ("Your code is \u202a482\u200b913\u202c", "482913"),
    ],
)
def test_a_code_comes_back_as_the_user_types_it(text: str, code: str) -> None:
    assert code_of(text) == code


def test_the_code_is_told_from_everything_around_it() -> None:
    text = (
        "Bank: OTP for txn of USD 1,250.00 at 15:42 on 2024-11-05 with card ending 4471 is 381920. "
        "Valid 10 minutes. Call 1800 123 4567. Ref 77812345."
    )
    assert code_of(text) == "381920"


def test_the_app_hash_is_never_the_code() -> None:
    assert code_of("<#> Your code is: 330571\nFA+9qCX9VSu") == "330571"
    assert code_of("<#> Here is your code\nFA+9qCX9VSu") is None


def test_the_origin_bound_line_wins_over_the_prose() -> None:
    found = extract("Your code is 111111\n\n@example.com #747723 @shop.example")
    assert (found.code, found.confidence) == ("747723", 0.99)


def test_an_origin_line_that_is_not_the_last_does_not_count() -> None:
    assert code_of("@example.com #747723\nYour code is 111111, thanks") == "111111"


def test_confidence_falls_with_the_evidence() -> None:
    certain = extract("Your verification code is 482913")
    asked = extract("Enter 482913 to log in")
    nothing = extract("The lamp is number 482913 of the series")
    assert certain.confidence >= 0.98 > asked.confidence >= THRESHOLD > nothing.confidence
    assert nothing.code is None


def test_the_number_of_the_sender_is_not_the_code() -> None:
    assert extract("Your code will follow: 40404", sender="+40404").code is None


def test_candidates_come_best_first() -> None:
    found = extract("Code 482913. Machine 7712")
    assert [one.text for one in found.candidates] == ["482913", "7712"]
    assert found.candidates[0].score > found.candidates[1].score
