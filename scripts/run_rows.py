"""Shared by the scripts that train a table of runs: resumes rows, and writes a table between two marks
of a text."""

import json
import pathlib
import subprocess
import sys


def result_of(folder):
    path = folder / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


def run(options, folder, flags):
    """The exit code: 0 also if the row was already finished."""
    if result_of(folder) is not None:
        return 0
    if (folder / "config.toml").exists():
        command = [options.train, "--resume", str(folder)]
    else:
        command = [options.train, "--output", str(folder)] + flags
    print("+", " ".join(command), flush=True)
    with open(f"{folder}.log", "a", encoding="utf-8") as log:
        return subprocess.run(command + ["--no-progress"], stdout=log, stderr=log,
                              check=False).returncode


def cell(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def differ(result):
    if result["codes_compared"] is None:
        return "-"
    return f"{result['codes_different']} of {result['codes_compared']:,}"


def last_line(path):
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return lines[-1] if lines else "not run"


def float_checkpoint(options, folder, flags):
    """The given checkpoint, or that of a float network trained in `folder`."""
    if options.weights:
        return options.weights
    if run(options, folder, ["--model", "resnet18", "--algo", "none"] + flags) != 0:
        sys.exit(f"the float network did not train; see {folder}.log")
    return str(folder / "float.safetensors")


def write_table(path, rows):
    """Replaces the table between the two marks of the file; keeps the text around it."""
    begin, end = "<!-- table -->\n", "<!-- end of table -->\n"
    path = pathlib.Path(path)
    text = path.read_text(encoding="utf-8") if path.exists() else begin + end
    head, rest = text.split(begin, 1)
    path.write_text(head + begin + rows + end + rest.split(end, 1)[1], encoding="utf-8")
    print(f"wrote {path}")
