"""The command line, `namaskah`: everything an operator does, from starting the platform to proving the
ledger.

`commands.py` lists the commands, `serve.py` and `supervise.py` keep a running instance alive. Imports are
lazy, because `namaskah --version` and `namaskah extract` must start at once.
"""

import sys


def main() -> None:
    """Runs the command that `sys.argv` names and exits with 0 (done), 1 (failed) or 2 (wrongly called)."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from namaskah import __version__

        print(f"namaskah {__version__}")
    elif arguments == ["extract"]:
        # Programs start it for a few messages at a time; the machinery of commands would double its time.
        from namaskah.cli.extract import extract

        extract()
    else:
        from namaskah.cli.commands import run

        sys.exit(run(arguments))
