#!/usr/bin/env python3
"""Turns a PyTorch checkpoint (.pth, .pt, .ckpt) into safetensors, which ./train --weights reads.

  scripts/convert_weights.py resnet18.pth resnet18.safetensors

Needs torch. Names stay as they are (./train knows those of torchvision, timm, MQBench, pycls and
efficientnet-lite-pytorch), but for the "module." of data-parallel training; floats become float32.
"""

import argparse
import json
import struct
import sys

import torch

WRAPPERS = ["state_dict", "model_state", "model"]  # torchvision, timm, pycls, MQBench
NAMES = {torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.int8: "I8",
         torch.uint8: "U8"}


def state_of(path):
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in WRAPPERS:
        if isinstance(checkpoint.get(wrapper), dict):
            checkpoint = checkpoint[wrapper]
    state = {name.removeprefix("module."): value for name, value in checkpoint.items()
             if isinstance(value, torch.Tensor)}
    if not state:
        sys.exit(f"convert_weights: {path}: no tensors in it; is it a state_dict?")
    return {name: value.float() if value.is_floating_point() else value
            for name, value in state.items()}


def save(path, state):
    header, pieces, offset = {}, [], 0
    for name, value in sorted(state.items(), key=lambda item: (-item[1].element_size(), item[0])):
        data = value.contiguous().reshape(-1).numpy().tobytes()
        header[name] = {"dtype": NAMES[value.dtype], "shape": list(value.shape),
                        "data_offsets": [offset, offset + len(data)]}
        pieces.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(pieces))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    options = parser.parse_args()
    state = state_of(options.checkpoint)
    save(options.output, state)
    print(f"{options.output}: {len(state)} tensors")


if __name__ == "__main__":
    main()
