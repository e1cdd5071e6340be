#!/usr/bin/python3
"""Writes the golden vectors of fake quantization: PyTorch's operators, forward and backward, in
float32. Made with Debian's python3-torch 1.13.1; run from the repository root:

    python3 tests/golden/make_fake_quantize.py

Each folder holds its cases stacked along the first axis: qmin, qmax, grad_factor one a case.

    tensor              one scale for all
    channel0, 1, 2      a scale for each index of that axis
    ties                x = (k + 1/2) s, where PyTorch's learnable gradient rounds z + x / s at once

PyTorch 2.15 writes the same bytes. Its gradient with one scale for all takes the zero point
trunc(z + 1/2) where its forward pass takes rne(z): another one for every negative z.

x, dy        input and gradient of the output
scale, zero_point                  what fake_quantize_per_*_affine takes; y, dx: what it gives
learned_zero_point                 real, what _fake_quantize_learnable_* takes; it gives learned_y,
                                   learned_dx, learned_ds, learned_dz

tests/fake_quantize_test.cc and tests/learnable_vectors_test.cc read them.
"""
import os
import sys

import numpy as np
import torch

ROOT = os.path.join("tests", "golden", "fake_quantize")
SHAPE = (3, 4, 5)
# qmin, qmax, zero points: 4 and 8 bits, signed and unsigned, with and without a zero point
RANGES = [(-8, 7, 0), (-8, 7, 3), (-8, 7, -8), (0, 15, 0), (0, 15, 5),
          (-128, 127, 0), (-128, 127, -77), (0, 255, 0), (0, 255, 128)]


def save(root, folder, cases):
    os.makedirs(os.path.join(root, folder), exist_ok=True)
    for name in cases[0]:
        rows = [case[name] for case in cases]
        if isinstance(rows[0], torch.Tensor):
            rows = [row.detach().numpy() for row in rows]
        rows = np.stack([np.asarray(row) for row in rows])
        dtype = np.int32 if rows.dtype.kind == "i" else np.float32
        np.save(os.path.join(root, folder, name + ".npy"), np.ascontiguousarray(rows, dtype))


def away_from_ties(shape, scale, zero_point, qmin, qmax):
    """Values over the range and a third of it beyond both ends, none within 0.01 s of a tie."""
    third = (qmax - qmin) / 3
    steps = (torch.rand(shape) * (qmax - qmin + 2 * third) + qmin - third) - zero_point
    fraction = (steps - steps.floor()).clamp(0.02, 0.98)
    fraction = torch.where((fraction - 0.5).abs() < 0.02, fraction + 0.05, fraction)
    return (steps.floor() + fraction) * scale


def run(operator, x, dy, *parameters):
    """y and the gradients of x and of those parameters that have one."""
    leaves = [x.clone().requires_grad_()]
    arguments = []
    for p in parameters:
        if isinstance(p, torch.Tensor) and p.is_floating_point():
            p = p.clone().requires_grad_()
            leaves.append(p)
        arguments.append(p)
    y = operator(leaves[0], *arguments)
    y.backward(dy)
    return [y] + [leaf.grad for leaf in leaves]


def case(x, dy, scale, zero_point, learned_zero_point, axis, qmin, qmax, grad_factor):
    if axis < 0:
        fixed = run(lambda v: torch.fake_quantize_per_tensor_affine(
            v, float(scale), int(zero_point), qmin, qmax), x, dy)
        learned = run(torch._fake_quantize_learnable_per_tensor_affine, x, dy, scale,
                      learned_zero_point, qmin, qmax, grad_factor)
    else:
        fixed = run(lambda v: torch.fake_quantize_per_channel_affine(
            v, scale, zero_point, axis, qmin, qmax), x, dy)
        learned = run(torch._fake_quantize_learnable_per_channel_affine, x, dy, scale,
                      learned_zero_point, axis, qmin, qmax, grad_factor)
    return dict(x=x, dy=dy, scale=scale, zero_point=zero_point,
                learned_zero_point=learned_zero_point, qmin=qmin, qmax=qmax,
                grad_factor=grad_factor, y=fixed[0], dx=fixed[1], learned_y=learned[0],
                learned_dx=learned[1], learned_ds=learned[2], learned_dz=learned[3])


def grids(axis):
    cases = []
    for qmin, qmax, z in RANGES:
        channels = 1 if axis < 0 else SHAPE[axis]
        scale = torch.rand(channels) * 0.3 + 0.02
        zero_point = torch.full((channels,), z, dtype=torch.int32)
        if z != 0:  # another one for each channel
            zero_point = (zero_point + torch.arange(channels, dtype=torch.int32)).clamp(qmin, qmax)
        learned = zero_point + torch.rand(channels) * 0.8 - 0.4
        view = [1, 1, 1]
        view[axis] = channels
        x = away_from_ties(SHAPE, scale.reshape(view), zero_point.reshape(view), qmin, qmax)
        grad_factor = 1.0 / (x.numel() / channels * qmax) ** 0.5
        cases.append(case(x, torch.randn(SHAPE), scale, zero_point, learned, axis, qmin, qmax,
                          grad_factor))
    return cases


def ties():
    """Every element is a separate channel with separate gradients of s and z."""
    cases = []
    for qmin, qmax in ((-8, 7), (0, 15)):
        for z in (0, 1, 2, 3):
            x = ((torch.arange(-21, 21) + 0.5) * 0.25).reshape(-1, 1)
            n = x.numel()
            scale, zero_point = torch.full((n,), 0.25), torch.full((n,), z, dtype=torch.int32)
            cases.append(case(x, torch.ones(n, 1), scale, zero_point, zero_point.float(), 0, qmin,
                              qmax, 1.0))
    return cases


if __name__ == "__main__":
    root = sys.argv[1] if len(sys.argv) > 1 else ROOT
    torch.manual_seed(20240603)
    torch.set_num_threads(1)
    save(root, "tensor", grids(-1))
    for axis in range(3):
        save(root, f"channel{axis}", grids(axis))
    save(root, "ties", ties())
