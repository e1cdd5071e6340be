#!/usr/bin/env python3
"""Checks house rules that show in the text: one-way layers, one door for each package,
rounding in two headers only, no macros, no clocks in tests."""

import fnmatch
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

ELSEWHERE = {"build", "runs", "third_party"}

PROGRAMS = "run run/command_line run/train run/deploy run/bench run/explain"

# Rooms that a room may include, in addition to itself. Longer patterns come first.
LAYERS = [
    ("io/program_file.*", "tensor autograd nn quant integer"),
    ("io/onnx*", "tensor autograd nn quant integer"),
    ("io/golden*", "tensor autograd nn quant integer"),
    ("io/encodings.*", "tensor autograd nn quant"),
    ("io/*", "tensor"),
    ("tensor/*", ""),
    ("autograd/*", "tensor"),
    ("nn/*", "tensor autograd"),
    ("models/*", "tensor autograd nn"),
    ("data/*", "tensor io"),
    ("quant/*", "tensor autograd nn"),
    ("integer/*", "tensor autograd nn quant"),
    ("run/train/*", "tensor autograd nn models data quant integer io run run/command_line"),
    ("run/deploy/*", "tensor autograd nn models data quant integer io run run/command_line run/train"),
    ("run/bench/*", "tensor autograd nn models data quant run run/command_line run/train"),
    ("run/explain/*", "tensor autograd quant io run run/command_line"),
    ("run/command_line/*", "tensor run"),
    ("run/*", "tensor"),
    ("tests/*", "tensor autograd nn models data quant integer io " + PROGRAMS),
    ("*.cc", PROGRAMS),
]

# Doors of system headers: pattern of the header, files that may include it.
DOORS = [
    (r"cblas\.h|openblas.*", ["tensor/kernels/sgemm_openblas.cc"]),
    (r"zlib\.h", ["data/gzip_zlib.cc", "tests/*"]),
    (r"CLI/.*", ["run/command_line/parse.cc"]),
    (r"nlohmann/.*", ["run/*", "io/*", "tests/*"]),
    (r"google/protobuf/.*|onnx/.*", ["io/onnx*", "tests/onnx_*"]),
    (r"(cuda|cublas|cudnn|curand|thrust|cub).*", ["*.cu", "*.cuh"]),
    (r"stb/.*", ["data/image.cc", "data/jpeg_stb.cc", "data/stb_image.cc"]),
    (r"jpeglib\.h|jerror\.h", ["data/jpeg_turbo.cc"]),
    (r"gemmlowp/.*", ["tests/fixed_point_test.cc"]),
    (r"boost/.*", ["tests/*"]),
]

# Patterns allowed only in some places: (rule, pattern, where it is allowed). Tests round where
# they are oracles: a check of a rule must not call the rule.
ONLY_IN = [
    ("rounding to integers belongs to quant/numerics.h and quant/fixed_point.h",
     r"\b(?:std::)?(?:l?l?rint|l?l?round|nearbyint)[fl]?\s*\("
     r"|\bfloorf?\s*\([^;]*\+\s*0?\.5"
     r"|\b_mm\w*_(?:round|cvtp[sd]_epi|roundscale)\w*\s*\(",
     ["quant/numerics.h", "quant/fixed_point.h", "tests/*"]),
    ("the only macro is HOST_DEVICE", r"^\s*#\s*define\b",
     ["tensor/kernel.h", "run/version.cc", "tests/main.cc"]),
    ("no #if besides the device macro and the facts of the build", r"^\s*#\s*(?:el)?if",
     ["tensor/kernel.h", "run/version.cc"]),
    ("no unfinished business", r"\b(?:TODO|FIXME|XXX|HACK)\b", []),
    ("no fast math", r"-ffast-math|-Ofast|use_fast_math|__fast_math__|fast-math", []),
    ("no hidden randomness: Rng is the source",
     r"\bstd::(?:random_device|mt19937|rand)\b|\bs?rand\s*\(\)", []),
]
ONLY_IN_TESTS = [
    ("tests never look at a clock",
     r"\b(?:steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday"
     r"|omp_get_wtime)\b", []),
]


def sources():
    """Every source below the root, except built, carried and hidden files."""
    suffixes = {".cc", ".h", ".cu", ".cuh"}
    names = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.suffix in suffixes)
    return sorted(str(name) for name in names
                  if name.parts[0] not in ELSEWHERE and not name.parts[0].startswith("."))


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.S)


def without_strings(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text)


def room_of(name):
    """The first folder; in run/ each folder is a separate room."""
    first, *rest = name.split("/")
    return "/".join([first, *rest[:-1]]) if first == "run" else first


def allowed_rooms(name):
    for pattern, rooms in LAYERS:
        if fnmatch.fnmatch(name, pattern) and ("/" in name or pattern == "*.cc"):
            return rooms.split() + [room_of(name)]
    return None


def check_includes(name, text):
    rooms = allowed_rooms(name)
    if rooms is None:
        yield 1, "this folder is in no layer; scripts/check_layers.py lists them"
        return
    for number, line in enumerate(text.split("\n"), 1):
        quoted = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if quoted:
            target = quoted.group(1)
            if not (ROOT / target).exists():
                yield number, f'"{target}" is no file of this repository; write it from the root'
            elif room_of(target) not in rooms:
                yield number, f'{room_of(name)} may not know "{target}"'
        system = re.match(r"\s*#\s*include\s*<([^>]+)>", line)
        for pattern, doors in DOORS if system else []:
            if re.fullmatch(pattern, system.group(1)) and not matches(name, doors):
                yield number, f"<{system.group(1)}> has its door in {', '.join(doors)}"


def check_rules(name, text):
    rules = ONLY_IN + (ONLY_IN_TESTS if name.startswith("tests/") else [])
    for number, line in enumerate(text.split("\n"), 1):
        for rule, pattern, places in rules:
            if re.search(pattern, line) and not matches(name, places):
                yield number, f"{rule}: {line.strip()}"


def check_file(name):
    raw = (ROOT / name).read_text()
    if "TODO" in raw or "FIXME" in raw:
        yield 1, "no TODO, no FIXME: finish it or open an issue"
    text = without_comments(raw)
    if name.endswith(".h") and "#pragma once" not in text:
        yield 1, "a header begins with #pragma once"
    yield from check_includes(name, text)
    yield from check_rules(name, without_strings(text))


def main():
    names = sources()
    problems = [f"{name}:{number}: {what}"
                for name in names for number, what in check_file(name)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"check_layers: FAILED, {len(problems)} places", file=sys.stderr)
        return 1
    print(f"check: layers        {len(names)} sources keep to the layers, the doors of the packages "
          "and the places for rounding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
