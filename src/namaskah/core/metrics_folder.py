"""Where the processes of an instance keep their metrics. The supervisor makes it, so this stays light to import."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_FOLDER_PREFIX: Final = "namaskah-metrics-"


def make_folder() -> Path:
    """A folder for the values of an instance's processes, in memory where that is possible.

    Folders that instances left behind when they were killed are removed on the way.
    """
    parent = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    for left in parent.glob(f"{_FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            owner = int(left.name.removeprefix(_FOLDER_PREFIX).partition("-")[0])
            if left.stat().st_uid == os.getuid() and not runs(owner):
                remove_folder(left)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=parent))


def remove_folder(folder: Path) -> None:
    """Removes the folder and the values in it."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()


def runs(pid: int) -> bool:
    """Whether there is a process of that number."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
