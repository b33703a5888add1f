"""A real server that understands Sentry's library: Bugsink, installed by scripts/bugsink, started on a database of its own."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cli.served import free_port, wait_for
from tests.requirements import require

_ROOT = Path(__file__).parents[2]
_HOME = _ROOT / ".venv" / "bugsink"


class Bugsink:
    """One that runs."""

    def __init__(self, folder: Path, port: int, dsn: str) -> None:
        self._folder = folder
        self.dsn = dsn
        self.url = f"http://127.0.0.1:{port}"

    def errors(self) -> list[dict[str, Any]]:
        """The errors that came in, as they were sent."""
        return [json.loads(row[0]) for row in self._rows("SELECT data FROM events_event ORDER BY digest_order")]

    def everything(self) -> str:
        """All that it has stored."""
        stored = [str(row) for row in self._rows("SELECT * FROM events_event")]
        stored += [str(row) for row in self._rows("SELECT * FROM issues_issue")]
        stored += [path.read_text(errors="replace") for path in (self._folder / "ingestion").rglob("*") if path.is_file()]
        return "\n".join(stored)

    def _rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self._folder / "db.sqlite3", timeout=10)) as connection:
            return connection.execute(query).fetchall()


@contextlib.contextmanager
def bugsink(folder: Path) -> Iterator[Bugsink]:
    """Starts it; the first time it is installed, which takes ten seconds."""
    made = subprocess.run([_ROOT / "scripts" / "bugsink"], capture_output=True, text=True)
    require(made.returncode == 0, f"Bugsink could not be installed: {made.stderr[-300:]}")
    home = folder / "bugsink"
    shutil.copytree(_HOME / "data", home)
    port = free_port()
    environment = {**os.environ, "BUGSINK_BASE": str(home), "BUGSINK_PORT": str(port), "PYTHONPATH": str(_HOME)}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [_HOME / "bin" / "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4", "bugsink.wsgi"],
            cwd=_HOME, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    dsn = (home / "dsn").read_text().rpartition("DSN=")[2].strip()
    try:
        wait_for(lambda: _answers(port) or process.poll() is not None, 60)
        assert process.poll() is None, (home / "log").read_text()[-2000:]
        yield Bugsink(home, port, dsn.replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(port: int) -> bool:
    time.sleep(0.05)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False
