"""PyTorch's quantized engines, one operator at a time; shared with tests/golden/make_pytorch.py. The
type of the codes is that of the numpy arrays, uint8 or int8; of int8 ones the engine qnnpack computes
by XNNPACK."""
import warnings

import numpy as np
import torch

warnings.simplefilter("ignore")


def quantized(codes, scale, zero_point):
    return torch._make_per_tensor_quantized_tensor(torch.from_numpy(codes), float(scale), zero_point)


def weights(codes, sw):
    codes = codes.reshape(*codes.shape, 1, 1)
    if np.ndim(sw) == 0:
        return quantized(codes, sw, 0)
    return torch._make_per_channel_quantized_tensor(
        torch.from_numpy(codes), torch.from_numpy(sw.astype(np.float64)),
        torch.zeros(sw.size, dtype=torch.int64), 0)


def conv(x, w, bias, sw, sx, sy, zx, zy):
    """Codes of a 1x1 convolution of one pixel: x [taps], w [channels, taps] int8, bias float32. `sw`
    is a number, or one for each channel."""
    packed = torch.ops.quantized.conv2d_prepack(weights(w, sw), torch.from_numpy(bias), [1, 1],
                                                [0, 0], [1, 1], 1)
    y = torch.ops.quantized.conv2d(quantized(x.reshape(1, -1, 1, 1), sx, zx), packed, float(sy), zy)
    return y.int_repr().numpy().reshape(-1)


def witness(depthwise):
    """The code of sums of 255 x 127 in steps of 512: two taps of a 3 x 3 window, of one channel for 8
    filters, or of 8 channels with a filter each, for which FBGEMM has a kernel of its own."""
    channels = 8 if depthwise else 1
    w = np.zeros((8, 1, 3, 3), np.int8)
    w[..., 0, :2] = 127
    packed = torch.ops.quantized.conv2d_prepack(quantized(w, 1, 0), torch.zeros(8), [1, 1], [1, 1],
                                                [1, 1], channels)
    x = np.full((1, channels, 3, 3), 255, np.uint8)
    y = torch.ops.quantized.conv2d(quantized(x, 1, 0), packed, 512.0, 0)
    return y.int_repr().numpy()[0, 0, 1, 1]


def add(a, b, scales, zero_points):
    (sa, sb, sc), (za, zb, zc) = scales, zero_points
    return torch.ops.quantized.add(quantized(a, sa, za), quantized(b, sb, zb), float(sc),
                                   zc).int_repr().numpy()


def average(pool, x, scale, zero_point):
    """`pool` of x [n, c, h, w] in channels-last memory, as convolutions leave it."""
    q = quantized(x, scale, zero_point).contiguous(memory_format=torch.channels_last)
    return pool(q).int_repr().numpy().reshape(-1)
