"""Our side of a comparison, the codes that ./explain gives by the rule of a hardware row, and the line
that tells how many differ from a library's."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from cpu_features import cpu_line  # noqa: E402


class Row:
    """A hardware row as ./explain has it, for codes from `lowest` on."""

    def __init__(self, program, hardware, lowest):
        self.program, self.hardware, self.lowest = program, hardware, lowest

    def codes(self, topic, flags, arrays):
        """The codes, and the rule's name. `arrays` are written to files."""
        with tempfile.TemporaryDirectory() as folder:
            command = [self.program, topic, f"--hardware={self.hardware}", f"--qmin={self.lowest}",
                       f"--qmax={self.lowest + 255}", f"--output={folder}/q.npy", "--json", "--rows=0"]
            command += [f"{flag}={value}" for flag, value in flags.items()]
            for flag, array in arrays.items():
                np.save(f"{folder}/{flag}.npy", np.ascontiguousarray(array))
                command.append(f"{flag}={folder}/{flag}.npy")
            told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            return np.load(f"{folder}/q.npy").reshape(-1), json.loads(told)["rule"]

    def requantize(self, grid, acc, sw, bias=None):
        sx, sy, _, zy = grid
        flags = {"--input-scale": sx, "--output-scale": sy, "--output-zero-point": zy}
        arrays = {"--accumulators": acc.astype(np.int32).reshape(1, -1)}
        (arrays if np.ndim(sw) else flags)["--weight-scale"] = sw
        if bias is not None:
            arrays["--bias"] = bias
        return self.codes("requantize", flags, arrays)

    def add(self, a, b, scales, zero_points):
        flags = {"--scales": ",".join(map(str, scales)),
                 "--zero-points": ",".join(map(str, zero_points))}
        return self.codes("add", flags, {"--lhs": a, "--rhs": b})

    def average_codes(self, codes, scale, zero_point, is_window):
        """Averages codes [windows, codes]."""
        flags = {"--scale": scale, "--zero-point": zero_point}
        if is_window:
            flags["--windows"] = "true"
        return self.codes("average", flags, {"--codes": codes})

    def average(self, sums, count, scale, zero_point, is_window):
        flags = {"--count": count, "--scale": scale, "--zero-point": zero_point}
        if is_window:
            flags["--windows"] = "true"
        return self.codes("average", flags, {"--sums": sums})


# Two products of 255 and 127, for each of 8 channels: as int32 holds them, and as 16 bits do.
WITNESS = {64770: "exact", 32767: "pairs16"}


def report_sums(library, dense, depthwise):
    """Prints by what the sums of this library on this CPU are known: its answers to WITNESS, one for a
    dense and one for a depthwise convolution, in steps of 512."""
    told = {round(total / 512): name for total, name in WITNESS.items()}
    kinds = [f"{name} {told.get(int(code), f'unknown ({code} x 512)')}"
             for name, code in (("dense", dense), ("depthwise", depthwise))]
    print(f"{cpu_line()}\n{library:18} sums of u8 and s8 codes: {', '.join(kinds)}", flush=True)


def first_difference(theirs, ours, facts):
    i = np.flatnonzero(theirs != ours)[0]
    shown = [f"{name} {value[i] if isinstance(value, np.ndarray) else value}"
             for name, value in facts.items()]
    return f"  the first: {', '.join(shown)}: library {theirs[i]}, rule {ours[i]}"


def compare(library, operator, row, cases):
    """Prints a line, and below it the first vector that differs; true if none does. `cases` are
    (codes of the library, (codes of the row, rule), what the vectors are made of)."""
    n = wrong = 0
    first, rules = "", set()
    for theirs, (ours, rule), facts in cases:
        rules.add(rule)
        differ = np.count_nonzero(theirs != ours)
        if differ and not wrong:
            first = first_difference(theirs, ours, facts)
        n += theirs.size
        wrong += differ
    print(f"{library:18} {operator:37} {row.hardware + ': ' + ', '.join(sorted(rules)):24} {n:>9,} vectors, "
          f"{wrong:,} differ", flush=True)
    if first:
        print(first, flush=True)
    return wrong == 0 and n > 0
