#!/usr/bin/env python3
"""Vectors of PyTorch's quantized engines, for tests/pytorch_engines_test.cc and
tests/average_rules_test.cc.

Run with Debian's python3 (PyTorch 1.13) for qnnpack and onednn and with .oracles/bin/python for
fbgemm (scripts/setup.sh --oracles installs both):

    tests/golden/make_pytorch.py qnnpack onednn
    tests/golden/make_pytorch.py fbgemm

Convolutions are of one pixel, 57 above its zero point; the bias brings the accumulator where it is
wanted, below 2^21, so that engines that round it to int32 get the integer meant. Scales make the
products land within an ulp of a tie. Additions are all pairs of codes; FBGEMM's engine adds by the
code of oneDNN's and is only compared. An engine that is absent is said to be and skipped.
"""
import os
import sys

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch")
sys.path.insert(0, os.path.join(HERE, "../../../scripts/oracles"))
import vectors  # noqa: E402
from pytorch_oracle import add, average, conv, torch  # noqa: E402

GRIDS = [(0.0173, 0.091, 3, 0), (0.5, 0.25, 0, 7), (0.0031, 0.77, 128, 255), (1.0, 1.0, 1, 101)]
SUMS = [((0.05, 0.05, 0.1), (3, 7, 11)), ((0.002, 1.3, 0.9), (255, 0, 127)),
        ((0.11230737715959549, 0.8219661116600037, 0.020908964797854424), (161, 32, 114)),
        ((0.24848461151123047, 0.08584954589605331, 0.13236157596111298), (177, 178, 240))]


def save(name, array):
    os.makedirs(HERE, exist_ok=True)
    np.save(os.path.join(HERE, name + ".npy"), np.ascontiguousarray(array))


def make_conv(engine):
    rng = np.random.default_rng(17)
    n = 2048
    rows = {k: [] for k in ("weight_scale", "bias", "codes", "y")}
    for sx, sy, zx, zy in GRIDS:
        sx, sy = np.float32(sx), np.float32(sy)
        magnitude = np.floor(np.exp(rng.uniform(0, np.log(2.0**21), n)))
        k = rng.integers(-3 - zy, 260 - zy, n)
        acc = magnitude * np.where(k < 0, -1, 1)
        half = n // 2  # the second half: powers of two, ties without error
        shift = rng.integers(1, 15, half)
        sw = (np.abs(k + 0.5) * np.float64(sy) / (np.float64(sx) * magnitude)).astype(np.float32)
        if sx == 0.5 or sx == 1:
            acc[half:] = (2 * k[half:] + 1) * 2.0 ** (shift - 1)
            sw[half:] = np.float64(sy) / np.float64(sx) / 2.0**shift
        product = (sx * sw).astype(np.float32)
        codes = rng.integers(-127, 128, n).astype(np.int8)
        bias = ((acc - codes * 57.0) * np.float64(product)).astype(np.float32)
        rows["codes"].append(codes)
        rows["weight_scale"].append(sw)
        rows["bias"].append(bias)
        rows["y"].append(conv(np.array([zx + 57], np.uint8), codes.reshape(n, 1), bias, sw, sx, sy, zx,
                              zy))
    save(f"{engine}_conv_weight_scale", np.array(rows["weight_scale"], np.float32))
    save(f"{engine}_conv_codes", np.array(rows["codes"], np.int8))
    save(f"{engine}_conv_bias", np.array(rows["bias"], np.float32))
    save(f"{engine}_conv_y", np.array(rows["y"], np.uint8))  # [grid, channel]


def make_add(engine):
    a, b = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    ys = [add(a.reshape(-1), b.reshape(-1), np.float32(scales), zeros) for scales, zeros in SUMS]
    y = np.array(ys, np.uint8)  # a = i / 256, b = i % 256
    if engine == "fbgemm":
        onednn = np.load(os.path.join(HERE, "onednn_add_y.npy"))
        print("fbgemm adds as onednn:", np.array_equal(y, onednn))
    else:
        save(f"{engine}_add_y", y)


def make_average(engine):
    """Global averages: [side, grid, channel] with the sums of the windows."""
    rng = np.random.default_rng(3)
    sums, ys = [], []
    for side in (2, 3, 4, 7):
        for s, z in ((0.05, 0), (0.0371, 3), (1.7, 255), (0.1, 128)):
            x = rng.integers(0, 256, (1, 256, side, side)).astype(np.uint8)
            x[0, :128] = rng.integers(0, 16, (128, side, side))
            y = average(lambda q: torch.nn.functional.adaptive_avg_pool2d(q, (1, 1)), x, s, z)
            sums.append(x.reshape(256, -1).astype(np.int32).sum(1))
            ys.append(y)
    save(f"{engine}_average_sums", np.array(sums, np.int32))
    save(f"{engine}_average_y", np.array(ys, np.uint8))


def make_windows(engine):
    """avg_pool2d of the windows with equal padding on both sides."""
    ys = []
    for scale, zero in vectors.WINDOW_GRIDS:
        x = vectors.images(zero, 0, 32)
        ys.append(np.concatenate([
            average(lambda q, w=(kernel, strides, pads[:2], counted): torch.nn.functional.avg_pool2d(
                q, *w[:3], False, w[3]), x, scale, zero)
            for kernel, strides, pads, counted in vectors.WINDOWS if pads[:2] == pads[2:]]))
    y = np.array(ys, np.uint8)  # the images are onnxruntime/window_x
    if engine == "onednn":
        fbgemm = np.load(os.path.join(HERE, "fbgemm_window_y.npy"))
        print("onednn averages windows as fbgemm:", np.array_equal(y, fbgemm))
    else:
        save(f"{engine}_window_y", y)


if __name__ == "__main__":
    print("PyTorch", torch.__version__, torch.backends.quantized.supported_engines)
    for name in sys.argv[1:] or ["qnnpack", "onednn", "fbgemm"]:
        if name not in torch.backends.quantized.supported_engines:
            print(f"SKIPPED {name}: this PyTorch has no such engine")
            continue
        torch.backends.quantized.engine = name
        make_conv(name)
        make_add(name)
        make_average(name)
        make_windows(name)
        print("made", name)
