"""What commands say and how they fail: results on standard output, one line of error on standard error.

Colours only on a terminal and never with NO_COLOR set; `--json` answers are one line for a program to read.
"""

import json
import os
import sys
from datetime import datetime
from typing import Any, Final

DONE: Final = 0
FAILED: Final = 1
WRONGLY_CALLED: Final = 2

_COLOURS: Final = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}
_MONEY: Final = {
    False: "No money moved.",
    True: "Money moved.",
    "unknown": "Whether money moved is not known: look at the wallet before you do it again.",
}


class CommandFailed(Exception):
    """A command could not do its work; the message is the one line that its caller reads."""

    def __init__(self, message: str, *, exit_code: int = FAILED) -> None:
        self.exit_code = exit_code
        super().__init__(message)


def example(*commands: str) -> str:
    """The end of a command's help: how it is called, one call a line."""
    lines = ["[bold]For example[/bold]", *(command.replace("[", r"\[") for command in commands)]
    return "\n\n".join(lines)


def say(text: str = "") -> None:
    """Prints for a person."""
    print(text)


def print_json(value: Any) -> None:
    """Prints one line for a program."""
    print(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def complain(text: str) -> None:
    """Prints a line to standard error, where programs that read the results do not see it."""
    print(text, file=sys.stderr, flush=True)


def mark(text: str, colour: str) -> str:
    """`text` in a colour, where colours are wanted."""
    return f"\x1b[1;{_COLOURS[colour]}m{text}\x1b[0m" if wants_colour() else text


def wants_colour() -> bool:
    """Whether standard output is a terminal and nobody has set NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def explanation(error: BaseException) -> str | None:
    """The one line that tells an operator what went wrong and whether money moved; None for a bug of ours."""
    if isinstance(error, CommandFailed):
        return str(error)
    from namaskah.core.errors import NamaskahError

    if isinstance(error, NamaskahError):
        said = "money moved" in error.detail.lower() or "charged" in error.detail.lower()
        return error.detail if said else f"{error.detail} {_MONEY[error.charged]}"
    return None
