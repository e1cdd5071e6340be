#!/usr/bin/python3
"""Prints the worked example of tests/folding_golden_test.cc in float64: every folding of batch norm
(MQBench, section 3.3) over one 1x1 convolution of two channels, four samples. The gradient of the
rounding is straight through within the range. Made with Debian's python3-torch 1.13.1:

    python3 tests/golden/make_folding.py
"""
import torch

torch.set_default_dtype(torch.float64)
EPS, MOMENTUM = 1e-5, 0.1
X = torch.tensor([[1.0, -0.5], [0.2, 0.8], [-1.5, 0.3], [0.7, 1.1]])
DY = torch.tensor([1.0, -0.5, 0.25, 2.0])


class Quantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return 0.25 * torch.clamp(torch.round(w / 0.25), -8, 7)

    @staticmethod
    def backward(ctx, dy):
        (w,) = ctx.saved_tensors
        return dy * ((w / 0.25 >= -8) & (w / 0.25 <= 7))


def moments(u, mean, var):
    """The statistics of the batch; updates the running ones in place."""
    m, v = u.mean(), u.var(unbiased=False)
    mean.mul_(1 - MOMENTUM).add_(MOMENTUM * m.detach())
    var.mul_(1 - MOMENTUM).add_(MOMENTUM * u.detach().var(unbiased=True))
    return m, torch.sqrt(v + EPS)


def forward(folding, w, b, gamma, beta, mean, var):
    q = Quantize.apply
    if folding == -1:
        u = X @ q(w) + b
        m, s = moments(u, mean, var)
        return (u - m) / s * gamma + beta
    sigma = torch.sqrt(var + EPS)
    if folding == 1:
        return X @ q(w * gamma / sigma) + beta + (b - mean) * gamma / sigma
    if folding == 4:
        g = gamma / sigma
        v = X @ q(w * g) / g + b
        m, s = moments(v, mean, var)
        return (v - m) / s * gamma + beta
    m, s = moments(X @ w + b, mean, var)
    bias = beta + (b - m) * gamma / s
    if folding == 2:
        return X @ q(w * gamma / s) + bias
    sigma = torch.sqrt(var + EPS)  # as the batch has updated it
    return X @ q(w * gamma / sigma) * (sigma / s) + bias


for bias in (0.0, 0.3):
    for folding in (-1, 1, 2, 3, 4):
        w = torch.tensor([0.62, -0.37], requires_grad=True)
        b, gamma, beta = (torch.tensor(v, requires_grad=True) for v in (bias, 1.3, 0.2))
        mean, var = torch.tensor(0.1), torch.tensor(0.9)
        y = forward(folding, w, b, gamma, beta, mean, var)
        y.backward(DY)
        values = [y, w.grad, b.grad, gamma.grad, beta.grad, mean, var]
        text = ", ".join("{" + ", ".join(f"{v:.9f}" for v in t.detach().reshape(-1)) + "}"
                         for t in values)
        print(f"bias {bias} folding {folding:2}: {text}")
