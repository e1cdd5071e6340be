#!/usr/bin/env python3
"""Vectors of LiteRT's reference kernels and of its XNNPACK delegate, for tests/litert_test.cc.

Needs the PyPI packages ai-edge-litert and tflite-micro (scripts/setup.sh --oracles).
scripts/compare_oracles.py compares more vectors with the libraries that are installed.
"""
import os
import sys

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "litert")
sys.path.insert(0, os.path.normpath(os.path.join(HERE, "../../../scripts/oracles")))
import litert_oracle as oracle  # noqa: E402
from compare_litert import spread  # noqa: E402

KERNELS = {"reference": oracle.REFERENCE, "xnnpack": oracle.XNNPACK}


def save(name, array):
    os.makedirs(HERE, exist_ok=True)
    np.save(os.path.join(HERE, name + ".npy"), np.ascontiguousarray(array))


def make_mean():
    """Sums on a tie or next to one."""
    rng = np.random.default_rng(2)
    cases = [(h, w, z) for h, w in ((2, 2), (3, 3), (5, 5), (7, 7), (2, 7), (8, 8), (14, 14))
             for z in (-128, 127, 0, -5, 63)]
    all_sums, y = [], {name: [] for name in KERNELS}
    for h, w, z in cases:
        n = h * w
        sums = rng.integers(-128, 127, 64) * n + n // 2 + rng.integers(0, 2 if n % 2 == 0 else 3, 64)
        all_sums.append(sums)
        for name, kernels in KERNELS.items():
            y[name].append(oracle.mean(kernels, spread(sums, h, w), np.float32(0.0371), z, True))
    save("mean_sums", np.array(all_sums, np.int32))  # [case, 64]
    save("mean_cases", np.array([[h * w, z] for h, w, z in cases], np.int32))
    for name in KERNELS:
        save(f"mean_{name}", np.array(y[name], np.int8))


def make_pools():
    """3x3 windows that step by 2 over 5x5 pixels and a border."""
    x = np.random.default_rng(3).integers(-9, 9, (1, 5, 5, 32)).astype(np.int8)
    save("pool_x", x)
    for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        ys = [oracle.pool(kernels, operator, x, np.float32(0.1), 3, 3, 2, oracle.SAME)
              for kernels in KERNELS.values()]
        assert np.array_equal(*ys)
        save(operator.lower(), ys[0])


def make_relu6():
    """The highest code that a convolution with ReLU6 gives, where 6 / s lies on a tie or next to one."""
    rng = np.random.default_rng(4)
    scales = (6 / (rng.integers(0, 255, 96) + 0.5)).astype(np.float32)
    scales[32:64] = np.nextafter(scales[32:64], np.float32(9))
    scales[64:] = np.nextafter(scales[64:], np.float32(0))
    zeros = rng.integers(-128, 128, 96)
    save("relu6_scales", scales)
    save("relu6_zero_points", zeros.astype(np.int32))
    for name, kernels in KERNELS.items():
        tops = [oracle.conv(kernels, np.array([2**20]), s[None], np.float32(1), s, 0, int(z), "relu6")
                for s, z in zip(scales, zeros)]
        save(f"relu6_{name}", np.concatenate(tops).astype(np.int8))


if __name__ == "__main__":
    print(oracle.library(oracle.REFERENCE))
    make_mean()
    make_pools()
    make_relu6()
