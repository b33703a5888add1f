"""The wheel that `python -m build` makes holds everything and runs in an environment of its own."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import namaskah
from tests.architecture.source import PACKAGE, ROOT, tracked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    missing = {f"namaskah/{path.relative_to(PACKAGE)}" for path in tracked() if path.is_relative_to(PACKAGE)} - held
    assert missing == set()


def test_it_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    def run(*command: str | Path) -> str:
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout.strip()

    # Borrowing the dependencies that are installed here already saves a minute of downloads. The project
    # itself is not borrowed: the last line makes sure that it comes from the wheel.
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert namaskah.__version__ in run(tmp_path / "venv" / "bin" / "namaskah", "--version")
    origin = run(python, "-c", "import namaskah; print(namaskah.__file__)")
    assert Path(origin).is_relative_to(tmp_path)
