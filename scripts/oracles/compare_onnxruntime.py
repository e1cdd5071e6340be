"""compare_onnxruntime.py EXPLAIN EVERY: QLinearConv, QLinearAdd and the average pools of onnxruntime next to
the row of that name. Ends with 1 if a code differs."""
import sys

import onnxruntime_oracle as oracle
import vectors
from comparison import Row, compare, report_sums


def conv_cases(row, every, per_channel):
    for grid, acc, sw in vectors.conv_cases(per_channel, 4096, row.lowest, 2**31, every):
        theirs = oracle.conv(acc, sw, *grid, vectors.code_type(row.lowest))
        yield theirs, row.requantize(grid, acc, sw), {
            "accumulator": acc, "weight scale": sw, "s_x, s_y, z_x, z_y": grid}


def add_cases(row, every):
    for a, b, scales, zeros in vectors.add_cases(row.lowest, every):
        yield oracle.add(a, b, scales, zeros), row.add(a, b, scales, zeros), {
            "a": a, "b": b, "scales": scales, "zero points": zeros}


def window_cases(row, every, channels_last):
    for x, scale, zero, window in vectors.window_cases(row.lowest, every):
        kernel, strides, pads, counted = window
        is_window = x.shape[2:] != kernel
        theirs = oracle.average("QLinearAveragePool", x, scale, zero, channels_last,
                                kernel_shape=kernel, strides=strides, pads=pads,
                                count_include_pad=int(counted))
        for places, codes in vectors.window_rows(x, zero, *window):
            yield theirs[places], row.average_codes(codes, scale, zero, is_window), {
                "window": window, "codes": codes, "scale": scale, "zero point": zero}


def image_cases(row, every, channels_last):
    for x, codes, scale, zero in vectors.image_cases(row.lowest, every):
        theirs = oracle.average("QLinearGlobalAveragePool", x, scale, zero, channels_last)
        yield theirs, row.average_codes(codes, scale, zero, False), {
            "codes": codes, "scale": scale, "zero point": zero}


def average_cases(row, every):
    for x, sums, count, scale, zero in vectors.average_cases(row.lowest, every):
        theirs = oracle.average("QLinearGlobalAveragePool", x, scale, zero)
        yield theirs, row.average(sums, count, scale, zero, False), {
            "sum": sums, "of": count, "scale": scale, "zero point": zero}


def main(program, every):
    library = f"onnxruntime {oracle.onnxruntime.__version__}"
    report_sums(library, oracle.witness(False), oracle.witness(True))
    equal = []
    for kind, lowest in (("u8", 0), ("s8", -128)):
        row = Row(program, "onnxruntime", lowest)
        for operator, cases in (
                ("QLinearConv, scale per channel", conv_cases(row, every, True)),
                ("QLinearConv, one scale", conv_cases(row, every, False)),
                ("QLinearAdd, all pairs", add_cases(row, every)),
                ("QLinearGlobalAveragePool, all sums", average_cases(row, every)),
                ("QLinearGlobalAveragePool, NCHW", image_cases(row, every, False)),
                ("QLinearGlobalAveragePool, NHWC", image_cases(row, every, True)),
                ("QLinearAveragePool, NCHW", window_cases(row, every, False)),
                ("QLinearAveragePool, NHWC", window_cases(row, every, True))):
            equal.append(compare(library, f"{kind} {operator}", row, cases))
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
