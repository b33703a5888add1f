"""Checks a deployed instance from outside: `python comprehensive_testing.py --env staging`.

It moves test money only. What it looks at is in `namaskah/baseline/checks/`; `--list` names it, `--help` says the rest.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Runs the checks, with the project's own environment when this interpreter has not the package."""
    if find_spec("namaskah") is None:
        python = ROOT / ".venv" / "bin" / "python"
        if os.access(python, os.X_OK) and Path(sys.prefix).resolve() != python.parent.parent.resolve():
            os.execv(python, [str(python), *sys.argv])
        print(
            "error: Namaskah is not installed for this Python. In this folder `scripts/setup requirements.lock` makes .venv "
            "with everything that is needed; then run this again.",
            file=sys.stderr,
        )
        return 2
    from namaskah.baseline.checks.command import main as checks

    return checks()


if __name__ == "__main__":
    sys.exit(main())
