#!/usr/bin/env python3
"""./bench --loader next to torchvision on Pillow: decode, random resized crop to 224, flip, normalise.

    scripts/setup.sh --oracles
    scripts/bench_loader.py [--images 2000] [--rounds 3] [--folder DIR]

Makes a folder of JPEG files of 400 x 300 (quality 90, 4:2:0) from a fixed seed, then lets the two take
turns: with one thread against a plain loop in one process, and with every core against a DataLoader of
as many worker processes. Prints images a second, medians over the rounds, and the ratio.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

from oracle_packages import ROOT, find_packages

find_packages(("numpy", "torch", "torchvision", "PIL"), "nothing was timed")

import numpy as np
import torch
from PIL import Image
from torchvision import datasets, transforms

HEIGHT, WIDTH = 300, 400


def photograph(rng):
    """Clouds at several scales, as much detail as a photograph of this size has."""
    image = np.zeros((HEIGHT, WIDTH, 3))
    for cells, strength in ((3, 90), (8, 45), (24, 24), (75, 14), (200, 8)):
        small = rng.normal(0, strength, (cells, cells * 4 // 3, 3)).clip(-255, 255)
        grid = Image.fromarray((small / 2 + 128).clip(0, 255).astype(np.uint8))
        image += 2 * (np.asarray(grid.resize((WIDTH, HEIGHT), Image.BICUBIC), dtype=float) - 128)
    return Image.fromarray((image + 128).clip(0, 255).astype(np.uint8))


def write_folder(folder, images):
    if (folder / f"complete_{images}").exists():
        return
    rng = np.random.default_rng(7)
    for split, count in (("train", images), ("val", 8)):
        for i in range(count):
            place = folder / split / f"class{i % 8}"
            place.mkdir(parents=True, exist_ok=True)
            photograph(rng).save(place / f"{i:05}.jpg", quality=90, subsampling=2)
    (folder / f"complete_{images}").touch()


def ours(folder, threads):
    out = subprocess.run([ROOT / "bench", "--loader", folder, "--threads", str(threads),
                          "--image-size", "224", "--batch-size", "100", "--json"],
                         check=True, capture_output=True, text=True).stdout
    result = json.loads(out)
    return result["images_per_second"], result["peak_rss_bytes"]


def theirs(data, threads):
    workers = {} if threads == 1 else {"num_workers": threads}
    loader = torch.utils.data.DataLoader(data, batch_size=100, shuffle=True, **workers)
    begin = time.perf_counter()
    count = sum(len(labels) for _, labels in loader)
    return count / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs" / "bench_loader")
    options = parser.parse_args()
    write_folder(options.folder, options.images)
    files = list((options.folder / "train").rglob("*.jpg"))
    size = sum(file.stat().st_size for file in files) / len(files) / 1000
    print(f"{len(files)} files of {WIDTH} x {HEIGHT}, {size:.0f} kB each on average")
    torch.set_num_threads(1)
    data = datasets.ImageFolder(options.folder / "train", transforms.Compose([
        transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]))
    cores = len(os.sched_getaffinity(0))
    for threads in sorted({1, cores}):
        pairs, peak = [], 0
        for _ in range(options.rounds):
            rate, rss = ours(options.folder, threads)
            peak = max(peak, rss)
            pairs.append((rate, theirs(data, threads)))
        mine, peer = (statistics.median(column) for column in zip(*pairs))
        ratios = sorted(a / b for a, b in pairs)
        print(f"{threads} thread{'s' if threads > 1 else ''}: gradus {mine:.0f} images/s, torchvision "
              f"{peer:.0f}, ratio {mine / peer:.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f}), "
              f"peak memory {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
