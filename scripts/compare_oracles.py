#!/usr/bin/env python3
"""Compares the rules with the libraries that they are named after, as installed here.

  scripts/compare_oracles.py                    every library that scripts/setup.sh --oracles installs
  scripts/compare_oracles.py --quick            a quarter of the cases, as make test does
  scripts/compare_oracles.py --explain PROGRAM  with the ./explain of another build

One line for each comparison: library, operator, hardware row and rule, how many tie-seeking vectors,
how many codes differ. Ends with 1 if one does, and shows the first that does; a library that is not
installed is said to be and skipped.
"""
import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV, DEBIAN = ROOT / ".oracles/bin/python", pathlib.Path("/usr/bin/python3")
# interpreter, script, what it imports, its name
ORACLES = [(VENV, "compare_onnxruntime.py", ("numpy", "onnx", "onnxruntime"), "onnxruntime"),
           (VENV, "compare_litert.py", ("numpy", "ai_edge_litert", "tflite_micro"), "LiteRT"),
           (VENV, "compare_pytorch.py", ("numpy", "torch"), "PyTorch of PyPI"),
           (DEBIAN, "compare_pytorch.py", ("numpy", "torch"), "PyTorch of Debian")]


def has(python, modules):
    find = "import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))"
    return python.exists() and subprocess.run([python, "-c", find, *modules], check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--explain", default=ROOT / "explain", metavar="PROGRAM")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    explain = pathlib.Path(options.explain).resolve()
    if not explain.exists():
        sys.exit(f"compare_oracles: {explain} is missing; run make")
    running = []  # side by side: what takes time is starting ./explain
    for python, script, modules, name in ORACLES:
        if not has(python, modules):
            print(f"SKIPPED: {name} is not installed: scripts/setup.sh --oracles", file=sys.stderr)
            continue
        command = [python, ROOT / "scripts/oracles" / script, explain, "4" if options.quick else "1"]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    for child in running:
        print(child.communicate()[0], end="", flush=True)
    return int(any(child.returncode != 0 for child in running))


if __name__ == "__main__":
    sys.exit(main())
