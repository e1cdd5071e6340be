#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/corpus: small whole files, and some that are cut or lie."""

import gzip
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"


def save(target, name, data):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def idx(rank, extents, payload):
    return struct.pack(">I", 0x0800 + rank) + struct.pack(f">{rank}I", *extents) + payload


def safetensors(header, payload):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + payload


def npy(text, payload):
    header = text.encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload


def main():
    images, labels = idx(3, (2, 3, 3), bytes(range(18))), idx(1, (2,), b"\1\2")
    packed = gzip.compress(images, mtime=0)
    for name, data in {"images": images, "images.gz": packed, "cut": images[:-1],
                       "vast": idx(3, (1 << 30, 4000, 4000), b""),
                       "members.gz": gzip.compress(images[:9], mtime=0) + gzip.compress(images[9:], mtime=0),
                       "padded.gz": packed + bytes(100), "floats": b"\0\0\x0d\3" + images[4:],
                       "lie.gz": packed[:-4] + struct.pack("<I", 1 << 29)}.items():
        save("idx", name, b"\0" + data)
    save("idx", "labels", b"\1" + labels)
    entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    codes = {"dtype": "I8", "shape": [3], "data_offsets": [16, 19]}
    save("safetensors", "two", safetensors({"a": entry, "b": codes}, bytes(19)))
    save("safetensors", "metadata", safetensors({"__metadata__": {"k": "v"}, "a": entry}, bytes(16)))
    save("safetensors", "overlap", safetensors({"a": entry, "b": entry}, bytes(16)))
    save("safetensors", "twice", safetensors(b'{"a":{},"a":{}}', b""))
    save("safetensors", "vast", struct.pack("<Q", 1 << 62) + b"{}")
    for dtype, width in {"<f4": 4, "<f8": 8, "|i1": 1, "|u1": 1, "<i4": 4, "<i8": 8}.items():
        text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (2, 3), }}"
        save("npy", dtype.strip("<|"), npy(text, bytes(6 * width)))
    save("npy", "vast", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }", b""))
    save("npy", "scalar", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", bytes(4)))
    record = bytes(range(256)) * 12
    save("cifar", "ten", b"\0\1" + b"\3" + record)
    save("cifar", "hundred", b"\1\1" + b"\3\4" + record)
    save("cifar", "class", b"\0\1" + b"\12" + record)
    save("image_list", "two", b"a/b.jpg 0\nc d.png 7\n")
    save("image_list", "up", b"../secret.jpg 0\n")
    save("image_list", "label", b"a.jpg 99999999999999999999\n")


if __name__ == "__main__":
    main()
