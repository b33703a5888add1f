"""What it costs to read the code out of a message."""

import time

from bench.context import Bench
from bench.figures import Figure, at_most
from namaskah.messages.extract import extract

_ROUNDS = 200
# Short and long ones, with and without a code, in several scripts.
MESSAGES = (
    "123456 is your verification code.", "Your code is 482-913. Do not share it with anyone.", "G-391847 is your Google code",
    "Tu código de verificación es 5521. Caduca en 10 minutos.", "Ваш код подтверждения: 904412", "您的验证码是 663201,5分钟内有效。",
    "<#> Your ExampleApp code is: 773401 FA+9qCX9VSu", "Ihr Bestätigungscode lautet 118842. Geben Sie ihn niemandem weiter.",
    "Running late, see you at 18:30? Call me on 555 0123 if it is a problem.",
    "Your parcel 4471920 will be delivered on 12/03 between 10:00 and 12:00. Track it at https://example.com/t/4471920",
    "رمز التحقق الخاص بك هو 552190", "認証コード: 309112 (有効期限 30分)", "Use code SAVE20 for 20% off everything until Sunday!",
    "Code: AB12CD. Enter it on the page you came from. If you did not ask for it, ignore this message; nobody can use it without you.",
)  # fmt: skip


def measure(_bench: Bench) -> list[Figure]:
    """Microseconds a message, the best of some rounds."""
    return [
        at_most("extraction of a code, mean over short and long messages", _best(lambda text: extract(text)), "us a message", 200),
    ]  # fmt: skip


def _best(work: "object") -> float:
    assert callable(work)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(_ROUNDS):
            for text in MESSAGES:
                work(text)
        best = min(best, time.perf_counter() - started)
    return best / (_ROUNDS * len(MESSAGES)) * 1e6
