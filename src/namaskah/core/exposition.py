"""`/metrics`: the text that Prometheus reads, for all processes of this instance.

Under `namaskah serve` the values lie in one file a process. Those of ended processes stay, so that no count is lost, and
are put together when there are many; only their gauges go, because what an ended process holds is nothing.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, mmap_dict, multiprocess

from namaskah.core.metrics_folder import FOLDER_VARIABLE, runs

# The library's own types end here.
_MappedFile: Any = mmap_dict.MmapedDict
_Collector: Any = multiprocess.MultiProcessCollector
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
# Each ended process leaves three files; so many are read one by one before they are put together.
_MOST_LEFT: Final = 32


def exposition() -> bytes:
    """All metrics in Prometheus' text format 0.0.4. Reads files; call it in a thread."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return generate_latest(REGISTRY)
    with _locked(Path(folder)):
        _clear_up(Path(folder))
        registry = CollectorRegistry()
        _Collector(registry, path=folder)
        return generate_latest(registry)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One reader at a time, because a reader may also clear up."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear_up(folder: Path) -> None:
    """Drops what ended processes held; puts what they counted and read into one file each when many have gathered."""
    ended = [file for file in folder.glob("*.db") if not runs(_pid_of(file))]
    for file in ended:
        if file.name.startswith("gauge_live"):
            file.unlink(missing_ok=True)
    for kind in ("counter", "histogram", "gauge_mostrecent"):
        left = [file for file in ended if file.name.startswith(f"{kind}_")]
        if len(left) > _MOST_LEFT:
            _put_together(kind, left, folder)


def _put_together(kind: str, left: list[Path], folder: Path) -> None:
    # No process has the number 0, so that name is free for all that have ended.
    target = folder / f"{kind}_0.db"
    fresh = folder / f"{kind}_0.new"
    fresh.unlink(missing_ok=True)
    merged = _MappedFile(str(fresh))
    for key, value, told_at in _latest(left) if kind == "gauge_mostrecent" else _sums(left):
        merged.write_value(key, value, told_at)
    merged.close()
    for file in left:
        file.unlink()
    fresh.rename(target)


def _sums(files: list[Path]) -> Iterator[tuple[str, float, float]]:
    for metric in _Collector.merge([str(file) for file in files], accumulate=False):
        for sample in metric.samples:
            names, values = list(sample.labels), list(sample.labels.values())
            yield mmap_dict.mmap_key(metric.name, sample.name, names, values, metric.documentation), sample.value, 0.0


def _latest(files: list[Path]) -> Iterator[tuple[str, float, float]]:
    told: dict[str, tuple[float, float]] = {}
    for file in files:
        for key, value, told_at, _place in _MappedFile.read_all_values_from_file(str(file)):
            if key not in told or told_at > told[key][1]:
                told[key] = (value, told_at)
    for key, (value, told_at) in told.items():
        yield key, value, told_at


def _pid_of(file: Path) -> int:
    return int(file.stem.rpartition("_")[2])
