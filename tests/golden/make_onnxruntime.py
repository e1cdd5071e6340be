#!/usr/bin/env python3
"""Vectors of onnxruntime's integer kernels, for tests/requantize_test.cc and
tests/average_rules_test.cc.

Needs the PyPI packages onnxruntime and onnx (scripts/setup.sh --oracles). Any int32 accumulator meets
any multiplier; the scales are chosen so that products land on ties or within an ulp of one.
scripts/compare_oracles.py compares more vectors with the library that is installed.
"""
import os
import sys

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnxruntime")
sys.path.insert(0, os.path.join(HERE, "../../../scripts/oracles"))
import vectors  # noqa: E402
from onnxruntime_oracle import add, average, conv, onnxruntime  # noqa: E402


def save(name, array):
    os.makedirs(HERE, exist_ok=True)
    np.save(os.path.join(HERE, name + ".npy"), np.ascontiguousarray(array))


def make_conv():
    rng = np.random.default_rng(7)
    n = 4096
    rows = {k: [] for k in ("acc", "sw", "s", "z", "y")}
    for sx, sy, zx, zy in [(0.0173, 0.091, 3, 0), (0.5, 0.25, 0, 7), (0.0031, 0.77, 128, 255),
                           (1.0, 1.0, 1, 100)]:
        magnitude = np.exp(rng.uniform(np.log(1), np.log(2.0**31 - 200), n))
        acc = (np.floor(magnitude) * rng.choice([-1, 1], n)).astype(np.int64)
        acc[:8] = [0, 1, -1, 2**24, 2**24 + 1, -(2**24) - 1, 2**31 - 1, -(2**31)]
        acc = np.clip(acc, -(2**31), 2**31 - 1)
        k = rng.integers(-3 - zy, 260 - zy, n)
        with np.errstate(divide="ignore"):
            sw = np.abs((k + 0.5) * np.float64(sy) / (np.float64(sx) * acc)).astype(np.float32)
        sw[~np.isfinite(sw) | (sw == 0)] = np.float32(0.01)
        half = n // 2  # exact ties: powers of two
        shift = rng.integers(1, 20, half)
        sw[half:] = (2.0**-shift * np.float64(np.float32(sy)) / np.float64(np.float32(sx))).astype(np.float32)
        acc[half:] = (2 * rng.integers(-300, 300, half) + 1) * 2 ** (shift - 1)
        rows["acc"].append(acc.astype(np.int32))
        rows["sw"].append(sw)
        rows["s"].append([sx, sy])
        rows["z"].append([zx, zy])
        rows["y"].append(conv(acc, sw, sx, sy, zx, zy))
    save("conv_acc", np.array(rows["acc"], np.int32))
    save("conv_weight_scale", np.array(rows["sw"], np.float32))
    save("conv_scales", np.array(rows["s"], np.float32))
    save("conv_zero_points", np.array(rows["z"], np.int32))
    save("conv_y", np.array(rows["y"], np.uint8))


def make_add():
    a, b = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    a, b = a.reshape(-1), b.reshape(-1)
    cases = [((0.05, 0.05, 0.1), (0, 0, 0)), ((0.05, 0.05, 0.1), (3, 7, 11)),
             ((0.031, 0.077, 0.093), (0, 128, 0)), ((1.0, 0.5, 0.25), (5, 250, 1)),
             ((0.002, 1.3, 0.9), (255, 0, 127))]
    ys = [add(a, b, scales, zeros) for scales, zeros in cases]
    save("add_scales", np.array([c[0] for c in cases], np.float32))
    save("add_zero_points", np.array([c[1] for c in cases], np.int32))
    save("add_y", np.array(ys, np.uint8))  # [case, 65536]: a = i / 256, b = i % 256


def make_average():
    rng = np.random.default_rng(3)
    cases = []
    for side in (1, 2, 3, 4, 7, 14):
        for s, z in ((0.05, 0), (0.0371, 0), (1.7, 3), (0.1, 255)):
            cases.append((side, s, z))
    xs, ys = [], []
    for side, s, z in cases:
        x = rng.integers(0, 256, (1, 64, side, side)).astype(np.uint8)
        x[0, :32] = rng.integers(0, 16, (32, side, side))  # small sums: many ties
        y = average("QLinearGlobalAveragePool", x, s, z)
        xs.append(x.reshape(64, -1).astype(np.int32).sum(1))
        ys.append(y)
    save("average_sums", np.array(xs, np.int32))  # [case, 64]
    save("average_cases", np.array([[c[0] * c[0], c[2]] for c in cases], np.int32))
    save("average_scales", np.array([c[1] for c in cases], np.float32))
    save("average_y", np.array(ys, np.uint8))


def make_windows():
    xs, ys = [], []
    for scale, zero in vectors.WINDOW_GRIDS:
        x = vectors.images(zero, 0, 32)
        xs.append(x[0].transpose(1, 2, 0))
        ys.append(np.concatenate([
            average("QLinearAveragePool", x, scale, zero, kernel_shape=kernel, strides=strides,
                    pads=pads, count_include_pad=int(counted))
            for kernel, strides, pads, counted in vectors.WINDOWS]))
    save("window_x", np.array(xs, np.uint8))  # [grid, height, width, channel]
    save("window_y", np.array(ys, np.uint8))  # [grid, outputs of all windows in NCHW]


if __name__ == "__main__":
    print("onnxruntime", onnxruntime.__version__)
    make_conv()
    make_add()
    make_average()
    make_windows()
