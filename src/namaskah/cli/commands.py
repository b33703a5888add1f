"""All commands, put together from the modules beside this one, and the one place that turns errors into exit
codes."""

import sys
from typing import Annotated

import typer

from namaskah.cli import accounts, archive, baseline, catalogue, database, db_report, extract, inventory, money, serve, status
from namaskah.cli.output import FAILED, CommandFailed, complain, example, explanation, say

app = typer.Typer(
    name="namaskah",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example(
        "namaskah serve",
        "namaskah doctor",
        "namaskah wallet credit ana@example.com 25 --reason 'bank transfer'",
    ),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from namaskah import __version__

        say(f"namaskah {__version__}")
        raise typer.Exit


@app.callback()
def namaskah(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Prints the version.")
    ] = False,
) -> None:
    """Namaskah, an SMS verification platform: run it, look after it, change what it sells.

    Commands use the database of DATABASE_URL, or the embedded one of NAMASKAH_DATA_DIR (.data by default).
    They exit with 0 when done, 1 when it failed and 2 when they were called wrongly.
    """


for module in (serve, database, db_report, accounts, money, archive, catalogue, inventory, status, extract, baseline):
    module.register(app)


def run(arguments: list[str]) -> int:
    """Runs one command and answers its exit code."""
    try:
        app(args=arguments, prog_name="namaskah")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; nothing more can be said to it.
        sys.stdout = None
        return FAILED
    except Exception as error:
        line = explanation(error)
        if line is None:
            raise
        complain(f"error: {line}")
        return error.exit_code if isinstance(error, CommandFailed) else FAILED
    return 0
