#!/usr/bin/python3
"""Writes what tests/lsq_plus_test.cc compares with: LSQ+ (Bhalgat et al., CVPR Workshops 2020,
arXiv 2004.09576; MQBench 2.2) in NumPy, in double, from the formulas. Made with Debian's NumPy
1.24.2; run from the repository root:

    python3 tests/golden/make_lsq_plus.py

One folder a form: `symmetric` has no offset, `real` the offset of the paper, `integer` the zero point
rne(-beta/s) that targets have, with the gradient straight through its rounding. In each, a row a case:

    bits, is_signed [K]   scale, beta [K]   x, dy [K, N]
    codes, x_hat, dx [K, N]   ds, dbeta [K], without the gradient scale
    three_sigma [K]: the first scale of weights x       min_scale, min_beta [K]: of activations x
"""
import os

import numpy as np

ROOT = os.path.join("tests", "golden", "lsq_plus")
N = 40
# bits, signed
FORMATS = [(2, 1), (2, 0), (3, 1), (4, 1), (4, 0), (5, 0), (8, 1), (8, 0)]


def bounds(bits, signed):
    return (-2**(bits - 1), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)


def codes_of(form, x, s, beta, lo, hi):
    """Code before rounding, code, and x_hat."""
    if form == "real":
        v = (x - beta) / s
        q = np.rint(np.clip(v, lo, hi))
        return v, q, q * s + beta
    z = np.rint(-beta / s)
    assert lo <= z <= hi or form == "symmetric"
    q = np.clip(np.rint(x / s) + z, lo, hi)
    return x / s + z, q, s * (q - z)


def gradients(form, x, dy, s, beta, lo, hi):
    """Paper, Eq. 4 to 6: inside q - v, outside n or p; to beta only from outside."""
    v, q, _ = codes_of(form, x, s, beta, lo, hi)
    inside = (v >= lo) & (v <= hi)
    edge = np.where(v < lo, lo, hi)
    if form == "integer":  # x_hat = s (edge - z) with z = -beta/s + residual, the residual frozen
        edge = edge - (np.rint(-beta / s) + beta / s)
    ds = np.sum(dy * np.where(inside, np.rint(v) - v, edge))
    dbeta = 0.0 if form == "symmetric" else np.sum(dy * ~inside)
    return dy * inside, ds, dbeta


def draw(rng, form, lo, hi):
    """x, s, beta with some of x outside, and nothing within 1e-3 of a tie or of an end."""
    while True:
        s = np.float32(rng.uniform(0.05, 0.4))
        beta = np.float32(0.0 if form == "symmetric" else -s * rng.uniform(lo + 0.6, hi - 0.6))
        start = -beta / s if form != "symmetric" else 0.0
        x = (rng.uniform(lo - 0.3 * (hi - lo), hi + 0.3 * (hi - lo), N) - start) * s
        x = x.astype(np.float32)
        v = codes_of(form, *(np.float64(a) for a in (x, s, beta)), lo, hi)[0]
        tie = np.abs(v - np.floor(v) - 0.5).min()
        end = min(np.abs(v - lo).min(), np.abs(v - hi).min())
        start_tie = abs(start - np.floor(start) - 0.5)
        if tie > 1e-3 and end > 1e-3 and start_tie > 1e-2:
            return x, s, beta


def first_values(x, bits, lo, hi):
    mean, sigma = x.mean(), x.std(ddof=1)
    three_sigma = max(abs(mean - 3 * sigma), abs(mean + 3 * sigma)) / 2**(bits - 1)
    scale = (x.max() - x.min()) / (hi - lo)
    return three_sigma, scale, x.min() - scale * lo


def case(rng, form, bits, signed):
    lo, hi = bounds(bits, signed)
    x, s, beta = draw(rng, form, lo, hi)
    dy = rng.uniform(-1, 1, N).astype(np.float32)
    wide = [np.float64(a) for a in (x, dy, s, beta)]
    _, q, x_hat = codes_of(form, wide[0], wide[2], wide[3], lo, hi)
    dx, ds, dbeta = gradients(form, *wide, lo, hi)
    three_sigma, scale, offset = first_values(wide[0], bits, lo, hi)
    return {"bits": np.int32(bits), "is_signed": np.int32(signed), "scale": s, "beta": beta, "x": x,
            "dy": dy, "codes": q.astype(np.int32), "x_hat": x_hat, "dx": dx, "ds": ds,
            "dbeta": dbeta, "three_sigma": three_sigma, "min_scale": scale, "min_beta": offset}


def save(form, cases):
    folder = os.path.join(ROOT, form)
    os.makedirs(folder, exist_ok=True)
    for name in cases[0]:
        array = np.array([c[name] for c in cases])
        kind = np.int32 if array.dtype == np.int32 else np.float32
        np.save(os.path.join(folder, name + ".npy"), np.ascontiguousarray(array.astype(kind)))


def main():
    rng = np.random.default_rng(20)
    for form in ("symmetric", "real", "integer"):
        save(form, [case(rng, form, bits, signed) for bits, signed in FORMATS])


main()
