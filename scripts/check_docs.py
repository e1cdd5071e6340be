#!/usr/bin/env python3
"""Checks the texts: every C++ block compiles, every flag exists, every link leads somewhere, the help
page and the parser know the same flags, docs/decisions lists its pages, and docs/hardware.md has the
rows and the rules of the programs.

A block of ```cpp is compiled unchanged if it has an #include. Otherwise its first line lists what
it needs; "in a function" wraps it into one:

    // needs nn/builder.h, autograd/ops.h
    // in a function; needs nn/builder.h
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
# a program, or one with its topic
PROGRAMS = ["train", "bench", "deploy", "explain quantizer", "explain requantize", "explain add",
            "explain average"]
ELSEWHERE = {"build", "runs", "third_party"}


def texts():
    """Every text below the root, except built, carried and hidden files."""
    return sorted(path for path in ROOT.rglob("*.md")
                  if path.relative_to(ROOT).parts[0] not in ELSEWHERE
                  and not path.relative_to(ROOT).parts[0].startswith("."))


def blocks(path):
    """(language, first line's number, text) of each fenced block."""
    language, begin, lines = None, 0, []
    for number, line in enumerate(path.read_text().split("\n"), 1):
        fence = re.match(r"\s*```(\S*)", line)
        if not fence:
            lines.append(line)
        elif language is None:
            language, begin, lines = fence.group(1), number + 1, []
        else:
            yield language, begin, textwrap.dedent("\n".join(lines))
            language = None


def place(path, number):
    return f"{path.relative_to(ROOT)}:{number}"


def translation_unit(text, where):
    """The block as a file for the compiler, or None if it lacks its includes."""
    name, number = where.rsplit(":", 1)
    line = f'#line {number} "{name}"\n'
    if "#include" in text:
        return line + text + "\n"
    head = re.match(r"//( in a function;)? needs ([\w./, ]+)\n", text)
    if not head:
        return None
    headers = [h.strip() for h in head.group(2).split(",")]
    includes = "".join(f'#include "{h}"\n' if "/" in h else f"#include <{h}>\n" for h in headers)
    body = f"void shown() {{\n{line}{text}\n}}" if head.group(1) else line + text
    return f"{includes}namespace gradus {{\n{body}\n}}\n"


def check_cpp(path):
    for language, number, text in blocks(path):
        if language not in ("cpp", "c++"):
            continue
        where = place(path, number)
        unit = translation_unit(text, where)
        if unit is None:
            yield where, None, 'a cpp block has an #include or begins with "// needs <header>"'
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".cc") as file:
            file.write(unit)
            file.flush()
            compiler = os.environ.get("CXX", "g++").split()
            result = subprocess.run(
                [*compiler, "-std=c++20", "-march=x86-64-v3", "-fsyntax-only", "-Wall",
                 "-I", str(ROOT), *include_third_party(), file.name],
                capture_output=True, text=True)
        yield where, text, result.stderr.strip() if result.returncode else None


def include_third_party():
    folder = ROOT / "third_party/include"
    return ["-isystem", str(folder)] if folder.exists() else []


def run_program(program, *arguments, folder=None):
    name, *topic = program.split()
    return subprocess.run([str(ROOT / name), *topic, *arguments], capture_output=True, text=True,
                          timeout=60, cwd=folder)


def flags_of(program):
    """A program with a single help page has no --help-all."""
    return set(FLAG.findall(run_program(program, "--help-all").stdout or
                            run_program(program, "--help").stdout))


def other_known_flags():
    """Flags of the scripts and of the tools that Makefile and scripts call."""
    known = set()
    for path in [ROOT / "Makefile", ROOT / ".ci/run", *sorted((ROOT / "scripts").iterdir())]:
        if path.is_file():
            known |= set(FLAG.findall(path.read_text()))
    return known


def check_flags(path, known):
    for number, line in enumerate(path.read_text().split("\n"), 1):
        for flag in FLAG.findall(line):
            if flag not in known:
                yield place(path, number), f"{flag} is a flag of no program and no script here"


def commands(path, program):
    """(line number, arguments) of each call of the program in the shell blocks."""
    for language, begin, block in blocks(path):
        if language not in ("sh", "bash", "console", "shell"):
            continue
        for offset, line in enumerate(block.replace("\\\n", " ").split("\n")):
            words = program.replace(" ", r"\s+")
            for call in re.findall(rf"(?:^|[;&|$]\s*)\./{words}\b([^;&|#]*)", line):
                yield begin + offset, call.split()


def try_command(program, call, flags):
    """Tries the command as a dry run, without errors for missing data and weights. ./explain runs
    for real in an empty folder: it is quick, and its inputs are missing there."""
    if "--dry-run" in flags and "--resume" not in call:
        return run_program(program, *call, "--dry-run")
    if program.startswith("explain "):
        with tempfile.TemporaryDirectory() as folder:
            return run_program(program, *call, folder=folder)
    return None


def check_commands(path, program, flags):
    """Checks that flags exist and their values are accepted."""
    for number, call in commands(path, program):
        for flag in {word.split("=")[0] for word in call if word.startswith("--")} - flags:
            yield place(path, number), f"./{program} has no flag {flag}"
        result = try_command(program, call, flags)
        if result and result.returncode not in (0, 3):
            yield place(path, number), f"./{program}: {result.stderr.strip()}"


def check_topics(path):
    """./explain is followed by a topic that is checked here, or by a flag."""
    known = [program.split()[1] for program in PROGRAMS if " " in program]
    for number, call in commands(path, "explain"):
        if call and not call[0].startswith("-") and call[0] not in known:
            yield place(path, number), f"./explain has no topic {call[0]}"


def check_links(path):
    prose = re.sub(r"^\s*```.*?^\s*```", lambda m: re.sub(r"[^\n]", "", m.group(0)),
                   path.read_text(), flags=re.S | re.M)
    for number, line in enumerate(prose.split("\n"), 1):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if "://" not in target and not (path.parent / target).exists():
                yield place(path, number), f"the link to {target} leads nowhere"


def check_index():
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()
    for page in sorted(folder.glob("[0-9]*.md")):
        if f"({page.name})" not in index:
            yield "docs/decisions/README.md", f"{page.name} is not listed"


def hardware_rows():
    """The cells of each row in the tables of ./train --list-hardware, except descriptions."""
    rows, header = {}, True
    for line in run_program("train", "--list-hardware").stdout.split("\n"):
        cells = [cell.strip() for cell in line.split(" | ")]
        if cells[0] == "hardware":
            header = cells[1] == "what it is"
        elif len(cells) > 1 and not header:
            rows.setdefault(cells[0], []).extend(cells[1:])
    return rows


def rule_names():
    """The rules that ./explain requantize lists when it refuses one."""
    refused = run_program("explain requantize", "--rule", "?", "--accumulators", "?",
                          "--input-scale", "1", "--weight-scale", "1", "--output-scale", "1",
                          "--qmin", "0", "--qmax", "1").stderr
    return set(re.findall(r" (R\d+\w?)\b", refused))


def check_hardware():
    """The page's table of rows equals the program's; each rule has its line."""
    page = ROOT / "docs/hardware.md"
    rows, rules, seen, explained = hardware_rows(), rule_names(), set(), set()
    for number, line in enumerate(page.read_text().split("\n"), 1):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = cells[0].strip("`")
        if name in rows and len(cells) > 4:
            seen.add(name)
            for told, real in zip(cells[1:], rows[name], strict=True):
                if told != real:
                    yield place(page, number), f"{name}: {told!r} is {real!r} in --list-hardware"
        if name in rules and len(cells) == 4:
            explained.add(name)
    for name in sorted(set(rows) - seen):
        yield place(page, 1), f"the row {name} is missing in the table"
    for name in sorted(rules - explained):
        yield place(page, 1), f"the rule {name} is missing in the table"
    if len(rows) < 2 or len(rules) < 2:
        yield place(page, 1), "./train shows no hardware rows, or ./explain no rules"


def check_parser(program, flags):
    """Each flag of the help page is known to the parser. The trailing --help keeps a flag that
    needs no value from starting anything."""
    for flag in sorted(flags):
        result = run_program(program, flag, "--help")
        if re.search(r"unknown|unexpected|not expected", result.stderr + result.stdout.split("\n")[0]):
            yield f"./{program}", f"the help page shows {flag}, the parser refuses it"


def main():
    problems, compiled = [], 0
    programs = [p for p in PROGRAMS if (ROOT / p.split()[0]).exists()]
    help_flags = {p: flags_of(p) for p in programs}
    known = other_known_flags().union(*help_flags.values())
    paths = texts()
    for path in paths:
        for where, text, error in check_cpp(path):
            compiled += text is not None
            problems += [(where, error)] if error else []
        problems += check_flags(path, known)
        for program, flags in help_flags.items():
            problems += check_commands(path, program, flags)
        problems += check_topics(path)
        problems += check_links(path)
    problems += check_index()
    problems += check_hardware()
    for program, flags in help_flags.items():
        problems += [] if flags else [(f"./{program}", "the help page shows no flag")]
        problems += check_parser(program, flags)
    for where, what in problems:
        print(f"{where}: {what}", file=sys.stderr)
    if problems:
        print(f"check_docs: FAILED, {len(problems)} places", file=sys.stderr)
        return 1
    print(f"check: documentation {len(paths)} texts: {compiled} C++ blocks compile, flags and links "
          "exist, commands parse")
    print("check: hardware      docs/hardware.md has the rows and the rules that the programs have")
    print("check: help          " + "; ".join(
        f"./{p}: the parser knows the {len(f)} flags of the help page" for p, f in help_flags.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
