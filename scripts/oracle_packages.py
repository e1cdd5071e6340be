"""Where the scripts that need PyPI's packages find them: here, or in .oracles."""

import importlib.util
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORACLES = ROOT / ".oracles/bin/python"


def find_packages(packages, left_undone):
    """Goes on in .oracles if the packages are only there; ends the program with 0 if they are nowhere,
    after a line that says what was left undone."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return
    if ORACLES.exists() and pathlib.Path(sys.prefix) != ORACLES.parent.parent:
        os.execv(ORACLES, [str(ORACLES), *sys.argv])
    print(f"{pathlib.Path(sys.argv[0]).stem}: SKIPPED, {left_undone}: no {', '.join(missing)}; "
          "scripts/setup.sh --oracles installs them", file=sys.stderr)
    sys.exit(0)
