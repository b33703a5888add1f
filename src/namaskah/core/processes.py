"""What runs on this machine, asked of the kernel: whose process is it, and could a server listen on a port?

For programs that start others and outlive them, as the embedded PostgreSQL's starters do.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def works_in(pid: int, cluster: Path) -> bool:
    """Whether process `pid` is one of the server's on `cluster`; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except PermissionError:
        # In a container root may not look into a process of `nobody`, but for its owner and its command line.
        with contextlib.suppress(OSError):
            process = Path(f"/proc/{pid}")
            command = (process / "cmdline").read_bytes()
            ours = process.stat().st_uid == cluster.stat().st_uid
            return ours and (os.fsencode(cluster) in command or command.startswith(b"postgres:"))
        return False
    except OSError:
        return False


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at `port` now."""
    with socket.socket() as probe:
        # As PostgreSQL does: connections that were closed a minute ago do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
