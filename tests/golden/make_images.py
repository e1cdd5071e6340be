#!/usr/bin/env python3
"""Small image files and their pixels as Pillow 12.3.0 decodes them, for tests/image_test.cc. Run in
.oracles (scripts/setup.sh --oracles) from the repository root:

    .oracles/bin/python tests/golden/make_images.py

images/<name>.jpg or .png, and <name>.npy [H, W, 3] bytes: Image.convert("RGB"). The colour spaces, layouts
and PNG types that Pillow does not write are made by scripts/compare_pixels.py, with cjpeg of
libjpeg-turbo-progs.
"""
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, "scripts")
import compare_pixels as make

ROOT = os.path.join("tests", "golden", "images")


def save(image, name, **options):
    path = os.path.join(ROOT, name)
    image.save(path, **options)
    stem = os.path.splitext(path)[0]
    np.save(stem + ".npy", np.asarray(Image.open(path).convert("RGB")))


def save_bytes(data, name):
    path = os.path.join(ROOT, name)
    with open(path, "wb") as file:
        file.write(data)
    np.save(os.path.splitext(path)[0] + ".npy", np.asarray(Image.open(path).convert("RGB")))


def save_small(rng):
    """At most 15 x 21 pixels: cases in which libjpeg and other decoders differ."""
    pixels = make.photograph(15, 21, rng, 4)
    rgb = Image.fromarray(pixels)
    for name, sample in {"422": "2x1", "440": "1x2", "411": "4x1", "large_chroma": "1x1,2x2,2x2"}.items():
        save_bytes(make.cjpeg(pixels, "-sample", sample), f"layout_{name}.jpg")
    save_bytes(make.cjpeg(pixels[:, :3], "-sample", "2x2"), "layout_narrow.jpg")
    save_bytes(make.cjpeg(pixels, "-arithmetic"), "arithmetic.jpg")
    three, four = make.encoded(rgb, subsampling=2), make.encoded(make.four_inks(15, 21, rng))
    names = (1, 2, 3)
    save_bytes(make.edited(three, False, 0, names), "rgb_by_adobe.jpg")
    save_bytes(make.edited(three, False, None, tuple(b"RGB")), "rgb_by_names.jpg")
    save_bytes(make.edited(three, True, None, tuple(b"RGB")), "ycc_by_jfif.jpg")
    save_bytes(make.edited(three, False, 1, tuple(b"RGB")), "ycc_by_adobe.jpg")
    save_bytes(make.edited(three, False, None, (34, 35, 36)), "ycc_unmarked.jpg")
    save_bytes(make.edited(four, False, 2, (1, 2, 3, 4)), "ycck.jpg")
    save_bytes(make.edited(four, False, 1, (1, 2, 3, 4)), "ycck_by_adobe_1.jpg")
    save_bytes(make.edited(four, False, None, (1, 2, 3, 4)), "cmyk_unmarked.jpg")
    exif = Image.Exif()
    exif[0x112] = 6
    save_bytes(make.encoded(rgb, exif=exif), "exif_6.jpg")
    save_bytes(three[:-2] + bytes(range(40)) + three[-2:], "extra_bytes.jpg")
    deep = rng.integers(0, 1 << 16, (9, 11, 4))
    save_bytes(make.png(deep[:, :, :3], 2, 16, 1), "rgb_16_interlaced.png")
    save_bytes(make.png(deep, 6, 16, 0), "alpha_16.png")
    save_bytes(make.png(deep[:, :, :2] >> 8, 4, 8, 1), "grey_alpha_interlaced.png")
    save_bytes(make.png(deep[:, :, :1] >> 14, 0, 2, 1, transparency=b"\0\1"), "grey_2_interlaced.png")
    palette = bytes(range(0, 240, 5))
    save_bytes(make.png(deep[:, :, :1] >> 12, 3, 4, 1, palette, b"\0\x80"), "palette_transparent.png")
    with open(os.path.join(ROOT, "grey_16.png"), "wb") as file:  # refused: no pixels
        file.write(make.png(deep[:, :, :1], 0, 16, 0))


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
    save_small(np.random.default_rng(5))


main()
