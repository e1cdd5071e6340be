#!/usr/bin/env python3
"""Vectors of Pillow for tests/resize_test.cc and tests/jitter_test.cc: resized images by
Image.resize, and colours by torchvision's functions on Pillow images. Made with Pillow 12.3.0 and
torchvision 0.29.2. (Pillow 13 resizes rows first where the height shrinks much more than the width,
which changes last bits; up to 12 it is columns first, always.) Run in .oracles (scripts/setup.sh
--oracles) from the repository root:

    .oracles/bin/python tests/golden/make_pillow_resize.py

resize/: sizes.npy [n, 4] holds height and width before and after, boxes.npy [n, 4] left, top, right,
bottom; input_<n>.npy, bilinear_<n>.npy and bicubic_<n>.npy are [H, W, 3] bytes.
jitter/: input.npy, and an image for each of FACTORS of each kind: [factors, H, W, 3].
"""
import os

import numpy as np
from PIL import Image
from torchvision.transforms import functional

ROOT = os.path.join("tests", "golden")
SIZES = [(7, 5, 13, 11), (31, 17, 10, 9), (5, 64, 37, 3), (1, 1, 3, 2), (33, 33, 33, 20),
         (20, 33, 41, 33), (61, 47, 1, 1), (40, 53, 39, 54), (2, 3, 64, 64), (50, 67, 7, 9),
         (29, 41, 15, 17), (29, 41, 30, 5)]
BOXES = {10: (2.5, 1.25, 37.75, 28.0), 11: (0.125, 9.0, 40.5, 10.875)}
FACTORS = {"brightness": (0.0, 0.37, 1.0, 1.61), "contrast": (0.0, 0.6, 1.0, 1.45),
           "saturation": (0.0, 0.55, 1.0, 1.83), "hue": (-0.5, -0.21, 0.0, 0.1, 0.433)}


def save(folder, name, array):
    os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
    np.save(os.path.join(ROOT, folder, name + ".npy"), np.ascontiguousarray(array))


def noise(rng, height, width):
    """Smooth below, and extreme values above them: a cubic overshoots there."""
    y, x = np.mgrid[0:height, 0:width][:, :, :, None]
    image = 127 + 90 * np.sin(x / 3.0 + np.arange(3)) + 37 * np.cos(y / 2.0 - np.arange(3))
    extreme = rng.random((height, width, 3))
    image = np.where(extreme < 0.2, 0, np.where(extreme > 0.8, 255, image))
    return np.clip(image, 0, 255).astype(np.uint8)


def main():
    rng = np.random.default_rng(1)
    boxes = []
    for n, (height, width, to_height, to_width) in enumerate(SIZES):
        image = noise(rng, height, width)
        boxes.append(BOXES.get(n, (0, 0, width, height)))
        save("resize", f"input_{n}", image)
        for name, kind in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
            resized = Image.fromarray(image).resize((to_width, to_height), kind, box=boxes[-1])
            save("resize", f"{name}_{n}", np.asarray(resized))
    save("resize", "sizes", np.array(SIZES, dtype=np.int64))
    save("resize", "boxes", np.array(boxes, dtype=np.float32))
    image = noise(rng, 24, 31)
    save("jitter", "input", image)
    for name, factors in FACTORS.items():
        adjust = getattr(functional, "adjust_" + name)
        save("jitter", name, np.stack([np.asarray(adjust(Image.fromarray(image), f)) for f in factors]))


main()
