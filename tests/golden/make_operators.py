#!/usr/bin/python3
"""Writes the golden vectors of every operator but convolution and linear: PyTorch, forward and
backward, in float32. Made with Debian's python3-torch 1.13.1; run from the repository root:

    python3 tests/golden/make_operators.py

Activations are stored NHWC. Names: inputs as in autograd/ops.h, dy the output's gradient, y the
output, dx the gradient of x. tests/<op>_test.cc read them.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

ROOT = os.path.join("tests", "golden")


def save(op, **arrays):
    os.makedirs(os.path.join(ROOT, op), exist_ok=True)
    for name, value in arrays.items():
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        np.save(os.path.join(ROOT, op, name + ".npy"), np.ascontiguousarray(value))


def leaf(*shape, scale=1.0, shift=0.0):
    return (torch.randn(*shape) * scale + shift).requires_grad_()


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def run(y):
    """Backward with a random dy."""
    dy = torch.randn_like(y)
    y.backward(dy)
    return dy


def elementwise():
    a, b = leaf(2, 3, 2, 5), leaf(2, 3, 2, 5)
    y = a + b
    dy = run(y)
    save("add", a=a, b=b, y=y, dy=dy, da=a.grad, db=b.grad)
    for op, function in (("relu", F.relu), ("relu6", F.relu6)):
        x = leaf(3, 4, 5, 7, scale=5.0)
        y = function(x)
        dy = run(y)
        save(op, x=x, y=y, dy=dy, dx=x.grad)


def batch_norm():
    for mode in ("train", "eval"):
        channels = 45  # 32 + 8 + 5: every width of the kernels
        x = leaf(3, 5, 4, channels, scale=2.0, shift=3.0)
        gamma, beta = leaf(channels), leaf(channels)
        mean, var = torch.randn(channels), torch.rand(channels) + 0.5
        save("batch_norm/" + mode, running_mean=mean, running_var=var)
        mean, var = mean.clone(), var.clone()
        y = nhwc(F.batch_norm(nchw(x), mean, var, gamma, beta, mode == "train", 0.1, 1e-5))
        dy = run(y)
        save("batch_norm/" + mode, x=x, gamma=gamma, beta=beta, y=y, dy=dy, dx=x.grad,
             dgamma=gamma.grad, dbeta=beta.grad, running_mean_after=mean, running_var_after=var)


def folding():
    gamma, var = leaf(11), torch.rand(11) + 0.1
    y = gamma / torch.sqrt(var + 1e-3)
    dy = run(y)
    save("batch_norm_scale", gamma=gamma, running_var=var, y=y, dy=dy, dgamma=gamma.grad)
    beta, mean, scale, bias = leaf(11), torch.randn(11), leaf(11), leaf(11)
    y = beta + (bias - mean) * scale
    dy = run(y)
    save("batch_norm_bias", beta=beta, running_mean=mean, scale=scale, bias=bias, y=y, dy=dy,
         dbeta=beta.grad, dscale=scale.grad, dbias=bias.grad)


def axis_scale():
    cases = (("weights", (6, 3, 3, 5), 0), ("activations", (2, 3, 4, 37), 3))
    for case, shape, axis in cases:
        for op in ("multiply_axis", "divide_axis"):
            x, factor = leaf(*shape), (torch.rand(shape[axis]) + 0.5).requires_grad_()
            view = [1] * 4
            view[axis] = shape[axis]
            f = factor.reshape(view)
            y = x * f if op == "multiply_axis" else x / f
            dy = run(y)
            save(op + "/" + case, x=x, factor=factor, y=y, dy=dy, dx=x.grad, dfactor=factor.grad)


def batch_parts():
    """Mean and variance alone, and operators that read them with a gradient."""
    channels = 45
    for op in ("batch_mean", "batch_variance"):
        u = leaf(3, 5, 4, channels, scale=2.0, shift=3.0)
        mean, var = torch.randn(channels), torch.rand(channels) + 0.5
        running = {"running_mean": mean} if op == "batch_mean" else {"running_var": var}
        save(op, **running)
        mean, var = mean.clone(), var.clone()
        F.batch_norm(nchw(u.detach()), mean, var, training=True, momentum=0.1)
        rows = u.reshape(-1, channels)
        y = rows.mean(0) if op == "batch_mean" else rows.var(0, unbiased=False)
        dy = run(y)
        save(op, u=u, y=y, dy=dy, du=u.grad, running_after=mean if op == "batch_mean" else var)
    gamma, var = leaf(11), (torch.rand(11) + 0.1).requires_grad_()
    y = gamma / torch.sqrt(var + 1e-3)
    dy = run(y)
    save("batch_norm_scale/batch", gamma=gamma, var=var, y=y, dy=dy, dgamma=gamma.grad,
         dvar=var.grad)
    beta, mean, scale, bias = leaf(11), leaf(11), leaf(11), leaf(11)
    y = beta + (bias - mean) * scale
    dy = run(y)
    save("batch_norm_bias/batch", beta=beta, mean=mean, scale=scale, bias=bias, y=y, dy=dy,
         dbeta=beta.grad, dmean=mean.grad, dscale=scale.grad, dbias=bias.grad)
    running, batch = torch.rand(11) + 0.1, (torch.rand(11) + 0.1).requires_grad_()
    y = torch.sqrt(running + 1e-3) / torch.sqrt(batch + 1e-3)
    dy = run(y)
    save("deviation_ratio", running_var=running, batch_var=batch, y=y, dy=dy,
         dbatch_var=batch.grad)
    for case, shape, axis in (("weights", (6, 3, 3, 5), 0), ("activations", (2, 3, 4, 37), 3)):
        x, b = leaf(*shape), leaf(shape[axis])
        view = [1] * 4
        view[axis] = shape[axis]
        y = x + b.reshape(view)
        dy = run(y)
        save("add_axis/" + case, x=x, b=b, y=y, dy=dy, dx=x.grad, db=b.grad)


def concat():
    a, b, c = leaf(2, 3, 2, 4), leaf(2, 3, 2, 1), leaf(2, 3, 2, 6)
    y = nhwc(torch.cat([nchw(a), nchw(b), nchw(c)], dim=1))
    dy = run(y)
    save("concat", a=a, b=b, c=c, y=y, dy=dy, da=a.grad, db=b.grad, dc=c.grad)


def pools():
    # name: kernel (h, w), stride (h, w), padding (top, left, bottom, right); as in the tests
    cases = {
        "resnet": ((3, 3), (2, 2), (1, 1, 1, 1)),
        "uneven": ((2, 3), (1, 2), (1, 0, 0, 2)),
    }
    for name, (kernel, stride, (top, left, bottom, right)) in cases.items():
        # Few distinct values, so that windows have ties.
        x = torch.randint(-4, 5, (2, 7, 6, 5)).float().requires_grad_()
        padded = F.pad(nchw(x), (left, right, top, bottom), value=float("-inf"))
        y = nhwc(F.max_pool2d(padded, kernel, stride))
        dy = run(y)
        save("max_pool2d/" + name, x=x, y=y, dy=dy, dx=x.grad)
    cases = {
        "padded": ((3, 3), (2, 2), (1, 1, 1, 1), True),
        "valid": ((3, 2), (2, 1), (1, 1, 1, 1), False),
        "uneven": ((2, 3), (1, 2), (1, 0, 0, 2), True),
    }
    for name, (kernel, stride, (top, left, bottom, right), counted) in cases.items():
        x = leaf(2, 7, 6, 5)
        if counted:
            padded = F.pad(nchw(x), (left, right, top, bottom))
            y = nhwc(F.avg_pool2d(padded, kernel, stride))
        else:
            y = nhwc(F.avg_pool2d(nchw(x), kernel, stride, (top, left), count_include_pad=False))
        dy = run(y)
        save("average_pool2d/" + name, x=x, y=y, dy=dy, dx=x.grad)
    x = leaf(3, 5, 7, 45)
    y = nhwc(F.adaptive_avg_pool2d(nchw(x), 1))
    dy = run(y)
    save("global_average_pool", x=x, y=y, dy=dy, dx=x.grad)
    x = leaf(2, 3, 4, 5)
    y = torch.flatten(x, 1)
    dy = run(y)
    save("flatten", x=x, y=y, dy=dy, dx=x.grad)


def philox4x32(counter, key):
    """Philox4x32-10, Salmon et al., SC 2011: the generator that dropout draws from."""
    counter, key = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(p1 >> 32) ^ counter[1] ^ key[0], p1 & 0xFFFFFFFF,
                   (p0 >> 32) ^ counter[3] ^ key[1], p0 & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def dropout():
    seed, p = 12345, 0.25  # as in the test
    x = leaf(5, 33)
    draws = [philox4x32([i // 4, 0, 0, 0], [seed, 0])[i % 4] >> 8 for i in range(x.numel())]
    keep = torch.tensor([d / 2.0**24 >= p for d in draws]).reshape(x.shape)
    y = torch.where(keep, x / (1 - p), torch.zeros(()))
    dy = run(y)
    save("dropout", x=x, y=y, dy=dy, dx=x.grad)


def softmax_cross_entropy():
    for name, smoothing in (("plain", 0.0), ("smooth", 0.1)):
        logits = leaf(6, 10, scale=4.0)
        labels = torch.randint(0, 10, (6,))
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        loss.backward()
        save("softmax_cross_entropy/" + name, logits=logits, labels=labels, loss=loss.reshape(1),
             dlogits=logits.grad)


def optimizers():
    cases = {
        "sgd/plain": (torch.optim.SGD, dict(lr=0.1)),
        "sgd/momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
        "sgd/nesterov": (torch.optim.SGD,
                         dict(lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)),
        "adamw": (torch.optim.AdamW, dict(lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)),
    }
    for name, (optimizer, options) in cases.items():
        w = leaf(21)
        grads = torch.randn(4, 21)
        save(name, w=w, grads=grads)
        steps = optimizer([w], **options)
        after = []
        for grad in grads:
            w.grad = grad.clone()
            steps.step()
            after.append(w.detach().clone())
        save(name, after=torch.stack(after))


if __name__ == "__main__":
    torch.manual_seed(20240601)
    torch.set_num_threads(1)
    for make in (elementwise, batch_norm, folding, axis_scale, concat, pools, dropout,
                 softmax_cross_entropy, optimizers, batch_parts):
        make()
