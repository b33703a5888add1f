"""Standard Webhooks: genuine and fresh passes, whatever else is a clean failure."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from namaskah.core.webhook_signature import (
    TOLERANCE_SECONDS,
    WebhookSignatureInvalid,
    new_secret,
    secret_bytes,
    sign,
    verify,
)

SECRET, NOW, BODY = b"k" * 32, 1_700_000_000, b'{"a":1}'


def headers(**changed: str) -> dict[str, str]:
    good = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": sign(SECRET, "msg_1", NOW, BODY)}
    return good | {name.replace("_", "-"): value for name, value in changed.items()}


def test_the_example_of_the_specification_passes():
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    given_headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(secret, given_headers, body, now=1_614_265_330) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS])
def test_a_signature_is_fresh_for_five_minutes_on_either_side(seconds):
    assert verify(SECRET, headers(), BODY, now=NOW + seconds) == "msg_1"
    with pytest.raises(WebhookSignatureInvalid):
        verify(SECRET, headers(), BODY, now=NOW + seconds + (1 if seconds >= 0 else -1) * (1 + TOLERANCE_SECONDS))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(name):
    given_headers = headers()
    del given_headers[name]
    with pytest.raises(WebhookSignatureInvalid):
        verify(SECRET, given_headers, BODY, now=NOW)


def test_one_good_signature_among_several_is_enough_while_a_secret_is_changed():
    both = f"{sign(b'old' * 11, 'msg_1', NOW, BODY)} v1a,AAAA {sign(SECRET, 'msg_1', NOW, BODY)}"
    assert verify(SECRET, headers(webhook_signature=both), BODY, now=NOW) == "msg_1"


@given(
    st.fixed_dictionaries({}, optional={n: st.text(max_size=60) for n in ("webhook-id", "webhook-timestamp", "webhook-signature")}),
    st.binary(max_size=50),
)  # fmt: skip
def test_hostile_headers_never_crash_and_never_pass(changed, body):
    with pytest.raises(WebhookSignatureInvalid):
        verify(SECRET, headers() | changed | {"webhook-id": "other"}, body, now=NOW)


@given(st.text(st.characters(codec=None), max_size=60))
def test_any_signature_text_is_a_clean_failure(signature):
    with pytest.raises(WebhookSignatureInvalid):
        verify(SECRET, headers(webhook_signature=signature), BODY, now=NOW)


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=200))
def test_what_was_signed_passes_and_one_more_byte_does_not(secret, body):
    good = headers(webhook_signature=sign(secret, "msg_1", NOW, body))
    assert verify(secret, good, body, now=NOW) == "msg_1"
    with pytest.raises(WebhookSignatureInvalid):
        verify(secret, good, body + b"x", now=NOW)


def test_a_new_secret_is_32_random_bytes():
    made = new_secret()
    assert made.startswith("whsec_")
    assert len(secret_bytes(made)) == 32
    assert made != new_secret()


@pytest.mark.parametrize("text", ["whsec_!!!", "whsec_A", "\u20ac"])
def test_what_is_no_secret_is_refused(text):
    with pytest.raises(ValueError, match=r"whsec_ and base64|ASCII"):
        secret_bytes(text)


def test_a_secret_may_be_given_without_its_prefix():
    assert secret_bytes(base64.b64encode(b"x" * 24).decode()) == b"x" * 24
