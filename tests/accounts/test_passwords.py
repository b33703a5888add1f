"""Which passwords are taken, and how they are hashed."""

import asyncio
import secrets
import statistics
import time
import unicodedata

import pytest

from namaskah.accounts import passwords
from namaskah.accounts.common_passwords import is_common
from namaskah.accounts.errors import SignInBusy, WeakPassword
from namaskah.accounts.passwords import check_password, hash_password, is_outdated, verify_password


@pytest.mark.parametrize(
    "password",
    [
        "", "short7!", "e\u0301" * 7, "x" * 257, "ab\ud800cdefgh3j",
        "password", "Password1", "P@ssw0rd!", "iloveyou", "sunshine99", "dragonmaster", "letmein123",
        "drowssap1", "12345678", "123456789a", "qwertyuiop", "1q2w3e4r", "q1w2e3r4", "zaq12wsx", "abcd1234",
        "aaaaaaaa", "abcabcabc", "19871224", "20010911", "fktrcfylh", "пароль123", "wolverin", "namaskah2026",
    ],
)  # fmt: skip
def test_a_password_that_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        check_password(password)
    assert caught.value.fields[0].name == "password"


@pytest.mark.parametrize("password", ["zdenka.kral", "Zdenka.Kral!", "kralovna-hory", "kralovna-hory.cz"])
def test_a_password_made_of_the_own_address_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_password(password, email="zdenka.kral@kralovna-hory.cz")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "x7Kq!mWz",
        "тихая-ночь-над-заливом",
        "8f3b91c2d7",
        "ñandú vuela bajo",
        "z" + "Qw7é" * 63,
    ],
)
def test_a_password_that_is_hard_to_guess_is_taken_without_rules_about_its_characters(password: str) -> None:
    check_password(password, email="zdenka.kral@example.com")


def test_hardly_any_random_password_is_mistaken_for_a_common_one() -> None:
    assert sum(is_common(secrets.token_urlsafe(9)) for _ in range(2_000)) <= 10


async def test_a_wrong_password_does_not_verify() -> None:
    stored = await hash_password("x7Kq!mWz")
    assert not await verify_password(stored, "x7Kq!mWy")
    assert not await verify_password(stored, "")
    assert not await verify_password(stored, "x7Kq!mWz\ud800")
    assert not await verify_password(stored, "x" * 100_000)
    assert not await verify_password("not a hash", "x7Kq!mWz")
    assert not await verify_password(None, "x7Kq!mWz")


async def test_the_hash_is_argon2id_at_19_mib_with_a_salt_of_its_own() -> None:
    first, second = await hash_password("x7Kq!mWz"), await hash_password("x7Kq!mWz")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert await verify_password(first, "x7Kq!mWz")
    assert not is_outdated(first)


async def test_a_hash_with_weaker_parameters_is_outdated() -> None:
    assert is_outdated((await hash_password("x7Kq!mWz")).replace("t=2", "t=1"))


async def test_the_same_password_in_another_unicode_form_verifies() -> None:
    stored = await hash_password(unicodedata.normalize("NFC", "ñandú vuela"))
    assert await verify_password(stored, unicodedata.normalize("NFD", "ñandú vuela"))


async def test_no_more_than_two_are_hashed_at_once_and_the_loop_stays_free() -> None:
    work = asyncio.gather(*(hash_password("x7Kq!mWz") for _ in range(12)))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
        assert sum("argon2" in thread.name for thread in passwords._THREADS._threads) <= 2
    assert len(set(work.result())) == 12
    assert turns > 20


async def test_a_flood_is_turned_away_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 3)
    results = await asyncio.gather(*(hash_password("x7Kq!mWz") for _ in range(8)), return_exceptions=True)
    assert [isinstance(result, SignInBusy) for result in results] == [False] * 3 + [True] * 5
    assert await hash_password("x7Kq!mWz")


async def test_where_hashing_is_slow_nobody_is_kept_waiting_for_long_and_it_is_noticed_when_it_is_quick_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As on a machine that is busy with other things: three seconds each, two at once, so the fifth would wait for six.
    monkeypatch.setattr(passwords, "_seconds_each", 3.0)
    results = await asyncio.gather(*(hash_password("x7Kq!mWz") for _ in range(8)), return_exceptions=True)
    assert [isinstance(result, SignInBusy) for result in results] == [False] * 4 + [True] * 4
    while passwords._seconds_each > 1.0:
        await hash_password("x7Kq!mWz")
    assert len(await asyncio.gather(*(hash_password("x7Kq!mWz") for _ in range(8)))) == 8


async def test_an_account_that_does_not_exist_costs_as_much_time_as_one_that_does() -> None:
    stored = await hash_password("x7Kq!mWz")
    await verify_password(None, "warm up")
    known, unknown = [], []
    for _ in range(15):
        for hashed, times in ((stored, known), (None, unknown)):
            before = time.perf_counter()
            await verify_password(hashed, "wrong password")
            times.append(time.perf_counter() - before)
    assert 0.6 < statistics.median(known) / statistics.median(unknown) < 1.7
