"""Vectors that seek ties. A zero point is given as its distance from the lowest code, so that the same
cases serve uint8 (lowest code 0) and int8 (-128). `every` N takes each Nth of the cases."""
import numpy as np

# input scale, output scale, zero points of both. Two grids are powers of two: exact ties.
GRIDS = [(0.5, 0.25, 0, 7), (0.0173, 0.091, 3, 0), (1.0, 1.0, 1, 100), (0.0031, 0.77, 128, 255),
         (0.23, 0.0019, 255, 128), (1.7, 113.0, 127, 1), (0.0471, 0.0471, 200, 254)]
NEAR = np.array([2, 3, 2**24 - 1, 2**24, 2**24 + 1, 2**24 + 3, 2**25 + 2, 2**31 - 1, 2**31])
MULTIPLIERS = [0.5, 0.25, 2.0**-9, 0.0037, 1.01, 2.0**-23, 1.7e-7]

# Scales of a, b and sum: equal, 2 to 1, far apart, as networks have them.
SUMS = [(0.05, 0.05, 0.05), (0.05, 0.05, 0.1), (1.0, 1.0, 2.0), (1.0, 0.5, 0.25), (0.5, 0.25, 1.0),
        (0.03, 0.06, 0.06), (0.1, 0.1, 0.3), (0.02, 0.02, 0.0199), (0.007, 0.3, 0.3),
        (0.031, 0.077, 0.093), (0.002, 1.3, 0.9), (1.3, 0.002, 1.3), (0.9, 0.9, 0.00731),
        (0.0037, 0.0041, 0.96), (0.11230737715959549, 0.8219661116600037, 0.020908964797854424),
        (0.24848461151123047, 0.08584954589605331, 0.13236157596111298), (0.0235, 0.0471, 0.0549),
        (0.0078125, 0.015625, 0.0234375), (3.0, 7.0, 5.0), (1 / 3, 1 / 7, 2 / 3)]
SUM_ZEROS = [(0, 0, 0), (3, 7, 11), (128, 128, 128), (255, 0, 127), (161, 32, 114), (0, 255, 254),
             (127, 128, 1)]

AVERAGES = [(0.0371, 3), (1.7, 255), (1.0, 128)]  # scale, zero point


def float32(number):
    return float(np.float32(number))


def code_type(lowest):
    return np.int8 if lowest < 0 else np.uint8


def nearest_int32(values):
    return np.clip(np.rint(values), -2.0**31, 2.0**31 - 1).astype(np.int64)


def channels_onto_ties(rng, levels, sx, sy, limit):
    """Accumulators within +-limit, a quarter of them where float32 ends to hold integers or int32
    ends, each with a weight scale that brings it within an ulp of a tie; then exact ties, as far as
    sx and sy are powers of two."""
    n = levels.size
    acc = np.floor(np.exp(rng.uniform(np.log(2), np.log(limit), n)))
    acc[:n // 4] = rng.choice(NEAR[NEAR <= limit], n // 4)
    acc = nearest_int32(np.where(levels < 0, -acc, acc))
    sw = (levels + 0.5) * sy / (sx * acc)
    tied = slice(3 * n // 4, n)
    shift = rng.integers(1, 15, n)[tied]
    acc[tied] = (2 * levels[tied] + 1) << (shift - 1)
    sw[tied] = 2.0**-shift * sy / sx
    return acc, sw.astype(np.float32)


def conv_cases(per_channel, n, lowest, limit, every):
    """(grid, accumulators, weight scales or the one): from beyond the lowest code to beyond the
    highest. Each grid has its own number of channels: the engine onednn of PyTorch 1.13 keeps compiled
    convolutions, and takes one of the same shape and multiplier that has another zero point."""
    rng = np.random.default_rng(7)
    for i, (sx, sy, zx, zy) in list(enumerate(GRIDS))[::every]:
        grid = sx, sy, zx, zy = float32(sx), float32(sy), lowest + zx, lowest + zy
        levels = rng.integers(lowest - zy - 4, lowest + 260 - zy, n + i)
        if per_channel:
            yield grid, *channels_onto_ties(rng, levels, sx, sy, limit)
            continue
        for multiplier in MULTIPLIERS[i % 2::2]:
            sw = float32(multiplier * sy / sx)
            acc = nearest_int32((levels + 0.5) / (sx * sw / sy) + rng.integers(-1, 2, n + i))
            yield grid, np.clip(acc, -limit, limit - 1), sw


def injected_by_weights(acc, zx, lowest):
    """x [taps] and w [channels, taps] with sum (x - zx) w = acc: for libraries whose bias is a float
    or is rounded. No weight but the first is above 64, and its neighbours are 0, so that 16-bit sums
    of two products do not saturate on a CPU that has them."""
    far = 255 + lowest - zx if zx - lowest < 128 else lowest - zx
    near = 1 if far > 0 else -1
    whole = np.rint(acc / far).astype(np.int64)
    taps = 4 * (2 + int(np.abs(whole).max()) // 256)
    x = np.full(taps, zx + far, code_type(lowest))
    x[0] = zx + near
    w = np.zeros((acc.size, taps), np.int8)
    w[:, 0] = near * (acc - whole * far)
    left = np.abs(whole)[:, None] - 64 * np.arange(taps - 4)
    w[:, 4:] = np.sign(whole)[:, None] * np.clip(left, 0, 64)
    return x, w


def injected_by_bias(acc, grid, sw, lowest):
    """x [1], w [channels, 1] and a float bias that brings their products to about `acc`."""
    sx, _, zx, _ = grid
    away = 57 if zx + 57 <= lowest + 255 else -57
    w = np.random.default_rng(11).integers(-64, 65, (acc.size, 1)).astype(np.int8)
    products = away * w[:, 0].astype(np.int64)
    scale = np.float32(sx) * np.float32(sw)
    bias = ((acc - products) * np.float64(scale)).astype(np.float32)
    return np.array([zx + away], code_type(lowest)), w, products, bias


def add_cases(lowest, every):
    """(a, b, scales, zero points): all pairs of codes."""
    codes = np.arange(lowest, lowest + 256).astype(code_type(lowest))
    a, b = (x.reshape(-1) for x in np.meshgrid(codes, codes, indexing="ij"))
    for i, scales in list(enumerate(SUMS))[::every]:
        zeros = SUM_ZEROS[i % len(SUM_ZEROS)]
        yield a, b, tuple(float32(s) for s in scales), tuple(lowest + z for z in zeros)


def windows(side, lowest):
    """x [1, channels, side, side]: a window for every sum that its codes can have."""
    rng = np.random.default_rng(side)
    count = side * side
    sums = np.arange(255 * count + 1)[:, None]
    x = sums // count + (np.arange(count) < sums % count)
    moved = rng.integers(0, np.minimum(x[:, :1], 255 - x[:, -1:]) + 1)
    x[:, :1] -= moved
    x[:, -1:] += moved
    x = rng.permuted(x, axis=1) + lowest
    return x.astype(code_type(lowest)).reshape(1, -1, side, side)


# kernel, strides, pads (top, left, bottom, right), whether padding counts; the last is the whole image.
WINDOWS = [((2, 2), (2, 2), (0, 0, 0, 0), True), ((3, 3), (1, 1), (1, 1, 1, 1), True),
           ((3, 3), (2, 2), (1, 1, 1, 1), False), ((5, 7), (1, 2), (2, 3, 2, 3), False),
           ((2, 3), (1, 2), (1, 0, 0, 2), False), ((5, 5), (1, 1), (1, 2, 2, 1), True),
           ((9, 8), (1, 1), (0, 0, 0, 0), True)]
WINDOW_GRIDS = [(0.0371, 0), (1.7, 255), (1.0, 128), (0.05, 3), (1 / 3, 254), (0.1123073, 7)]


def images(zero, lowest, channels, height=9, width=8, seed=5):
    """x [1, channels, height, width]: codes next to the zero point, whose averages are ties, and others."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (1, channels, height, width))
    x[:, ::2] = np.clip(zero + rng.integers(-6, 7, x[:, ::2].shape), 0, 255)
    return (x + lowest).astype(code_type(lowest))


# Heights and widths of images that are averaged whole.
IMAGES = [(1, 1), (1, 2), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (5, 3), (8, 8), (9, 8), (10, 10),
          (14, 14), (16, 16), (28, 28), (32, 32)]


def window_rows(x, zero_point, kernel, strides, pads, counted):
    """The windows of x [1, C, H, W] with as many codes each: (where in the flattened output [C, OH, OW],
    codes [windows, codes] in row-major order). Padding that counts has the code of 0."""
    _, channels, height, width = x.shape
    top, left, bottom, right = pads
    padded = np.pad(x[0], ((0, 0), (top, bottom), (left, right)), constant_values=zero_point)
    inside = np.pad(np.ones((height, width), bool), ((top, bottom), (left, right)),
                    constant_values=counted)
    shape = [(full - k) // s + 1 for full, k, s in zip(inside.shape, kernel, strides)]
    groups = {}
    for i, j in np.ndindex(*shape):
        part = np.s_[i * strides[0]:i * strides[0] + kernel[0], j * strides[1]:j * strides[1] + kernel[1]]
        codes = padded[:, part[0], part[1]][:, inside[part]]
        places = (np.arange(channels) * shape[0] + i) * shape[1] + j
        groups.setdefault(codes.shape[1], []).append((places, codes))
    for members in groups.values():
        yield tuple(np.concatenate(arrays) for arrays in zip(*members))


def window_cases(lowest, every):
    """(x, scale, zero point, window)"""
    cases = [(grid, window) for grid in WINDOW_GRIDS for window in WINDOWS]
    for (scale, zero), window in cases[::every]:
        yield images(zero, lowest, 64), float32(scale), lowest + zero, window


def image_cases(lowest, every):
    """(x, its codes [channels, pixels], scale, zero point)"""
    cases = [(grid, size) for grid in WINDOW_GRIDS for size in IMAGES]
    for (scale, zero), (height, width) in cases[::every]:
        x = images(zero, lowest, 256, height, width, seed=height * width)
        yield x, x.reshape(256, -1), float32(scale), lowest + zero


def average_cases(lowest, every):
    """(x, its sums, codes in each, scale, zero point)"""
    cases = [(side, *grid) for side in (2, 3, 7) for grid in AVERAGES]
    for side, scale, zero_point in cases[::every]:
        x = windows(side, lowest)
        sums = x.reshape(x.shape[1], -1).sum(axis=1, dtype=np.int32)
        yield x, sums, side * side, float32(scale), lowest + zero_point
