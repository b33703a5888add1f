"""Real programs of other projects that tests start: HAProxy, Prometheus and the like.

`program("haproxy")` is the one of this machine, or Debian's, fetched once by `scripts/servers` without root.
"""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
FETCHED = ROOT / ".venv" / "servers" / "bin"
# Debian keeps servers where a normal user's PATH does not look.
_MORE_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


class ProgramMissing(AssertionError):
    """A test needs a program that is not here and cannot be fetched; the message says what to install."""


def program(name: str) -> Path:
    """Where the program `name` is, ready to be started.

    Raises ProgramMissing, so that its test fails and is not skipped, where it is neither here nor to be had.
    """
    if (found := _find(name)) is None:
        fetching = subprocess.run([ROOT / "scripts" / "servers", name], capture_output=True, text=True, check=False)
        if (found := _find(name)) is None:
            raise ProgramMissing(fetching.stderr.strip() or f"scripts/servers did not fetch {name}")
    return found


def _find(name: str) -> Path | None:
    path = f"{os.environ.get('PATH', os.defpath)}:{_MORE_FOLDERS}:{FETCHED}"
    return Path(found) if (found := shutil.which(name, path=path)) else None
