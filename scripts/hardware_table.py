#!/usr/bin/env python3
"""Trains ResNet-18 for every hardware row from one float checkpoint and writes the tables.

  scripts/hardware_table.py                      six settings by LSQ and PACT, the other rows by LSQ
  scripts/hardware_table.py --rows tvm tflite    some hardware rows
  scripts/hardware_table.py --table-only         the tables from what has been run

Every row is a run folder below --output. A row that is finished is not run again, one that was cut
off resumes where it stopped; delete its folder to start again.
"""

import argparse
import pathlib
import sys

from run_rows import cell, differ, float_checkpoint, last_line, result_of, run, write_table

SETTINGS = ["academic", "tensorrt", "acl", "tvm", "snpe", "fbgemm"]  # MQBench, Table 2
REFERENCES = ["onnxruntime", "tflite", "tflite-single", "xnnpack", "qnnpack", "onednn", "hexagon-nn"]
# PACT's weights are not scaled back: statistics of batch norm must know of it.
ALGORITHMS = {"lsq": ["--algo", "lsq"], "pact": ["--algo", "pact", "--reestimate-bn"]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", default="./train", help="the program")
    parser.add_argument("--output", default="runs/hardware", help="folder of the run folders")
    parser.add_argument("--weights", help="float checkpoint, else one is trained first")
    parser.add_argument("--epochs", type=int, default=1, help="quantized epochs of each row [1]")
    parser.add_argument("--rows", nargs="+", choices=SETTINGS + REFERENCES, metavar="ROW")
    parser.add_argument("--table", default="docs/results/hardware.md", help="file of the tables")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    return parser.parse_args()


def folder_of(options, algorithm, hardware):
    return pathlib.Path(options.output) / f"{algorithm}-{hardware}"


def planned(options):
    for algorithm in ALGORITHMS:
        for hardware in SETTINGS + (REFERENCES if algorithm == "lsq" else []):
            if not options.rows or hardware in options.rows:
                yield algorithm, hardware


def train_all(options):
    weights = float_checkpoint(options, pathlib.Path(options.output) / "float", [])
    failed = 0
    for algorithm, hardware in planned(options):
        folder = folder_of(options, algorithm, hardware)
        flags = ["--model", "resnet18", "--hardware", hardware, "--bits", "4", "--weights", weights,
                 "--epochs", str(options.epochs)] + ALGORITHMS[algorithm]
        if (code := run(options, folder, flags)) != 0:
            print(f"hardware_table: {folder} ended with {code}: "
                  f"{last_line(pathlib.Path(f'{folder}.log'))}")
            failed += 1
    return failed


def table(options):
    lines = ["| hardware | algorithm | calibrated | QAT | integers | codes that differ | "
             "predictions that differ | hardware gap |",
             "|---|---|---|---|---|---|---|---|"]
    for algorithm in ALGORITHMS:
        academic = result_of(folder_of(options, algorithm, "academic"))
        for hardware in SETTINGS + REFERENCES:
            result = result_of(folder_of(options, algorithm, hardware))
            if result is None:
                if hardware in SETTINGS or algorithm == "lsq":
                    lines.append(f"| {hardware} | {algorithm} | not run | | | | | |")
                continue
            gap = "-"
            if academic and hardware in SETTINGS:
                gap = f"{academic['integer_top1'] - result['integer_top1']:+.2f}"
            lines.append(f"| {hardware} | {algorithm} | {cell(result['calibrated_top1'])} "
                         f"| {cell(result['simulated_top1'])} | {cell(result['integer_top1'])} "
                         f"| {differ(result)} | {result['predictions_different']} | {gap} |")
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    pathlib.Path(options.output).mkdir(parents=True, exist_ok=True)
    failed = 0 if options.table_only else train_all(options)
    write_table(options.table, table(options))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
