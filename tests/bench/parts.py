# SPDX-License-Identifier: BSD-2-Clause
"""The programs in C that measure: what they are made of, and where they are."""
import os
import pathlib
import platform
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / "build" / "bench"
CC, CLANG = os.environ.get("CC", "gcc"), os.environ.get("CLANG", "clang")
CFLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")
PROGRAMS = {
    "loadgen": (CC, *CFLAGS, "loadgen.c", "stream.c", "-lssl", "-lcrypto"),
    "backend": (CC, *CFLAGS, "backend.c", "stream.c", "-lssl", "-lcrypto"),
    "floor": (CC, *CFLAGS, "floor.c", "-lbpf"),
    "taken": (CC, *CFLAGS, "taken.c", "-pthread"),
    "floor.bpf.o": (CLANG, *CFLAGS, "-target", "bpf", "-mcpu=v3", "-g", f"-I{ROOT / 'include'}", f"-I{ROOT / 'bpf'}",
                    f"-idirafter/usr/include/{platform.machine()}-linux-gnu", "-c", "floor.bpf.c"),
}


def build():
    """Those whose sources are newer. Raises OSError or subprocess.SubprocessError when one cannot be compiled."""
    newest = max(source.stat().st_mtime for source in HERE.glob("*.[ch]"))
    for name, command in PROGRAMS.items():
        program, draft = OUT / name, OUT / f"{name}.{os.getpid()}"
        if program.exists() and program.stat().st_mtime >= newest:
            continue
        OUT.mkdir(parents=True, exist_ok=True)
        subprocess.run([*command, "-o", str(draft)], cwd=HERE, check=True, timeout=120)
        draft.replace(program)
