"""compare_onnxruntime.py EXPLAIN EVERY: QLinearConv, QLinearAdd and the average pools of onnxruntime next to
the row of that name. Ends with 1 if a code differs."""
import sys

import onnxruntime_oracle as oracle
import vectors
from comparison import Row, compare


def conv_cases(row, every, per_channel):
    for grid, acc, sw in vectors.conv_cases(per_channel, 4096, row.lowest, 2**31, every):
        theirs = oracle.conv(acc, sw, *grid, vectors.code_type(row.lowest))
        yield theirs, row.requantize(grid, acc, sw), {
            "accumulator": acc, "weight scale": sw, "s_x, s_y, z_x, z_y": grid}


def add_cases(row, every):
    for a, b, scales, zeros in vectors.add_cases(row.lowest, every):
        yield oracle.add(a, b, scales, zeros), row.add(a, b, scales, zeros), {
            "a": a, "b": b, "scales": scales, "zero points": zeros}


def average_cases(row, every, is_window):
    for x, sums, count, scale, zero in vectors.average_cases(row.lowest, every):
        if is_window:
            theirs = oracle.average("QLinearAveragePool", x, scale, zero, kernel_shape=x.shape[2:])
        else:
            theirs = oracle.average("QLinearGlobalAveragePool", x, scale, zero)
        yield theirs, row.average(sums, count, scale, zero, is_window), {
            "sum": sums, "of": count, "scale": scale, "zero point": zero}


def main(program, every):
    library = f"onnxruntime {oracle.onnxruntime.__version__}"
    equal = []
    for kind, lowest in (("u8", 0), ("s8", -128)):
        row = Row(program, "onnxruntime", lowest)
        for operator, cases in (
                ("QLinearConv, scale per channel", conv_cases(row, every, True)),
                ("QLinearConv, one scale", conv_cases(row, every, False)),
                ("QLinearAdd, all pairs", add_cases(row, every)),
                ("QLinearGlobalAveragePool", average_cases(row, every, False)),
                ("QLinearAveragePool", average_cases(row, every, True))):
            equal.append(compare(library, f"{kind} {operator}", row, cases))
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
