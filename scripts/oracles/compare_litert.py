"""compare_litert.py EXPLAIN EVERY: LiteRT's reference kernels and TFLite Micro next to the row tflite,
LiteRT's XNNPACK delegate next to the row xnnpack. Ends with 1 if a code differs.

Left out, because they follow no row (docs/hardware.md): FULLY_CONNECTED of LiteRT's reference kernels,
which rounds in double, and LiteRT's optimized convolutions, which round up twice."""
import sys

import litert_oracle as oracle
import numpy as np
import vectors
from comparison import Row, compare

LOWEST = -128
# Maps that a global average meets: 1x1 to 16x16, larger maps, maps that are no squares.
MAPS = [*((side, side) for side in range(1, 17)), (28, 28), (31, 31), (56, 56), (2, 7), (3, 5), (7, 9)]
ZEROS = [(0.0371, -128), (1.7, 127), (1.0, 0), (0.0235, -5), (1 / 3, 63)]  # scale, zero point
# side, stride, padding of windows on a 6x6 map, whose borders count fewer codes with SAME
WINDOWS = [(2, 2, oracle.VALID), (3, 1, oracle.VALID), (3, 1, oracle.SAME), (3, 2, oracle.SAME),
           (5, 1, oracle.SAME), (6, 1, oracle.SAME)]


def spread(sums, height, width):
    """Codes [1, height, width, channels], a channel for each sum."""
    count = height * width
    above = sums - LOWEST * count
    codes = above // count + (np.arange(count)[:, None] < above % count) + LOWEST
    return codes.astype(np.int8).reshape(1, height, width, -1)


def sums_of(count):
    """Every sum of a few codes; of many, those within 1 of a tie and some others."""
    if count <= 9:
        return np.arange(LOWEST * count, (LOWEST + 255) * count + 1, dtype=np.int32)
    near = np.arange(LOWEST, LOWEST + 255)[:, None] * count + count // 2 + np.array([-1, 0, 1, 2])
    others = np.random.default_rng(count).integers(LOWEST * count, (LOWEST + 255) * count + 1, 256)
    return np.unique(np.concatenate([near.ravel(), others])).astype(np.int32)


def conv_cases(row, kernels, layer, every, per_channel):
    # XNNPACK takes no multiplier below 2^-32.
    limit = 2**30 if kernels == oracle.XNNPACK else 2**31
    for grid, acc, sw in vectors.conv_cases(per_channel, 4096, LOWEST, limit, every):
        yield layer(kernels, acc, sw, *grid), row.requantize(grid, acc, sw), {
            "accumulator": acc, "weight scale": sw, "s_x, s_y, z_x, z_y": grid}


def add_cases(row, kernels, every):
    for a, b, scales, zeros in vectors.add_cases(LOWEST, every):
        yield oracle.add(kernels, a, b, scales, zeros), row.add(a, b, scales, zeros), {
            "a": a, "b": b, "scales": scales, "zero points": zeros}


def mean_cases(row, kernels, every):
    cases = [(*size, *grid) for size in MAPS for grid in ZEROS]
    for i, (height, width, scale, zero) in list(enumerate(cases))[::every]:
        sums, scale = sums_of(height * width), vectors.float32(scale)
        theirs = oracle.mean(kernels, spread(sums, height, width), scale, zero,
                             keep=i // len(ZEROS) % 2 == 0)
        yield theirs, row.average(sums, height * width, scale, zero, False), {
            "sum": sums, "of": height * width, "scale": scale, "zero point": zero}


def reduced(reduce, x, side, stride, padding, out):
    """`reduce` of each window of x [1, h, w, c] over its pixels inside the map."""
    missing = max((out - 1) * stride + side - x.shape[1], 0) if padding == oracle.SAME else 0
    starts = np.arange(out) * stride - missing // 2
    spans = [slice(max(s, 0), s + side) for s in starts]
    return np.array([[reduce(x[0, rows, columns]) for columns in spans] for rows in spans])


def window_cases(row, kernels, every):
    rng = np.random.default_rng(5)
    x = rng.integers(-128, 128, (1, 6, 6, 3000)).astype(np.int8)
    x[..., :1000] = rng.integers(-9, 9, (1, 6, 6, 1000))  # small sums: many ties
    cases = [(*window, *grid) for window in WINDOWS for grid in ZEROS[:3]]
    for side, stride, padding, scale, zero in cases[::every]:
        theirs = oracle.pool(kernels, "AVERAGE_POOL_2D", x, vectors.float32(scale), zero, side, stride,
                             padding)[0]
        sums = reduced(lambda pixels: pixels.sum((0, 1), dtype=np.int32), x, side, stride, padding,
                       theirs.shape[0])
        counts = reduced(lambda pixels: pixels[..., 0].size, x, side, stride, padding, theirs.shape[0])
        for count in np.unique(counts):
            of_count = sums[counts == count].reshape(-1)
            yield theirs[counts == count].reshape(-1), row.average(
                of_count, count, vectors.float32(scale), zero, True), {
                    "sum": of_count, "of": count, "scale": scale, "zero point": zero}


def compare_row(row, kernels, every):
    dense = "FULLY_CONNECTED" if kernels != oracle.REFERENCE else None
    library = oracle.library(kernels)
    for name, layer in (("CONV_2D", oracle.conv), ("DEPTHWISE_CONV_2D", oracle.depthwise),
                        (dense, oracle.dense)):
        for scales in ("scale per channel", "one scale") if name else ():
            cases = conv_cases(row, kernels, layer, every, scales == "scale per channel")
            yield compare(library, f"{name}, {scales}", row, cases)
    yield compare(library, "ADD, all pairs", row, add_cases(row, kernels, every))
    yield compare(library, "MEAN", row, mean_cases(row, kernels, every))
    yield compare(library, "AVERAGE_POOL_2D", row, window_cases(row, kernels, every))


def main(program, every):
    equal = []
    for hardware, kernels in (("tflite", oracle.REFERENCE), ("tflite", oracle.MICRO),
                              ("xnnpack", oracle.XNNPACK)):
        equal += compare_row(Row(program, hardware, LOWEST), kernels, every)
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
