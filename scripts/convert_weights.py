#!/usr/bin/env python3
"""Turns a PyTorch checkpoint (.pth, .pt, .ckpt) into safetensors, which ./train --weights reads.

  scripts/convert_weights.py resnet18.pth resnet18.safetensors [--ema] [--prefix student.]

Needs torch. Names stay as they are (./train knows those of torchvision, timm, MQBench, pycls and
efficientnet-lite-pytorch), but for what wrappers add: "module." and "_orig_mod." anywhere, and whatever
is in front of the first layer and of the classifier ("model.", "backbone." with "head."). Where a file
holds several networks, --prefix takes what is below one of them. Floats become float32. Where a
checkpoint has averaged weights next to the trained ones, --ema takes those. A .safetensors file is
converted likewise. Nothing in the file is run: whole modules are refused.
"""

import argparse
import json
import pathlib
import struct
import sys

import torch

# torchvision and timm, Lightning, pycls, MQBench; with others' habits
WRAPPERS = ["state_dict", "model_state_dict", "model_state", "model", "net", "params", "checkpoint"]
AVERAGES = ["model_ema", "state_dict_ema", "ema_state_dict", "ema"]
SEGMENTS = ["module.", "_orig_mod."]  # data-parallel, torch.compile: wherever they are
FIRST = ["conv1.weight", "conv_stem.weight", "_conv_stem.weight", "stem.0.weight", "stem.conv.weight",
         "features.0.0.weight"]  # the first layer by every scheme that ./train knows
LAST = ["fc.weight", "head.fc.weight", "_fc.weight", "classifier.weight", "classifier.1.weight"]
NAMES = {torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.int8: "I8",
         torch.uint8: "U8"}


def fail(path, text):
    sys.exit(f"error: {path}: {text}")


def read_safetensors(path):
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
             "I64": torch.int64, "I32": torch.int32, "I8": torch.int8, "U8": torch.uint8}
    data = bytearray(pathlib.Path(path).read_bytes())
    length = struct.unpack("<Q", data[:8])[0]
    state = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__" or entry["dtype"] not in types:
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        state[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=types[entry["dtype"]]) \
            .reshape(entry["shape"]) if end > begin else torch.empty(entry["shape"])
    return state


def read(path):
    if str(path).endswith(".safetensors"):
        return read_safetensors(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds, with texts of many lines
        if "argparse.Namespace" not in str(error):
            raise
    with torch.serialization.safe_globals([argparse.Namespace]):  # torchvision's reference keeps its flags
        return torch.load(path, map_location="cpu", weights_only=True)


def is_state(value):
    return isinstance(value, dict) and any(isinstance(v, torch.Tensor) for v in value.values())


def find_state(path, checkpoint, ema):
    """The dictionary of tensors without its wrappers; prints what is left out."""
    while isinstance(checkpoint, dict) and not is_state(checkpoint):
        averages = [key for key in AVERAGES if isinstance(checkpoint.get(key), dict)]
        wrappers = [key for key in WRAPPERS if isinstance(checkpoint.get(key), dict)]
        if averages and wrappers and not ema:
            print(f"note: {path}: takes {wrappers[0]}; --ema takes {averages[0]}", file=sys.stderr)
        chosen = (averages or wrappers) if ema else (wrappers or averages)
        if not chosen:
            keys = ", ".join(map(repr, list(checkpoint)[:8])) or "nothing"
            fail(path, f"no tensors in it, but {keys}; is it a state_dict?")
        checkpoint = checkpoint[chosen[0]]
    if not is_state(checkpoint):
        fail(path, f"holds a {type(checkpoint).__name__}, no dictionary of tensors; save the state_dict()")
    return checkpoint


def shortened(path, state, change):
    """The same tensors under changed names, which must be distinct."""
    shorter = {change(name): value for name, value in state.items()}
    if len(shorter) < len(state):
        fail(path, "has tensors with and without a prefix of the same name; --prefix takes some of them")
    return shorter


def without_segments(name):
    for segment in SEGMENTS:
        name = ("." + name).replace("." + segment, ".")[1:]
    return name


def prefixes_of(state, layers):
    """The prefixes of these layers, without prefixes that extend another one."""
    found = {name[:-len(layer)] for layer in layers for name in state if ("." + name).endswith("." + layer)}
    return sorted(p for p in found if not any(p != q and p.startswith(q) for q in found))


def without_prefixes(path, state, chosen):
    """Removes the prefix of the network, if it is unambiguous."""
    if chosen:
        state = {name: value for name, value in state.items() if name.startswith(chosen)}
        if not state:
            fail(path, f"has nothing below {chosen}")
        state = shortened(path, state, lambda name: name.removeprefix(chosen))
    state = shortened(path, state, without_segments)
    for layers in (FIRST, LAST):
        prefixes = prefixes_of(state, layers)
        if len(prefixes) > 1:
            print(f"note: {path}: holds more than one network, below {' and '.join(prefixes)}; --prefix "
                  f"{prefixes[0]} takes one, names stay as they are", file=sys.stderr)
            return state
        if prefixes and prefixes[0]:
            print(f"note: {path}: without the prefix {prefixes[0]}", file=sys.stderr)
            state = shortened(path, state, lambda name: name.removeprefix(prefixes[0]))
    return state


def converted(name, value):
    value = value.detach()
    if value.is_floating_point():
        value = value.float()
    if value.layout != torch.strided or value.dtype not in NAMES:
        print(f"note: {name} is {value.dtype}, {value.layout}: left out", file=sys.stderr)
        return None
    return value


def state_of(path, ema, prefix):
    state = find_state(path, read(path), ema)
    tensors = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    tensors = {name: converted(name, value) for name, value in without_prefixes(path, tensors, prefix).items()}
    return {name: value for name, value in tensors.items() if value is not None}


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
    parser.add_argument("--ema", action="store_true", help="the averaged weights, where there are any")
    parser.add_argument("--prefix", default="", help="take what is below this name: student.")
    options = parser.parse_args()
    try:
        state = state_of(options.checkpoint, options.ema, options.prefix)
        save(options.output, state)
    except OSError as error:
        fail(error.filename, error.strerror)
    except Exception as error:
        text = str(error).split("\n")[0][:160] or type(error).__name__
        if text.startswith("Weights only load failed"):  # and how to run what is in it
            text = "holds more than tensors, or is damaged"
        fail(options.checkpoint, f"{text}; give a state_dict() that torch.save wrote")
    print(f"{options.output}: {len(state)} tensors")


if __name__ == "__main__":
    main()
