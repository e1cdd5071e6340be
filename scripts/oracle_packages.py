"""Finds PyPI's packages for the scripts that need them: here, or in .oracles."""

import importlib.util
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORACLES = ROOT / ".oracles/bin/python"


def find_packages(packages, left_undone):
    """Restarts in .oracles if the packages are only there; if they are missing, prints what was left
    undone and ends the program with 0."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return
    if ORACLES.exists() and pathlib.Path(sys.prefix) != ORACLES.parent.parent:
        os.execv(ORACLES, [str(ORACLES), *sys.argv])
    print(f"{pathlib.Path(sys.argv[0]).stem}: SKIPPED, {left_undone}: no {', '.join(missing)}; "
          "scripts/setup.sh --oracles installs them", file=sys.stderr)
    sys.exit(0)
