#!/usr/bin/env python3
"""Replays a golden bundle without Gradus: an interpreter written from docs/golden.md and from "Every
step" in docs/hardware.md. It needs NumPy.

  ./deploy runs/latest --golden golden
  scripts/replay_golden.py golden              every layer, its tie vectors and its constants
  scripts/replay_golden.py golden-*            several bundles
  scripts/replay_golden.py golden --layers     a line for each layer

Counts codes, accumulators, codes of tie vectors and constants, and how many of each differ. Ends with
1 if one does.
"""
import argparse
import collections
import json
import pathlib
import sys

from oracle_packages import find_packages

find_packages(("numpy",), "no bundle is replayed")
import numpy as np  # noqa: E402

F32, F64, I64 = np.float32, np.float64, np.int64
INT32 = np.iinfo(np.int32)

# ---- arithmetic ------------------------------------------------------------------------------

rne = np.rint


def rha(v):
    return np.where(v < 0, np.ceil(v - 0.5), np.floor(v + 0.5)) if abs(v) < 2**51 else np.rint(v)


def up(v, n):
    v, n = np.asarray(v, I64), np.asarray(n, I64)
    return np.where(n == 0, v, ((v >> np.maximum(n - 1, 0)) + 1) >> 1)


def away(v, n):
    return np.where(v < 0, -up(-v, n), up(v, n))


def sat32(v):
    return np.clip(v, INT32.min, INT32.max)


def sat16(v):
    return np.clip(v, -32768, 32767)


def twice(a, v, e):
    t = sat32(np.asarray(a, I64) << np.minimum(np.maximum(e, 0), 31))
    return away(sat32((t * v + 2**30) >> 31), np.maximum(-e, 0))


def once(a, v, e):
    product = np.asarray(a, I64) * v
    return np.where(e > 30, sat32(product), up(product, np.maximum(31 - e, 0)))


def fma(a, b, c):
    """One rounding: rounds the sum to odd in binary64, so that a second rounding is harmless."""
    product, c = F64(a) * F64(b), np.asarray(c, F64)
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    bits = np.atleast_1d(total).view(I64).copy()
    error = np.broadcast_to(error, bits.shape)
    odd = (error != 0) & (bits & 1 == 0)
    bits[odd] += np.where((error[odd] > 0) == (np.atleast_1d(total)[odd] > 0), 1, -1)
    return bits.view(F64).astype(F32).reshape(np.shape(total))


def code(v, a):
    """Clamps integers, or floats to which the zero point was added as a float."""
    v = np.where(v > a["lo"], v, a["lo"])
    return np.where(v < a["hi"], v, a["hi"]).astype(I64)


def q31(m):
    f, e = np.frexp(F64(m))
    v = int(rha(f * 2.0**31))
    if v == 2**31:
        v, e = 2**30, e + 1
    return (0, 0) if e < -31 else (v, int(e))


# ---- requantization --------------------------------------------------------------------------
# acc [..., O] and constants k [O] -> codes. a: attributes, for zero points and ends.


def r1(acc, k, a):
    return code(rne(F32(acc) * k["multiplier"]) + F32(a["zero_point"]), a)


def r1c(acc, k, a):
    return code(rne((F32(acc) + k["real_bias"]) * k["multiplier"] + F32(a["zero_point"])), a)


def r1f(acc, k, a):
    biased = fma(k["real_bias"], k["bias_factor"], F32(acc))
    return code(rne(biased * k["multiplier"]) + F32(a["zero_point"]), a)


def r2(acc, k, a):
    return code(twice(acc, k["integer"], k["shift"]) + a["zero_point"], a)


def r3(acc, k, a):
    return code(once(acc, k["integer"], k["shift"]) + a["zero_point"], a)


def r5(acc, k, a):
    shift = np.asarray(k["shift"], I64)
    right = up(acc, np.maximum(shift, 0))
    return code(np.where(shift > 0, right, acc << np.maximum(-shift, 0)) + a["zero_point"], a)


def r8(acc, k, a):
    integer, levels = np.asarray(k["integer"], I64), a["qmax"] - a["qmin"]
    v = acc - np.asarray(k["offset"], I64)
    v = np.where(integer >= 2**31, np.clip(v, -(2**23), 2**23), v)
    return code(a["qmin"] + np.clip(up(v * integer, 31), 0, levels), a)


def r9(acc, k, a, shortcut=None):
    v = F32(acc) * k["multiplier"] + k["real_bias"]
    if shortcut is not None:
        v = v + F32(shortcut - a["shortcut_zero_point"]) * k["shortcut_ratio"][0]
    return code(rne(v) + F32(a["zero_point"]), a)


REQUANTIZE = {"R1": r1, "R1b": r1, "R10": r1, "R1c": r1c, "R1f": r1f, "R2": r2, "R3": r3, "R5": r5,
              "R8": r8, "R9": r9}


def requantize_constants(rule, sx, sw, sy, a, per_channel):
    """The constants that follow from the scales alone: all except biases."""
    one = F32(1)
    m = sx * sw / sy
    if rule in ("R1", "R9"):
        return {"multiplier": m}
    if rule == "R1b":
        return {"multiplier": (sx * sw) * (one / sy)}
    if rule == "R1c":
        return {"multiplier": (one / sy) / ((one / sx) * (one / sw))}
    if rule == "R1f":
        return {"multiplier": m, "bias_factor": one if per_channel else one / (sx * sw)}
    if rule == "R10":
        return {"multiplier": (m.reshape(1).view(np.uint32) & np.uint32(0xFFFFE000)).view(F32)[0]}
    if rule in ("R2", "R3"):
        integer, shift = q31(F64(sx) * F64(sw) / F64(sy))
        return {"integer": integer, "shift": shift}
    if rule == "R5":
        return {"shift": int(np.clip(log2(sy) - log2(sx) - log2(sw), -31, 62))}
    levels, d = a["qmax"] - a["qmin"], F64(sy) / (F64(sx) * F64(sw))
    reach = max(np.trunc(levels * d + 0.5), 1.0)
    return {"integer": int(np.floor(levels * 2.0**31 / reach)),
            "offset": int(sat32(rha((a["qmin"] - a["zero_point"]) * d)))}


def log2(scale):
    return int(np.frexp(scale)[1]) - 1


# ---- addition --------------------------------------------------------------------------------


def add_onnxruntime(x, y, k, a):
    inner = fma(F32(y), k["b_ratio"], k["a_offset"])
    return code(rne(fma(F32(x), k["a_ratio"], inner)), a)


def add_tflite(multiply):
    def add(x, y, k, a):
        u = multiply(2**20 * (x - k["a_zero_point"]), k["a_q31"], k["a_exponent"])
        v = multiply(2**20 * (y - k["b_zero_point"]), k["b_q31"], k["b_exponent"])
        return code(multiply(sat32(u + v), k["y_q31"], k["y_exponent"]) + k["y_zero_point"], a)
    return add


def add_fixed(shift):
    def add(x, y, k, a):
        v = (x - k["a_zero_point"]) * k["a_integer"] + (y - k["b_zero_point"]) * k["b_integer"]
        return code(shift(v, k["shift"]) + k["y_zero_point"], a)
    return add


def add_torch(x, y, k, a):
    v = fma(F32(x), k["a_ratio"], k["a_offset"]) + fma(F32(y), k["b_ratio"], k["b_offset"])
    return code(rne(v * k["y_ratio"]) + F32(k["y_zero_point"]), a)


def add_tvm(x, y, k, a):
    v = ((x - k["a_zero_point"]) << k["a_integer"]) + ((y - k["b_zero_point"]) << k["b_integer"])
    v = up(v, k["shift"]) if k["shift"] > 0 else v << -k["shift"]
    return code(v + k["y_zero_point"], a)


def add_hexagon(x, y, k, a):
    v = (x * k["a_integer"] + y * k["b_integer"]) >> min(8, 7 + k["shift"])
    return code(up(sat16(v + k["offset"]), max(k["shift"], 1)), a)


def add_real(x, y, k, a):
    v = F32(x - k["a_zero_point"]) * k["a_ratio"] + F32(y - k["b_zero_point"]) * k["b_ratio"]
    return code(rne(v) + F32(k["y_zero_point"]), a)


ADD = {"onnxruntime": add_onnxruntime, "tflite": add_tflite(twice),
       "tflite-single": add_tflite(once), "xnnpack": add_fixed(up), "qnnpack": add_fixed(away),
       "torch": add_torch, "tvm": add_tvm, "hexagon": add_hexagon, "real": add_real}


def add_constants(rule, sa, za, sb, zb, sy, zy):
    one = F32(1)
    if rule == "torch":
        return {"a_ratio": sa, "b_ratio": sb, "y_ratio": one / sy, "a_offset": -(sa * F32(za)),
                "b_offset": -(sb * F32(zb))}
    if rule.startswith("tflite"):
        t = 2.0 * F64(max(sa, sb))
        rows = {"a": q31(F64(sa) / t), "b": q31(F64(sb) / t), "y": q31(t / (2.0**20 * F64(sy)))}
        return {f"{x}_{part}": row[i] for x, row in rows.items()
                for i, part in enumerate(("q31", "exponent"))}
    if rule == "tvm":
        s = min(sa, sb)
        return {"a_integer": min(log2(sa) - log2(s), 40), "b_integer": min(log2(sb) - log2(s), 40),
                "shift": int(np.clip(log2(sy) - log2(s), -13, 62))}
    if rule == "hexagon":
        u = one / sy
        ra, rb = u * sa, u * sb
        e = int(np.frexp((ra + rb) * F32(16384 / 16380))[1])
        shift = int(np.clip(6 - e, -6, 7))
        ia, ib = (int(min(rha(F64(r) * 2.0**(8 + shift)), 16383)) for r in (ra, rb))
        offset = zy * 2**max(shift, 1) - ((za * ia + zb * ib) >> min(8, 7 + shift))
        return {"a_integer": ia, "b_integer": ib, "shift": shift,
                "offset": int(sat16(offset)) if shift > 0 else offset}
    made = {"a_ratio": sa / sy, "b_ratio": sb / sy}
    if rule == "onnxruntime":
        zeros = fma(made["a_ratio"], F32(za), made["b_ratio"] * F32(zb))
        made["a_offset"] = F32(zy) - zeros
    if rule in ("xnnpack", "qnnpack"):
        e = int(np.frexp(max(made["a_ratio"], made["b_ratio"]))[1])
        shift = int(np.clip((21 if rule == "xnnpack" else 22) - e, 0, 62))
        made["shift"] = shift
        made["a_integer"] = int(rne(np.ldexp(made["a_ratio"], shift)))
        made["b_integer"] = int(rne(np.ldexp(made["b_ratio"], shift)))
    return made


# ---- averages --------------------------------------------------------------------------------
# s sums, n counts, k constants of these counts: arrays of one shape.


def toward_zero(s, n):
    return np.where(s < 0, -(-s // n), s // n)


AVERAGE = {
    "real": lambda s, n, k, a: code(rne(F32(s - n * a["zero_point"]) * F32(k["multiplier"]))
                                    + F32(a["zero_point"]), a),
    "xnnpack": lambda s, n, k, a: code(rne(
        F32(s) * F32(k["multiplier"])
        + (F32(a["zero_point"]) - F32(n * a["zero_point"]) * F32(k["multiplier"]))), a),
    "mean": lambda s, n, k, a: code(twice(s - n * a["zero_point"], k["q31"], k["exponent"])
                                    + a["zero_point"], a),
    "mean-single": lambda s, n, k, a: code(once(s - n * a["zero_point"], k["q31"], k["exponent"])
                                           + a["zero_point"], a),
    "half-away": lambda s, n, k, a: code(toward_zero(np.where(s > 0, s + n // 2, s - n // 2), n), a),
    "truncated": lambda s, n, k, a: code(toward_zero(s, n), a),
    "mantissa": lambda s, n, k, a: code(
        up((sat16(up(256 * s, k["shift"])) * k["integer"] + 2**15) >> 15, 6), a),
}

AVERAGE["reciprocal"] = AVERAGE["real"]


def average_constants(rule, s, n):
    one = F32(1)
    if rule in ("real", "float-sum"):
        return {"multiplier": s / (s * F32(n))}
    if rule in ("reciprocal", "xnnpack"):
        return {"multiplier": one / F32(n)}
    if rule in ("mean", "mean-single"):
        k = n.bit_length() - 1
        return {"q31": 2**(30 + k) // n, "exponent": 1 - k}
    if rule == "mantissa":
        log2_above = (n - 1).bit_length()
        return {"integer": (2**(15 + log2_above) // n + 1) >> 1, "shift": log2_above + 1}
    return {}


# ---- sums ------------------------------------------------------------------------------------


def windows(x, kernel, stride, pad, fill):
    """[N, OH, OW, KH, KW, C] of x [N, H, W, C]."""
    top, left, bottom, right = pad
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return view[:, ::stride[0], ::stride[1]].transpose(0, 1, 2, 4, 5, 3)


def saturating(policy, x, w):
    """raw [rows, O] of x [rows, K] and w [O, K], both made unsigned and signed."""
    if x.shape[1] % 2:
        x, w = (np.pad(t, ((0, 0), (0, 1))) for t in (x, w))
    total = np.zeros((x.shape[0], w.shape[0]), I64)
    run = np.zeros_like(total)
    for i in range(0, x.shape[1], 2):
        pair = sat16(np.multiply.outer(x[:, i], w[:, i]) + np.multiply.outer(x[:, i + 1], w[:, i + 1]))
        if policy == "pairs16":
            total += pair
            continue
        run = sat16(run + pair)
        if (i + 2) % 256 == 0:
            total, run = total + run, np.zeros_like(run)
    return total + run


def dot(x, w, zx, zw, policy, x_signed, w_signed):
    """x [rows, K], w [O, K], zw [O] -> [rows, O]."""
    if policy is None:  # every sum is an integer that binary64 holds
        return ((x - zx).astype(F64) @ (w - zw[:, None]).astype(F64).T).astype(I64)
    if x_signed:
        x, zx = x + 128, zx + 128
    if not w_signed:
        w, zw = w - 128, zw - 128
    return (saturating(policy, x, w) - zx * w.sum(1) - zw * x.sum(1)[:, None]
            + x.shape[1] * zx * zw)


def accumulators(layer, x, k):
    a, w = layer["attributes"], k["weight"].astype(I64)
    signed = x.dtype == np.int8, k["weight"].dtype == np.int8
    x, policy = x.astype(I64), a.get("accumulator_policy")
    zx, zw = a["input_zero_point"], k["weight_zero_point"].astype(I64)
    if layer["op"] == "linear":
        return dot(x, w, zx, zw, policy, *signed) + k["bias"]
    filters, kh, kw, depth = w.shape
    groups = a["groups"]
    seen = windows(x, (kh, kw), a["stride"], a["pad"], zx)
    parts = []
    for g in range(groups):
        own = slice(g * filters // groups, (g + 1) * filters // groups)
        taps = seen[..., g * depth:(g + 1) * depth].reshape(-1, kh * kw * depth)
        parts.append(dot(taps, w[own].reshape(-1, kh * kw * depth), zx, zw[own], policy, *signed))
    acc = np.concatenate(parts, 1) + k["bias"]
    return acc.reshape(*seen.shape[:3], filters)


def sums_of_windows(layer, x):
    """Raw sums and the number of codes in each."""
    a, x = layer["attributes"], x.astype(I64)
    if layer["op"] == "global_average_pool":
        return x.sum((1, 2), keepdims=True), np.full(1, x.shape[1] * x.shape[2])
    z = a["zero_point"] if a["count_include_pad"] else 0
    sums = windows(x, a["kernel"], a["stride"], a["pad"], z).sum((3, 4))
    inside = windows(np.ones((1, *x.shape[1:3], 1), I64), a["kernel"], a["stride"], a["pad"],
                     1 if a["count_include_pad"] else 0).sum((3, 4))
    return sums, inside


# ---- layers ----------------------------------------------------------------------------------


def finish(layer, acc, k, shortcut=None):
    """From accumulators to codes, or to the floats of the logits."""
    a = layer["attributes"]
    if layer["rule"] is None:
        return k["scale"] * F32(acc) + k["real_bias"]
    if shortcut is not None:
        return r9(acc, k, a, shortcut.astype(I64))
    return REQUANTIZE[layer["rule"]](acc, k, a)


def average(layer, sums, counts):
    made = layer["average"] if isinstance(layer["average"], list) else [layer["average"]]
    by_count = {row["count"]: row for row in made}
    counts = np.broadcast_to(counts, sums.shape)
    distinct, index = np.unique(counts, return_inverse=True)
    k = {}
    for name in ("multiplier", "q31", "exponent", "integer", "shift"):
        # The hexadecimal text is the float itself.
        values = [float.fromhex(by_count[n]["multiplier_hex"]) if name == "multiplier"
                  else by_count[n][name] for n in distinct.tolist()]
        k[name] = np.array(values)[index].reshape(sums.shape)
    rule = "real" if layer["rule"] == "float-sum" else layer["rule"]
    return AVERAGE[rule](sums, counts, k, layer["attributes"])


def average_floats(layer, x, s):
    """The rule float-sum: floats are added one by one."""
    a, z = layer["attributes"], layer["attributes"]["zero_point"]
    seen = windows(F32(x.astype(I64) - z) * s, a["kernel"], a["stride"], a["pad"], 0)
    total = np.zeros(seen.shape[:3] + seen.shape[5:], F32)
    for h in range(a["kernel"][0]):
        for w in range(a["kernel"][1]):
            total = total + seen[:, :, :, h, w]
    counts = sums_of_windows(layer, x)[1]
    return code(rne(total / F32(counts) / s + F32(z)), a)


def is_whole_image(layer, x):
    a = layer["attributes"]
    return list(x.shape[1:3]) == a["kernel"] and not any(a["pad"])


def add(layer, x, y, k):
    named = dict(zip(layer["elements"]["ratios"], k["ratios"]))
    named.update(zip(layer["elements"]["integers"], k["integers"].tolist()))
    return ADD[layer["rule"]](x.astype(I64), y.astype(I64), named, layer["attributes"])


def quantize(layer, x, k):
    a = layer["attributes"]
    with np.errstate(over="ignore"):
        return code(rne(x / k["scale"][0]) + F32(a["zero_point"]), a)


def max_pool(layer, x):
    a = layer["attributes"]
    return windows(x.astype(I64), a["kernel"], a["stride"], a["pad"], -(2**31)).max((3, 4))


def run(layer, inputs, k):
    """(accumulators or None, output)"""
    op, x = layer["op"], inputs[0]
    if op == "quantize":
        return None, quantize(layer, x, k)
    if op in ("conv2d", "linear"):
        acc = accumulators(layer, x, k)
        return acc, finish(layer, acc, k, inputs[1] if len(inputs) > 1 else None)
    if op == "requantize":
        acc = x.astype(I64) - layer["attributes"]["input_zero_point"]
        return acc, finish(layer, acc, k)
    if op == "add":
        return None, add(layer, x, inputs[1], k)
    if op in ("average_pool2d", "global_average_pool"):
        sums, counts = sums_of_windows(layer, x)
        if layer["rule"] == "float-sum" and not is_whole_image(layer, x):
            return sums, average_floats(layer, x, k["scale"][0])
        return sums, average(layer, sums, counts[..., :1] if counts.ndim > 1 else counts)
    if op == "max_pool2d":
        return None, max_pool(layer, x)
    if op == "flatten":
        return None, x.reshape(x.shape[0], -1)
    if op == "concat":
        return None, np.concatenate(inputs, -1)
    raise ValueError(f"{layer['folder']}: docs/golden.md knows no operator {op}")


def run_ties(layer, given, k):
    op = layer["op"]
    if op == "quantize":
        return quantize(layer, given["input"], k)
    if op == "add":
        return add(layer, given["input"][:, None], given["input_2"][None, :], k)
    if op == "average_pool2d" and "input" in given:
        return run(layer, [given["input"]], k)[1]
    if "sum" in given:
        return average(layer, given["sum"].astype(I64), given["count"])
    return finish(layer, given["accumulator"].astype(I64), k, given.get("shortcut"))


def scale_of(grid):
    return F32(float.fromhex(grid["scale_hex"]))


def made_constants(layer, k):
    """[(name, as stored, as the scales make it)]"""
    rule, op, a = layer["rule"], layer["op"], layer["attributes"]
    if rule is None:
        return []
    if op in ("average_pool2d", "global_average_pool"):
        made = layer["average"] if isinstance(layer["average"], list) else [layer["average"]]
        return [(name, F32(float.fromhex(row["multiplier_hex"])) if name == "multiplier" else row[name],
                 value)
                for row in made
                for name, value in average_constants(rule, k["scale"][0], row["count"]).items()]
    grids = [part["grid"] for part in layer["inputs"]] + [layer["output"]["grid"]]
    scales = [scale_of(grid) for grid in grids]
    if op == "add":
        zeros = [grid["zero_point"] for grid in grids]
        made = add_constants(rule, *(v for pair in zip(scales, zeros) for v in pair))
        places = {name: (part, i) for part in ("ratios", "integers")
                  for i, name in enumerate(layer["elements"][part])}
        return [(name, k[places[name][0]][places[name][1]], value) for name, value in made.items()]
    weights = [F32(1)]
    if layer["weight"] is not None:
        weights = [F32(float.fromhex(text)) for text in layer["weight"]["scale_hex"]]
    rows = []
    for c in range(len(k[next(n for n in ("multiplier", "integer", "shift") if n in k)])):
        sw = weights[c if len(weights) > 1 else 0]
        made = requantize_constants(rule, scales[0], sw, scales[-1], a, len(weights) > 1)
        rows += [(name, k[name][c], value) for name, value in made.items()]
    return rows


# ---- the bundle ------------------------------------------------------------------------------


class Bundle:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.manifest = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        if self.manifest["format"] != "gradus golden 2":
            raise ValueError(f"{folder}: the format is {self.manifest['format']}, not gradus golden 2")
        self.compared, self.differ = collections.Counter(), collections.Counter()
        self.first = None

    def load(self, entry):
        return np.load(self.folder / entry["name"])

    def compare(self, what, name, stored, made):
        """Compares floats by their bits."""
        made = np.broadcast_to(made, stored.shape).astype(stored.dtype) \
            if stored.dtype != F32 else np.asarray(made, F32)
        as_bits = (lambda t: t.view(np.uint32)) if stored.dtype == F32 else (lambda t: t)
        wrong = as_bits(stored) != as_bits(np.ascontiguousarray(made).reshape(stored.shape))
        self.compared[what] += stored.size
        self.differ[what] += int(wrong.sum())
        if wrong.any() and self.first is None:
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            self.first = f"{name}{list(place)} is {stored[place]}, made here {np.asarray(made)[place]}"

    def replay(self, layer, registers):
        """Replays one layer; its inputs must equal the outputs written before."""
        inputs = [self.load(part["file"]) for part in layer["inputs"]]
        for part, x in zip(layer["inputs"], inputs):
            self.compare("inputs", part["file"]["name"], x, registers[part["register"]])
        output = self.load(layer["output"]["file"])
        registers[layer["output"]["register"]] = output
        if layer["float"]:
            return "computed in float, not replayed"
        k = {name: self.load(entry) for name, entry in layer["constants"].items()}
        acc, made = run(layer, inputs, k)
        if acc is not None:
            self.compare("accumulators", layer["accumulator"]["name"],
                         self.load(layer["accumulator"]), acc)
        self.compare("outputs", layer["output"]["file"]["name"], output, made)
        for name, stored, value in made_constants(layer, k):
            self.compare("constants", f"{layer['folder']}/{name}", np.asarray(stored)[None],
                         np.asarray(value)[None])
        if layer["ties"] is not None:
            given = {name: self.load(entry) for name, entry in layer["ties"].items()}
            expected = given.pop("output")
            self.compare("ties", layer["ties"]["output"]["name"], expected, run_ties(layer, given, k))
        return "replayed"

    def replay_all(self, show):
        registers = {0: self.load(self.manifest["images"])}
        for layer in self.manifest["layers"]:
            end = self.replay(layer, registers)
            if show:
                print(f"{layer['folder']}  {layer['op']}  {layer['rule'] or '-'}  {end}")
        self.compare("outputs", "logits.npy", self.load(self.manifest["logits"]),
                     registers[self.manifest["program"]["output"]])


def replay(folder, show):
    """0 if nothing differs."""
    try:
        bundle = Bundle(folder)
        bundle.replay_all(show)
    except (OSError, ValueError, KeyError) as error:
        print(f"replay_golden: {folder}: {error!r}", file=sys.stderr)
        return 1
    counts = ", ".join(f"{bundle.differ[what]} of {bundle.compared[what]:,} {what}"
                       for what in ("outputs", "accumulators", "ties", "constants", "inputs"))
    print(f"{folder}: {bundle.manifest['program']['hardware']}: {counts} differ", flush=True)
    if bundle.first:
        print(f"replay_golden: first {bundle.first}", file=sys.stderr)
    return int(bundle.first is not None)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", metavar="DIR", help="what ./deploy --golden wrote")
    parser.add_argument("--layers", action="store_true", help="a line for each layer")
    options = parser.parse_args()
    return max(replay(folder, options.layers) for folder in options.bundles)


if __name__ == "__main__":
    sys.exit(main())
