#!/usr/bin/python3
"""Writes the golden vectors of the optimizers over two groups of parameters: PyTorch, float32. Made
with Debian's python3-torch 1.13.1; run from the repository root:

    python3 tests/golden/make_optimizer.py

`weight` decays, `bias` does not and learns at half the rate; the rate changes at every step.
tests/optimizer_test.cc holds the options of each case under the same name.
"""
import os

import numpy as np
import torch

RATES = (0.1, 0.05, 0.2)
CASES = {
    "sgd": (torch.optim.SGD, dict(momentum=0.9, nesterov=True), 0.01),
    "adamw": (torch.optim.AdamW, dict(betas=(0.8, 0.99), eps=1e-6), 0.1),
}


def main():
    torch.manual_seed(20240603)
    for name, (optimizer, options, decay) in CASES.items():
        folder = os.path.join("tests", "golden", "optimizer", name)
        os.makedirs(folder, exist_ok=True)
        parameters = {"weight": torch.randn(7).requires_grad_(),
                      "bias": torch.randn(3).requires_grad_()}
        arrays = {key + "_before": p.detach().clone() for key, p in parameters.items()}
        grads = {key: torch.randn(len(RATES), p.numel()) for key, p in parameters.items()}
        after = {key: [] for key in parameters}
        steps = optimizer([{"params": [parameters["weight"]], "weight_decay": decay},
                           {"params": [parameters["bias"]], "weight_decay": 0.0}],
                          lr=RATES[0], **options)
        for t, rate in enumerate(RATES):
            steps.param_groups[0]["lr"] = rate
            steps.param_groups[1]["lr"] = rate * 0.5
            for key, p in parameters.items():
                p.grad = grads[key][t].clone()
            steps.step()
            for key, p in parameters.items():
                after[key].append(p.detach().clone())
        for key in parameters:
            arrays[key + "_grads"] = grads[key]
            arrays[key + "_after"] = torch.stack(after[key])
        for key, value in arrays.items():
            np.save(os.path.join(folder, key + ".npy"), value.numpy())


if __name__ == "__main__":
    main()
