#!/usr/bin/python3
"""Writes the golden vectors of convolution and linear: PyTorch, forward and backward, in float32.
Made with Debian's python3-torch 1.13.1; run from the repository root:

    python3 tests/golden/make_conv2d.py

Activations are stored NHWC, weights OHWI. tests/conv2d_test.cc and tests/linear_test.cc hold the
attributes of each case under the same name and read x, w, bias, y, dy, dx, dw, dbias.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

ROOT = os.path.join("tests", "golden")


def save(folder, **arrays):
    os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
    for name, value in arrays.items():
        np.save(os.path.join(ROOT, folder, name + ".npy"),
                np.ascontiguousarray(value.detach().numpy()))


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def conv2d(name, x_shape, w_shape, stride=(1, 1), pad=(0, 0, 0, 0), groups=1):
    """pad: top, left, bottom, right."""
    x, w, bias = leaf(*x_shape), leaf(*w_shape), leaf(w_shape[0])
    top, left, bottom, right = pad
    padded = F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
    y = F.conv2d(padded, w.permute(0, 3, 1, 2), bias, stride=stride, groups=groups)
    y = y.permute(0, 2, 3, 1)
    dy = torch.randn(y.shape)
    y.backward(dy)
    save(os.path.join("conv2d", name), x=x, w=w, bias=bias, y=y, dy=dy, dx=x.grad, dw=w.grad,
         dbias=bias.grad)


def linear():
    x, w, bias = leaf(5, 13), leaf(10, 13), leaf(10)
    y = F.linear(x, w, bias)
    dy = torch.randn(y.shape)
    y.backward(dy)
    save("linear", x=x, w=w, bias=bias, y=y, dy=dy, dx=x.grad, dw=w.grad, dbias=bias.grad)


if __name__ == "__main__":
    torch.manual_seed(20240602)
    conv2d("resnet", (2, 6, 6, 8), (16, 3, 3, 8), pad=(1, 1, 1, 1))
    conv2d("downsample", (2, 7, 6, 8), (12, 1, 1, 8), stride=(2, 2))
    conv2d("stem", (2, 11, 11, 3), (8, 7, 7, 3), stride=(2, 2), pad=(3, 3, 3, 3))
    conv2d("uneven", (2, 7, 8, 4), (6, 2, 3, 4), stride=(2, 1), pad=(0, 2, 1, 0))
    conv2d("grouped", (2, 5, 5, 8), (12, 3, 3, 2), pad=(1, 1, 1, 1), groups=4)
    conv2d("depthwise", (2, 7, 7, 10), (10, 3, 3, 1), stride=(2, 2), pad=(1, 1, 1, 1), groups=10)
    linear()
