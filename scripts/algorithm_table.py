#!/usr/bin/env python3
"""Trains ResNet-18 with every algorithm from one float checkpoint and writes the table of results.

  scripts/algorithm_table.py                    all rows, Fashion-MNIST, --hardware academic
  scripts/algorithm_table.py --rows lsq pact    some of them
  scripts/algorithm_table.py --table-only       the table from what has been run

Every row is a run folder below --output. A row that is finished is not run again, one that was cut
off resumes where it stopped; delete its folder to start again.
"""

import argparse
import pathlib
import sys

from run_rows import cell, differ, float_checkpoint, last_line, result_of, run, write_table

# name of the row, flags beyond the common ones. Rows whose weights are not scaled back (dorefa, qil, apot)
# need statistics of batch norm that know of it.
UNSCALED = ["--reestimate-bn"]
FLOAT_ONLY = ["--simulate", "qdq"]
ROWS = [
    ("lsq", ["--algo", "lsq"]),
    ("pact", ["--algo", "pact"] + UNSCALED),
    ("dorefa", ["--algo", "dorefa"] + UNSCALED),
    ("lsq+", ["--algo", "lsq+"]),
    ("dsq soft", ["--algo", "dsq"]),
    ("dsq ste", ["--algo", "dsq", "--dsq-form", "ste"]),
    ("tqt", ["--algo", "tqt"]),
    ("minmax", ["--algo", "minmax"]),
    ("qil", ["--algo", "qil"] + UNSCALED + FLOAT_ONLY),
    ("apot", ["--algo", "apot"] + UNSCALED + FLOAT_ONLY),
    ("lsq W2A2", ["--algo", "lsq", "--bits", "2"]),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", default="./train", help="the program")
    parser.add_argument("--output", default="runs/algorithms", help="folder of the run folders")
    parser.add_argument("--weights", help="float checkpoint, else one is trained first")
    parser.add_argument("--epochs", type=int, default=2, help="quantized epochs of each row [2]")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="of: " + ", ".join(n for n, _ in ROWS))
    parser.add_argument("--table", default="docs/results/algorithms.md", help="file of the table")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    parser.add_argument("--train-flags", nargs=argparse.REMAINDER, default=[],
                        help="everything after it goes to ./train")
    options = parser.parse_args()
    known = [name for name, _ in ROWS]
    for name in options.rows or []:
        if name not in known:
            parser.error(f"no row is called {name}; there are: {', '.join(known)}")
    return options


def folder_of(options, name):
    return pathlib.Path(options.output) / name.replace(" ", "-")


def table(options):
    lines = ["| row | flags | float | PTQ | QAT | integers | codes that differ | below float |",
             "|---|---|---|---|---|---|---|---|"]
    for name, flags in ROWS:
        folder = folder_of(options, name)
        result = result_of(folder)
        if result is None:
            if (log := pathlib.Path(f"{folder}.log")).exists():
                lines.append(f"| {name} | `{' '.join(flags)}` | did not finish: {last_line(log)} "
                             "| | | | | |")
            continue
        gap = result["float_top1"] - result["simulated_top1"]
        lines.append(f"| {name} | `{' '.join(flags)}` | {cell(result['float_top1'])} "
                     f"| {cell(result['calibrated_top1'])} | {cell(result['simulated_top1'])} "
                     f"| {cell(result['integer_top1'])} | {differ(result)} | {gap:+.2f} |")
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    pathlib.Path(options.output).mkdir(parents=True, exist_ok=True)
    failed = []
    if not options.table_only:
        weights = float_checkpoint(options, folder_of(options, "float"), options.train_flags)
        common = ["--model", "resnet18", "--hardware", "academic", "--bits", "4", "--weights",
                  weights, "--epochs", str(options.epochs)]
        for name, flags in ROWS:
            if options.rows and name not in options.rows:
                continue
            folder = folder_of(options, name)
            code = run(options, folder, common + flags + options.train_flags)
            if code != 0:
                print(f"algorithm_table: {name} ended with {code}: {last_line(pathlib.Path(f'{folder}.log'))}")
                failed.append(name)
    write_table(options.table, table(options))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
