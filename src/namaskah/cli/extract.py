"""`namaskah extract`: reads codes out of messages, without a database, as fast as lines come in."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from namaskah.cli.output import DONE, FAILED, complain, example

if TYPE_CHECKING:
    import typer

_CHUNK: Final = 1 << 16


def register(app: "typer.Typer") -> None:
    """Adds the command."""
    epilog = example("""echo '{"text": "Your code is 482913"}' | namaskah extract""")
    app.command("extract", epilog=epilog)(extract)


def extract() -> None:
    """Reads JSON lines with a "text" from standard input and writes them back with "code" and "confidence".

    All other fields stay as they are; "code" is null where a text holds none. A line that cannot be read is
    named on standard error; the others are still done, and the exit code is 1.
    """
    import msgspec

    from namaskah.messages.extract import extract as extract_code

    encoder = msgspec.json.Encoder()
    decoder = msgspec.json.Decoder(dict[str, object])
    exit_code, number = DONE, 0
    for lines in _lines_as_they_come():
        written = bytearray()
        for line in lines:
            number += 1
            if not line.strip():
                continue
            try:
                row = decoder.decode(line)
                text = row["text"]
                if not isinstance(text, str):
                    raise TypeError
            except msgspec.DecodeError as error:
                complain(f"line {number}: not a JSON object: {error}")
                exit_code = FAILED
            except (KeyError, TypeError):
                complain(f'line {number}: "text" is missing or not a string')
                exit_code = FAILED
            else:
                found = extract_code(text)
                row["code"], row["confidence"] = found.code, round(found.confidence, 3)
                written += encoder.encode(row) + b"\n"
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
    sys.exit(exit_code)


def _lines_as_they_come() -> Iterator[list[bytes]]:
    """All whole lines that have arrived: a program that waits for each answer gets it, and big files stay
    fast."""
    rest = b""
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else ((rest + chunk),)
        if lines:
            yield lines
    if rest:
        yield [rest]
