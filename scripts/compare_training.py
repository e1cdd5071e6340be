#!/usr/bin/env python3
"""The gradients of a training step on batch statistics, ./train's next to PyTorch's.

    scripts/compare_training.py [model ...]     # all without

Batch norm on the statistics of a batch makes gradients so steep that float32 itself differs from float64
by some 0.1 to 3 percent, in PyTorch too. So both are measured against PyTorch in float64, as the norm of
the difference over the norm, for each parameter. Promised, else the exit code is 1: the median of ./train
is at most twice that of PyTorch in float32, the same loss to 1e-5, the same running statistics to 1e-4 of
the largest.

The gradient is read off a step of plain SGD: what --float-epochs 0 and --max-steps 1 leave differs by
--float-lr times it. One batch holds all images, so that their order does not matter. Networks with
dropout are left out: it draws other zeros."""

import pathlib
import struct
import subprocess
import sys
import tempfile

from oracle_packages import ROOT, find_packages

IMAGES, SIDE, CLASSES, RATE = 64, 32, 10, 0.25
THEIRS = {"resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50",
          "regnetx_400mf_tv": "regnet_x_400mf"}


def write_images(folder):
    """Smooth grey images and labels as IDX files, all of one batch; also as arrays."""
    import numpy
    draw = numpy.random.default_rng(0)
    coarse = draw.integers(0, 256, (IMAGES, SIDE // 4, SIDE // 4)).repeat(4, 1).repeat(4, 2)
    pixels = numpy.clip(coarse + draw.normal(0, 10, coarse.shape), 0, 255).astype(numpy.uint8)
    labels = draw.integers(0, CLASSES, IMAGES).astype(numpy.uint8)
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, IMAGES, SIDE, SIDE) + pixels.tobytes())
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2i", 2049, IMAGES) + labels.tobytes())
    return pixels, labels


def train(model, folder, run, *steps):
    """The float network saved by ./train, and the loss of its last step."""
    from safetensors.torch import load_file
    out = folder / run
    done = subprocess.run(
        [ROOT / "train", "--model", model, "--stem", "small", "--algo", "none", "--dataset", "mnist",
         "--data-path", folder, "--normalize", "half", "--batch-size", str(IMAGES), "--momentum", "0",
         "--no-nesterov", "--weight-decay", "0", "--warmup-epochs", "0", "--label-smoothing", "0",
         "--float-lr", str(RATE), "--output", out, *steps], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compare_training: ./train ended with {done.returncode}: {done.stderr.strip()}")
    rows = (out / "metrics.csv").read_text().splitlines()
    loss = float(rows[-1].split(",")[rows[0].split(",").index("train_loss")]) if len(rows) > 1 else 0.0
    return load_file(out / "float.safetensors"), loss


def network_of(model):
    """torchvision's, with the stem for small grey images."""
    import torchvision
    from torch import nn
    network = torchvision.models.get_model(THEIRS[model], num_classes=CLASSES)
    if model.startswith("resnet"):
        network.conv1, network.maxpool = nn.Conv2d(1, 64, 3, 1, 1, bias=False), nn.Identity()
        return network
    network.stem[0] = nn.Conv2d(1, 32, 3, 1, 1, bias=False)
    block = network.trunk_output.block1[0]
    block.proj[0].stride = block.f.b[0].stride = (1, 1)
    return network


def step_of_torch(model, weights, pixels, labels, dtype):
    """Loss, gradients and running statistics, in float64."""
    import torch
    network = network_of(model)
    network.load_state_dict(weights, strict=False)
    network = network.to(dtype).train()
    images = torch.from_numpy(pixels / 127.5 - 1).to(dtype).unsqueeze(1)
    loss = torch.nn.functional.cross_entropy(network(images), torch.from_numpy(labels).long())
    loss.backward()
    gradients = {name: p.grad.double() for name, p in network.named_parameters()}
    statistics = {name: b.double() for name, b in network.named_buffers() if "running" in name}
    return loss.item(), gradients, statistics


def compare(model, folder, pixels, labels):
    """Prints a line; true if the promise is kept."""
    import statistics as stats
    import torch
    before, _ = train(model, folder, f"{model}-before", "--float-epochs", "0")
    after, loss = train(model, folder, f"{model}-after", "--float-epochs", "1", "--max-steps", "1")
    want_loss, want, want_running = step_of_torch(model, before, pixels, labels, torch.float64)
    _, single, _ = step_of_torch(model, before, pixels, labels, torch.float32)
    ours = {name: (before[name].double() - after[name].double()) / RATE for name in want}

    def errors(gradients):
        return [((gradients[name] - g).norm() / g.norm()).item() for name, g in want.items()]

    mine, theirs = errors(ours), errors(single)
    running = max(((after[name].double() - s).abs().max() / s.abs().max()).item()
                  for name, s in want_running.items())
    ratio = stats.median(mine) / stats.median(theirs)
    kept = ratio <= 2 and abs(loss - want_loss) <= 1e-5 * want_loss and running <= 1e-4
    print(f"{model:18} loss {loss:.6f} (float64 {want_loss:.6f}); gradients: median {stats.median(mine):.1e}, "
          f"PyTorch {stats.median(theirs):.1e}, ratio {ratio:.2f}; worst {max(mine):.1e}, PyTorch "
          f"{max(theirs):.1e}; statistics {running:.0e}{'' if kept else '  FAILED'}", flush=True)
    return kept


def main():
    find_packages(("torch", "torchvision", "numpy", "safetensors"), "no training step was compared")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        pixels, labels = write_images(folder)
        kept = [compare(model, folder, pixels, labels) for model in sys.argv[1:] or THEIRS]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
