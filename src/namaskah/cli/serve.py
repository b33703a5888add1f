"""`namaskah serve`: the whole platform with one command, and what its user should do next.

This process only supervises (see `supervise.py`); web and worker are processes of their own.
"""

import os
import socket
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from namaskah.cli.connect import read_settings
from namaskah.cli.output import WRONGLY_CALLED, CommandFailed, example, mark, say

if TYPE_CHECKING:
    from namaskah.cli.supervise import Ready
    from namaskah.core.settings import Settings

# Connections wait here while a web process is being replaced.
BACKLOG = 2048


def register(app: typer.Typer) -> None:
    """Adds the command."""
    epilog = example(
        "namaskah serve",
        "namaskah serve --host 0.0.0.0 --port 8000 --workers 4 --env-file /etc/namaskah.env",
        "namaskah serve --role worker",
    )
    app.command("serve", epilog=epilog)(serve)


def serve(
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Web processes.  [default: WEB_WORKERS or 1]")] = None,
    role: Annotated[
        Literal["all", "web", "worker"], typer.Option(help="What to run: web processes, one worker, or both.")
    ] = "all",
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [default: HOST or 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 is any free one.  [default: PORT or 8000]")] = None,
    env_file: Annotated[str | None, typer.Option(help="A file of settings, see .env.example.")] = None,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="Make a demo user with money and numbers. Only with ENVIRONMENT=development, where it is the default.",
        ),
    ] = None,
) -> None:
    """Starts the platform: the embedded PostgreSQL unless DATABASE_URL is set, web processes, and a worker.

    A process that dies is started again. Ctrl-C or SIGTERM lets everything finish and then stops all of it
    within 30 seconds; once more stops it at once.
    """
    settings = read_settings(env_file)
    development = settings.environment == "development"
    if demo and not development:
        raise CommandFailed(
            f"A demo user is made with ENVIRONMENT=development only; this is {settings.environment}.",
            exit_code=WRONGLY_CALLED,
        )
    with_demo = development if demo is None else demo
    listener = None if role == "worker" else _listen(host or settings.host, port, settings)
    from namaskah.cli.supervise import Supervisor

    supervisor = Supervisor(
        settings,
        listener=listener,
        web_processes=0 if listener is None else workers or settings.web_workers,
        with_worker=role != "web",
        with_demo=with_demo,
        on_ready=lambda ready: _say_what_next(ready, listener),
    )
    raise typer.Exit(supervisor.run())


def _listen(host: str, port: int | None, settings: "Settings") -> socket.socket:
    """The listening socket that all web processes share. Raises CommandFailed."""
    port = settings.port if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandFailed(f"Cannot listen on {host} port {port}: {why}. Choose another with PORT or --port.") from None
    os.environ.setdefault("PUBLIC_URL", url_of(listener))
    return listener


def url_of(listener: socket.socket) -> str:
    """How a browser on this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{local}:{port}"


def _say_what_next(ready: "Ready", listener: socket.socket | None) -> None:
    from namaskah import __version__

    if listener is None:
        say(f"Namaskah {__version__}: the worker runs. Ctrl-C stops it.")
        return
    url = url_of(listener)
    name = mark("Namaskah", "green")
    say(f"\n{name} {__version__} is ready at {mark(url, 'cyan')} after {ready.seconds:.1f} s\n")
    say(f"  API docs   {url}/api/v2/docs")
    if ready.demo is not None:
        say(f"  Sign in    {ready.demo['email']}\n  Password   {ready.demo['password']}")
        say(f"  Test key   {ready.demo['test_key']}\n")
        say("Buy a test number; two seconds later the second line shows the code:\n")
        authorization = f"-H 'Authorization: Bearer {ready.demo['test_key']}'"
        body = """-H 'Content-Type: application/json' -d '{"service": "test_success", "country": "us"}'"""
        say(f"  curl -s {url}/api/v2/verifications {authorization} {body}")
        say(f"  sleep 2; curl -s {url}/api/v2/verifications?limit=1 {authorization}")
    say("\nCtrl-C stops everything that was started here.")
