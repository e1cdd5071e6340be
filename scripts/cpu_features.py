"""The features of this CPU that decide how libraries sum products of 8-bit codes."""

import pathlib
import platform

FEATURES = ("avx2", "avx512f", "avx_vnni", "avx512_vnni")


def cpu_line():
    """"CPU: x86_64, has avx2, avx512f; has not avx_vnni, avx512_vnni", as the kernel tells."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    flags = next((line.split(":")[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    if not flags:
        return f"CPU: {platform.machine()}, whose features /proc/cpuinfo does not tell"
    there = [name for name in FEATURES if name in flags]
    missing = [name for name in FEATURES if name not in flags]
    return f"CPU: {platform.machine()}, has {', '.join(there) or '-'}; has not {', '.join(missing) or '-'}"
