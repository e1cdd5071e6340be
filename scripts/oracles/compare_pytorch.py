"""compare_pytorch.py EXPLAIN EVERY: the quantized engines of PyTorch next to the rows that claim to be them.
Ends with 1 if a code differs.

PyTorch 1.13 has qnnpack, onednn (oneDNN 2.6) and, for int8 codes under qnnpack, XNNPACK; later ones
have fbgemm and qnnpack. Their onednn is not the row's (docs/decisions/008-hardware-rows.md), their
qnnpack refuses int8. Averages of int8 codes are PyTorch's own, not XNNPACK's."""
import sys

import numpy as np
import pytorch_oracle as oracle
import vectors
from comparison import Row, compare, report_sums
from pytorch_oracle import torch

FIRST = [("qnnpack", "qnnpack", 0), ("qnnpack", "xnnpack", -128), ("onednn", "onednn", 0)]
LATER = [("fbgemm", "fbgemm", 0), ("qnnpack", "qnnpack", 0)]


def weight_cases(row, every):
    for grid, acc, sw in vectors.conv_cases(True, 640, row.lowest, 2**25, every):
        x, w = vectors.injected_by_weights(acc, grid[2], row.lowest)
        theirs = oracle.conv(x, w, np.zeros(acc.size, np.float32), sw, *grid)
        yield theirs, row.requantize(grid, acc, sw), {
            "accumulator": acc, "weight scale": sw, "s_x, s_y, z_x, z_y": grid}


def bias_cases(row, every, per_channel):
    # Below 2^21 an engine that rounds the bias by a reciprocal gets the integer meant.
    for grid, acc, sw in vectors.conv_cases(per_channel, 2048, row.lowest, 2**21, every):
        x, w, products, bias = vectors.injected_by_bias(acc, grid, sw, row.lowest)
        theirs = oracle.conv(x, w, bias, sw, *grid)
        yield theirs, row.requantize(grid, products, sw, bias), {
            "accumulator": products, "bias": bias, "weight scale": sw, "s_x, s_y, z_x, z_y": grid}


def add_cases(row, every):
    for a, b, scales, zeros in vectors.add_cases(row.lowest, every):
        yield oracle.add(a, b, scales, zeros), row.add(a, b, scales, zeros), {
            "a": a, "b": b, "scales": scales, "zero points": zeros}


def window_cases(row, every, counts_always):
    pools = torch.nn.functional
    for x, scale, zero, (kernel, strides, pads, counted) in vectors.window_cases(row.lowest, every):
        if pads[:2] != pads[2:] or (counts_always and not counted):
            continue
        theirs = oracle.average(lambda q: pools.avg_pool2d(q, kernel, strides, pads[:2], False, counted),
                                x, scale, zero)
        for places, codes in vectors.window_rows(x, zero, kernel, strides, pads, counted):
            yield theirs[places], row.average_codes(codes, scale, zero, True), {
                "window": (kernel, pads), "codes": codes, "scale": scale, "zero point": zero}


def image_cases(row, every):
    for x, codes, scale, zero in vectors.image_cases(row.lowest, every):
        theirs = oracle.average(lambda q: torch.nn.functional.adaptive_avg_pool2d(q, 1), x, scale, zero)
        yield theirs, row.average_codes(codes, scale, zero, False), {
            "codes": codes, "scale": scale, "zero point": zero}


def average_cases(row, every, is_window):
    pools = torch.nn.functional
    for x, sums, count, scale, zero in vectors.average_cases(row.lowest, every):
        side = x.shape[-1]
        theirs = oracle.average(lambda q, side=side: pools.avg_pool2d(q, side) if is_window else
                                pools.adaptive_avg_pool2d(q, 1), x, scale, zero)
        yield theirs, row.average(sums, count, scale, zero, is_window), {
            "sum": sums, "of": count, "scale": scale, "zero point": zero}


def compare_row(engine, row, every):
    library = f"PyTorch {torch.__version__.split('+')[0]} {engine}"
    yield compare(library, "conv2d, scale per channel", row, weight_cases(row, every))
    yield compare(library, "conv2d, float bias, scale per channel", row, bias_cases(row, every, True))
    yield compare(library, "conv2d, float bias, one scale", row, bias_cases(row, every, False))
    yield compare(library, "add, all pairs", row, add_cases(row, every))
    if row.hardware != "xnnpack":
        yield compare(library, "adaptive_avg_pool2d, all sums", row, average_cases(row, every, False))
        yield compare(library, "adaptive_avg_pool2d", row, image_cases(row, every))
        yield compare(library, "avg_pool2d, all sums", row, average_cases(row, every, True))
        yield compare(library, "avg_pool2d", row, window_cases(row, every, row.hardware == "qnnpack"))


def main(program, every):
    torch.set_num_threads(1)  # a whole number of vectors: the tail of PyTorch's addition differs
    equal = []
    for engine, hardware, lowest in FIRST if torch.__version__.startswith("1.") else LATER:
        if engine not in torch.backends.quantized.supported_engines:
            print(f"SKIPPED: PyTorch {torch.__version__} has no engine {engine} here", file=sys.stderr)
            continue
        torch.backends.quantized.engine = engine
        if lowest == 0:
            report_sums(f"PyTorch {torch.__version__.split('+')[0]} {engine}", oracle.witness(False),
                        oracle.witness(True))
        equal += compare_row(engine, Row(program, hardware, lowest), every)
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
