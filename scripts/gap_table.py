#!/usr/bin/env python3
"""Measures how far the textbook float simulation (qdq) of trained runs is from their integers.

  scripts/gap_table.py                    every run that scripts/hardware_table.py has left
  scripts/gap_table.py --images 10000     on more of the test set
"""

import argparse
import json
import pathlib
import subprocess
import sys

from hardware_table import REFERENCES, SETTINGS
from run_rows import cell, last_line, write_table


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deploy", default="./deploy", help="the program")
    parser.add_argument("--runs", default="runs/hardware", help="folder of the run folders")
    parser.add_argument("--images", default="1000", help="of the test set [1000]")
    parser.add_argument("--table", default="docs/results/gap.md", help="file of the table")
    return parser.parse_args()


def measured(options, folder):
    """The answer of ./deploy; None with a line on stderr if it refuses."""
    command = [options.deploy, str(folder), "--gap", "--json", "--images", options.images]
    print("+", " ".join(command), flush=True)
    with open(f"{folder}.gap.log", "w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout)
    print(f"gap_table: {folder}: {last_line(pathlib.Path(f'{folder}.gap.log'))}", file=sys.stderr)
    return None


def share(part, codes):
    return "0" if part == 0 else f"{100 * part / codes:.2g} %"


def row(hardware, algorithm, facts):
    gap = facts["gap"]
    worst = max(gap["layers"], key=lambda layer: layer["forced_different"] / layer["codes"])
    where = worst["layer"] if worst["forced_different"] else "-"
    return (f"| {hardware} | {algorithm} | {share(gap['near_tie'], gap['codes'])} "
            f"| {share(gap['forced_different'], gap['codes'])} "
            f"| {where} {share(worst['forced_different'], worst['codes'])} "
            f"| {share(gap['free_different'], gap['codes'])} | {gap['free_largest']} "
            f"| {gap['predictions_different']} | {cell(gap['top1'])} "
            f"| {cell(facts['integer_top1'])} | {gap['images_proven']} |")


def main():
    options = arguments()
    lines = ["| hardware | algorithm | near a tie | differ, fed integers | most in | differ, free "
             "| largest | predictions | qdq top-1 | integers top-1 | images proven |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    failed = 0
    for algorithm in ["lsq", "pact"]:
        for hardware in SETTINGS + REFERENCES:
            folder = pathlib.Path(options.runs) / f"{algorithm}-{hardware}"
            if not (folder / "result.json").exists():
                continue
            facts = measured(options, folder)
            failed += facts is None
            if facts:
                lines.append(row(hardware, algorithm, facts))
    write_table(options.table, "\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
