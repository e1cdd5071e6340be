#!/usr/bin/env python3
"""Small image files and their pixels as Pillow 12.3.0 decodes them, for tests/image_test.cc. Run in
.oracles (scripts/setup.sh --oracles) from the repository root:

    .oracles/bin/python tests/golden/make_images.py

images/<name>.jpg or .png, and <name>.npy [H, W, 3] bytes: Image.convert("RGB").
"""
import os

import numpy as np
from PIL import Image

ROOT = os.path.join("tests", "golden", "images")


def save(image, name, **options):
    path = os.path.join(ROOT, name)
    image.save(path, **options)
    stem = os.path.splitext(path)[0]
    np.save(stem + ".npy", np.asarray(Image.open(path).convert("RGB")))


def main():
    os.makedirs(ROOT, exist_ok=True)
    y, x = np.mgrid[0:37, 0:51][:, :, :, None]
    smooth = 127 + 70 * np.sin(x / 9.0 + np.arange(3)) + 50 * np.cos(y / 7.0 - np.arange(3))
    rgb = Image.fromarray(smooth.clip(0, 255).astype(np.uint8))
    save(rgb, "baseline_444.jpg", quality=90, subsampling=0)
    save(rgb, "baseline_420.jpg", quality=90, subsampling=2)
    save(rgb, "progressive.jpg", quality=90, subsampling=2, progressive=True)
    save(rgb, "restart.jpg", quality=90, subsampling=0, restart_marker_blocks=3)
    save(rgb.convert("L"), "grey_jpeg.jpg", quality=90)
    save(rgb.convert("CMYK"), "cmyk.jpg", quality=95)
    save(rgb, "rgb.png")
    save(rgb.convert("L"), "grey.png")
    save(rgb.convert("P", palette=Image.ADAPTIVE, colors=16), "palette.png")
    save(rgb.convert("1"), "bits.png")
    alpha = rgb.copy()
    alpha.putalpha(rgb.convert("L"))
    save(alpha, "alpha.png")


main()
