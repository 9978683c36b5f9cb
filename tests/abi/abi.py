"""The ABI as a C program sees it, written down and compared (docs/abi.md).

    python tests/abi/abi.py     # writes it into abi/: what later versions with the same soname have to keep

abidw knows C's debug information, not Rust's. So what it reads is a library of empty functions, compiled from
the header's declarations; that the real one exports the same names is compared beside it. Constants are text.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "bindings" / "python" / "tools"))

from header import read_header  # noqa: E402

HEADER = REPOSITORY / "include" / "offgil.h"
LIBRARY = REPOSITORY / "target" / "release" / "liboffgil.so"
ABI = REPOSITORY / "abi" / "offgil.abi"
CONSTANTS = REPOSITORY / "abi" / "constants.txt"

# What says something about this build, or about this machine, and nothing about the ABI.
PLAIN = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed", "--no-architecture"]
PLAIN += ["--type-id-style", "hash"]


def run(*command: object) -> str:
    """Runs a command that has to succeed, and gives what it writes."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{words}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def soname(library: Path) -> str:
    """The name by which a program asks for the library."""
    return re.findall(r"\(SONAME\).*\[(.+)\]", run("readelf", "--dynamic", "--wide", library))[0]


def functions(library: Path) -> set[str]:
    """What the library exports."""
    table = run("nm", "--dynamic", "--defined-only", "--format=posix", library)
    return {line.split()[0] for line in table.splitlines()}


def dump(header: Path, library: Path, lengths: dict[str, int] | None = None) -> str:
    """The ABI of a library with this header, as abidw writes it: functions, and the types that they name.

    Of a struct that may grow only as many fields are read as `lengths` says.
    """
    api = read_header(header)
    text = "#include <stddef.h>\n#include <stdint.h>\n"
    for declaration in api.declarations:
        is_type = declaration.startswith("typedef")
        text += shortened(declaration, lengths or {}) + (";\n" if is_type else " { for (;;) {} }\n")
    for function in api.functions:
        if not function.name.startswith("offgil_"):
            alias = f'__attribute__((alias("{function.name}")))'
            text += f"extern __typeof__({function.name}) offgil_{function.name} {alias};\n"
    with tempfile.TemporaryDirectory() as folder:
        source, stub, written = (Path(folder, name) for name in ("offgil.c", "offgil.so", "offgil.abi"))
        source.write_text(text)
        flags = ["-g", "-O0", "-fPIC", "-shared", f"-Wl,-soname,{soname(library)}"]
        run("cc", *flags, f"-fdebug-prefix-map={folder}=.", source, "-o", stub)
        run("abidw", *PLAIN, "--out-file", written, stub)
        return written.read_text()


def shortened(declaration: str, lengths: dict[str, int]) -> str:
    """The declaration; of a struct that may grow, without the fields that are new at its end."""
    found = re.match(r"typedef struct (\w+_(?:options|stats)_t)\n{\n", declaration)
    if found is None or found[1] not in lengths:
        return declaration
    *fields, end = declaration[found.end() :].splitlines(keepends=True)
    return "".join([found[0], *fields[: lengths[found[1]]], end])


def lengths_of(abi: Path) -> dict[str, int]:
    """How many fields each struct has in a written ABI."""
    structs = ElementTree.parse(abi).iter("class-decl")
    return {struct.get("name", ""): len(struct.findall("data-member")) for struct in structs}


def constants(header: Path) -> dict[str, int]:
    """The value of each constant of the header."""
    return read_header(header).constants


def broken(header: Path = HEADER, library: Path = LIBRARY) -> str:
    """What a program that was compiled before would no longer find as it was; empty if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        now = Path(folder, "now.abi")
        now.write_text(dump(header, library, lengths_of(ABI)))
        command = ["abidiff", "--no-added-syms", str(ABI), str(now)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = done.stdout + done.stderr if done.returncode != 0 else ""
    promised = set(re.findall(r"<elf-symbol name='(\w+)'", ABI.read_text()))
    found += "".join(f"{name} is not exported\n" for name in sorted(promised - functions(library)))
    values = constants(header)
    for line in CONSTANTS.read_text().splitlines():
        name, value = line.split()
        if values.get(name) != int(value):
            found += f"{name} was {value}, is {values.get(name)}\n"
    return found


def write() -> None:
    """Makes the ABI as it is now the one to keep."""
    ABI.write_text(dump(HEADER, LIBRARY))
    CONSTANTS.write_text("".join(f"{name} {value}\n" for name, value in constants(HEADER).items()))


if __name__ == "__main__":
    write()
