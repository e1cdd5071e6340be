#!/usr/bin/python3
"""Writes what tests/statistics_test.cc and tests/calibration_test.cc compare with: NumPy, in double,
from the definitions (MQBench, App. C.1; docs of quant/calibration.h). Made with Debian's NumPy
1.24.2; run from the repository root:

    python3 tests/golden/make_calibration.py

A data set is a stream of three arrays, values.npy [3, ...]. Statistics per channel, in the order of
STATISTICS; the histogram as counts (of a single channel). The scales and zero points of every method and format are
[method, format, channel], in the order of METHODS and of formats.npy.
"""
import os

import numpy as np

ROOT = os.path.join("tests", "golden", "calibration")
BINS = 4096
STATISTICS = ("min", "max", "moving_min", "moving_max", "sample_min", "sample_max", "count", "mean",
              "mean_magnitude", "deviation", "reach")
METHODS = ("minmax", "moving-average", "quantile", "mse", "kld", "norm", "mean-deviation")
FLOOR = 2.0**-23

# bits, signed, symmetric, narrow, power of two
FORMATS = [(2, 1, 1, 0, 0), (4, 1, 1, 0, 0), (4, 1, 1, 1, 0), (4, 0, 1, 0, 0), (4, 1, 0, 0, 0),
           (4, 0, 0, 0, 0), (8, 1, 1, 0, 0), (8, 0, 1, 0, 0), (8, 0, 0, 0, 0), (3, 1, 1, 0, 1),
           (8, 0, 0, 0, 1)]


def save(folder, name, array):
    os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
    np.save(os.path.join(ROOT, folder, name + ".npy"), np.ascontiguousarray(array))


def histogram(values):
    reach = 2.0**-126
    while reach <= np.abs(values).max():
        reach *= 2
    return np.histogram(values, bins=BINS, range=(-reach, reach))[0], reach


def moving(per_array):
    """The first array's own; then 0.9 old + 0.1 new."""
    value = per_array[0]
    for new in per_array[1:]:
        value = 0.9 * value + 0.1 * new
    return value


class Seen:
    """One channel of a stream; samples is [arrays, samples, ...]."""

    def __init__(self, samples):
        arrays = samples.reshape(len(samples), -1).astype(np.float64)
        self.values = arrays.ravel()
        self.min, self.max = self.values.min(), self.values.max()
        self.moving_min, self.moving_max = moving(arrays.min(1)), moving(arrays.max(1))
        per_sample = samples.reshape(*samples.shape[:2], -1).astype(np.float64)
        self.sample_min = moving(per_sample.min(2).mean(1))
        self.sample_max = moving(per_sample.max(2).mean(1))
        self.counts, self.reach = histogram(self.values)
        self.edges = np.linspace(-self.reach, self.reach, BINS + 1)
        self.centres = (self.edges[:-1] + self.edges[1:]) / 2

    def row(self):
        v = self.values
        return [self.min, self.max, self.moving_min, self.moving_max, self.sample_min,
                self.sample_max, v.size, v.mean(), np.abs(v).mean(), v.std(ddof=1), self.reach]


class Format:
    def __init__(self, bits, signed, symmetric, narrow, power_of_two):
        self.qmin = -2**(bits - 1) + narrow if signed else 0
        self.qmax = 2**(bits - 1) - 1 if signed else 2**bits - 1
        self.signed, self.symmetric, self.power_of_two = signed, symmetric, power_of_two
        self.steps = self.qmax - self.qmin

    def legal(self, s):
        s = max(s, FLOOR)
        return 2.0**np.rint(np.log2(s)) if self.power_of_two else float(np.float32(s))

    def zero(self, lo, s):
        return 0 if self.symmetric else int(np.clip(self.qmin - np.rint(lo / s), self.qmin,
                                                    self.qmax))

    def of_range(self, lo, hi):
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        if self.symmetric:
            s = max(-lo, hi) / (self.steps / 2 if self.signed else self.steps)
        else:
            s = (hi - lo) / self.steps
        s = self.legal(s)
        return s, self.zero(lo, s)

    def codes(self, x, s, z):
        return np.clip(np.rint(x.astype(np.float32) / np.float32(s)) + z, self.qmin, self.qmax)

    def clip(self, s, z):
        if self.symmetric:
            hi = s * (self.steps / 2 if self.signed else self.steps)
            return (-hi if self.signed else 0.0), hi
        return s * (self.qmin - z), s * (self.qmax - z)


def quantile(seen, f):
    def at(counts, edges, part):
        cumulative = np.concatenate([[0], np.cumsum(counts)])
        return np.interp(part * cumulative[-1], cumulative, edges)

    if f.symmetric:
        half = BINS // 2
        counts = seen.counts[half:] + seen.counts[:half][::-1]
        reach = min(at(counts, seen.edges[half:], 0.9999), max(-seen.min, seen.max))
        return f.of_range(-reach, reach)
    return f.of_range(max(at(seen.counts, seen.edges, 0.0001), seen.min),
                      min(at(seen.counts, seen.edges, 0.9999), seen.max))


def searched(seen, f, loss):
    grids = [f.of_range((1 - 0.01 * i) * seen.min, (1 - 0.01 * i) * seen.max) for i in range(95)]
    return grids[int(np.argmin([loss(seen, f, *grid) for grid in grids]))]


def squared_error(seen, f, s, z):
    x_hat = s * (f.codes(seen.centres, s, z) - z)
    return np.sum(seen.counts * (x_hat - seen.centres)**2)


def divergence(seen, f, s, z):
    lo, hi = f.clip(s, z)
    first = np.searchsorted(seen.edges, lo * 1.000001, side="right") - 1
    last = np.searchsorted(seen.edges, hi * 1.000001, side="right") - 1
    first, last = np.clip([first, last], 0, BINS - 1)
    inside = seen.counts[first:last + 1].astype(np.float64)
    p = inside.copy()
    p[0] += seen.counts[:first].sum()
    p[-1] += seen.counts[last + 1:].sum()
    codes = f.codes(seen.centres[first:last + 1], s, z)
    q = np.zeros_like(p)
    for code in np.unique(codes):
        support = (codes == code) & (p > 0)
        if support.any():
            q[support] = inside[codes == code].sum() / support.sum()
    p /= p.sum()
    q /= max(q.sum(), 1.0)
    some = p > 0
    return np.sum(p[some] * np.log(p[some] / np.maximum(q[some], 1e-9)))


def norm(seen, f):
    s = f.legal(2 * np.abs(seen.values).mean() / np.sqrt(f.qmax))
    return s, f.zero(min(seen.min, 0.0), s)


def mean_deviation(seen, f):
    mean, reach = seen.values.mean(), 3 * seen.values.std(ddof=1)
    return f.of_range(mean - reach if seen.min < 0 else max(mean - reach, 0.0), mean + reach)


def calibrated(seen, f):
    return [f.of_range(seen.min, seen.max), f.of_range(seen.moving_min, seen.moving_max),
            quantile(seen, f), searched(seen, f, squared_error), searched(seen, f, divergence),
            norm(seen, f), mean_deviation(seen, f)]


def data_set(name, stream, channels):
    """channels: streams of [arrays, samples, ...], one a channel."""
    seen = [Seen(c) for c in channels]
    grids = [[[calibrated(s, Format(*row))[m] for s in seen] for row in FORMATS]
             for m in range(len(METHODS))]
    grids = np.array(grids, np.float64)
    save(name, "values", stream)
    save(name, "statistics", np.array([s.row() for s in seen], np.float64))
    if len(seen) == 1:
        save(name, "counts", seen[0].counts.astype(np.int32))
    save(name, "scale", grids[..., 0].astype(np.float32))
    save(name, "zero_point", grids[..., 1].astype(np.int32))


if __name__ == "__main__":
    rng = np.random.default_rng(20240607)
    os.makedirs(ROOT, exist_ok=True)
    save("", "formats", np.array(FORMATS, np.int32))
    # Both signs, a heavy tail, not centred, the second array wider than the first.
    signed = rng.laplace(0.1, 0.4, (3, 4, 200)) * np.array([0.3, 1.5, 1.0]).reshape(3, 1, 1)
    signed = signed.astype(np.float32)
    data_set("signed", signed, [signed])
    relu = np.maximum(rng.normal(0.2, 1.0, (3, 4, 200)), 0).astype(np.float32)
    data_set("relu", relu, [relu])
    # Channels of axis 0: a usual one, a small one, positive, negative, with an outlier, all zero.
    weights = rng.normal(0, 1, (3, 6, 5, 24))
    weights[:, 1] *= 0.01
    weights[:, 2] = np.abs(weights[:, 2]) + 0.5
    weights[:, 3] = -np.abs(weights[:, 3])
    weights[1, 4, 2, 3] = 20.0
    weights[:, 5] = 0.0
    weights = weights.astype(np.float32)
    data_set("channels", weights, [weights[:, c].reshape(3, 1, -1) for c in range(6)])
