#!/usr/bin/env python3
"""Compares decoded JPEG and PNG files with Pillow's convert("RGB"), over what the formats allow.

    scripts/setup.sh --oracles
    scripts/compare_pixels.py [--keep FOLDER]

JPEG: sizes (odd, tiny) x chroma layouts (cjpeg writes them) x baseline, progressive, restart markers and
arithmetic coding; then segments edited by hand: with and without JFIF, with each Adobe transform and
without, three sets of component names, of three and of four components. PNG: every colour type and depth,
interlaced and not, with and without transparency. Compiles both decoders (data/jpeg_turbo.cc where
jpeglib.h is, data/jpeg_stb.cc) into programs of their own. A line for each group: files, how many are
refused (by Pillow, by name here), the largest difference. Ends with 1 where a file is taken that differs
by more than 0 levels (libjpeg-turbo) or 3 (stb_image), or that Pillow refuses, and where a sound file is
called corrupt.
"""
import argparse
import collections
import io
import itertools
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

from oracle_packages import ROOT, find_packages

find_packages(("numpy", "PIL"), "nothing was compared")

import numpy as np
from PIL import Image

PROGRAM = r"""
#include <cstdio>
#include <iostream>
#include "data/image.h"
#include "tensor/check.h"
int main() {
    for (std::string path; std::getline(std::cin, path);) {
        try {
            const gradus::Image image = gradus::read_image(path);
            std::printf("ok %ld %ld\n", long(image.height), long(image.width));
            std::fwrite(image.pixels.get(), 1, image.height * image.width * 3, stdout);
        } catch (const gradus::Error& error) {
            std::printf("no %s\n", error.what());
        }
    }
}
"""
SOURCES = ["image.cc", "jpeg_header.cc", "read_file.cc"]
STB = ["-DSTB_IMAGE_IMPLEMENTATION", "-DSTBI_ONLY_JPEG", "-DSTBI_ONLY_PNG", "-DSTBI_NO_STDIO",
       "-DSTBI_NO_LINEAR", "-DSTBI_NO_HDR", "-DSTBI_MAX_DIMENSIONS=65535"]
SIZES = [(37, 51), (16, 16), (33, 15), (1, 1), (2, 3), (3, 2), (4, 4), (5, 5), (7, 4), (1, 40), (40, 1)]
LAYOUTS = {"4:4:4": "1x1", "4:2:2": "2x1", "4:4:0": "1x2", "4:2:0": "2x2", "4:1:1": "4x1",
           "1x4": "1x4", "4x2": "4x2", "2x4": "2x4", "Cr alone halved": "2x2,2x2,1x1",
           "large chroma": "1x1,2x2,2x2", "crossed": "2x1,1x2,1x1", "thirds": "3x1,1x1,1x1"}
CODINGS = {"baseline": [], "progressive": ["-progressive"], "restart": ["-restart", "1B"],
           "arithmetic": ["-arithmetic"]}


def photograph(height, width, rng, noise):
    y, x = np.mgrid[0:height, 0:width][:, :, :, None]
    smooth = 127 + 80 * np.sin(x / 5.0 + np.arange(3)) + 60 * np.cos(y / 4.0 - np.arange(3))
    return (smooth + rng.normal(0, noise, smooth.shape)).clip(0, 255).astype(np.uint8)


def four_inks(height, width, rng):
    """CMYK with a nonzero black channel, which a conversion from RGB does not give."""
    three = photograph(height, width, rng, 4)
    return Image.fromarray(np.concatenate([three, three[:, ::-1, :1] // 2], axis=2), "CMYK")


def cjpeg(pixels, *options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PPM")
    done = subprocess.run(["cjpeg", "-quality", "90", *options], input=out.getvalue(),
                          capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def encoded(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, **options)
    return out.getvalue()


def segments(data):
    """The segments up to the scan as (code, payload), and the rest."""
    at, found = 2, []
    while True:
        code, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        found.append((code, data[at + 4:at + 2 + length]))
        at += 2 + length
        if code == 0xda:
            return found, data[at:]


def edited(data, jfif, adobe, names):
    """The same scan under other segments: JFIF or not, Adobe's transform or None, component names."""
    found, scan = segments(data)
    head = b"\xff\xd8"
    if jfif:
        found.insert(0, (0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0"))
    if adobe is not None:
        found.insert(1 if jfif else 0, (0xee, b"Adobe\0\x64\0\0\0\0" + bytes([adobe])))
    for n, (code, payload) in enumerate(found):
        ours = n < jfif + (adobe is not None)
        if not ours and code in (0xe0, 0xee):
            continue
        payload = bytearray(payload)
        if 0xc0 <= code <= 0xc2:
            for i, name in enumerate(names):
                payload[6 + 3 * i] = name
        if code == 0xda:
            for i, name in enumerate(names):
                payload[1 + 2 * i] = name
        head += struct.pack(">BBH", 0xff, code, len(payload) + 2) + payload
    return head + scan


def jpeg_files(rng):
    for (height, width), (layout, sample), (coding, options) in itertools.product(
            SIZES, LAYOUTS.items(), CODINGS.items()):
        data = cjpeg(photograph(height, width, rng, 12), "-sample", sample, *options)
        if data:
            yield f"{layout} {coding}", data
    rgb = Image.fromarray(photograph(37, 51, rng, 12))
    inks = four_inks(37, 51, rng)
    yield "grey", encoded(rgb.convert("L"))
    yield "grey", encoded(rgb.convert("L"), progressive=True)
    yield "grey", cjpeg(np.asarray(rgb), "-grayscale", "-sample", "2x2")
    yield "RGB of cjpeg", cjpeg(np.asarray(rgb), "-rgb")
    yield "RGB of Pillow", encoded(rgb, keep_rgb=True)
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x112] = orientation
        yield "EXIF orientation", encoded(rgb, exif=exif)
    plain = encoded(rgb, subsampling=0)
    frame = plain.index(b"\xff\xc0") + 10  # of the first component: name, sampling factors, table
    yield "chroma of two thirds", plain[:frame + 1] + b"\x31" + plain[frame + 2:frame + 4] + b"\x21" + plain[frame + 5:]
    yield "bytes before the last marker", plain[:-2] + bytes(range(40)) + plain[-2:]
    yield "bytes after the end", plain + b"more"
    yield "12 bits a sample", encoded(rgb).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    yield "lossless", encoded(rgb).replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11")
    for subsampling, jfif, adobe in itertools.product((0, 1, 2), (False, True), (None, 0, 1, 2, 3, 255)):
        marker = ("JFIF" if jfif else "no JFIF") + ("" if adobe is None else f", Adobe {adobe}")
        for names in ((1, 2, 3), (0, 1, 2), tuple(b"RGB"), tuple(b"rgb"), (34, 35, 36)):
            yield f"3 components, {marker}", edited(encoded(rgb, subsampling=subsampling), jfif, adobe, names)
        for names in ((1, 2, 3, 4), tuple(b"CMYK"), tuple(b"RGBA")):
            yield f"4 components, {marker}", edited(encoded(inks, subsampling=subsampling),
                                                    jfif, adobe, names)


def png_chunk(name, payload):
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png_rows(samples, depth):
    """Each row packed, most significant bit first, after a byte for no filter."""
    rows = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            packed = flat.astype(">u2").tobytes()
        else:
            bits = (flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            packed = np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()
        rows += b"\0" + packed
    return rows


def png(samples, colour, depth, interlaced, palette=b"", transparency=b""):
    height, width = samples.shape[:2]
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes] if interlaced else [samples]
    rows = b"".join(png_rows(part, depth) for part in parts if part.size)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head)
            + (png_chunk(b"PLTE", palette) if palette else b"")
            + (png_chunk(b"tRNS", transparency) if transparency else b"")
            + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b""))


def png_files(rng):
    kinds = {0: ("grey", 1, (1, 2, 4, 8, 16)), 2: ("RGB", 3, (8, 16)), 3: ("palette", 1, (1, 2, 4, 8)),
             4: ("grey and alpha", 2, (8, 16)), 6: ("RGB and alpha", 4, (8, 16))}
    for colour, (name, channels, depths) in kinds.items():
        for depth, interlaced, (height, width) in itertools.product(depths, (0, 1), ((19, 21), (1, 1), (3, 9))):
            samples = rng.integers(0, 1 << depth, (height, width, channels))
            palette = rng.integers(0, 256, 3 << depth).astype(np.uint8).tobytes() if colour == 3 else b""
            label = f"PNG {name}, {depth} bits" + (", interlaced" if interlaced else "")
            yield label, png(samples, colour, depth, interlaced, palette)
            if colour == 3:
                yield label, png(samples, colour, depth, interlaced, palette, b"\x80\0")
            elif colour in (0, 2):
                yield label, png(samples, colour, depth, interlaced,
                                 transparency=samples[0, 0].astype(">u2").tobytes())


def build(folder, decoder, libraries):
    """The program of a decoder; prints a line and returns None if it cannot be built."""
    (folder / "decode.cc").write_text(PROGRAM)
    program, stb = folder / decoder.removesuffix(".cc"), folder / "stb_image.o"
    includes = ["-I", ROOT] + [part for path in ROOT.glob("third_party/include") for part in ("-isystem", path)]
    compiler = ["g++", "-std=c++20", "-O2", *includes]
    files = [folder / "decode.cc", *(ROOT / "data" / name for name in [*SOURCES, decoder])]
    for command in ([*compiler, *STB, "-c", ROOT / "data/stb_image.cc", "-o", stb],
                    [*compiler, *files, stb, "-o", program, *libraries]):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"SKIPPED: {decoder} cannot be built here: {done.stderr[:300]}", file=sys.stderr)
            return None
    return program


def decode(program, paths):
    """The pixels of each path, or the text of the refusal."""
    out = subprocess.run([program], input="".join(f"{path}\n" for path in paths).encode(),
                         capture_output=True, check=True).stdout
    stream, results = io.BytesIO(out), []
    for _ in paths:
        line = stream.readline().decode(errors="replace")
        if line.startswith("no "):
            results.append(line[3:].strip().split(": ", 2)[-1])
            continue
        height, width = map(int, line.split()[1:])
        results.append(np.frombuffer(stream.read(height * width * 3), np.uint8).reshape(height, width, 3))
    return results


def pillow(path):
    warnings.simplefilter("ignore")  # of transparency in palettes
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except Exception as error:
        return str(error)


def compare(decoder, results, groups, expected, levels):
    """Prints a line for each group; true if any fails."""
    table = collections.defaultdict(lambda: [0, 0, 0, 0, set()])
    for group, ours, theirs in zip(groups, results, expected):
        row = table[group]
        row[0] += 1
        row[1] += isinstance(theirs, str)
        if isinstance(ours, str):
            row[2] += 1
            row[4].add(ours)
        elif isinstance(theirs, str) or ours.shape != theirs.shape:
            row[3] = 999
        else:
            row[3] = max(row[3], int(np.abs(ours.astype(int) - theirs).max(initial=0)))
    bad = False
    for group, (files, by_pillow, here, largest, reasons) in table.items():
        generic = any("truncated or corrupt" in r for r in reasons) and here > by_pillow
        bad |= largest > levels or generic
        print(f"{decoder:10} {group:34} {files:4} files, refused {by_pillow:3} by Pillow, {here:3} here"
              f", largest difference {largest:3}{'  BAD' if largest > levels or generic else ''}"
              + "".join(f"\n{'':12}{reason}" for reason in sorted(reasons)))
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=pathlib.Path, help="write the files here")
    options = parser.parse_args()
    if not shutil.which("cjpeg"):
        sys.exit("compare_pixels: cjpeg is missing; install libjpeg-turbo-progs")
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        groups, paths = [], []
        for group, data in itertools.chain(jpeg_files(rng), png_files(rng)):
            groups.append(group)
            paths.append(folder / f"{len(paths):05}")
            paths[-1].write_bytes(data)
        expected = [pillow(path) for path in paths]
        bad = False
        for decoder, libraries, levels in (("jpeg_turbo.cc", ["-ljpeg"], 0), ("jpeg_stb.cc", [], 3)):
            program = build(folder, decoder, libraries)
            if program:
                bad |= compare(decoder[5:-3], decode(program, paths), groups, expected, levels)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
