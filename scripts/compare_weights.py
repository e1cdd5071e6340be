#!/usr/bin/env python3
"""Weights as other projects save them, read by ./train --weights: the logits next to PyTorch's.

    scripts/compare_weights.py [name part ...]     # "timm", "resnet18"; all without

Every network is made by the project itself (torchvision, timm, efficientnet-lite-pytorch, and pycls where
it is installed; setup.sh leaves that one out), gets random weights and statistics, and is saved with
torch.save. scripts/convert_weights.py turns the file into safetensors, ./train reads it, ./deploy
writes the float logits of two images. Promised, else the exit code is 1: every tensor is matched, under
the names of that project, and the logits differ by at most 1e-4 of the largest. Projects that are not
installed are named."""

import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

from oracle_packages import ROOT, find_packages

SIDE, CLASSES, IMAGES, TOLERANCE = 64, 1000, 2, 1e-4
TORCHVISION = {"resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50",
               "mobilenet_v2": "mobilenet_v2", "regnetx_400mf_tv": "regnet_x_400mf",
               "regnetx_800mf": "regnet_x_800mf"}
TIMM = {"resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50",
        "mobilenet_v2": "mobilenetv2_100", "regnetx_400mf": "regnetx_004",
        "regnetx_400mf_tv": "regnetx_004_tv",
        "regnetx_600mf": "regnetx_006", "regnetx_800mf": "regnetx_008",
        **{f"efficientnet_lite{i}": f"tf_efficientnet_lite{i}" for i in range(5)}}
LITE = {f"efficientnet_lite{i}": f"efficientnet-lite{i}" for i in range(5)}
# depth, w_0, w_a, w_m, group width: Radosavovic et al., 2003.13678, Table 8's networks as pycls sets them
PYCLS = {"regnetx_400mf": (22, 24, 24.48, 2.54, 16), "regnetx_600mf": (16, 48, 36.97, 2.24, 24),
         "regnetx_800mf": (16, 56, 35.73, 2.28, 16)}


def from_torchvision(name):
    import torchvision
    return torchvision.models.get_model(name)


def from_timm(name):
    import timm
    return timm.create_model(name)


def from_lite(name):
    from efficientnet_lite_pytorch import EfficientNet
    return EfficientNet.from_name(name, image_size=SIDE)  # pads for one size


def from_pycls(numbers):
    from pycls.core.config import cfg
    from pycls.models.regnet import RegNet
    regnet = cfg.REGNET
    cfg.MODEL.NUM_CLASSES = CLASSES
    regnet.DEPTH, regnet.W0, regnet.WA, regnet.WM, regnet.GROUP_W = numbers
    return RegNet()


# project as ./train names it: its package, how a network is made, our name and theirs
PROJECTS = {"torchvision": ("torchvision", from_torchvision, TORCHVISION),
            "timm": ("timm", from_timm, TIMM),
            "efficientnet-lite-pytorch": ("efficientnet_lite_pytorch", from_lite, LITE),
            "pycls": ("pycls", from_pycls, PYCLS)}


def randomise(network):
    """Statistics that keep activations in bounds: those of noise, layer by layer."""
    import torch
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            module.momentum = None  # the average of all batches
    network.train()
    with torch.no_grad():
        network(torch.randn(8, 3, SIDE, SIDE))
    return network.eval()


def build_images(folder):
    """Files that need no resizing or cropping, as ./train --normalize half sees them."""
    import numpy
    import torch
    from PIL import Image
    draw = numpy.random.default_rng(0)
    pixels = draw.integers(0, 256, (IMAGES, SIDE, SIDE, 3), numpy.uint8)
    for kind in ("train", "val"):
        (folder / kind).mkdir()
        for i, image in enumerate(pixels):
            Image.fromarray(image).save(folder / kind / f"{i}.png")
        (folder / f"{kind}.txt").write_text("".join(f"{i}.png {i}\n" for i in range(IMAGES)))
    return torch.from_numpy((pixels / 127.5 - 1).astype(numpy.float32).transpose(0, 3, 1, 2).copy())


def call(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compare_weights: {command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def logits_by_gradus(model, checkpoint, folder):
    """Tensors matched, tensors in the file, naming scheme; float logits."""
    import numpy
    weights, run, logits = (folder / name for name in ("weights.safetensors", "run", "logits"))
    call(sys.executable, ROOT / "scripts/convert_weights.py", checkpoint, weights)
    text = call(ROOT / "train", "--model", model, "--weights", weights, "--num-classes", CLASSES,
                "--dataset", "imagefolder", "--data-path", folder / "data", "--image-size", SIDE,
                "--crop-pct", 1, "--normalize", "half", "--algo", "minmax", "--bits", 8,
                "--epochs", 0, "--output", run)
    call(ROOT / "deploy", run, "--no-layers", "--logits", logits)
    matched = re.search(r"(\d+) of (\d+) tensors matched.*", text)
    return matched, numpy.load(logits / "float.npy")


def compare(project, model, network):
    """Prints a line; true if the promise is kept."""
    import torch
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / "data").mkdir()
        torch.save(network.state_dict(), folder / "weights.pth")
        images = build_images(folder / "data")
        with torch.no_grad():
            theirs = network(images).numpy()
        matched, ours = logits_by_gradus(model, folder / "weights.pth", folder)
    error = abs(ours - theirs).max() / abs(theirs).max()
    kept = matched[1] == matched[2] and error <= TOLERANCE
    print(f"{project:26} {model:20} {matched[0]:60} {error:.1e}{'' if kept else '  FAILED'}", flush=True)
    return kept


def main():
    find_packages(("torch", "numpy", "PIL"), "no weights were compared")
    import torch
    torch.manual_seed(0)
    kept = []
    for project, (package, make, models) in PROJECTS.items():
        if importlib.util.find_spec(package) is None:
            print(f"compare_weights: {package} is not installed: left out", file=sys.stderr)
            continue
        for model, theirs in models.items():
            if all(part in (project, model) for part in sys.argv[1:]):
                kept.append(compare(project, model, randomise(make(theirs))))
    print(f"{sum(kept)} of {len(kept)} networks agree")
    return 0 if kept and all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
