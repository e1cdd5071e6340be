#!/usr/bin/env python3
"""Writes the golden vectors of the networks: logits and gradients by torchvision and timm, in
float64. Made with torch 2.15.0, torchvision 0.29.2, timm 1.0.31 of .oracles
(scripts/setup.sh --oracles); run from the repository root:

    .oracles/bin/python tests/golden/make_models.py [case ...]

Nothing is stored that can be drawn: every weight and image comes from the generator of
tensor/rng.h, by name, as in tests/models_golden_test.cc, which holds the table of cases too. For
each case there are, below tests/golden/models/:

    <case>_images.npy [1]           which images: the first draw that no activation spoils (margin)
    <case>_eval.npy   [N, classes]  logits with running statistics
    <case>_train.npy  [N, classes]  logits with statistics of the batch, dropout off
    <case>_grad.npy   [P, 4]        of the gradient of every parameter, in the order of their names,
                                    for logits `eval` whose gradient is drawn: norm, and three
                                    projections

Gradients are those with running statistics: batches small enough for a test make the gradient of
batch statistics so steep that float32 and float64 differ by percents in PyTorch itself; for those see
scripts/compare_training.py.
"""
import functools
import os
import sys

import numpy as np
import timm
import torch
import torchvision
from torch import nn
from torchvision.models.regnet import BlockParams, RegNet
from torchvision.models.resnet import BasicBlock

ROOT = os.path.join("tests", "golden", "models")
CLASSES, BATCH, CHANNELS = 10, 2, 3
TRAIN_BATCH = 8


# ---- the generator of tensor/rng.h, whole arrays at once ----------------------------------------

def philox4x32(counter, key):
    """Philox4x32-10, Salmon et al., SC 2011; counter: four arrays of uint64 below 2^32."""
    low = np.uint64(0xFFFFFFFF)
    counter, key = [np.asarray(c, np.uint64) for c in counter], [np.uint64(k) for k in key]
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * counter[0]
        p1 = np.uint64(0xCD9E8D57) * counter[2]
        high0, high1 = p0 >> np.uint64(32), p1 >> np.uint64(32)
        counter = [high1 ^ counter[1] ^ key[0], p1 & low, high0 ^ counter[3] ^ key[1], p0 & low]
        key = [(key[0] + np.uint64(0x9E3779B9)) & low, (key[1] + np.uint64(0xBB67AE85)) & low]
    return counter


def words(number):
    return number & 0xFFFFFFFF, number >> 32


def mix(key, number, domain):
    out = philox4x32([*words(number), domain, 0x53504C54], words(key))
    return int(out[0]) | int(out[1]) << 32


def split(key, purpose):
    for letter in purpose.encode():
        key = mix(key, letter, 1)
    return mix(key, len(purpose), 2)


def uniform(key, shape):
    """float32 in [0, 1)."""
    count = int(np.prod(shape))
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(blocks)
    draws = np.stack(philox4x32([blocks, zero, zero, zero], words(key)), 1).reshape(-1)[:count]
    return ((draws >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)


def between(name, shape, low, high):
    low, high = np.float32(low), np.float32(high)
    return low + (high - low) * uniform(split(1, name), shape)


# ---- weights -------------------------------------------------------------------------------------

def draw(name, shape):
    """`shape` in Gradus's order: filters O KH KW I."""
    if len(shape) > 1:  # variance 1 / fan in
        bound = np.sqrt(3.0 / np.prod(shape[1:], dtype=np.float64))
        return between(name, shape, -bound, bound)
    if name.endswith("running_var") or name.endswith("weight"):
        return between(name, shape, 0.5, 1.5)
    return between(name, shape, -0.25, 0.25)


def to_torch(value):
    return torch.from_numpy(value.transpose(0, 3, 1, 2).copy() if value.ndim == 4 else value)


def from_torch(value):
    value = value.detach().numpy()
    return value.transpose(0, 2, 3, 1) if value.ndim == 4 else value


def load_drawn(network):
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        state[name] = to_torch(draw(name, from_torch(value).shape)).double()
    network.load_state_dict(state)


# ---- networks ------------------------------------------------------------------------------------

class ResNet20(nn.Module):
    """He et al., 1512.03385, section 4.2, with projections; torchvision's block and names."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(CHANNELS, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2 = self.stage(16, 16, 1), self.stage(16, 32, 2)
        self.layer3, self.fc = self.stage(32, 64, 2), nn.Linear(64, CLASSES)
        self.relu = nn.ReLU()

    @staticmethod
    def stage(before, width, stride):
        down = None
        if stride != 1:
            down = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False),
                                 nn.BatchNorm2d(width))
        return nn.Sequential(BasicBlock(before, width, stride, down), BasicBlock(width, width),
                             BasicBlock(width, width))

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def torchvision_model(name, **options):
    if name.startswith("mobilenet"):
        options["dropout"] = 0.0
    return torchvision.models.get_model(name, num_classes=CLASSES, **options)


def resnet_stem(name, stride):
    network = torchvision_model(name)
    network.conv1 = nn.Conv2d(CHANNELS, 64, 3, stride, 1, bias=False)
    network.maxpool = nn.Identity()
    return network


def regnet(depths, widths, group_width):
    """The paper's: torchvision lists no 600MF and rounds the last width of 400MF to 400 (pycls: 384)."""
    stages = len(depths)
    params = BlockParams(depths, widths, [group_width] * stages, [1.0] * stages, [2] * stages)
    return RegNet(params, num_classes=CLASSES,
                  norm_layer=functools.partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1))


def unstrided(network, count):
    """The network without its first `count` reductions."""
    for module in [m for m in network.modules() if isinstance(m, nn.Conv2d)]:
        if module.stride == (2, 2) and count > 0:
            module.stride, count = (1, 1), count - 1
    return network


def unstrided_regnet(network, count):
    network.stem[0].stride = (1, 1)
    if count == 2:
        block = network.trunk_output.block1[0]
        block.proj[0].stride = block.f.b[0].stride = (1, 1)
    return network


CASES = {
    "resnet18": lambda: torchvision_model("resnet18"),
    "resnet34": lambda: torchvision_model("resnet34"),
    "resnet50": lambda: torchvision_model("resnet50"),
    "resnet20": ResNet20,
    "resnet50_half": lambda: resnet_stem("resnet50", 2),
    "resnet50_small": lambda: resnet_stem("resnet50", 1),
    "mobilenet_v2": lambda: torchvision_model("mobilenet_v2"),
    "mobilenet_v2_half": lambda: unstrided(torchvision_model("mobilenet_v2"), 1),
    "mobilenet_v2_small": lambda: unstrided(torchvision_model("mobilenet_v2"), 2),
    "mobilenet_v2_narrow": lambda: torchvision_model("mobilenet_v2", width_mult=0.35),
    "mobilenet_v2_wide": lambda: torchvision_model("mobilenet_v2", width_mult=1.4),
    **{f"efficientnet_lite{i}": functools.partial(timm.create_model, f"tf_efficientnet_lite{i}",
                                                  num_classes=CLASSES) for i in range(5)},
    "efficientnet_lite0_half": lambda: unstrided(CASES["efficientnet_lite0"](), 1),
    "efficientnet_lite0_small": lambda: unstrided(CASES["efficientnet_lite0"](), 2),
    "efficientnet_lite0_even": lambda: CASES["efficientnet_lite0"](),
    "regnetx_400mf": lambda: regnet([1, 2, 7, 12], [32, 64, 160, 384], 16),
    "regnetx_400mf_tv": lambda: torchvision_model("regnet_x_400mf"),
    "regnetx_600mf": lambda: regnet([1, 3, 5, 7], [48, 96, 240, 528], 24),
    "regnetx_800mf": lambda: torchvision_model("regnet_x_800mf"),
    "regnetx_400mf_half": lambda: unstrided_regnet(CASES["regnetx_400mf"](), 1),
    "regnetx_400mf_small": lambda: unstrided_regnet(CASES["regnetx_400mf"](), 2),
}


def image_size(case):
    """Odd by even, to have both kinds of SAME padding; smaller for stems that keep more pixels."""
    if case.endswith("_even"):
        return 64, 64
    return (13, 18) if case.endswith(("_half", "_small")) or case == "resnet20" else (33, 38)


# ---- what is stored ------------------------------------------------------------------------------

def summary(gradient):
    """Norm, and projections on pseudorandom numbers in [-1, 1) by multiplicative hashing."""
    flat = from_torch(gradient).reshape(-1).astype(np.float64)
    index = np.arange(1, flat.size + 1, dtype=np.uint64)
    numbers = [np.sqrt(np.sum(flat * flat))]
    for multiplier in (2654435761, 2246822519, 3266489917):
        hashed = (index * np.uint64(multiplier)) & np.uint64(0xFFFFFFFF)
        numbers.append(np.sum(flat * (hashed.astype(np.float64) * 2.0**-31 - 1.0)))
    return numbers


def save(case, kind, values):
    np.save(os.path.join(ROOT, f"{case}_{kind}.npy"), np.asarray(values, np.float32))


def images(case, name, batch):
    shape = (batch, *image_size(case), CHANNELS)
    return to_torch(between(name, shape, -1, 1)).double()


def margin(network, x):
    """The least distance of an activation's input from a kink, where a gradient jumps."""
    least = []

    def look(module, inputs):
        kinks = (0.0, 6.0) if isinstance(module, nn.ReLU6) else (0.0,)
        least.extend((inputs[0] - kink).abs().min().item() for kink in kinks)

    hooks = [m.register_forward_pre_hook(look) for m in network.modules()
             if isinstance(m, (nn.ReLU, nn.ReLU6))]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return min(least)


def make(case):
    network = CASES[case]().double()
    load_drawn(network)
    network.eval()
    draw_of_images = next(i for i in range(100)
                          if margin(network, images(case, f"images{i}", BATCH)) > 2e-6)
    logits = network(images(case, f"images{draw_of_images}", BATCH))
    logits.backward(to_torch(between("logits", (BATCH, CLASSES), -1, 1)).double())
    parameters = sorted(network.named_parameters())
    save(case, "images", [draw_of_images])
    save(case, "eval", logits.detach())
    save(case, "grad", [summary(p.grad) for _, p in parameters])
    network.train()
    with torch.no_grad():
        save(case, "train", network(images(case, "images", TRAIN_BATCH)))
    print(f"{case}: {sum(p.numel() for p in network.parameters())} parameters, "
          f"{len(parameters)} tensors, images {draw_of_images}")


if __name__ == "__main__":
    os.makedirs(ROOT, exist_ok=True)
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name)
